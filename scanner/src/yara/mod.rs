//! The user's YARA rules: loading them, saying which of them can hold on memory, and running them
//! over one holder from its first byte to its last. yara-x does the matching.
//!
//! Memory is scanned in blocks with virtual addresses, a file at once. Without the feature `yara`
//! loading is an error and nothing else can happen.

#[cfg(feature = "yara")]
mod block;
#[cfg(feature = "yara")]
mod condition;
#[cfg(feature = "yara")]
mod facts;
#[cfg(feature = "yara")]
mod load;
#[cfg(feature = "yara")]
mod meta;
mod model;
#[cfg(feature = "yara")]
mod run;
#[cfg(not(feature = "yara"))]
#[path = "absent.rs"]
mod run;
#[cfg(feature = "yara")]
mod source;

pub use model::{LoadError, RuleInfo, Subject, Yield};
pub use run::{Rules, Scanner};

/// The name that loads the rules which come with cryoscan, in place of a path.
pub const BUILTIN: &str = "builtin";
