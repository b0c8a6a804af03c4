//! The textual armour of keys (RFC 7468, RFC 1421), as it lies in memory: with the line ends of
//! the file, escaped in JSON, indented in YAML, on one line, or without its last line.

use std::ops::Range;

use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Bytes of the longest label.
const LABEL: usize = 40;
/// Headers before the body, after which no more are read.
const HEADERS: usize = 8;

/// Armoured text, taken apart. Offsets are bytes from the start of the text that was read.
pub(super) struct Armour {
    /// `RSA PRIVATE KEY`.
    pub(super) label: String,
    /// Headers of RFC 1421, such as `DEK-Info`.
    pub(super) headers: Vec<(String, String)>,
    /// Characters of the base64 body, without padding and white space.
    pub(super) body: Zeroizing<Vec<u8>>,
    /// Where each character of `body` ends in the text.
    ends: Vec<usize>,
    /// From the first dash to the last, or to the last character that belongs to the body.
    pub(super) span: Range<usize>,
    /// Whether the last line is there.
    pub(super) is_closed: bool,
    /// Whether the body has what stands for something left out: `...`, `%s`, `<key>`, `${KEY}`.
    pub(super) is_template: bool,
}

/// One step through armoured text.
enum Symbol {
    /// A character of the body, or one that cannot be.
    Char(u8),
    /// The end of a line, in whatever notation.
    Break,
    /// Space, and quotes and commas around the lines of a list.
    Blank,
}

/// Takes apart the first armoured text in `text`; `None` if there is no whole first line.
pub(super) fn read(text: &[u8]) -> Option<Armour> {
    let start = memchr::memmem::find(text, BEGIN)?;
    let mut at = start.checked_add(BEGIN.len())?;
    let label = label(text.get(at..)?)?;
    at = at.checked_add(label.len())?.checked_add(DASHES.len())?;
    let mut armour = Armour {
        label: label.to_owned(),
        headers: Vec::new(),
        body: Zeroizing::default(),
        ends: Vec::new(),
        span: start..at,
        is_closed: false,
        is_template: false,
    };

    let mut is_line_start = false;
    let mut is_padded = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(closing) = rest.strip_prefix(END) {
            if let Some(label) = self::label(closing) {
                let len = END.len().saturating_add(label.len()).saturating_add(DASHES.len());
                armour.span.end = at.saturating_add(len);
                armour.is_closed = true;
            }
            break;
        }
        let may_be_header =
            is_line_start && armour.body.is_empty() && armour.headers.len() < HEADERS;
        if let (true, Some((header, len))) = (may_be_header, header(rest)) {
            armour.headers.push(header);
            at = at.saturating_add(len);
            continue;
        }
        let (symbol, len) = symbol(rest);
        at = at.saturating_add(len);
        match symbol {
            Symbol::Blank => {}
            Symbol::Break => is_line_start = true,
            Symbol::Char(b'=') if !armour.body.is_empty() => {
                is_padded = true;
                armour.span.end = at;
            }
            Symbol::Char(b) if is_base64(b) && !is_padded => {
                armour.body.push(b);
                armour.ends.push(at);
                armour.span.end = at;
            }
            Symbol::Char(b) => {
                // The first byte of an ellipsis in UTF-8 among them.
                armour.is_template = matches!(b, b'.' | b'%' | b'<' | b'$' | b'{' | b'*' | 0xe2);
                break;
            }
        }
    }
    Some(armour)
}

impl Armour {
    /// What the body holds, up to the first fault.
    pub(super) fn decode(&self) -> Zeroizing<Vec<u8>> {
        let body = self.body.as_slice();
        // One character over a multiple of four holds no byte.
        let len = if body.len() % 4 == 1 { body.len().saturating_sub(1) } else { body.len() };
        let body = body.get(..len).unwrap_or_default();
        let mut decoded = Zeroizing::new(vec![0; len]);
        let written = BASE64_NOPAD
            .decode_len(len)
            .ok()
            .and_then(|size| decoded.get_mut(..size))
            .map_or(0, |out| match BASE64_NOPAD.decode_mut(body, out) {
                Ok(written) => written,
                Err(partial) => partial.written,
            });
        decoded.truncate(written);
        decoded
    }

    /// Where the text ends that holds the first `bytes` bytes of the body: the last line where
    /// there is one, else the last character needed.
    pub(super) fn end_of(&self, bytes: usize) -> usize {
        let characters = bytes.saturating_mul(4).div_ceil(3);
        let last = characters.checked_sub(1).and_then(|last| self.ends.get(last));
        match last {
            Some(&end) if !self.is_closed && characters < self.ends.len() => end,
            _ => self.span.end,
        }
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The label before the five dashes.
fn label(text: &[u8]) -> Option<&str> {
    let window = text.get(..text.len().min(LABEL.saturating_add(DASHES.len())))?;
    let end = memchr::memmem::find(window, DASHES)?;
    let label = window.get(..end)?;
    let is_label = label.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b' ');
    if is_label { std::str::from_utf8(label).ok() } else { None }
}

/// `Name: value`, where neither holds white space, and its length.
fn header(text: &[u8]) -> Option<((String, String), usize)> {
    let word = |text: &[u8]| {
        text.iter().take(80).take_while(|b| b.is_ascii_graphic() && **b != b'\\').count()
    };
    let colon = text.iter().take(32).position(|&b| b == b':')?;
    let name = text.get(..colon)?;
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') {
        return None;
    }
    let rest = text.get(colon.checked_add(1)?..)?;
    let value = rest.strip_prefix(b" ").unwrap_or(rest);
    let value_at = text.len().checked_sub(value.len())?;
    let end = value_at.checked_add(word(value))?;
    let utf8 = |range: Range<usize>| Some(std::str::from_utf8(text.get(range)?).ok()?.to_owned());
    Some(((utf8(0..colon)?, utf8(value_at..end)?), end))
}

/// The next symbol and its length in bytes, at least one.
fn symbol(text: &[u8]) -> (Symbol, usize) {
    match text {
        [b' ' | b'\t' | b'"' | b'\'' | b',', ..] => (Symbol::Blank, 1),
        [b'\r' | b'\n', ..] => (Symbol::Break, 1),
        [b'\\', ..] => escape(text),
        [b'&', ..] => entity(text).unwrap_or((Symbol::Char(b'&'), 1)),
        [other, ..] => (Symbol::Char(*other), 1),
        [] => (Symbol::Blank, 1),
    }
}

/// An escape of JSON, C or a shell. Text that was escaped twice has two backslashes.
fn escape(text: &[u8]) -> (Symbol, usize) {
    let slashes = text.iter().take(8).take_while(|&&b| b == b'\\').count();
    let rest = text.get(slashes..).unwrap_or_default();
    let symbol = match rest {
        [b'n' | b'r' | b'\n' | b'\r', ..] => Symbol::Break,
        [b't' | b'"' | b'\'', ..] => Symbol::Blank,
        [b'/', ..] => Symbol::Char(b'/'),
        [b'u', b'0', b'0', high, low, ..] => {
            let digits = [*high, *low];
            let byte =
                std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
            let symbol = match byte {
                Some(b'\n' | b'\r') => Symbol::Break,
                Some(b'\t' | b' ' | b'"' | b'\'') => Symbol::Blank,
                Some(byte) => Symbol::Char(byte),
                None => Symbol::Char(b'\\'),
            };
            return (symbol, slashes.saturating_add(5));
        }
        _ => return (Symbol::Char(b'\\'), slashes.max(1)),
    };
    (symbol, slashes.saturating_add(1))
}

/// A character reference of XML.
fn entity(text: &[u8]) -> Option<(Symbol, usize)> {
    let end = text.iter().take(8).position(|&b| b == b';')?;
    let symbol = match text.get(1..end)? {
        b"#10" | b"#13" | b"#xA" | b"#xa" | b"#xD" | b"#xd" => Symbol::Break,
        b"quot" | b"apos" => Symbol::Blank,
        _ => return None,
    };
    Some((symbol, end.checked_add(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> String {
        let armour = read(text.as_bytes()).unwrap();
        assert_eq!(armour.label, "TEST KEY");
        assert!(armour.is_closed, "{text}");
        assert_eq!(armour.span, text.find('-').unwrap()..text.trim_end_matches(';').len());
        String::from_utf8(armour.body.to_vec()).unwrap()
    }

    #[test]
    fn notations_of_line_ends() {
        for line_end in [
            "\n",
            "\r\n",
            "\\n",
            "\\r\\n",
            "\\\\n",
            "\n    ",
            " ",
            "\",\n  \"",
            "\\u000a",
            "&#10;",
            "&#xD;\n",
            "\\\n",
            "\"\n\"",
        ] {
            let lines = ["-----BEGIN TEST KEY-----", "QUJD", "RA==", "-----END TEST KEY-----"];
            let text = format!("key: {};", lines.join(line_end));
            assert_eq!(body(&text), "QUJDRA", "{line_end:?}");
        }
        assert_eq!(body("-----BEGIN TEST KEY-----A\\/\\u002bB-----END TEST KEY-----"), "A/+B");
    }

    #[test]
    fn headers_are_read_and_are_no_body() {
        for line_end in ["\n", "\r\n", "\\n"] {
            let text = [
                "-----BEGIN TEST KEY-----",
                "Proc-Type: 4,ENCRYPTED",
                "DEK-Info: DES,AB",
                "",
                "QUJD",
                "-----END TEST KEY-----",
            ]
            .join(line_end);
            let armour = read(text.as_bytes()).unwrap();
            assert_eq!(armour.header("proc-type"), Some("4,ENCRYPTED"), "{line_end:?}");
            assert_eq!(armour.header("DEK-Info"), Some("DES,AB"));
            assert_eq!(armour.body.as_slice(), b"QUJD");
        }
    }

    #[test]
    fn without_a_last_line_the_body_ends_where_its_alphabet_does() {
        let armour = read(b"-----BEGIN TEST KEY-----\nQUJD\nREVG\n\x01more").unwrap();
        assert!(!armour.is_closed);
        assert_eq!(armour.span, 0..34);
        assert_eq!(armour.decode().as_slice(), b"ABCDEF");
        assert_eq!(armour.end_of(2), 28); // Three characters of the first line.
        assert_eq!(armour.end_of(6), 34);
    }

    #[test]
    fn text_that_stands_for_a_key() {
        for body in ["...", "%s", "<your key>", "${KEY}", "{{ key }}", "MIIE…", "MIIE...", "***"]
        {
            let text = format!("-----BEGIN TEST KEY-----\n{body}\n-----END TEST KEY-----");
            assert!(read(text.as_bytes()).unwrap().is_template, "{body}");
        }
    }

    #[test]
    fn a_first_line_that_is_none() {
        for text in [
            "",
            "-----BEGIN ",
            "-----BEGIN %s PRIVATE KEY-----",
            "-----BEGIN KEY----",
            "-----BEGIN a-----",
        ] {
            assert!(read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn what_does_not_decode_is_left_out() {
        let text = |body: &str| format!("-----BEGIN TEST KEY-----{body}");
        let decoded = |body: &str| read(text(body).as_bytes()).unwrap().decode().to_vec();
        assert_eq!(decoded("QUJDR"), b"ABC"); // One character over.
        assert_eq!(decoded("QUJDRB"), b"ABC"); // Spare bits set.
        assert_eq!(decoded("QUJDRA"), b"ABCD");
        assert_eq!(decoded(""), b"");
    }
}
