//! The CRIU messages that the scanner reads, with the fields it needs.
//!
//! `criu/*.proto` is the source; `src/gen/criu.rs` is made from it and checked in, so that a build
//! needs no protobuf compiler. `tests/fresh.rs` compares the two. After a change of a `.proto` file:
//!
//! ```sh
//! UPDATE=1 cargo test -p cryoscan-proto
//! ```
//!
//! Every field is optional or repeated, every string is bytes, every enumeration is a number:
//! images come from hosts that may be newer than we are, or hostile.

mod generated {
    #![expect(missing_docs, reason = "fields that need no words beyond their name")]
    #![expect(clippy::len_without_is_empty, reason = "a field named len is no collection")]
    include!("gen/criu.rs");
}

pub use generated::*;
