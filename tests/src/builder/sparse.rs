//! Members of a tar without their holes, as GNU tar writes them with `--sparse`.

use super::archive::{BLOCK, header, pax_record, push};

/// Bytes of zeros that are left out: a block of a file system.
const HOLE: usize = 4096;

/// Where the map of the holes stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holes {
    /// In the header: `--format=gnu`.
    OldGnu,
    /// In PAX records, one for each number: version 0.0.
    Pax00,
    /// In one PAX record: version 0.1.
    Pax01,
    /// In front of the bytes: version 1.0, what `--format=posix` writes.
    Pax10,
}

impl Holes {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::OldGnu, Self::Pax00, Self::Pax01, Self::Pax10];
}

/// Appends a member without its holes; as it is if it has none.
pub(super) fn push_sparse(out: &mut Vec<u8>, name: &str, content: &[u8], form: Holes) {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut data = Vec::new();
    for (index, block) in content.chunks(HOLE).enumerate() {
        let at = index * HOLE;
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        data.extend(block);
        match ranges.last_mut() {
            Some((start, len)) if *start + *len == at => *len += block.len(),
            _ => ranges.push((at, block.len())),
        }
    }
    if data.len() == content.len() {
        push(out, &header(name, tar::EntryType::Regular, content.len()), content);
        return;
    }
    ranges.push((content.len(), 0));
    let size = content.len().to_string();
    let numbers = |(at, len): &(usize, usize)| format!("{at}\n{len}\n");
    let mut records: Vec<(&str, String)> = vec![("GNU.sparse.name", name.to_owned())];
    match form {
        Holes::OldGnu => return old_gnu(out, name, content.len(), &ranges, &data),
        Holes::Pax00 => {
            records = vec![("GNU.sparse.size", size)];
            for (at, len) in &ranges {
                records.push(("GNU.sparse.offset", at.to_string()));
                records.push(("GNU.sparse.numbytes", len.to_string()));
            }
        }
        Holes::Pax01 => {
            let map = ranges.iter().map(|(at, len)| format!("{at},{len}"));
            records.push(("GNU.sparse.size", size));
            records.push(("GNU.sparse.map", map.collect::<Vec<_>>().join(",")));
        }
        Holes::Pax10 => {
            records.push(("GNU.sparse.major", "1".to_owned()));
            records.push(("GNU.sparse.minor", "0".to_owned()));
            records.push(("GNU.sparse.realsize", size));
            let lines: String = ranges.iter().map(numbers).collect();
            let mut map = format!("{}\n{lines}", ranges.len()).into_bytes();
            map.resize(map.len().next_multiple_of(BLOCK), 0);
            data = [map, data].concat();
        }
    }
    let pax: Vec<u8> = records.iter().flat_map(|(key, value)| pax_record(key, value)).collect();
    push(out, &header("PaxHeaders/0", tar::EntryType::XHeader, pax.len()), &pax);
    let made_up = if form == Holes::Pax00 { name } else { "GNUSparseFile.0/member" };
    push(out, &header(made_up, tar::EntryType::Regular, data.len()), &data);
}

fn old_gnu(out: &mut Vec<u8>, name: &str, size: usize, ranges: &[(usize, usize)], data: &[u8]) {
    let entries = |ranges: &[(usize, usize)]| -> Vec<u8> {
        let entry = |(at, len): &(usize, usize)| format!("{at:011o}\0{len:011o}\0").into_bytes();
        ranges.iter().flat_map(entry).collect()
    };
    let (first, rest) = ranges.split_at(ranges.len().min(4));
    let mut head = header(name, tar::EntryType::GNUSparse, data.len());
    let block = head.as_mut_bytes();
    block[257..265].copy_from_slice(b"ustar  \0");
    let first = entries(first);
    block[386..386 + first.len()].copy_from_slice(&first);
    block[482] = u8::from(!rest.is_empty());
    block[483..495].copy_from_slice(format!("{size:011o}\0").as_bytes());
    head.set_cksum();
    out.extend(head.as_bytes());
    let blocks = rest.chunks(21).count();
    for (index, chunk) in rest.chunks(21).enumerate() {
        let mut block = entries(chunk);
        block.resize(BLOCK, 0);
        block[504] = u8::from(index + 1 < blocks);
        out.extend(block);
    }
    out.extend(data);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}
