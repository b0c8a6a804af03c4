//! Who holds bytes, and where in it a match lies.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::Notation;

/// What kind of thing holds the bytes. The order is that of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HolderKind {
    /// The private memory of a process; `id` is its pid.
    Memory,
    /// A shared segment; `id` is N of `pagemap-shmem-N.img`.
    Shared,
    /// A pipe; `id` is the `pipe_id` of CRIU.
    Pipe,
    /// A named pipe; `id` is the `pipe_id` of CRIU.
    Fifo,
    /// The receive queue of a unix socket; `id` is its id in files.img.
    UnixQueue,
    /// What a TCP connection has received; `id` is the inode of its socket.
    TcpReceived,
    /// What a TCP connection has sent and the other side not acknowledged; `id` is the same.
    TcpSent,
    /// The buffer of a terminal; `id` is its `tty_info_id`.
    Tty,
    /// A queue of System V messages; `id` is its IPC namespace, shifted by 32 bits, and its own.
    SysvMessages,
    /// A System V segment whose bytes have an image of their own (before CRIU 3.0); `id` is its id.
    Segment,
    /// A BPF map; `id` is its number in the kernel.
    BpfMap,
    /// A deleted file that was open; `id` is the number of its ghost-file image.
    Ghost,
    /// The registers of a thread; `id` is the thread's.
    Registers,
    /// A file, log or metadata file of the target; `id` is the hash of its path chain.
    File,
    /// Bytes of a pages image without addresses; `id` is the hash of its path chain.
    RawImage,
}

/// Who holds bytes. The key comes from the content, never from the order of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// Number of the path of the image set or, for files, of the folder or archive they count in.
    pub set: u64,
    /// What kind of thing.
    pub kind: HolderKind,
    /// Its number or hash among its kind.
    pub id: u64,
    /// Of files, the ordinal among members of the same name. Of memory, 0 for what is there now, and N
    /// for what the Nth dump before had and later ones have not.
    pub ordinal: u32,
}

impl HolderKind {
    /// Whether the kernel held the bytes, so that [`Holder::id`] is a number of CRIU's, and what it is
    /// and who has it open is joined at the fold.
    pub fn is_kernel(self) -> bool {
        !matches!(self, Self::Memory | Self::Shared | Self::File | Self::RawImage)
    }

    /// Whether it is a shared segment, which processes map.
    pub fn is_segment(self) -> bool {
        matches!(self, Self::Shared | Self::Segment)
    }
}

impl Holder {
    /// The lowest of all.
    pub const FIRST: Self = Self { set: 0, kind: HolderKind::Memory, id: 0, ordinal: 0 };

    /// Which memory it is, in words; what else there is goes by the name of its member.
    pub fn memory_name(&self) -> Option<String> {
        let Self { kind, id, .. } = *self;
        match kind {
            HolderKind::Memory => Some(format!("memory of process {id}")),
            HolderKind::Shared => Some(format!("shared segment {id}")),
            HolderKind::Pipe
            | HolderKind::Fifo
            | HolderKind::UnixQueue
            | HolderKind::TcpReceived
            | HolderKind::TcpSent
            | HolderKind::Tty
            | HolderKind::SysvMessages
            | HolderKind::Segment
            | HolderKind::BpfMap
            | HolderKind::Ghost
            | HolderKind::Registers
            | HolderKind::File
            | HolderKind::RawImage => None,
        }
    }
}

/// The kind of region a place is in, as reports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum RegionKind {
    Memory,
    SharedMemory,
    Argv,
    Environ,
    Pipe,
    Fifo,
    SocketQueue,
    TcpQueue,
    GhostFile,
    Memfd,
    SysvMessage,
    SysvShm,
    Tty,
    TmpfsFile,
    File,
    VolumeFile,
    Log,
    Metadata,
    BpfMap,
    Registers,
    RawImage,
}

impl RegionKind {
    /// The lowest of all.
    pub const FIRST: Self = Self::Memory;
}

/// Where a match lies: numbers that the fold turns into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locus {
    /// Address in memory, or offset in the file.
    pub at: u64,
    /// Bytes of the value as they lie there.
    pub len: u32,
    /// How the value is written in these bytes.
    pub decoded: Decoded,
}

/// How a value is written where it lies: the notations to undo, the outermost first; none if it lies
/// plainly. Small, as a report may hold the places of fifty thousand values.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decoded(
    /// Four bits for each notation, the outermost in the highest: its number among [`Notation::ALL`] from one on.
    u32,
);

impl Decoded {
    /// As it lies.
    pub const PLAIN: Self = Self(0);

    /// Most notations inside each other.
    pub const MOST: usize = 5;

    /// Where the bits of each begin.
    const SHIFTS: [u32; Self::MOST] = [28, 24, 20, 16, 12];

    /// These and one more inside them; `None` if that is too many.
    #[must_use]
    pub fn then(self, inner: Notation) -> Option<Self> {
        let shift = Self::SHIFTS.into_iter().find(|shift| self.number(*shift) == 0)?;
        let (number, _) = (1..).zip(Notation::ALL).find(|(_, notation)| *notation == inner)?;
        Some(Self(self.0 | number << shift))
    }

    /// These inside of one more; `None` if that is too many.
    #[must_use]
    pub fn inside(self, outer: Notation) -> Option<Self> {
        self.steps().try_fold(Self::from(outer), Self::then)
    }

    /// The notations, the outermost first.
    pub fn steps(self) -> impl Iterator<Item = Notation> {
        Self::SHIFTS.into_iter().filter_map(move |shift| {
            let index = usize::try_from(self.number(shift)).ok()?.checked_sub(1)?;
            Notation::ALL.get(index).copied()
        })
    }

    fn number(self, shift: u32) -> u32 {
        self.0 >> shift & 15
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps()).finish()
    }
}

impl From<Notation> for Decoded {
    fn from(only: Notation) -> Self {
        Self::PLAIN.then(only).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_come_back_in_order_as_many_as_fit() {
        assert!(Notation::ALL.is_sorted());
        let mut by_steps = Vec::new();
        for outer in Notation::ALL {
            for inner in Notation::ALL {
                let both = Decoded::from(outer).then(inner).unwrap();
                assert_eq!(both.steps().collect::<Vec<_>>(), [outer, inner]);
                assert_eq!(Decoded::from(inner).inside(outer), Some(both));
                by_steps.push((vec![outer, inner], both));
            }
            assert_eq!(Decoded::from(outer).steps().collect::<Vec<_>>(), [outer]);
            by_steps.push((vec![outer], outer.into()));
        }
        by_steps.push((vec![], Decoded::PLAIN));
        by_steps.sort();
        assert!(by_steps.is_sorted_by_key(|(_, decoded)| *decoded), "ordered as their steps are");
        let five = (0..Decoded::MOST).try_fold(Decoded::PLAIN, |all, _| all.then(Notation::Zlib));
        assert_eq!(five.unwrap().steps().count(), Decoded::MOST);
        assert_eq!(five.unwrap().then(Notation::Hex), None);
        assert_eq!(five.unwrap().inside(Notation::Hex), None);
    }
}
