//! cryoscan finds secrets in container checkpoints (CRIU images and the archives around them).
//!
//! The data goes one way: [`archive`] opens a target and walks its members, [`criu`] decodes
//! images, [`checkpoint`] assembles processes and lays out memory as [`region`]s, [`matching`]
//! runs the [`rule`]s over windows of bytes, [`tally`] merges what they found, [`finding`] makes
//! findings of it and [`report`] writes them. [`scan`] drives all of it.

pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod coverage;
pub mod diagnostic;
pub mod finding;
pub mod limits;
pub mod region;
pub mod report;
pub mod scan;
pub mod secret;
