//! Extended headers of POSIX.1-2001 (pax), with GNU's keys for sparse files.

use super::super::sparse::RANGES;

/// What the records of extended headers say about a member. Empty values undo what a global
/// header said.
#[derive(Debug, Clone, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<i64>,
    /// The member is stored without its holes (GNU.sparse.*, any version).
    pub(super) sparse: bool,
    /// Its size with the holes.
    pub(super) real_size: Option<u64>,
    /// What is stored of it, as (offset, length): versions 0.0 and 0.1. Version 1.0 has the map in
    /// front of the bytes.
    pub(super) map: Option<Vec<(u64, u64)>>,
    /// The offset of a range whose length has not come yet (version 0.0).
    offset: Option<u64>,
    /// Its name, where `path` is a made-up one.
    sparse_path: Option<Vec<u8>>,
}

impl Pax {
    /// What holds for all members: a map belongs to one.
    pub(super) fn global(self) -> Self {
        Self { map: None, offset: None, ..self }
    }

    /// The name, if the extended headers have it.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.sparse_path.as_deref().or(self.path.as_deref())
    }

    /// Reads records of the form `LEN KEY=VALUE\n`.
    ///
    /// # Errors
    /// The offset of the first record that is none; those before it are taken.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Result<(), usize> {
        let all = records.len();
        while !records.is_empty() {
            let at = all.saturating_sub(records.len());
            // Some writers pad with NULs.
            if records.iter().all(|byte| *byte == 0) {
                break;
            }
            let (key, value, rest) = record(records).ok_or(at)?;
            self.take(key, value).ok_or(at)?;
            records = rest;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let text = (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text,
            b"linkpath" => self.link = text,
            b"size" if value.is_empty() => self.size = None,
            b"size" => self.size = Some(u64::try_from(integer(value)?).ok()?),
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(seconds(value)?),
            b"GNU.sparse.name" => {
                self.sparse = true;
                self.sparse_path = text;
            }
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                self.sparse = true;
                self.real_size = Some(u64::try_from(integer(value)?).ok()?);
            }
            b"GNU.sparse.offset" => {
                self.sparse = true;
                self.offset = Some(u64::try_from(integer(value)?).ok()?);
            }
            b"GNU.sparse.numbytes" => {
                let len = u64::try_from(integer(value)?).ok()?;
                let at = self.offset.take()?;
                let map = self.map.get_or_insert_default();
                // One more than is taken: then the map as a whole is refused.
                if map.len() > RANGES {
                    return None;
                }
                map.push((at, len));
            }
            b"GNU.sparse.map" => {
                self.sparse = true;
                self.map = Some(pairs(value)?);
            }
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {}
        }
        Some(())
    }
}

/// Splits the first record off.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = records.iter().position(|byte| *byte == b' ')?;
    let len = usize::try_from(integer(records.get(..digits)?)?).ok()?;
    let (record, rest) = records.split_at_checked(len)?;
    let pair = record.get(digits.saturating_add(1)..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (key, value) = pair.split_at_checked(equals)?;
    Some((key, value.strip_prefix(b"=")?, rest))
}

/// `offset,length,offset,length`.
fn pairs(text: &[u8]) -> Option<Vec<(u64, u64)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let numbers = text.split(|byte| *byte == b',').map(|it| u64::try_from(integer(it)?).ok());
    let numbers: Vec<u64> = numbers.collect::<Option<_>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[offset, len]| (*offset, *len)).collect())
}

/// Decimal digits.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds, whose fraction is dropped.
fn seconds(text: &[u8]) -> Option<i64> {
    let whole = text.split(|byte| *byte == b'.').next()?;
    match whole.strip_prefix(b"-") {
        Some(digits) => integer(digits)?.checked_neg(),
        None => integer(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::Pax;

    #[test]
    fn records() {
        let mut pax = Pax::default();
        pax.read(b"12 path=a=b\n19 mtime=-17.25000\n11 size=42\n16 SCHILY.dev=1\n").unwrap();
        assert_eq!(pax.name(), Some(&b"a=b"[..]));
        assert_eq!((pax.size, pax.mtime, pax.sparse), (Some(42), Some(-17), false));
        pax.read(b"8 path=\n\0\0").unwrap();
        assert_eq!(pax.name(), None);
    }

    #[test]
    fn bad_records_are_refused_where_they_are() {
        for (records, at) in [
            (&b"11 size=42\n5 path=a\n"[..], 11), // Too short a length.
            (b"99 path=a\n", 0),
            (b"0 path=a\n", 0),
            (b"999999999999999999999 path=a\n", 0),
            (b"11 size=-1\n", 0),
            (b"28 size=9223372036854775808\n", 0),
            (b"no record", 0),
            (b"path=a\n", 0),
        ] {
            assert_eq!(Pax::default().read(records), Err(at), "{}", records.escape_ascii());
        }
    }
}
