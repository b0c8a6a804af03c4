//! UTF-16LE text: found by its zero bytes, folded to one byte a character, matched like any text.

use super::text_run::is_text;

/// Fewest characters of a run that is worth folding.
const MIN_UNITS: usize = 8;

/// Every other byte, beginning with the second.
const ODD: u64 = 0xff00_ff00_ff00_ff00;

/// Gives the maximal runs of UTF-16LE text in `bytes`, folded, with the offset of their first byte.
///
/// Only characters of ASCII count: a character of another script ends a run, as a border would.
pub(super) fn each(bytes: &[u8], folded: &mut Vec<u8>, mut found: impl FnMut(usize, &[u8])) {
    // The end of the last run of either phase, so that no run is given twice.
    let mut done = [0usize; 2];
    for (index, word) in bytes.chunks_exact(8).enumerate() {
        // Sixteen bytes of a run hold at least one aligned word of four zero and four text bytes.
        let Ok(word) = <[u8; 8]>::try_from(word) else { continue };
        let value = u64::from_le_bytes(word);
        let phase = match value {
            0 => continue,
            even if even & ODD == 0 => 0,
            odd if odd & !ODD == 0 => 1,
            _ => continue,
        };
        let at = index * 8 + phase;
        if at < done[phase] || !word.iter().skip(phase).step_by(2).all(|byte| is_text(*byte)) {
            continue;
        }
        let unit = |at: usize| {
            let character = bytes.get(at).copied().filter(|byte| is_text(*byte))?;
            (bytes.get(at + 1) == Some(&0)).then_some(character)
        };
        let mut start = at;
        while start >= 2 && start - 2 >= done[phase] && unit(start - 2).is_some() {
            start -= 2;
        }
        folded.clear();
        let mut end = start;
        while let Some(character) = unit(end) {
            folded.push(character);
            end += 2;
        }
        done[phase] = end.max(at + 8);
        if folded.len() >= MIN_UNITS {
            found(start, folded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(bytes: &[u8]) -> Vec<(usize, String)> {
        let (mut all, mut folded) = (Vec::new(), Vec::new());
        each(bytes, &mut folded, |at, text| {
            all.push((at, String::from_utf8(text.to_vec()).unwrap()));
        });
        all
    }

    #[test]
    fn every_alignment_of_a_run_is_found() {
        let text: Vec<u8> = "secret42".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for pad in 0..17 {
            let mut bytes = vec![0xff; pad];
            bytes.extend(&text);
            bytes.extend([0xff; 9]);
            assert_eq!(runs(&bytes), [(pad, "secret42".to_owned())], "after {pad} bytes");
        }
    }

    #[test]
    fn short_runs_and_plain_text_are_none() {
        assert!(runs(b"plain text that is long enough to be seen").is_empty());
        let short: Vec<u8> = "secret4".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(runs(&short).is_empty());
    }
}
