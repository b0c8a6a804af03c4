//! One page: its kind, its cells and its children (fileformat2.html §1.6). Pure functions.

/// What the first 100 bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) page_size: u64,
    /// Bytes of a page without those reserved for extensions.
    pub(super) usable: u64,
    pub(super) encoding: Encoding,
}

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Header {
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let page_size = match u64::from(u16_at(head, 16)?) {
            1 => 65_536,
            size => size,
        };
        let reserved = u64::from(*head.get(20)?);
        let usable = page_size.checked_sub(reserved)?;
        if !page_size.is_power_of_two() || page_size < 512 || usable < 480 {
            return None;
        }
        let encoding = match u32_at(head, 56)? {
            2 => Encoding::Utf16Le,
            3 => Encoding::Utf16Be,
            _ => Encoding::Utf8,
        };
        Some(Self { page_size, usable, encoding })
    }
}

/// Which tree a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Index,
}

/// A row, or an entry of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    /// Its number within the page.
    pub(super) index: u16,
    pub(super) rowid: Option<i64>,
    /// Bytes of all of it.
    pub(super) len: u64,
    /// Where in the page what is there of it stands.
    start: usize,
    here: usize,
    /// The page in which it goes on.
    pub(super) overflow: Option<u32>,
}

impl Cell {
    /// What of it stands in its page.
    pub(super) fn local<'p>(&self, page: &'p [u8]) -> &'p [u8] {
        let rest = page.get(self.start..).unwrap_or_default();
        rest.get(..self.here).unwrap_or(rest)
    }
}

/// Page 1 begins with the header of the file.
fn begin(number: u64) -> usize {
    if number == 1 { 100 } else { 0 }
}

/// Kind, whether it is a leaf, and where in the page the numbers of its cells stand.
fn shape(page: &[u8], number: u64) -> Option<(Kind, bool, usize)> {
    let at = begin(number);
    let (kind, is_leaf) = match page.get(at)? {
        2 => (Kind::Index, false),
        5 => (Kind::Table, false),
        10 => (Kind::Index, true),
        13 => (Kind::Table, true),
        _ => return None,
    };
    Some((kind, is_leaf, at.checked_add(if is_leaf { 8 } else { 12 })?))
}

/// Where the cells of a page begin.
fn pointers(page: &[u8], number: u64) -> impl Iterator<Item = (u16, usize)> + '_ {
    let shape = shape(page, number);
    let count = shape.and_then(|_| u16_at(page, begin(number).checked_add(3)?)).unwrap_or(0);
    (0..count).map_while(move |index| {
        let at = shape?.2.checked_add(usize::from(index).checked_mul(2)?)?;
        Some((index, usize::from(u16_at(page, at)?)))
    })
}

/// The pages below an inner page, in their order.
pub(super) fn children(page: &[u8], number: u64) -> Vec<u32> {
    let Some((_, false, _)) = shape(page, number) else { return Vec::new() };
    let cells = pointers(page, number).filter_map(|(_, at)| u32_at(page, at));
    let right = begin(number).checked_add(8).and_then(|at| u32_at(page, at));
    cells.chain(right).filter(|child| *child > 0).collect()
}

/// The cells of a page that hold content: none in the inner pages of a table.
pub(super) fn cells(page: &[u8], number: u64, header: &Header) -> Vec<Cell> {
    let Some((kind, is_leaf, _)) = shape(page, number) else { return Vec::new() };
    if kind == Kind::Table && !is_leaf {
        return Vec::new();
    }
    let cell = |(index, at): (u16, usize)| {
        let mut at = if is_leaf { at } else { at.checked_add(4)? };
        let len = varint(page, &mut at)?;
        let rowid = match kind {
            Kind::Table => Some(varint(page, &mut at)?.cast_signed()),
            Kind::Index => None,
        };
        let here = usize::try_from(local_len(kind, len, header.usable)?).ok()?;
        let overflow = if u64::try_from(here).ok()? < len {
            Some(u32_at(page, at.checked_add(here)?).filter(|page| *page > 0)?)
        } else {
            None
        };
        Some(Cell { kind, index, rowid, len, start: at, here, overflow })
    };
    pointers(page, number).filter_map(cell).collect()
}

/// How many bytes of `len` stay in the page (§1.6, "P", "U", "X", "M", "K").
fn local_len(kind: Kind, len: u64, usable: u64) -> Option<u64> {
    // A row has at most 2^31 - 1 bytes (limits.html §1).
    if len > 0x7fff_ffff {
        return None;
    }
    let share =
        |part: u64| usable.checked_sub(12)?.checked_mul(part)?.checked_div(255)?.checked_sub(23);
    let most = match kind {
        Kind::Table => usable.checked_sub(35)?,
        Kind::Index => share(64)?,
    };
    if len <= most {
        return Some(len);
    }
    let least = share(32)?;
    let spilled = len.saturating_sub(least).checked_rem(usable.checked_sub(4)?)?;
    let kept = least.checked_add(spilled)?;
    Some(if kept <= most { kept } else { least })
}

/// A number of one to nine bytes, seven bits in each but the ninth.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0_u64;
    for index in 0..9 {
        let byte = u64::from(*bytes.get(*at)?);
        *at = at.checked_add(1)?;
        if index == 8 {
            return Some(number << 8 | byte);
        }
        number = number << 7 | byte & 0x7f;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    Some(number)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_in_a_page() {
        // §1.6: of 4096 bytes X is 4061 for a table and 1002 for an index, M is 489; of 512 bytes
        // X is 477 and M is 39.
        for (kind, len, usable, here) in [
            (Kind::Table, 4061, 4096, Some(4061)),
            (Kind::Table, 4062, 4096, Some(489)),
            (Kind::Table, 4581, 4096, Some(489)),
            (Kind::Table, 4582, 4096, Some(490)),
            (Kind::Index, 1002, 4096, Some(1002)),
            (Kind::Index, 1003, 4096, Some(489)),
            (Kind::Table, 478, 512, Some(39)),
            (Kind::Table, 1 << 31, 4096, None),
        ] {
            assert_eq!(local_len(kind, len, usable), here, "{kind:?}, {len} of {usable}");
        }
    }

    #[test]
    fn numbers() {
        for (bytes, number) in [
            (&[0x7f][..], Some(0x7f)),
            (&[0x81, 0][..], Some(0x80)),
            (&[0xff; 9][..], Some(u64::MAX)),
            (&[0xff; 8][..], None),
        ] {
            assert_eq!(varint(bytes, &mut 0), number);
        }
    }
}
