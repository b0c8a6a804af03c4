//! cryoscan finds secrets in container checkpoints (CRIU images and the archives around them).
//!
//! The data goes one way: [`archive`] opens a target and walks its members, [`criu`] decodes
//! images, [`checkpoint`] assembles processes and lays out memory as [`region`]s, [`matching`]
//! runs the [`rule`]s over windows of bytes and [`mod@yara`] the user's YARA rules over whole holders,
//! [`tally`] merges what they found, [`finding`] makes findings of it and [`report`] writes them.
//! [`scan`] drives all of it.

pub mod archive;
pub mod check;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
pub mod coverage;
pub mod criu;
pub mod diagnostic;
pub mod finding;
pub mod indicator;
pub mod limits;
pub mod matching;
pub mod region;
pub mod report;
pub mod rule;
pub mod scan;
pub mod secret;
pub mod tally;
pub mod yara;
