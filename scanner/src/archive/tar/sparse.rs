//! The maps of sparse members, wherever the version of GNU tar put them.

use super::super::error::Cause;
use super::super::input::{Input, count};
use super::super::sparse::{RANGES, Sparse};
use super::BLOCK_BYTES;
use super::header::{BLOCK, Header};
use super::pax::{Pax, integer};

/// What a sparse member says of its holes.
pub(super) struct Read {
    /// The map, or what it should be and what it is.
    pub(super) map: Result<Sparse, (String, String)>,
    /// Bytes of the body that the map took.
    pub(super) map_bytes: u64,
}

type Ranges = Option<Vec<(u64, u64)>>;

/// Reads the map of the member whose header was read last; its body has `size` bytes, and the input
/// stands behind the header.
pub(super) fn read(
    input: &mut Input<'_>,
    header: &Header,
    pax: &Pax,
    size: u64,
) -> Result<Read, Cause> {
    let mut map_bytes = 0;
    let (ranges, real_size) = if header.kind() == b'S' {
        (old_gnu(input, header)?, header.real_size())
    } else if pax.map.is_some() {
        (pax.map.clone(), pax.real_size)
    } else {
        let (ranges, bytes) = in_body(input, size)?;
        map_bytes = bytes;
        (ranges, pax.real_size)
    };
    let map = match (ranges, real_size) {
        (Some(ranges), Some(real)) if ranges.len() <= RANGES => {
            Sparse::new(real, &ranges, size.saturating_sub(map_bytes))
        }
        (Some(ranges), Some(_)) => {
            Err((format!("at most {RANGES} parts"), format!("{} parts", ranges.len())))
        }
        (None, _) => Err(("offsets and lengths".to_owned(), "other bytes".to_owned())),
        (_, None) => Err(("the size with the holes".to_owned(), "none".to_owned())),
    };
    Ok(Read { map, map_bytes })
}

/// Old GNU: in the header, and in blocks behind it.
fn old_gnu(input: &mut Input<'_>, header: &Header) -> Result<Ranges, Cause> {
    let mut ranges = header.sparse_map();
    let mut more = header.sparse_goes_on();
    while more {
        let mut block = [0_u8; BLOCK];
        let found = count(input.fill(&mut block));
        if found < BLOCK_BYTES {
            return Err(input.cut(BLOCK_BYTES, found));
        }
        let (next, goes_on) = Header(block).more_of_the_map();
        if let (Some(all), Some(next)) = (&mut ranges, next.as_ref())
            && all.len() <= RANGES
        {
            all.extend(next);
        }
        if next.is_none() {
            ranges = None;
        }
        more = goes_on;
    }
    Ok(ranges)
}

/// PAX 1.0: numbers in lines at the start of the body, padded to whole blocks.
fn in_body(input: &mut Input<'_>, size: u64) -> Result<(Ranges, u64), Cause> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    let mut taken = 0_u64;
    let mut wanted = None;
    loop {
        if wanted.is_some_and(|wanted| numbers.len() >= wanted) {
            let pairs = numbers.as_chunks::<2>().0;
            return Ok((Some(pairs.iter().map(|[at, len]| (*at, *len)).collect()), taken));
        }
        if taken.saturating_add(BLOCK_BYTES) > size {
            return Ok((None, taken));
        }
        let mut block = [0_u8; BLOCK];
        let found = count(input.fill(&mut block));
        if found < BLOCK_BYTES {
            return Err(input.cut(BLOCK_BYTES, found));
        }
        taken = taken.saturating_add(BLOCK_BYTES);
        for byte in block {
            if wanted.is_some_and(|wanted| numbers.len() >= wanted) {
                break;
            }
            if byte != b'\n' {
                // No number of 64 bits has more digits.
                if line.len() >= 20 {
                    return Ok((None, taken));
                }
                line.push(byte);
                continue;
            }
            let number = integer(&line).and_then(|number| u64::try_from(number).ok());
            let Some(number) = number else { return Ok((None, taken)) };
            line.clear();
            match wanted {
                None => {
                    let count = usize::try_from(number).ok().filter(|count| *count <= RANGES);
                    let Some(count) = count else { return Ok((None, taken)) };
                    wanted = Some(count.saturating_mul(2));
                }
                Some(_) => numbers.push(number),
            }
        }
    }
}
