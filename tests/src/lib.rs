//! What the tests of cryoscan stand on: real checkpoints with known secrets, a comparison of reports
//! with what is truly in them, and a builder of checkpoints of any shape.
//!
//! Test support: misuse of the builder panics.

pub mod builder;
mod cloud_tokens;
pub mod cores;
mod crypto;
pub mod dumper;
pub mod fixtures;
mod forge_tokens;
pub mod generate;
pub mod generated;
pub mod git;
pub mod keys;
pub mod keystores;
pub mod kinds;
pub mod random;
pub mod reader;
pub mod recall;
mod rsa;
mod saas_tokens;
pub mod samples;
pub mod sarif;
pub mod scanned;
pub mod sqlite;
pub mod surroundings;
pub mod values;
mod vendor_tokens;
pub mod workloads;
