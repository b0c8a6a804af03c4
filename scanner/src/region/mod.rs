//! Nouns of what is scanned: who holds bytes, at which addresses, in which image. Numbers and
//! labels only; no bytes are kept here.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

mod holder;
mod space;
mod window;

pub use holder::{Decoded, Holder, HolderKind, Locus, RegionKind};
pub use space::{Block, Form, Label, LabelKind, Piece, Region, Space};
pub use window::{CELL, Cut, REACH, Window};
