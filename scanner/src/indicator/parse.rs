//! One indicator as people write it.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{LABEL, NAME};

/// An indicator in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Indicator {
    /// The first addresses have so many bits in common with it.
    Ipv4(u32, u8),
    /// The same.
    Ipv6(u128, u8),
    /// A domain in small letters, without a dot at its end.
    Domain(String),
    /// A URL: the text, and where in it the host stands.
    Url {
        /// `http://evil.example:8080/a?b`, `evil.example/a`, `192.0.2.1:443`.
        text: String,
        /// Offset of the host.
        host: usize,
        /// Characters of the host; of an IPv6 address with its brackets.
        host_len: usize,
    },
    /// Bytes of a hash.
    Digest(Vec<u8>),
}

/// Why a text is no indicator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// Nothing that is known.
    Unknown,
    /// A range wider than this many bits in common.
    Wide(u8),
    /// The range has no such number of bits.
    Bits,
    /// Characters beyond ASCII.
    NotAscii,
    /// A URL with a name that is none.
    Host,
    /// The hash of no bytes: every empty file has it.
    Empty,
    /// Hexadecimal digits, of which no hash has that many.
    Digits(usize),
    /// A domain of one label.
    OneLabel,
    /// A URL longer than this.
    Long(usize),
    /// A line longer than this.
    Line(usize),
    /// No UTF-8.
    NotText,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(
                "expected an IPv4 or IPv6 address or range, a domain, a URL, or a hash by MD5, SHA-1, SHA-256 or \
                 SHA-512",
            ),
            Self::Wide(least) => write!(f, "expected a range of /{least} or narrower"),
            Self::Bits => f.write_str("expected an address, a slash, and as many bits as addresses have at most"),
            Self::NotAscii => f.write_str("expected ASCII: a name of other letters in the form that begins xn--"),
            Self::Host => f.write_str("expected an address or a domain as the host of the URL"),
            Self::Empty => f.write_str("expected something that is rare: this is the hash of the empty file"),
            Self::Digits(count) => write!(
                f,
                "expected 32, 40, 64 or 128 hexadecimal digits (MD5, SHA-1, SHA-256, SHA-512), found {count}"
            ),
            Self::OneLabel => f.write_str("expected a domain of two labels or more, an address, a URL or a hash"),
            Self::Line(most) => write!(f, "expected a line of less than {most} bytes"),
            Self::NotText => f.write_str("expected text in UTF-8"),
            Self::Long(most) => write!(f, "expected a URL of at most {most} characters"),
        }
    }
}

/// The widest ranges that are no mistake.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 19;

/// Longest URL.
pub(super) const URL: usize = 2048;

/// How many hexadecimal digits of a row nobody means for a name.
const HEX: usize = 24;

/// Hashes of no bytes: MD5, SHA-1, SHA-256, SHA-512, their first eight.
const OF_NOTHING: [[u8; 8]; 4] = [
    [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04],
    [0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d],
    [0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14],
    [0xcf, 0x83, 0xe1, 0x35, 0x7e, 0xef, 0xb8, 0xbd],
];

/// Reads an indicator, defanged or not.
pub(super) fn parse(text: &str) -> Result<Indicator, Problem> {
    let signs = signs(text);
    if signs & FOREIGN != 0 {
        return Err(Problem::NotAscii);
    }
    // Most are written plainly.
    if signs & (DEFANGED | AROUND) == 0 && signs & PATH == 0 {
        return plain(text, signs);
    }
    let text = armed(text);
    let text = text.as_ref();
    let signs = self::signs(text);
    if signs & PATH == 0 {
        return plain(text, signs);
    }
    if let Some(address) = address(text) {
        return address;
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return url(Some(scheme), rest);
    }
    // Of an address or a domain with a port or a path the scheme may be anything.
    let read = url(None, text);
    if read == Err(Problem::Host) { Err(Problem::Unknown) } else { read }
}

/// Reads an IPv4 address, a hash or a domain.
fn plain(text: &str, signs: u8) -> Result<Indicator, Problem> {
    if text.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && let Ok(address) = text.parse::<Ipv4Addr>()
    {
        return range_v4(address, 32);
    }
    if text.len() >= HEX && signs & NO_DIGIT == 0 {
        return digest(text);
    }
    domain(text).map(Indicator::Domain)
}

/// A byte beyond ASCII.
const FOREIGN: u8 = 1;
/// A sign that keeps a link from being one.
const DEFANGED: u8 = 2;
/// A sign that may stand around an indicator.
const AROUND: u8 = 4;
/// A slash or a colon.
const PATH: u8 = 8;
/// No hexadecimal digit.
const NO_DIGIT: u8 = 16;

/// What a text has of these.
fn signs(text: &str) -> u8 {
    const OF: [u8; 256] = {
        let mut of = [FOREIGN; 256];
        let mut byte = 0u8;
        while byte < 128 {
            of[byte as usize] = match byte {
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => 0,
                b'[' | b'(' | b'{' | b'\\' => DEFANGED | NO_DIGIT,
                b' ' | b'\t' | b'<' | b'>' | b'"' | b'\'' => AROUND | NO_DIGIT,
                b'/' | b':' => PATH | NO_DIGIT,
                _ => NO_DIGIT,
            };
            byte += 1;
        }
        of
    };
    text.bytes().fold(0, |signs, byte| signs | OF[usize::from(byte)])
}

/// Undoes what keeps people from following a link: `hxxp`, `[.]`, `(dot)`.
fn armed(text: &str) -> Cow<'_, str> {
    const PAIRS: [(&str, &str); 11] = [
        ("[://]", "://"),
        ("[:]//", "://"),
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("{dot}", "."),
        ("[DOT]", "."),
        ("\\.", "."),
        ("[:]", ":"),
    ];
    const SCHEMES: [(&str, &str); 5] = [
        ("hxxps:", "https:"),
        ("hxxp:", "http:"),
        ("h**ps:", "https:"),
        ("h**p:", "http:"),
        ("fxp:", "ftp:"),
    ];
    let is_around = |c: char| c.is_ascii_whitespace() || matches!(c, '<' | '>' | '"' | '\'');
    let mut all = Cow::Borrowed(text.trim_matches(is_around));
    if all.bytes().any(|byte| matches!(byte, b'[' | b'(' | b'{' | b'\\')) {
        for (from, to) in PAIRS {
            if all.contains(from) {
                all = Cow::Owned(all.replace(from, to));
            }
        }
    }
    let is = |from: &str| all.get(..from.len()).is_some_and(|head| head.eq_ignore_ascii_case(from));
    if let Some((from, to)) = SCHEMES.into_iter().find(|(from, _)| is(from)) {
        all.to_mut().replace_range(..from.len(), to);
    }
    all
}

/// An address or a range, if it is meant for one.
fn address(text: &str) -> Option<Result<Indicator, Problem>> {
    let (address, bits) =
        text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let bits = |most: u8| match bits {
        None => Ok(most),
        Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= most).ok_or(Problem::Bits),
    };
    let is_range = text
        .split_once('/')
        .is_some_and(|(_, bits)| bits.bytes().all(|byte| byte.is_ascii_digit()));
    if text.contains('/') && !is_range {
        return None;
    }
    if let Ok(address) = address.parse::<Ipv4Addr>() {
        return Some(bits(32).and_then(|bits| range_v4(address, bits)));
    }
    let address = address.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(address);
    let address = address.parse::<Ipv6Addr>().ok()?;
    Some(bits(128).and_then(|bits| match address.to_ipv4_mapped() {
        Some(address) if bits >= 96 => range_v4(address, bits.saturating_sub(96)),
        _ if bits < WIDEST_V6 => Err(Problem::Wide(WIDEST_V6)),
        _ => {
            let mask =
                u128::MAX.checked_shl(128u32.saturating_sub(bits.into())).unwrap_or_default();
            Ok(Indicator::Ipv6(address.to_bits() & mask, bits))
        }
    }))
}

fn range_v4(address: Ipv4Addr, bits: u8) -> Result<Indicator, Problem> {
    if bits < WIDEST_V4 {
        return Err(Problem::Wide(WIDEST_V4));
    }
    let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits.into())).unwrap_or_default();
    Ok(Indicator::Ipv4(address.to_bits() & mask, bits))
}

fn digest(text: &str) -> Result<Indicator, Problem> {
    let digits = text.to_ascii_lowercase();
    let bytes = data_encoding::HEXLOWER.decode(digits.as_bytes());
    let bytes = bytes.ok().filter(|bytes| super::Kind::of_digest(bytes.len()).is_some());
    let bytes = bytes.ok_or(Problem::Digits(text.len()))?;
    if OF_NOTHING.iter().any(|nothing| bytes.starts_with(nothing)) {
        return Err(Problem::Empty);
    }
    Ok(Indicator::Digest(bytes))
}

/// A domain, in small letters; one that stands for all below it may begin with `*.` or a dot.
fn domain(text: &str) -> Result<String, Problem> {
    let text = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > NAME {
        return Err(Problem::Unknown);
    }
    let (mut label, mut last, mut is_name) = (0usize, bytes, true);
    for (at, byte) in bytes.iter().enumerate() {
        let is_border = label == 0 || matches!(bytes.get(at.saturating_add(1)), None | Some(b'.'));
        if *byte == b'.' {
            is_name &= label > 0;
            label = 0;
            last = bytes.get(at.saturating_add(1)..).unwrap_or_default();
        } else {
            label = label.saturating_add(1);
            is_name &= super::is_host(*byte) && label <= LABEL && !(is_border && *byte == b'-');
        }
    }
    if !is_name || label == 0 {
        return Err(Problem::Unknown);
    }
    if last.len() == bytes.len() {
        return Err(Problem::OneLabel);
    }
    let is_top = last.len() >= 2 && last.iter().all(|byte| *byte != b'_');
    if !is_top || !last.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err(Problem::Unknown);
    }
    Ok(text.to_ascii_lowercase())
}

/// A URL behind its scheme, or one without.
fn url(scheme: Option<&str>, rest: &str) -> Result<Indicator, Problem> {
    let is_scheme = |scheme: &str| {
        (1..=16).contains(&scheme.len())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    if scheme.is_some_and(|scheme| !is_scheme(scheme)) {
        return Err(Problem::Unknown);
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(Problem::Unknown);
    }
    let close = authority.find(']').map_or(0, |at| at.saturating_add(1));
    let colon =
        authority.get(close..).and_then(|rest| rest.find(':')).map(|at| at.saturating_add(close));
    let (host, port) = colon.map_or((authority, None), |at| {
        (authority.get(..at).unwrap_or_default(), authority.get(at.saturating_add(1)..))
    });
    let scheme = scheme.map(str::to_ascii_lowercase);
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse::<u16>().map_err(|_| Problem::Unknown)?),
    };
    let port =
        port.filter(|port| default_port(scheme.as_deref().unwrap_or_default()) != Some(*port));
    let host = if let Ok(address) = host.parse::<Ipv4Addr>() {
        address.to_string()
    } else if let Some(inside) = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        let address = inside.parse::<Ipv6Addr>().map_err(|_| Problem::Host)?;
        format!("[{address}]")
    } else {
        domain(host).map_err(|_| Problem::Host)?
    };
    let mut text = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let at = text.len();
    text.push_str(&host);
    if let Some(port) = port {
        text.extend([":", &port.to_string()]);
    }
    // Without a path it is the same as with `/`.
    if path != "/" || at == 0 {
        text.push_str(path);
    }
    if text.len() > URL {
        return Err(Problem::Long(URL));
    }
    if at == 0 && text.len() == host.len() {
        return Err(Problem::Unknown);
    }
    Ok(Indicator::Url { text, host: at, host_len: host.len() })
}

/// The port that a URL of this scheme has if it names none.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str, host: &str) -> Indicator {
        let at = text.find(host).unwrap();
        Indicator::Url { text: text.to_owned(), host: at, host_len: host.len() }
    }

    #[test]
    fn what_people_write_is_read() {
        let v4 =
            |text: &str, bits| Indicator::Ipv4(text.parse::<Ipv4Addr>().unwrap().to_bits(), bits);
        let v6 =
            |text: &str, bits| Indicator::Ipv6(text.parse::<Ipv6Addr>().unwrap().to_bits(), bits);
        let name = |text: &str| Indicator::Domain(text.to_owned());
        let cases = [
            ("192.0.2.1", v4("192.0.2.1", 32)),
            ("192[.]0[.]2(.)1", v4("192.0.2.1", 32)),
            ("10.1.2.3/8", v4("10.0.0.0", 8)),
            ("::ffff:192.0.2.1", v4("192.0.2.1", 32)),
            ("2001:db8::1", v6("2001:db8::1", 128)),
            ("2001[:]db8::1/32", v6("2001:db8::", 32)),
            ("[2001:db8::1]", v6("2001:db8::1", 128)),
            ("Evil.Example.", name("evil.example")),
            ("*.evil.example", name("evil.example")),
            ("evil[dot]example", name("evil.example")),
            ("xn--bcher-kva.example", name("xn--bcher-kva.example")),
            ("_dmarc.evil.example", name("_dmarc.evil.example")),
            ("hxxp://evil[.]example/a?b#c", url("http://evil.example/a?b", "evil.example")),
            ("hXXps[://]Evil.example:443/", url("https://evil.example", "evil.example")),
            ("http://evil.example", url("http://evil.example", "evil.example")),
            ("http://192.0.2.1:8080/x.sh", url("http://192.0.2.1:8080/x.sh", "192.0.2.1")),
            ("http://[2001:db8:0::1]/x", url("http://[2001:db8::1]/x", "[2001:db8::1]")),
            ("evil.example/A", url("evil.example/A", "evil.example")),
            ("192.0.2.1:443", url("192.0.2.1:443", "192.0.2.1")),
            ("<http://evil.example/>", url("http://evil.example", "evil.example")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        let digest = "A".repeat(40);
        assert_eq!(parse(&digest), Ok(Indicator::Digest(vec![0xaa; 20])));
    }

    #[test]
    fn what_is_no_indicator_is_told() {
        let cases = [
            ("evil", Problem::OneLabel),
            ("evil..example", Problem::Unknown),
            ("-a.example", Problem::Unknown),
            ("1.2.3", Problem::Unknown),
            ("1.2.3.4.5", Problem::Unknown),
            ("010.1.2.3", Problem::Unknown),
            ("10.0.0.0/33", Problem::Bits),
            ("0.0.0.0/0", Problem::Wide(8)),
            ("2001::/16", Problem::Wide(19)),
            ("bücher.example", Problem::NotAscii),
            ("http://evil/", Problem::Host),
            ("evil.example:99999", Problem::Unknown),
            ("evil.example,malware", Problem::Unknown),
            ("{\"type\":\"bundle\"}", Problem::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        assert_eq!(parse(&"a".repeat(41)), Err(Problem::Digits(41)));
        assert_eq!(
            parse(&format!("http://evil.example/{}", "a".repeat(URL))),
            Err(Problem::Long(URL))
        );
        use sha2::Digest as _;
        let of_nothing = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(b""));
        assert_eq!(parse(&of_nothing), Err(Problem::Empty));
        let of_nothing = data_encoding::HEXLOWER.encode(&sha2::Sha512::digest(b""));
        assert_eq!(parse(&of_nothing), Err(Problem::Empty));
    }
}
