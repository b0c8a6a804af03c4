//! A second reader of checkpoints, to say what the scanner's places are worth.
//!
//! It shares no code with the scanner: archives are opened with the `tar`, `flate2` and `zstd`
//! crates, protobuf is read from the wire format, memory is rebuilt page by page in maps. It is
//! slow, holds everything in memory, and leaves out what no test needs.

mod lz4;
mod shared;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// What an unpacked archive may hold at most; fixtures and built checkpoints are far below.
const UNPACKED_LIMIT: u64 = 256 << 20;
const DEPTH_LIMIT: u32 = 4;
const PE_PARENT: u64 = 1;
const PE_PRESENT: u64 = 4;
const AT_PAGESZ: u64 = 6;

/// The images of all sets in an archive, and where each page of memory lies in them.
#[derive(Debug, Default)]
pub struct Reader {
    /// By folder with its separator: `checkpoint/`, `blobs/sha256/…!checkpoint/`, or empty.
    sets: BTreeMap<String, Set>,
}

#[derive(Debug, Default)]
struct Set {
    images: BTreeMap<String, Vec<u8>>,
    /// Compressed pages images, expanded.
    expanded: BTreeMap<String, lz4::Expanded>,
    /// Folder of the set that this one builds upon.
    parent: Option<String>,
    page_size: u64,
    /// By the name in `pagemap-NAME.img`, then by address: pages that can be read.
    pages: BTreeMap<String, BTreeMap<u64, Page>>,
}

/// Where a page lies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    set: String,
    image: String,
    offset: usize,
}

impl Reader {
    /// Reads an archive as a producer writes it: tar, plain or compressed, with archives inside.
    ///
    /// # Errors
    /// When the outermost layer is no tar archive, or unpacks to more than 256 MiB.
    pub fn open(archive: &[u8]) -> Result<Self> {
        let bytes = decompress(archive)?;
        ensure!(is_tar(&bytes), "no tar archive");
        let mut reader = Self::default();
        reader.add_tar("", &bytes, 0)?;
        reader.index();
        Ok(reader)
    }

    /// Reads an archive on disk, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// When it cannot be read, and as for `open`.
    pub fn open_file(path: &Path) -> Result<Self> {
        let mut file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        Self::open(&read_all(&mut file)?).with_context(|| path.display().to_string())
    }

    /// Reads image sets from the paths and bytes of their files.
    pub fn from_images(images: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut reader = Self::default();
        for (path, bytes) in images {
            reader.add_file(&path, bytes);
        }
        reader.index();
        reader
    }

    /// Bytes of a process's memory; `None` where a page of the range is not in the checkpoint.
    pub fn memory(&self, pid: u32, address: u64, length: usize) -> Option<Vec<u8>> {
        self.last_sets().find_map(|set| self.range(set, &pid.to_string(), address, length))
    }

    /// The same as of the dump that has the pages image `image`, whatever later dumps say.
    pub fn memory_of_dump(
        &self,
        image: &str,
        pid: u32,
        address: u64,
        length: usize,
    ) -> Option<Vec<u8>> {
        let has = |folder: &str, name: &String| ends_with_path(&format!("{folder}{name}"), image);
        let mut sets = self.sets.iter();
        let (_, set) =
            sets.find(|(folder, set)| set.images.keys().any(|name| has(folder, name)))?;
        self.range(set, &pid.to_string(), address, length)
    }

    /// Bytes of a shared segment, by the number in `pagemap-shmem-N.img` and the offset in it.
    pub fn shared(&self, segment: u64, offset: u64, length: usize) -> Option<Vec<u8>> {
        let name = format!("shmem-{segment}");
        self.last_sets().find_map(|set| self.range(set, &name, offset, length))
    }

    /// Addresses in a process's memory where `needle` begins, also across neighbouring pages.
    pub fn find(&self, pid: u32, needle: &[u8]) -> Vec<u64> {
        let mut found = Vec::new();
        for set in self.last_sets() {
            for (start, run) in self.runs(set, &pid.to_string()) {
                let hits = run.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle);
                found.extend(hits.map(|(at, _)| start + at as u64));
            }
        }
        found
    }

    /// Bytes of an image, named as in a report: its path in the archive, or the end of that path.
    pub fn image(&self, path: &str, offset: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(length)?;
        self.sets.iter().find_map(|(folder, set)| {
            let named = |name: &str| ends_with_path(&format!("{folder}{name}"), path);
            set.images.iter().find(|(name, _)| named(name))?.1.get(start..end)
        })
    }

    /// The pages of the compressed block that is stored at an offset of a pages image.
    pub fn block(&self, path: &str, offset: u64) -> Option<&[u8]> {
        self.sets.iter().find_map(|(folder, set)| {
            let named = |name: &str| ends_with_path(&format!("{folder}{name}"), path);
            let (_, image) = set.expanded.iter().find(|(name, _)| named(name))?;
            image.bytes.get(image.blocks.get(&usize::try_from(offset).ok()?)?.clone())
        })
    }

    /// Sets that are no other set's parent: what the processes held when they were frozen.
    fn last_sets(&self) -> impl Iterator<Item = &Set> {
        let is_parent = |folder| self.sets.values().any(|s| s.parent.as_ref() == Some(folder));
        self.sets.iter().filter(move |(folder, _)| !is_parent(folder)).map(|(_, set)| set)
    }

    fn add_tar(&mut self, at: &str, bytes: &[u8], depth: u32) -> Result<()> {
        ensure!(depth < DEPTH_LIMIT, "archives nested deeper than {DEPTH_LIMIT}");
        let mut archive = tar::Archive::new(bytes);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = path.trim_start_matches("./");
            let kind = entry.header().entry_type();
            if let (true, (folder, "parent")) = (kind.is_symlink(), split_folder(path)) {
                let link = entry.link_name()?.context("symlink without a target")?;
                let target = format!("{at}{}", resolve(folder, &link));
                self.sets.entry(format!("{at}{folder}")).or_default().parent = Some(target);
            }
            if !kind.is_file() {
                continue;
            }
            let body = read_all(&mut entry)?;
            let inner = decompress(&body).unwrap_or_default();
            if is_tar(&inner) && !is_image(path) {
                // A truncated inner archive has given what it could.
                self.add_tar(&format!("{at}{path}!"), &inner, depth + 1).unwrap_or_default();
            } else {
                self.add_file(&format!("{at}{path}"), body);
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &str, bytes: Vec<u8>) {
        let (folder, name) = split_folder(path);
        if is_image(name) {
            let set = self.sets.entry(folder.to_owned()).or_default();
            set.images.insert(name.to_owned(), bytes);
        }
    }

    fn index(&mut self) {
        for set in self.sets.values_mut() {
            set.page_size = page_size(&set.images);
            set.expanded = lz4::expanded(&set.images, set.page_size);
        }
        let folders: Vec<String> = self.sets.keys().cloned().collect();
        for folder in folders {
            let pages = self.pages_of_set(&folder, 0);
            if let Some(set) = self.sets.get_mut(&folder) {
                set.pages = pages;
            }
        }
    }

    fn pages_of_set(&self, folder: &str, depth: u32) -> BTreeMap<String, BTreeMap<u64, Page>> {
        let Some(set) = self.sets.get(folder) else { return BTreeMap::new() };
        let parent = set.parent.as_deref().filter(|_| depth < DEPTH_LIMIT);
        let above = parent.map(|p| self.pages_of_set(p, depth + 1)).unwrap_or_default();
        let names = set.images.keys().filter_map(|name| {
            name.strip_prefix("pagemap-").and_then(|name| name.strip_suffix(".img"))
        });
        names.map(|name| (name.to_owned(), set.map_pages(folder, name, above.get(name)))).collect()
    }

    fn range(&self, set: &Set, name: &str, address: u64, length: usize) -> Option<Vec<u8>> {
        let pages = set.pages.get(name)?;
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let at = address.checked_add(bytes.len() as u64)?;
            let within = usize::try_from(at % set.page_size).ok()?;
            let body = self.page(pages.get(&(at - at % set.page_size))?)?;
            bytes.extend(body.get(within..)?.iter().take(length - bytes.len()));
        }
        Some(bytes)
    }

    fn runs(&self, set: &Set, name: &str) -> Vec<(u64, Vec<u8>)> {
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for (address, page) in set.pages.get(name).into_iter().flatten() {
            let body = self.page(page).unwrap_or_default();
            match runs.last_mut() {
                Some((start, run)) if *start + run.len() as u64 == *address => run.extend(body),
                _ => runs.push((*address, body.to_vec())),
            }
        }
        runs
    }

    fn page(&self, page: &Page) -> Option<&[u8]> {
        let set = self.sets.get(&page.set)?;
        let end = page.offset.checked_add(usize::try_from(set.page_size).ok()?)?;
        set.raw(&page.image)?.get(page.offset..end)
    }
}

impl Set {
    /// A pages image as if it had never been compressed.
    fn raw(&self, image: &str) -> Option<&[u8]> {
        let expanded = self.expanded.get(image).map(|it| it.bytes.as_slice());
        expanded.or_else(|| self.images.get(image).map(Vec::as_slice))
    }

    /// Every page that can be read, by address: only whole pages that the images hold.
    fn map_pages(
        &self,
        folder: &str,
        name: &str,
        above: Option<&BTreeMap<u64, Page>>,
    ) -> BTreeMap<u64, Page> {
        let mut pages = BTreeMap::new();
        let messages = self.images.get(&format!("pagemap-{name}.img")).map(|i| messages(i));
        let messages = messages.unwrap_or_default();
        let Some((head, entries)) = messages.split_first() else { return pages };
        let image = format!("pages-{}.img", number(head, 1).unwrap_or(0));
        let stored = self.raw(&image).map_or(0, <[u8]>::len);
        let mut offset = 0;
        for entry in entries {
            let Some(start) = number(entry, 1) else { continue };
            let count = page_count(entry);
            let in_parent = if number(entry, 3) == Some(1) { PE_PARENT } else { PE_PRESENT };
            let flags = number(entry, 4).unwrap_or(in_parent);
            if flags & PE_PARENT != 0 {
                let end = start.saturating_add(count.saturating_mul(self.page_size));
                let known = above.into_iter().flat_map(|above| above.range(start..end));
                pages.extend(known.map(|(address, page)| (*address, page.clone())));
            } else if flags & PE_PRESENT != 0 {
                let mut address = Some(start);
                for _ in 0..count {
                    let end = offset + usize::try_from(self.page_size).unwrap_or(usize::MAX);
                    let (Some(at), true) = (address, end <= stored) else { break };
                    let page = Page { set: folder.to_owned(), image: image.clone(), offset };
                    pages.insert(at, page);
                    (address, offset) = (at.checked_add(self.page_size), end);
                }
            }
        }
        pages
    }
}

/// The dumping host's page size, from the auxiliary vector of any process; else 4096.
fn page_size(images: &BTreeMap<String, Vec<u8>>) -> u64 {
    let mm = images.iter().filter(|(name, _)| name.starts_with("mm-"));
    mm.flat_map(|(_, image)| messages(image))
        .find_map(|message| {
            let auxv: Vec<u64> = numbers(&message, 13);
            auxv.chunks_exact(2).find(|pair| pair[0] == AT_PAGESZ).map(|pair| pair[1])
        })
        .filter(|size| (4096..=65536).contains(size) && size.is_power_of_two())
        .unwrap_or(4096)
}

/// A protobuf message: its fields in the order of the wire.
type Fields = Vec<(u64, Value)>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The messages of an image without payloads, up to the first that is cut or malformed.
fn messages(image: &[u8]) -> Vec<Fields> {
    let word = |at: usize| -> Option<usize> {
        let bytes = image.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    // IMG_COMMON or IMG_SERVICE stands before the magic since CRIU 1.6.
    let mut at = if matches!(word(0), Some(0x5456_4319 | 0x5510_5940)) { 8 } else { 4 };
    let mut messages = Vec::new();
    while let Some(length) = word(at) {
        let Some(body) = image.get(at + 4..).and_then(|rest| rest.get(..length)) else { break };
        let Ok(fields) = parse(body) else { break };
        messages.push(fields);
        at += 4 + length;
    }
    messages
}

fn parse(mut body: &[u8]) -> Result<Fields> {
    let mut fields = Vec::new();
    while !body.is_empty() {
        let key = varint(&mut body)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut body)?),
            1 => Value::Bytes(take(&mut body, 8)?.to_vec()),
            2 => {
                let length = usize::try_from(varint(&mut body)?)?;
                Value::Bytes(take(&mut body, length)?.to_vec())
            }
            5 => Value::Bytes(take(&mut body, 4)?.to_vec()),
            wire => bail!("wire type {wire}"),
        };
        fields.push((key >> 3, value));
    }
    Ok(fields)
}

fn varint(body: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(body, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("number longer than ten bytes")
}

fn take<'a>(body: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (head, tail) = body.split_at_checked(length).context("message ends inside a field")?;
    *body = tail;
    Ok(head)
}

fn numbers(fields: &Fields, field: u64) -> Vec<u64> {
    let of_field = fields.iter().filter(|(number, _)| *number == field);
    of_field.filter_map(|(_, v)| if let Value::Number(n) = v { Some(*n) } else { None }).collect()
}

fn number(fields: &Fields, field: u64) -> Option<u64> {
    numbers(fields, field).first().copied()
}

/// CRIU 4.2 writes the count in field 5 and zero in field 2, older ones only field 2.
fn page_count(entry: &Fields) -> u64 {
    number(entry, 5).or_else(|| number(entry, 2)).unwrap_or(0)
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>> {
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        read_all(&mut zstd::Decoder::new(bytes)?)
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        read_all(&mut flate2::read::MultiGzDecoder::new(bytes))
    } else {
        Ok(bytes.to_vec())
    }
}

fn read_all(from: &mut dyn Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited = from.take(UNPACKED_LIMIT + 1);
    std::io::copy(&mut limited, &mut bytes)?;
    ensure!(bytes.len() as u64 <= UNPACKED_LIMIT, "more than {UNPACKED_LIMIT} bytes");
    Ok(bytes)
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

fn is_image(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "img")
}

/// Folder with its separator, and name: `layer.tar!` and `pages-1.img`, `a/b/` and `c`.
fn split_folder(path: &str) -> (&str, &str) {
    path.split_at(path.rfind(['/', '!']).map_or(0, |at| at + 1))
}

/// Whether one of two paths is the other or ends in it, at a separator.
fn ends_with_path(a: &str, b: &str) -> bool {
    let ends = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', '!']))
    };
    ends(a, b) || ends(b, a)
}

/// `../1` seen from `images/2/` is `images/1/`.
fn resolve(folder: &str, link: &Path) -> String {
    let mut parts: Vec<&str> = folder.split_terminator('/').collect();
    let link = link.to_string_lossy();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "" | "." => {}
            name => parts.push(name),
        }
    }
    parts.iter().flat_map(|part| [part, "/"]).collect()
}
