//! One block of 512 bytes that describes a member: v7, POSIX ustar, GNU, star.

use std::ops::Range;

pub(super) const BLOCK: usize = 512;

/// A header block. Field offsets: POSIX.1-1988 ustar; GNU tar manual, "Basic Tar Format".
#[derive(Debug, Clone)]
pub(super) struct Header(pub(super) [u8; BLOCK]);

const CHECKSUM: Range<usize> = 148..156;

impl Header {
    fn field(&self, range: Range<usize>) -> &[u8] {
        self.0.get(range).unwrap_or_default()
    }

    /// Only zeros: half of an end mark.
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// The checksum that it holds and the one it has.
    pub(super) fn checksums(&self) -> (Option<i64>, i64) {
        let (held, unsigned, _) = self.sums();
        (held, unsigned)
    }

    /// Whether the checksum holds. Some old writers summed signed bytes.
    pub(super) fn is_sound(&self) -> bool {
        let (held, unsigned, signed) = self.sums();
        held == Some(unsigned) || held == Some(signed)
    }

    /// The checksum held, and the sums of unsigned and signed bytes with its field as blanks.
    fn sums(&self) -> (Option<i64>, i64, i64) {
        let (mut unsigned, mut signed) = (0_i64, 0_i64);
        for (at, byte) in self.0.iter().enumerate() {
            let byte = if CHECKSUM.contains(&at) { b' ' } else { *byte };
            unsigned = unsigned.saturating_add(i64::from(byte));
            signed = signed.saturating_add(i64::from(byte.cast_signed()));
        }
        (number(self.field(CHECKSUM)), unsigned, signed)
    }

    /// POSIX or GNU, not v7.
    pub(super) fn is_ustar(&self) -> bool {
        self.field(257..262) == b"ustar"
    }

    /// What a v7 header has to look like, which has no magic.
    pub(super) fn is_plausible(&self) -> bool {
        let modes = [100..108, 108..116, 116..124, 124..136, 136..148];
        !matches!(self.0.first(), Some(0) | None)
            && matches!(self.kind(), 0 | b'0'..=b'7')
            && modes.into_iter().all(|field| number(self.field(field)).is_some())
    }

    /// The type flag.
    pub(super) fn kind(&self) -> u8 {
        self.0.get(156).copied().unwrap_or_default()
    }

    /// Stored bytes of the body; `None` when the field is no number or a negative one.
    pub(super) fn size(&self) -> Option<u64> {
        number(self.field(124..136)).and_then(|size| u64::try_from(size).ok())
    }

    /// Seconds since 1970.
    pub(super) fn mtime(&self) -> Option<i64> {
        number(self.field(136..148))
    }

    /// The name as stored, the prefix of POSIX headers in front.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(self.field(0..100));
        let prefix = match (self.field(257..263), self.field(508..512)) {
            (b"ustar\0", b"tar\0") => self.field(345..476), // star: times stand behind it.
            (b"ustar\0", _) => self.field(345..500),
            _ => &[],
        };
        match text(prefix) {
            b"" => name.to_vec(),
            prefix => [prefix, b"/", name].concat(),
        }
    }

    /// The target of a link.
    pub(super) fn link(&self) -> &[u8] {
        text(self.field(157..257))
    }

    /// Whether the map of a sparse GNU header goes on in the next block.
    pub(super) fn sparse_goes_on(&self) -> bool {
        self.0.get(482).is_some_and(|flag| *flag != 0)
    }

    /// Size of a sparse file with its holes.
    pub(super) fn real_size(&self) -> Option<u64> {
        number(self.field(483..495)).and_then(|size| u64::try_from(size).ok())
    }

    /// The first ranges of a sparse GNU header's map.
    pub(super) fn sparse_map(&self) -> Option<Vec<(u64, u64)>> {
        map(self.field(386..482))
    }

    /// As a block in which the map goes on: its ranges, and whether more follow.
    pub(super) fn more_of_the_map(&self) -> (Option<Vec<(u64, u64)>>, bool) {
        (map(self.field(0..504)), self.0.get(504).is_some_and(|flag| *flag != 0))
    }
}

/// Offsets and lengths of 12 bytes each; empty fields end them. `None` when one is no number.
fn map(fields: &[u8]) -> Option<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    for entry in fields.chunks_exact(24) {
        let (offset, len) = entry.split_at_checked(12)?;
        if entry.iter().all(|byte| *byte == 0) {
            break;
        }
        let number = |field| number(field).and_then(|it| u64::try_from(it).ok());
        ranges.push((number(offset)?, number(len)?));
    }
    Some(ranges)
}

/// A field up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number: octal digits between blanks and NULs (none: 0), or, where the first bit is set, a
/// big-endian two's complement number in the rest (GNU's base 256). `None` when it is neither or
/// does not fit.
fn number(field: &[u8]) -> Option<i64> {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        return base_256(field);
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = field.get(start..)?.split(blank).next()?;
    digits.iter().try_fold(0_i64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(i64::from(digit & 7)),
        _ => None,
    })
}

fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field.first()? & 0x40 != 0;
    let flip = if negative { 0xff } else { 0 };
    let mut magnitude = 0_u64;
    for (at, byte) in field.iter().enumerate() {
        let mut byte = byte ^ flip;
        if at == 0 {
            byte &= 0x7f; // The bit that says base 256.
        }
        if magnitude >> 56 != 0 {
            return None;
        }
        magnitude = magnitude << 8 | u64::from(byte);
    }
    let magnitude = i64::try_from(magnitude).ok()?;
    Some(if negative { !magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers() {
        let cases: [(&[u8], Option<i64>); 13] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"12\0garbage", Some(0o12)),
            (b"0000648\0", None),
            (b"-0000001\0", None),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(8 << 30)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None), // 2^63
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ];
        for (field, expected) in cases {
            assert_eq!(number(field), expected, "{}", field.escape_ascii());
        }
    }
}
