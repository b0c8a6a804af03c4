//! RuleSet × Window → matches.
//!
//! A candidate is a literal found in raw bytes (or a run, a label, a path). What becomes of it
//! depends on the bytes within [`REACH`](crate::region::REACH) of it inside its region, and on
//! nothing that was seen before: so windows can be cut and ordered in any way.

mod assignment;
mod confirm;
mod encoding;
mod engine;
mod environment;
mod fingerprint;
mod islands;
mod kernel;
mod labels;
mod length_word;
mod memo;
mod meter;
mod names;
mod number;
mod overlap;
mod prefilter;
mod reading;
mod record;
mod repeats;
mod runs;
mod search;
mod sql;
mod text_run;
mod words;

#[doc(hidden)]
pub mod fuzzing;
pub mod proving;

pub use encoding::{Decode, ENCODINGS, Encoding, Island, Run, SpanMap};
pub use engine::{Engine, MOST_REMEMBERED, Scanned, Scratch, Throttled};
pub use kernel::{Kernel, NoKernel};
pub use meter::{Clock, Costs, RuleCost, Statistics};
pub use prefilter::{LookedFor, looked_for};
