//! The built-in rules, embedded.
