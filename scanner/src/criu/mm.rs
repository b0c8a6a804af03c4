//! mm-PID.img: the address space of a process.

use std::ops::Range;

use cryoscan_proto::{MmEntry, VmaEntry};

use super::{Image, ImageError, Key, Records};

/// Type of the pair of the auxiliary vector that gives the page size (elf.h, `AT_PAGESZ`).
const AT_PAGESZ: u64 = 6;

/// An address space. Ranges are as the image gives them: they may be empty or reversed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mm {
    /// Program text.
    pub code: Range<u64>,
    /// Program data.
    pub data: Range<u64>,
    /// The heap of brk(2).
    pub brk: Range<u64>,
    /// Where the stack of the first thread began.
    pub stack_start: u64,
    /// Arguments, NUL-separated, as at exec.
    pub argv: Range<u64>,
    /// Environment, NUL-separated, as at exec.
    pub environ: Range<u64>,
    /// File id of the program.
    pub exe_file_id: Option<u32>,
    /// Bytes of a page of the dumping host, from the auxiliary vector: a power of two.
    pub page_size: Option<u32>,
    /// The mappings, in the order of the image: by address, guard pages last.
    pub vmas: Vec<Vma>,
}

/// One mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vma {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Bytes from the start of the file or shared object.
    pub pgoff_bytes: u64,
    /// File id, or N of pagemap-shmem-N.img, or an IPC id: the status bits say which.
    pub shmid: u64,
    /// 1 read, 2 write, 4 execute.
    pub prot: u32,
    /// Flags of mmap(2).
    pub flags: u32,
    /// The bits of [`status`].
    pub status: u32,
}

/// Bits of [`Vma::status`] (criu/include/image.h), and what [`Vma::shmid`] is when they are set.
pub mod status {
    /// The object that the kernel maps into every process.
    pub const VDSO: u32 = 0x8;
    /// The heap of brk(2).
    pub const HEAP: u32 = 0x20;
    /// A private mapping of a file: a file id.
    pub const FILE_PRIVATE: u32 = 0x40;
    /// A shared mapping of a file or, with [`MEMFD`], of a memfd: a file id.
    pub const FILE_SHARED: u32 = 0x80;
    /// Shared memory without a file: N of pagemap-shmem-N.img.
    pub const ANON_SHARED: u32 = 0x100;
    /// Private memory: 0.
    pub const ANON_PRIVATE: u32 = 0x200;
    /// With [`ANON_SHARED`], a System V segment: its id, also N of pagemap-shmem-N.img.
    pub const SYSVIPC: u32 = 0x400;
    /// Ring of a packet socket: a file id.
    pub const SOCKET: u32 = 0x800;
    /// Variables of the kernel; never dumped.
    pub const VVAR: u32 = 0x1000;
    /// A memfd, or anonymous shared memory since CRIU 3.14: a file id.
    pub const MEMFD: u32 = 0x4000;
    /// Shadow stack.
    pub const SHADOW_STACK: u32 = 0x8000;
    /// Guard pages inside another mapping.
    pub const GUARD: u32 = 0x10000;
}

pub(super) fn decode(
    image: &mut Image<'_>,
    pid: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let entry: MmEntry = image.required()?;
    records.mms.entry(pid).or_insert_with(|| Mm::from(&entry));
    Ok(())
}

impl From<&MmEntry> for Mm {
    fn from(entry: &MmEntry) -> Self {
        Self {
            code: entry.mm_start_code()..entry.mm_end_code(),
            data: entry.mm_start_data()..entry.mm_end_data(),
            brk: entry.mm_start_brk()..entry.mm_brk(),
            stack_start: entry.mm_start_stack(),
            argv: entry.mm_arg_start()..entry.mm_arg_end(),
            environ: entry.mm_env_start()..entry.mm_env_end(),
            exe_file_id: entry.exe_file_id,
            page_size: page_size(&entry.mm_saved_auxv),
            vmas: entry.vmas.iter().map(Vma::from).collect(),
        }
    }
}

impl From<&VmaEntry> for Vma {
    fn from(entry: &VmaEntry) -> Self {
        Self {
            start: entry.start(),
            end: entry.end(),
            pgoff_bytes: entry.pgoff(),
            shmid: entry.shmid(),
            prot: entry.prot(),
            flags: entry.flags(),
            status: entry.status(),
        }
    }
}

/// Linux has pages of 4 to 64 KiB, 256 KiB on some ppc and hexagon kernels.
fn page_size(auxv: &[u64]) -> Option<u32> {
    let (pairs, _) = auxv.as_chunks::<2>();
    let found =
        pairs.iter().take_while(|[kind, _]| *kind != 0).find(|[kind, _]| *kind == AT_PAGESZ);
    let size = u32::try_from(found?[1]).ok()?;
    (size.is_power_of_two() && (1 << 12..=1 << 18).contains(&size)).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::sample::single;

    #[test]
    fn an_address_space() {
        let vma = VmaEntry {
            start: Some(0x7f00_0000_0000),
            end: Some(0x7f00_0000_2000),
            pgoff: Some(4096),
            shmid: Some(5),
            prot: Some(3),
            flags: Some(2),
            status: Some(0x41),
            fd: Some(-1),
            madv: None,
        };
        let entry = MmEntry {
            mm_arg_start: Some(10),
            mm_arg_end: Some(20),
            mm_env_start: Some(20),
            mm_env_end: Some(30),
            exe_file_id: Some(4),
            mm_saved_auxv: vec![3, 64, AT_PAGESZ, 65536, 0, 0],
            vmas: vec![vma],
            ..Default::default()
        };
        let mm = &single("mm-1.img", &entry).mms[&1];
        assert_eq!(
            (mm.argv.clone(), mm.environ.clone(), mm.exe_file_id),
            (10..20, 20..30, Some(4))
        );
        assert_eq!(mm.page_size, Some(65536));
        let expected = Vma {
            start: 0x7f00_0000_0000,
            end: 0x7f00_0000_2000,
            pgoff_bytes: 4096,
            shmid: 5,
            prot: 3,
            flags: 2,
            status: 1 | status::FILE_PRIVATE,
        };
        assert_eq!(mm.vmas, [expected]);
    }

    #[test]
    fn page_sizes_that_are_none() {
        for auxv in [
            &[][..],
            &[AT_PAGESZ],             // Half a pair.
            &[0, 0, AT_PAGESZ, 4096], // Behind the end mark.
            &[3, AT_PAGESZ, 4096, 0], // A value, not a type.
            &[AT_PAGESZ, 0],
            &[AT_PAGESZ, 4097],
            &[AT_PAGESZ, 1 << 40],
        ] {
            assert_eq!(page_size(auxv), None, "{auxv:?}");
        }
    }
}
