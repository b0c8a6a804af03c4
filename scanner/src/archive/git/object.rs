//! An entry of a pack: a header, and a zlib stream behind it (gitformat-pack(5)).

use std::io::BufRead as _;

use crate::archive::error::Cause;
use crate::archive::input::Input;

/// SHA-1 of an object.
pub(super) type Id = [u8; 20];

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// How an entry is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole(Kind),
    /// What changes the object at this offset of the pack.
    OfsDelta(u64),
    /// What changes the object of this id.
    RefDelta(Id),
}

/// The header of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) form: Form,
    /// Bytes that its zlib stream makes.
    pub(super) size: u64,
}

/// Reads the header of the entry at the offset `at`.
pub(super) fn entry(input: &mut Input<'_>, at: u64) -> Result<Entry, Cause> {
    let first = byte(input)?;
    let mut size = u64::from(first & 0x0f);
    let mut shift = 4_u32;
    let mut last = first;
    while last & 0x80 != 0 {
        last = byte(input)?;
        let part = u64::from(last & 0x7f);
        size |= part.checked_shl(shift).filter(|_| shift < 60).unwrap_or_default();
        shift = shift.saturating_add(7);
        if shift > 70 {
            return Err(malformed("the size of an object", "a number of more than 64 bits"));
        }
    }
    let form = match (first >> 4) & 7 {
        1 => Form::Whole(Kind::Commit),
        2 => Form::Whole(Kind::Tree),
        3 => Form::Whole(Kind::Blob),
        4 => Form::Whole(Kind::Tag),
        6 => {
            let back = distance(input)?;
            match at.checked_sub(back).filter(|_| back > 0) {
                Some(base) => Form::OfsDelta(base),
                None => {
                    return Err(malformed(
                        "an object before this one",
                        &format!("{back} bytes back"),
                    ));
                }
            }
        }
        7 => {
            let mut id = [0; 20];
            let found = input.fill(&mut id);
            if found < id.len() {
                return Err(input.cut(20, u64::try_from(found).unwrap_or_default()));
            }
            Form::RefDelta(id)
        }
        other => return Err(malformed("a type of object", &other.to_string())),
    };
    Ok(Entry { form, size })
}

/// How far back the base of a delta lies: seven bits a byte, one added for each byte before the last.
fn distance(input: &mut Input<'_>) -> Result<u64, Cause> {
    let mut last = byte(input)?;
    let mut back = u64::from(last & 0x7f);
    while last & 0x80 != 0 {
        last = byte(input)?;
        let next = back.checked_add(1).and_then(|back| back.checked_mul(128));
        let next = next.and_then(|back| back.checked_add(u64::from(last & 0x7f)));
        back = next.ok_or_else(|| malformed("the offset of a base", "more than 64 bits"))?;
    }
    Ok(back)
}

fn byte(input: &mut Input<'_>) -> Result<u8, Cause> {
    let Some(&byte) = input.look(1).first() else { return Err(input.cut(1, 0)) };
    input.consume(1);
    Ok(byte)
}

pub(super) fn malformed(expected: &str, found: &str) -> Cause {
    Cause::Malformed { expected: expected.to_owned(), found: found.to_owned() }
}
