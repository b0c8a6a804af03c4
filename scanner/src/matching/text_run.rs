//! The text around a candidate: what stands in for quotes and line ends on a heap.

/// Whether a byte is printable ASCII, tab, carriage return or line feed.
pub(super) fn is_text(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | b'\t' | b'\r' | b'\n')
}

/// Bytes that are looked at together, in long texts and in short ones.
const ROW: usize = 32;
const SHORT: usize = 8;

/// Whether bytes are all text, looked at together: compilers make vectors of it.
pub(super) fn are_text<const LEN: usize>(row: &[u8; LEN]) -> bool {
    row.iter().fold(true, |all, byte| {
        let is_blank = (*byte == b'\t') | (*byte == b'\n') | (*byte == b'\r');
        all & ((byte.wrapping_sub(b' ') <= b'~' - b' ') | is_blank)
    })
}

/// Where the run of text that covers `at` begins, `before` bytes ahead of it at most.
pub(super) fn start(bytes: &[u8], at: usize, before: usize) -> usize {
    let limit = at.saturating_sub(before);
    let mut start = at;
    while start > limit {
        let before = bytes.get(limit..start).unwrap_or_default();
        if before.last_chunk::<ROW>().is_some_and(are_text) {
            start -= ROW;
            continue;
        }
        if before.last_chunk::<SHORT>().is_some_and(are_text) {
            start -= SHORT;
            continue;
        }
        if bytes.get(start - 1).is_some_and(|byte| is_text(*byte)) {
            start -= 1;
            continue;
        }
        // A character of two to four bytes that ends here.
        let Some(len) = (2..=4).find(|len| {
            start.checked_sub(*len).is_some_and(|from| character(bytes, from) == Some(*len))
        }) else {
            break;
        };
        start -= len;
    }
    start.max(limit)
}

/// Where the run of text that covers `at` ends, `after` bytes behind it at most.
pub(super) fn end(bytes: &[u8], at: usize, after: usize) -> usize {
    let limit = at.saturating_add(after).min(bytes.len());
    let mut end = at;
    while end < limit {
        let behind = bytes.get(end..limit).unwrap_or_default();
        if behind.first_chunk::<ROW>().is_some_and(are_text) {
            end += ROW;
            continue;
        }
        if behind.first_chunk::<SHORT>().is_some_and(are_text) {
            end += SHORT;
            continue;
        }
        match bytes.get(end) {
            Some(byte) if is_text(*byte) => end += 1,
            _ => match character(bytes, end) {
                Some(len) => end += len,
                None => break,
            },
        }
    }
    end.min(limit)
}

/// Length of the well-formed UTF-8 character of two to four bytes at `at`.
fn character(bytes: &[u8], at: usize) -> Option<usize> {
    let len = match bytes.get(at)? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    std::str::from_utf8(bytes.get(at..at + len)?).ok()?;
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_are_as_one_by_one() {
        for byte in 0..=u8::MAX {
            for at in 0..ROW {
                let mut row = *b"~aZ09~ \t\r\n~aZ09~ \t\r\n~aZ09~ \t\r\n ~";
                row[at] = byte;
                assert_eq!(are_text(&row), is_text(byte), "{byte} {at}");
            }
        }
    }

    #[test]
    fn a_run_ends_at_nul_at_broken_utf8_and_at_its_bounds() {
        let bytes = "\0stale größe x\0\u{1}".as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'x').unwrap();
        assert_eq!(start(bytes, at, 100), 1);
        assert_eq!(end(bytes, at, 100), at + 1);
        assert_eq!(start(bytes, at, 3), at - 3);
        let broken = b"ab\xc3\x28cd";
        assert_eq!(end(broken, 0, 100), 2);
        assert_eq!(start(broken, 5, 100), 3);
    }
}
