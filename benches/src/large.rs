//! Writes a large checkpoint to standard output: memory of one process and a file of text, both made
//! up, the same bytes every time. Neither is ever whole in memory.
#![expect(clippy::print_stderr, reason = "what to expect of a scan goes beside the archive")]

use std::io::{self, BufWriter, Read, Write};

use anyhow::{Context, Result, bail};
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer, present};
use cryoscan_tests::random::Random;
use cryoscan_tests::values;
use tar::{Builder, EntryType, Header};

const USAGE: &str = "usage: large-checkpoint MEMORY-MIB TEXT-MIB [--zstd] > ARCHIVE";

const MIB: u64 = 1 << 20;
/// The same as a length.
const BLOCK: usize = 1 << 20;
const PAGE: u64 = 4096;
/// Where the large mapping begins: above the stack, so that its pages are the last in the image.
const START: u64 = 0x7ffe_0000_0000;
/// One token in so many MiB, of memory and of text.
const TOKEN_EVERY: u64 = 16;
/// CRIU writes at most so many pages in one entry of a pagemap.
const ENTRY_PAGES: u64 = 256;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let packed = arguments.iter().position(|argument| argument == "--zstd");
    let packed = packed.map(|at| arguments.remove(at)).is_some();
    let [memory, text] = arguments.as_slice() else { bail!(USAGE) };
    let [memory, text] = [memory, text].map(|mib| mib.parse::<u64>().context(USAGE));
    let (memory, text) = (memory?.max(1), text?.max(1));

    let out = BufWriter::with_capacity(BLOCK, io::stdout().lock());
    if packed {
        let mut out = zstd::Encoder::new(out, 1)?;
        write(&mut out, memory, text)?;
        out.finish()?.flush()?;
    } else {
        let mut out = out;
        write(&mut out, memory, text)?;
        out.flush()?;
    }
    let tokens = memory.div_ceil(TOKEN_EVERY) + text.div_ceil(TOKEN_EVERY);
    eprintln!("{tokens} tokens, each of its own value");
    Ok(())
}

/// Writes the archive: what Podman writes, with the pages and the text made on the way.
fn write(out: &mut dyn Write, memory: u64, text: u64) -> Result<()> {
    let page = Mapping::noise(START, 4096, 1);
    let first = page.content().to_vec();
    let process = Process::new(1, "large").map(page.reserve(memory * MIB - PAGE));
    let mut checkpoint = Checkpoint::new().process(process);
    let pages = memory * MIB / PAGE;
    let mut at = 1;
    while at < pages {
        let count = ENTRY_PAGES.min(pages - at);
        checkpoint = checkpoint.pagemap_entry(1, present(START + at * PAGE, count));
        at += count;
    }
    let archive = Archive::of(Producer::Podman, &checkpoint);

    let mut tar = Builder::new(out);
    for (name, bytes) in archive.files() {
        if name.ends_with("pages-1.img") {
            // The builder wrote the stack's pages and the first one of the mapping.
            let stack = bytes.strip_suffix(first.as_slice()).context("the first page is last")?;
            let rest = Made::new(memory * MIB, &noise);
            let size = stack.len() as u64 + memory * MIB;
            tar.append_data(&mut header(size), name, stack.chain(rest))?;
        } else if name != "rootfs-diff.tar" {
            tar.append_data(&mut header(bytes.len() as u64), name, bytes)?;
        }
    }
    let size = text * MIB;
    let mut inner = header(size);
    inner.set_path("var/log/large.log")?;
    inner.set_cksum();
    // The text is whole blocks; two of zeros end an archive.
    let body = inner.as_bytes().chain(Made::new(size, &lines)).chain(io::repeat(0).take(1024));
    tar.append_data(&mut header(size + 512 + 1024), "rootfs-diff.tar", body)?;
    tar.finish()?;
    Ok(())
}

fn header(size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    header
}

/// A stream of so many bytes, made a MiB at a time.
struct Made<'a> {
    left: u64,
    number: u64,
    block: Vec<u8>,
    at: usize,
    make: &'a dyn Fn(u64) -> Vec<u8>,
}

impl<'a> Made<'a> {
    fn new(bytes: u64, make: &'a dyn Fn(u64) -> Vec<u8>) -> Self {
        Self { left: bytes, number: 0, block: Vec::new(), at: 0, make }
    }
}

impl Read for Made<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            self.block = (self.make)(self.number);
            self.number += 1;
            self.at = 0;
        }
        let ready = self.block.get(self.at..).unwrap_or_default();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let count = ready.len().min(most);
        for (to, from) in buf.iter_mut().zip(ready.iter().take(count)) {
            *to = *from;
        }
        self.at += count;
        self.left -= count as u64;
        Ok(count)
    }
}

/// A MiB of memory: a heap in use, now and then with a token.
fn noise(number: u64) -> Vec<u8> {
    let token = number.is_multiple_of(TOKEN_EVERY).then(|| token(number));
    let mapping = Mapping::noise(0, BLOCK, number);
    match token {
        // Across the border of two pages.
        Some(token) => mapping.put(5 * PAGE - 20, format!("\0{token}\0")).content().to_vec(),
        None => mapping.content().to_vec(),
    }
}

/// A MiB of a log, now and then with a token.
fn lines(number: u64) -> Vec<u8> {
    let mut random = Random::new(number ^ 0x4c4f_4700);
    let mut text: Vec<u8> = Vec::with_capacity(BLOCK + 256);
    if number.is_multiple_of(TOKEN_EVERY) {
        text.extend(format!("remote: using {}\n", token(number | 1 << 32)).into_bytes());
    }
    while text.len() < BLOCK {
        let (pid, at) = (random.below(65_536), random.below(86_400));
        let (hour, minute, second) = (at / 3600, at / 60 % 60, at % 60);
        let (uuid, millis) = (values::uuid(&mut random), random.below(1000));
        let message = match random.below(6) {
            0 => format!("GET /api/v1/orders/{uuid}?page={pid} HTTP/1.1\" 200 {at}"),
            1 => format!("user login ok, session {uuid}, token refreshed"),
            2 => format!("password policy checked for user{pid} in {millis} ms"),
            3 => format!("digest sha256:{}", random.text(b"0123456789abcdef", 64)),
            4 => format!("{{\"level\":\"info\",\"id\":\"{uuid}\",\"took\":{millis},\"keys\":[]}}"),
            _ => random.text(b"etaoin shrdlu cmfwyp vbgkqjxz", 80),
        };
        let time = format!("{hour:02}:{minute:02}:{second:02}.{millis:03}");
        text.extend(format!("2026-01-02T{time}Z {pid} {message}\n").into_bytes());
    }
    text.truncate(BLOCK - 1);
    text.push(b'\n');
    text
}

/// A token of its own for each number.
fn token(number: u64) -> String {
    values::github_token(&mut Random::new(number))
}
