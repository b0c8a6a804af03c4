//! What git stores: packs and loose objects (gitformat-pack(5), gitrepository-layout(5)).

mod cache;
mod delta;
pub(super) mod loose;
mod object;
pub(super) mod pack;
