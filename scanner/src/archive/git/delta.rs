//! What turns one object into another (gitformat-pack(5), "Deltified representation").

/// Why a delta does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It makes more bytes than allowed.
    TooLong,
    /// It is for another base, or damaged.
    Malformed,
}

/// Applies `delta` to `base`; the result has at most `most` bytes.
///
/// # Errors
/// Why it does not apply; at most `most` bytes were made.
pub(super) fn apply(base: &[u8], delta: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let mut rest = delta;
    let from = number(&mut rest).ok_or(Fault::Malformed)?;
    let len = number(&mut rest).ok_or(Fault::Malformed)?;
    if from != base.len() {
        return Err(Fault::Malformed);
    }
    if len > most {
        return Err(Fault::TooLong);
    }
    let mut made = Vec::with_capacity(len);
    while let Some((&op, behind)) = rest.split_first() {
        rest = behind;
        let part = if op & 0x80 != 0 {
            let offset = parts(&mut rest, op, 4).ok_or(Fault::Malformed)?;
            let size = match parts(&mut rest, op >> 4, 3).ok_or(Fault::Malformed)? {
                0 => 0x1_0000,
                size => size,
            };
            let end = offset.checked_add(size).ok_or(Fault::Malformed)?;
            base.get(offset..end)
        } else {
            let (part, behind) = rest.split_at_checked(op.into()).ok_or(Fault::Malformed)?;
            rest = behind;
            // 0 is reserved.
            (op != 0).then_some(part)
        };
        let part = part.ok_or(Fault::Malformed)?;
        if made.len().saturating_add(part.len()) > len {
            return Err(Fault::Malformed);
        }
        made.extend_from_slice(part);
    }
    if made.len() == len { Ok(made) } else { Err(Fault::Malformed) }
}

/// Seven bits a byte, the lowest first.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    let mut shift = 0_u32;
    loop {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= usize::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 56)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift = shift.checked_add(7)?;
    }
}

/// The bytes of a number that the lowest `count` bits of `flags` say are there, the lowest first.
fn parts(rest: &mut &[u8], flags: u8, count: u32) -> Option<usize> {
    let mut number = 0_usize;
    for at in 0..count {
        if flags & 1_u8.checked_shl(at)? != 0 {
            let (&byte, behind) = rest.split_first()?;
            *rest = behind;
            number |= usize::from(byte).checked_shl(at.checked_mul(8)?)?;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fault, apply};

    #[test]
    fn copies_and_inserts() {
        let base = b"the quick brown fox";
        // 19 to 12 bytes: copy 4 from 4+, insert "er", copy 6 from 9.
        let delta = [19, 13, 0x91, 4, 5, 2, b'e', b'r', 0x91, 9, 6];
        assert_eq!(apply(base, &delta, 100).unwrap(), b"quicker brown".map(|byte| byte));
        assert_eq!(apply(base, &delta, 12), Err(Fault::TooLong));
        assert_eq!(apply(&base[1..], &delta, 100), Err(Fault::Malformed), "another base");
        for cut in 0..delta.len() {
            assert_eq!(apply(base, &delta[..cut], 100), Err(Fault::Malformed), "{cut}");
        }
        assert_eq!(apply(base, &[19, 1, 0], 100), Err(Fault::Malformed), "reserved");
        assert_eq!(apply(base, &[19, 5, 0x91, 15, 5], 100), Err(Fault::Malformed), "beyond");
        let zeros = vec![7; 0x1_0000];
        let whole = [0x80, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(apply(&zeros, &whole, 0x1_0000).unwrap(), zeros, "no size is 64 KiB");
    }

    proptest! {
        #[test]
        fn noise_never_panics(
            base in proptest::collection::vec(any::<u8>(), 0..100),
            delta in proptest::collection::vec(any::<u8>(), 0..100),
            is_for in any::<bool>(),
        ) {
            let mut delta = delta;
            if is_for && !delta.is_empty() {
                delta[0] = u8::try_from(base.len()).unwrap();
            }
            if let Ok(made) = apply(&base, &delta, 1000) {
                prop_assert!(made.len() <= 1000);
            }
        }
    }
}
