//! URI references of RFC 3986 for names that anybody may have chosen.

use std::fmt::Write as _;

/// A path, its slashes kept. Colons are encoded everywhere, so that no first part is ever taken for a
/// scheme; so is every character that a reader somewhere might give a meaning to.
pub(super) fn path(bytes: &[u8]) -> String {
    let uri = encode(bytes, |byte| byte == b'/');
    if uri.is_empty() { "_".to_owned() } else { uri }
}

/// One part of a path, its slashes encoded. Parts that a reader would resolve (`..`) or lose are `_`.
pub(super) fn segment(text: &str) -> String {
    match text {
        "" | "." | ".." => "_".to_owned(),
        text => encode(text.as_bytes(), |_| false),
    }
}

/// What the user named: relative as it was given, or a file of this machine.
pub(super) fn target(name: &str) -> String {
    let path = path(name.as_bytes());
    if path.starts_with('/') { format!("file://{path}") } else { path }
}

fn encode(bytes: &[u8], kept: fn(u8) -> bool) -> String {
    let mut uri = String::with_capacity(bytes.len());
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~@+,=".contains(&byte);
        if plain || kept(byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            write!(uri, "%{byte:02X}").unwrap_or_default();
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stand_for_themselves() {
        assert_eq!(path(b"etc/app.conf"), "etc/app.conf");
        assert_eq!(path(b"a b%#?[]\"<>\\^`{|}"), "a%20b%25%23%3F%5B%5D%22%3C%3E%5C%5E%60%7B%7C%7D");
        assert_eq!(path("größe".as_bytes()), "gr%C3%B6%C3%9Fe");
        assert_eq!(path(b"bad\xff\x1b"), "bad%FF%1B");
        assert_eq!(path(b""), "_");
    }

    #[test]
    fn no_name_is_taken_for_a_scheme_or_a_host() {
        assert_eq!(path(b"http://x/y"), "http%3A//x/y");
        assert_eq!(target("oci:image"), "oci%3Aimage");
        assert_eq!(target("//server/share"), "file:////server/share");
        assert_eq!(target("/var/lib/x.tar"), "file:///var/lib/x.tar");
        assert_eq!(target("../x.tar"), "../x.tar");
        assert_eq!(target("-"), "-");
    }

    #[test]
    fn a_part_never_leads_out_of_its_path() {
        for (text, part) in [("..", "_"), (".", "_"), ("", "_"), ("a/../b", "a%2F..%2Fb")] {
            assert_eq!(segment(text), part);
        }
    }
}
