//! What cryoscan does with whole checkpoints: one program for all of it, since each would hold the YARA engine.

mod attribution;
mod bad_input;
mod chains;
mod containers;
mod files;
mod filters;
mod folders;
mod gaps;
mod generated;
mod hostile;
mod inspect;
mod kernel;
mod length_words;
mod open;
mod producers;
mod proofs;
mod raw;
mod records;
mod reference;
mod rsa_words;
mod rules;
mod rules_in_checkpoints;
mod same_report;
mod sarif;
mod silence;
mod yara;
