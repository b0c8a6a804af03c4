//! Lists of indicators of the user: addresses, domains, URLs and hashes that bytes may hold as whole tokens.
//!
//! `parse` reads one indicator, `list` a file of them, `Indicators` keeps them in a few bytes each, and
//! `token` says which of them stands in a text. Nothing here knows windows or rules.

mod list;
mod parse;
mod store;
mod table;
mod token;

pub use list::{Fault, ListError, Lists};
pub use store::{Indicators, Info, Listed};
pub use token::Hit;

/// What kind of thing an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An IPv4 address, or a range of them.
    Ipv4,
    /// An IPv6 address, or a range of them.
    Ipv6,
    /// A domain with all that is below it.
    Domain,
    /// A URL, or an address or domain with a port.
    Url,
    /// A hash by MD5.
    Md5,
    /// A hash by SHA-1.
    Sha1,
    /// A hash by SHA-256.
    Sha256,
    /// A hash by SHA-512.
    Sha512,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Domain,
        Self::Url,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
    ];

    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Domain => "domain",
            Self::Url => "url",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The hash with so many bytes.
    fn of_digest(len: usize) -> Option<Self> {
        match len {
            16 => Some(Self::Md5),
            20 => Some(Self::Sha1),
            32 => Some(Self::Sha256),
            64 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// Whether a byte is part of a word, as labels of names are without `-`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a byte is part of a label of a name.
fn is_host(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// Most characters of a label.
const LABEL: usize = 63;

/// Most characters of a name.
const NAME: usize = 253;
