//! The CRIU messages that the scanner reads.
