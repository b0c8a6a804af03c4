//! Builds ELF cores.

/// A core of one process. Numbers are little-endian, of 64 bits unless [`Core::narrow`].
#[derive(Debug, Clone)]
pub struct Core {
    pid: u32,
    comm: String,
    narrow: bool,
    notes_last: bool,
    segments: Vec<Segment>,
    files: Vec<(u64, u64, String)>,
}

/// A stretch of memory.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its first address.
    pub start: u64,
    /// Its bytes in the file.
    pub bytes: Vec<u8>,
    /// Its bytes in memory.
    pub len: u64,
    /// 4 read, 2 write, 1 execute.
    pub flags: u32,
    /// Where its bytes are said to lie in the file, if not where they do.
    pub lie: Option<u64>,
}

impl Core {
    /// A core without memory.
    pub fn new(pid: u32, comm: &str) -> Self {
        let (segments, files) = (Vec::new(), Vec::new());
        Self { pid, comm: comm.to_owned(), narrow: false, notes_last: false, segments, files }
    }

    /// Adds memory that can be written.
    #[must_use]
    pub fn map(self, start: u64, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        self.segment(Segment { start, bytes, len, flags: 6, lie: None })
    }

    /// Adds any segment.
    #[must_use]
    pub fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    /// Says that a file is mapped there.
    #[must_use]
    pub fn file(mut self, start: u64, end: u64, path: &str) -> Self {
        self.files.push((start, end, path.to_owned()));
        self
    }

    /// Of a machine of 32 bits.
    #[must_use]
    pub fn narrow(mut self) -> Self {
        self.narrow = true;
        self
    }

    /// With the notes behind the memory, as gdb writes it.
    #[must_use]
    pub fn notes_last(mut self) -> Self {
        self.notes_last = true;
        self
    }

    /// Number of program headers.
    fn headers(&self) -> usize {
        self.segments.len() + 1
    }

    fn word(&self, value: u64) -> Vec<u8> {
        let bytes = value.to_le_bytes();
        bytes[..if self.narrow { 4 } else { 8 }].to_vec()
    }

    fn notes(&self) -> Vec<u8> {
        let mut notes = Vec::new();
        let mut note = |kind: u32, desc: &[u8]| {
            let len = u32::try_from(desc.len()).unwrap_or(u32::MAX);
            for word in [5, len, kind] {
                notes.extend(word.to_le_bytes());
            }
            notes.extend(b"CORE\0\0\0\0");
            notes.extend(desc);
            notes.resize(notes.len().next_multiple_of(4), 0);
        };
        let (size, pid, comm) = if self.narrow { (124, 12, 28) } else { (136, 24, 40) };
        let mut info = vec![0; size];
        info[pid..pid + 4].copy_from_slice(&self.pid.to_le_bytes());
        info[comm..comm + self.comm.len()].copy_from_slice(self.comm.as_bytes());
        note(3, &info);
        let mut files = [self.word(self.files.len() as u64), self.word(4096)].concat();
        for (start, end, _) in &self.files {
            files.extend([self.word(*start), self.word(*end), self.word(0)].concat());
        }
        for (.., path) in &self.files {
            files.extend(path.as_bytes());
            files.push(0);
        }
        note(0x4649_4c45, &files);
        notes
    }

    fn header(&self, kind: u32, flags: u32, at: u64, start: u64, stored: u64, len: u64) -> Vec<u8> {
        let word = |value| self.word(value);
        let (kind, flags) = (kind.to_le_bytes().to_vec(), flags.to_le_bytes().to_vec());
        let (at, start, physical, stored, len, align) =
            (word(at), word(start), word(0), word(stored), word(len), word(1));
        if self.narrow {
            return [kind, at, start, physical, stored, len, flags, align].concat();
        }
        [kind, flags, at, start, physical, stored, len, align].concat()
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let (head, entry) = if self.narrow { (52, 32) } else { (64, 56) };
        let mut file = b"\x7fELF".to_vec();
        file.extend([if self.narrow { 1 } else { 2 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let half = |value: usize| u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes();
        let machine = if self.narrow { 3 } else { 62 };
        file.extend([half(4), half(machine)].concat());
        file.extend(1u32.to_le_bytes());
        file.extend([self.word(0), self.word(head), self.word(0)].concat());
        file.extend(0u32.to_le_bytes());
        let head = usize::try_from(head).unwrap_or(0);
        file.extend([head, entry, self.headers(), 0, 0, 0].map(half).concat());
        let notes = self.notes();
        let memory: usize = self.segments.iter().map(|segment| segment.bytes.len()).sum();
        let table = head + entry * self.headers();
        let (notes_at, mut at) =
            if self.notes_last { (table + memory, table) } else { (table, table + notes.len()) };
        file.extend(self.header(4, 0, notes_at as u64, 0, notes.len() as u64, 0));
        for segment in &self.segments {
            let stored = segment.bytes.len() as u64;
            let offset = segment.lie.unwrap_or(at as u64);
            file.extend(self.header(1, segment.flags, offset, segment.start, stored, segment.len));
            at += segment.bytes.len();
        }
        let memory =
            self.segments.iter().map(|segment| segment.bytes.as_slice()).collect::<Vec<_>>();
        let parts = [notes, memory.concat()];
        let [first, second] = &parts;
        file.extend(
            if self.notes_last { [&second[..], first] } else { [&first[..], second] }.concat(),
        );
        file
    }
}
