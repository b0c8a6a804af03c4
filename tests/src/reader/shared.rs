//! Shared segments as the processes see them that map them.

use super::{Fields, Reader, Set, Value, messages, number, parse};

/// Bits of VmaEntry.status (criu/include/image.h).
const ANON_SHARED: u64 = 0x100;
const SYSVIPC: u64 = 0x400;
const MEMFD: u64 = 0x4000;

impl Reader {
    /// Bytes of a shared segment at an address where a process maps it, all in one mapping.
    pub fn mapped(&self, pid: u32, address: u64, length: usize) -> Option<Vec<u8>> {
        self.last_sets().find_map(|set| {
            let mm = messages(set.images.get(&format!("mm-{pid}.img"))?).into_iter().next()?;
            let holds = |vma: &Fields| {
                let (start, end) = (number(vma, 1)?, number(vma, 2)?);
                let last = address.checked_add(length as u64)?;
                (start <= address && last <= end).then_some(start)
            };
            let vmas = nested(&mm, 14);
            let (vma, start) = vmas.iter().find_map(|vma| Some((vma, holds(vma)?)))?;
            let segment = set.segment_of(vma)?;
            let offset = number(vma, 3).unwrap_or(0) + (address - start);
            self.range(set, &format!("shmem-{segment}"), offset, length)
        })
    }
}

impl Set {
    /// The number in `pagemap-shmem-N.img`: a memfd's is found through files.img and memfd.img.
    fn segment_of(&self, vma: &Fields) -> Option<u64> {
        let (id, status) = (number(vma, 4)?, number(vma, 7)?);
        if status & MEMFD == 0 {
            return (status & (ANON_SHARED | SYSVIPC) != 0).then_some(id);
        }
        let files = messages(self.images.get("files.img")?);
        let file = files.iter().find(|file| number(file, 2) == Some(id))?;
        let inode = number(nested(file, 20).first()?, 5)?;
        let inodes = messages(self.images.get("memfd.img")?);
        let inode = inodes.iter().find(|it| number(it, 7) == Some(inode))?;
        number(inode, 5)
    }
}

/// The messages in a field of a message.
fn nested(fields: &Fields, field: u64) -> Vec<Fields> {
    let of_field = fields.iter().filter(|(number, _)| *number == field);
    of_field
        .filter_map(|(_, value)| match value {
            Value::Bytes(body) => parse(body).ok(),
            Value::Number(_) => None,
        })
        .collect()
}
