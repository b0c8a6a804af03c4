//! JSON objects in base64, with whatever stands behind them.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The object that base64 text begins with, and how many characters hold it, padding included. The
/// braces of the object show its end, so that stale text of the same alphabet may follow.
pub(super) fn object(text: &[u8]) -> Option<(Map<String, Value>, usize)> {
    let bytes = head(text)?;
    let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter();
    let Some(Ok(Value::Object(object))) = values.next() else { return None };
    Some((object, characters(text, values.byte_offset())))
}

/// The bytes of the longest part of a text, from its start on, that is base64 of either alphabet.
pub(super) fn head(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let run = run(text);
    let is_url = run.iter().any(|b| matches!(b, b'-' | b'_'));
    let encoding = if is_url { &BASE64URL_NOPAD } else { &BASE64_NOPAD };
    // The bits of the last characters that fill no byte are none of the value's.
    (0..4).find_map(|rest| {
        let kept = run.get(..run.len().checked_sub(rest)?)?;
        encoding.decode(kept).ok().map(Zeroizing::new)
    })
}

/// How many characters hold the first `len` bytes of base64 text, with the padding that follows.
pub(super) fn characters(text: &[u8], len: usize) -> usize {
    let end = len.saturating_mul(8).div_ceil(6);
    let padding = text.iter().skip(end).take(2).take_while(|&&b| b == b'=').count();
    end.saturating_add(padding).min(text.len())
}

fn run(text: &[u8]) -> &[u8] {
    let is_member = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
    let len = text.iter().take_while(|b| is_member(b)).count();
    text.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::{BASE64, BASE64URL};

    #[test]
    fn the_braces_show_the_end() {
        for json in ["{\"a\":1}", "{\"a\":12}", "{\"a\":123}", "{\"a\":{\"b\":\"}\"}}"] {
            let text = BASE64.encode(json.as_bytes());
            let (found, len) = object(text.as_bytes()).unwrap();
            assert_eq!((found.contains_key("a"), len), (true, text.len()), "{json}");
            let bare = text.trim_end_matches('=').to_owned();
            for tail in ["", "S", "St", "Sta", "Stal", "StaleText", "/", "\"x"] {
                let stale = format!("{bare}{tail}");
                assert_eq!(
                    object(stale.as_bytes()).map(|(_, len)| len),
                    Some(bare.len()),
                    "{stale}"
                );
            }
        }
        assert!(object(BASE64.encode(b"[1]").as_bytes()).is_none());
        assert!(object(BASE64.encode(b"{\"a\":").as_bytes()).is_none());
        assert!(object(b"").is_none());
    }

    #[test]
    fn both_alphabets() {
        for bytes in [&b"\xfb\xff\xfe"[..], b"\xfb\xff", b"ab"] {
            for text in [BASE64.encode(bytes), BASE64URL.encode(bytes)] {
                assert_eq!(head(text.as_bytes()).unwrap().as_slice(), bytes, "{text}");
            }
        }
        assert!(head(b"++++----").is_none(), "both at once");
    }
}
