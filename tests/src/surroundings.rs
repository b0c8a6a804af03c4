//! What values stand in: the texts, neighbours and encodings of process memory.

use std::io::Write as _;
use std::ops::Range;

use data_encoding::{BASE64, HEXLOWER};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::kinds::{Kind, Made, Place, Told};
use crate::random::Random;

/// What is left of older texts.
const STALE: [&str; 4] = [
    "application/json; charset=utf-8, text/plain; q=0.8, image/webp; q=0.5",
    "SELECT id, name, price FROM items WHERE shop = $1 ORDER BY name LIMIT 20",
    "/usr/lib/python3.11/site-packages/requests/adapters.py, line 486, in send",
    "the order was shipped on Monday and should arrive before the end of the week",
];

/// Where and how a value is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surrounding {
    /// A line of a log or of a configuration.
    Text,
    /// A string of a JSON object.
    Json,
    /// A header, or the body, of an HTTP request.
    Http,
    /// A string of C: NUL before and behind.
    Nul,
    /// Addresses directly before and behind.
    Pointer,
    /// The rest of a longer text behind it.
    StaleBehind,
    /// The head of an older text before it.
    StaleBefore,
    /// UTF-16, little-endian.
    Utf16Le,
    /// UTF-16, big-endian.
    Utf16Be,
    /// A text in base64.
    Base64,
    /// A text in hex digits.
    Hex,
    /// A form with escapes.
    Percent,
    /// A compressed text.
    Gzip,
    /// Across the border of two pages.
    PageEdge,
    /// An argument of the process.
    Argv,
    /// A variable of its environment.
    Environ,
    /// A string of a Java program.
    Java,
    /// A string of a Node.js program.
    Node,
    /// A string of a Python program.
    Python,
}

impl Surrounding {
    /// All that need no other program.
    pub const NATIVE: [Self; 16] = [
        Self::Text,
        Self::Json,
        Self::Http,
        Self::Nul,
        Self::Pointer,
        Self::StaleBehind,
        Self::StaleBefore,
        Self::Utf16Le,
        Self::Utf16Be,
        Self::Base64,
        Self::Hex,
        Self::Percent,
        Self::Gzip,
        Self::PageEdge,
        Self::Argv,
        Self::Environ,
    ];

    /// Strings of other programs.
    pub const RUNTIMES: [Self; 3] = [Self::Java, Self::Node, Self::Python];

    /// Bytes of a character.
    pub fn width(self) -> usize {
        if matches!(self, Self::Utf16Le | Self::Utf16Be) { 2 } else { 1 }
    }

    /// Whether it is a string of another program.
    pub fn is_runtime(self) -> bool {
        Self::RUNTIMES.contains(&self)
    }

    /// How tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "line of text",
            Self::Json => "JSON string",
            Self::Http => "HTTP request",
            Self::Nul => "between NULs",
            Self::Pointer => "between pointers",
            Self::StaleBehind => "stale text behind",
            Self::StaleBefore => "stale text before",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Percent => "percent escapes",
            Self::Gzip => "gzip",
            Self::PageEdge => "across pages",
            Self::Argv => "argument",
            Self::Environ => "environment",
            Self::Java => "Java string",
            Self::Node => "Node.js string",
            Self::Python => "Python string",
        }
    }
}

/// A value in its surrounding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What is put into memory; for arguments and environment without the NUL at the end.
    pub bytes: Vec<u8>,
    /// Where the value and its parts are in `bytes`; the whole run where `is_hidden`.
    pub spans: Vec<Range<usize>>,
    /// Whether it is encoded so that single bytes of it have no address.
    pub is_hidden: bool,
}

impl Written {
    fn plain(bytes: Vec<u8>, spans: &[Range<usize>]) -> Self {
        Self { bytes, spans: spans.to_vec(), is_hidden: false }
    }

    /// Puts bytes before and behind.
    fn within(self, before: &[u8], behind: &[u8]) -> Self {
        let by = before.len();
        Self {
            bytes: [before, &self.bytes, behind].concat(),
            spans: self.spans.iter().map(|span| span.start + by..span.end + by).collect(),
            is_hidden: self.is_hidden,
        }
    }

    /// Replaces every byte by some.
    fn escaped(&self, escape: impl Fn(u8) -> Vec<u8>) -> Self {
        let mut at = vec![0];
        let mut bytes = Vec::new();
        for byte in &self.bytes {
            bytes.extend(escape(*byte));
            at.push(bytes.len());
        }
        let spans = self.spans.iter().map(|span| at[span.start]..at[span.end]).collect();
        Self { bytes, spans, is_hidden: self.is_hidden }
    }

    fn hidden(bytes: Vec<u8>, spans: usize) -> Self {
        let whole = 0..bytes.len();
        Self { bytes, spans: vec![whole; spans], is_hidden: true }
    }

    /// Its value as it lies in memory.
    pub fn needle(&self) -> &[u8] {
        self.spans.first().and_then(|span| self.bytes.get(span.clone())).unwrap_or_default()
    }
}

/// Writes a value into a surrounding; `None` where that makes no sense.
pub fn write(
    kind: &Kind,
    made: &Made,
    surrounding: Surrounding,
    random: &mut Random,
) -> Option<Written> {
    use Surrounding as S;
    let started = matches!(surrounding, S::Argv | S::Environ);
    match kind.only {
        Some(Place::Environ) if surrounding != S::Environ => return None,
        Some(Place::Argv) if surrounding != S::Argv => return None,
        Some(Place::NotStarted) if started => return None,
        Some(Place::Numbers) if !matches!(surrounding, S::Nul | S::Pointer | S::PageEdge) => {
            return None;
        }
        _ => {}
    }
    let bytes_only = matches!(
        surrounding,
        S::Nul
            | S::Pointer
            | S::StaleBefore
            | S::StaleBehind
            | S::Base64
            | S::Hex
            | S::Gzip
            | S::PageEdge
    );
    if kind.told == Told::Bytes && !bytes_only {
        return None;
    }
    let phrase = phrase(kind, made);
    let ends_itself = kind.told == Told::Shape;
    let stale = |random: &mut Random| STALE[random.below(STALE.len())].as_bytes();
    Some(match surrounding {
        S::Text => line(kind, &phrase, random),
        S::Json => json(kind, made, &phrase),
        S::Http => http(kind, made, &phrase),
        S::Nul | S::PageEdge => phrase.within(&[0; 8], &[0; 8]),
        S::Pointer => {
            let behind = if ends_itself { Vec::new() } else { vec![0] };
            let behind = [behind, pointer(random), pointer(random)].concat();
            phrase.within(&[pointer(random), pointer(random)].concat(), &behind)
        }
        S::StaleBehind => {
            let text = stale(random);
            let text = text.get(random.below(40)..).unwrap_or_default();
            let behind = if ends_itself { &[][..] } else { &[0] };
            phrase.within(&[0; 8], &[behind, text, &[0; 8]].concat())
        }
        S::StaleBefore => {
            let text = stale(random);
            let text = text.get(..12 + random.below(40)).unwrap_or_default();
            phrase.within(&[&[0; 8], text].concat(), &[0; 8])
        }
        S::Utf16Le => phrase.escaped(|byte| vec![byte, 0]).within(&[0; 8], &[0; 8]),
        S::Utf16Be => phrase.escaped(|byte| vec![0, byte]).within(&[0; 8], &[0; 8]),
        S::Base64 => {
            let head = "note\n".get(..2 + random.below(3)).unwrap_or_default();
            let text = [head.as_bytes(), &line(kind, &phrase, random).bytes].concat();
            let text = if kind.told == Told::Bytes { made.text.clone() } else { text };
            Written::hidden(BASE64.encode(&text).into_bytes(), made.spans.len())
                .within(b"\0payload: ", &[b'\n', 0, 0])
        }
        S::Hex => {
            let text = line(kind, &phrase, random).bytes;
            Written::hidden(HEXLOWER.encode(&text).into_bytes(), made.spans.len())
                .within(b"\0dump: ", &[b'\n', 0, 0])
        }
        S::Gzip => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(&line(kind, &phrase, random).bytes).ok()?;
            Written::hidden(gzip.finish().ok()?, made.spans.len()).within(&[0; 8], &[0; 8])
        }
        S::Percent => percent(kind, made),
        S::Argv => argument(kind, made, phrase, random),
        S::Environ => variable(kind, made, phrase)?,
        S::Java | S::Node | S::Python => phrase,
    })
}

/// The value, with its name and text where these tell it.
fn phrase(kind: &Kind, made: &Made) -> Written {
    let phrase = Written::plain(made.text.clone(), &made.spans);
    match kind.told.name() {
        Some(name) => phrase.within(format!("{name}=").as_bytes(), b""),
        None => phrase,
    }
}

fn line(kind: &Kind, phrase: &Written, random: &mut Random) -> Written {
    let phrase = phrase.clone();
    let second = 10 + random.below(50);
    match kind.told {
        Told::Shape | Told::Start => phrase.within(
            format!("2026-01-02 03:04:{second} INFO client is ready, using ").as_bytes(),
            b" since the start\n",
        ),
        Told::Name(_) => phrase.within(b"LOG_LEVEL=info\n", b"\nTIMEOUT=30\n"),
        Told::Text => phrase.within(b"\n", b"\n"),
        Told::Bytes => phrase,
    }
}

fn json(kind: &Kind, made: &Made, phrase: &Written) -> Written {
    // What is an object stands in another as it is.
    if kind.told == Told::Text && phrase.bytes.starts_with(b"{") {
        return phrase.clone().within(b"{\"seq\":17,\"body\":", b",\"ok\":true}\n\0");
    }
    let key = key(kind);
    let value = Written::plain(made.text.clone(), &made.spans).escaped(|byte| match byte {
        b'"' | b'\\' => vec![b'\\', byte],
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        b'\t' => b"\\t".to_vec(),
        0 => b"\\u0000".to_vec(),
        other => vec![other],
    });
    let head = format!("{{\"service\":\"orders\",\"retries\":3,\"{key}\":\"");
    value.within(head.as_bytes(), b"\",\"enabled\":true}\n\0")
}

/// The key it is assigned to.
fn key(kind: &Kind) -> String {
    kind.told.name().unwrap_or("content").to_ascii_lowercase()
}

fn http(kind: &Kind, made: &Made, phrase: &Written) -> Written {
    let value = Written::plain(made.text.clone(), &made.spans);
    let is_line = !made.text.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    let is_header = is_line
        && made.text.split(|byte| *byte == b':').next().is_some_and(|name| {
            name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        })
        && made.text.windows(2).any(|two| two == b": ");
    let head = "POST /v1/items HTTP/1.1\r\nHost: api.shop.test\r\n";
    let tail = b"\r\nAccept: */*\r\n\r\n\0";
    match kind.told {
        Told::Name(name) => value.within(format!("{head}{}: ", header(name)).as_bytes(), tail),
        Told::Text if is_header => phrase.clone().within(head.as_bytes(), tail),
        Told::Shape | Told::Start if is_line => {
            value.within(format!("{head}Authorization: Bearer ").as_bytes(), tail)
        }
        Told::Shape | Told::Start | Told::Text | Told::Bytes => {
            let head = format!("{head}Content-Length: {}\r\n\r\n", phrase.bytes.len());
            phrase.clone().within(head.as_bytes(), b"\0")
        }
    }
}

/// `GITEA_TOKEN` as `Gitea-Token`.
fn header(name: &str) -> String {
    let words = name.split(['_', '.', '-']).filter(|word| !word.is_empty());
    let words = words.map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    });
    words.collect::<Vec<_>>().join("-")
}

fn percent(kind: &Kind, made: &Made) -> Written {
    let key = key(kind);
    let value = Written::plain(made.text.clone(), &made.spans).escaped(|byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            vec![byte]
        } else {
            format!("%{byte:02X}").into_bytes()
        }
    });
    value.within(format!("\0page=2&{key}=").as_bytes(), b"&sort=asc\0")
}

/// One argument, or two with NUL between.
fn argument(kind: &Kind, made: &Made, phrase: Written, random: &mut Random) -> Written {
    let Told::Name(name) = kind.told else {
        return phrase;
    };
    let flag = name.to_ascii_lowercase().replace(['_', '.'], "-");
    let sign = if random.below(2) == 0 { '=' } else { '\0' };
    Written::plain(made.text.clone(), &made.spans)
        .within(format!("--{}{sign}", flag.trim_start_matches('-')).as_bytes(), b"")
}

fn variable(kind: &Kind, made: &Made, phrase: Written) -> Option<Written> {
    let name = kind.told.name().unwrap_or("app.content");
    let name = name.replace(['.', '-'], "_").to_ascii_uppercase();
    let value = match kind.told.name() {
        Some(_) => Written::plain(made.text.clone(), &made.spans),
        None => phrase,
    };
    (!made.text.contains(&0)).then(|| value.within(format!("{name}=").as_bytes(), b""))
}

/// An address of a heap or of a library.
fn pointer(random: &mut Random) -> Vec<u8> {
    let high = if random.below(2) == 0 { 0x7f00_0000_0000 } else { 0x5500_0000_0000 };
    (high | random.next_word() >> 24 & !7).to_le_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::GROUPS;

    /// Every kind in every surrounding: the spans hold the value, as it is or encoded.
    #[test]
    fn spans_hold_the_value() {
        for kind in GROUPS.iter().flat_map(|(_, _, kinds)| kinds.iter()) {
            let Some(made) = kind.make(5) else { continue };
            for surrounding in Surrounding::NATIVE {
                let mut random = Random::new(3);
                let Some(written) = write(kind, &made, surrounding, &mut random) else { continue };
                assert_eq!(written.spans.len(), made.spans.len());
                let escaped = matches!(surrounding, Surrounding::Json | Surrounding::Percent);
                let is_plain = !written.is_hidden && !escaped;
                for (of, at) in made.spans.iter().zip(&written.spans) {
                    let held = &written.bytes[at.clone()];
                    let shown: Vec<u8> = match surrounding.width() {
                        1 => held.to_vec(),
                        _ => held.iter().copied().filter(|byte| *byte != 0).collect(),
                    };
                    assert!(!shown.is_empty());
                    if is_plain && kind.told != Told::Bytes {
                        assert_eq!(shown, made.text[of.clone()], "{} {surrounding:?}", kind.id);
                    }
                }
            }
        }
    }
}
