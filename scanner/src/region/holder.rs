//! Who holds bytes, and where in it a match lies.

use serde::Serialize;

use crate::check::Notation;

/// What kind of thing holds the bytes. The order is that of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HolderKind {
    /// The private memory of a process; `id` is its pid.
    Memory,
    /// A shared segment; `id` is N of `pagemap-shmem-N.img`.
    Shared,
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

impl Holder {
    /// The lowest of all.
    pub const FIRST: Self = Self { set: 0, kind: HolderKind::Memory, id: 0, ordinal: 0 };
}

/// The kind of region a place is in, as reports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    /// Whether the bytes are UTF-16LE.
    pub utf16: bool,
    /// How the value is written in these characters, if not plainly.
    pub notation: Option<Notation>,
}
