//! Writes a large checkpoint to standard output: memory of a few processes and a file of text, both
//! made up, the same bytes every time. Neither is ever whole in memory.
//!
//! `--zeros` adds pages that were written and hold nothing, as freed heaps and buffers of databases
//! do: between those that hold something, and as holes where the output is a file.
#![expect(clippy::print_stderr, reason = "what to expect of a scan goes beside the archive")]

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer, present};
use cryoscan_tests::random::Random;
use cryoscan_tests::values;
use tar::{Builder, EntryType, Header};

const USAGE: &str = "usage: large-checkpoint MEMORY-MIB TEXT-MIB [--zeros MIB] [--zstd] > ARCHIVE";

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
/// Memory of one process: what fits between `START` and the end of its addresses.
const PROCESS_MIB: u64 = 4096;
/// The same as a length.
const PROCESS_STEP: usize = 4096;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let packed = arguments.iter().position(|argument| argument == "--zstd");
    let packed = packed.map(|at| arguments.remove(at)).is_some();
    let mib = |text: &String| text.parse::<u64>().context(USAGE);
    let zeros = match arguments.iter().position(|argument| argument == "--zeros") {
        None => 0,
        Some(at) => mib(arguments.drain(at..).nth(1).as_ref().context(USAGE)?)?,
    };
    let [memory, text] = arguments.as_slice() else { bail!(USAGE) };
    let amounts = Amounts { memory: mib(memory)?.max(1), zeros, text: mib(text)?.max(1) };

    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if packed {
        let out = BufWriter::with_capacity(BLOCK, stdout);
        let mut out = zstd::Encoder::new(out, 1)?;
        write(&mut out, &amounts)?;
        out.finish()?.flush()?;
    } else if stdout.metadata()?.is_file() {
        let mut out = BufWriter::with_capacity(1 << 16, Holes { file: stdout, end: 0 });
        write(&mut out, &amounts)?;
        out.flush()?;
        let Holes { file, end } = out.into_inner()?;
        file.set_len(end)?;
    } else {
        let mut out = BufWriter::with_capacity(BLOCK, stdout);
        write(&mut out, &amounts)?;
        out.flush()?;
    }
    let tokens = amounts.memory.div_ceil(TOKEN_EVERY) + amounts.text.div_ceil(TOKEN_EVERY);
    eprintln!("{tokens} tokens, each of its own value");
    Ok(())
}

/// How large the checkpoint is, in MiB.
struct Amounts {
    /// Memory that holds something.
    memory: u64,
    /// Memory of zeros beside it.
    zeros: u64,
    /// The file.
    text: u64,
}

impl Amounts {
    /// What stands in a MiB of memory: the how-manieth that holds something, or zeros.
    fn block(&self, number: u64) -> Option<u64> {
        let all = self.memory + self.zeros;
        let before = |number: u64| (number * self.memory).div_ceil(all);
        (before(number + 1) > before(number)).then(|| before(number))
    }
}

/// A file in which blocks of zeros are not written.
#[derive(Debug)]
struct Holes {
    file: File,
    end: u64,
}

impl Write for Holes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let zeros = bytes.len() >= 4096 && bytes.iter().fold(0, |all, byte| all | byte) == 0;
        let written = if zeros {
            self.file.seek(SeekFrom::Current(i64::try_from(bytes.len()).unwrap_or(0)))?;
            bytes.len()
        } else {
            self.file.write(bytes)?
        };
        self.end += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes the archive: what Podman writes, with the pages and the text made on the way.
fn write(out: &mut dyn Write, amounts: &Amounts) -> Result<()> {
    let all = amounts.memory + amounts.zeros;
    let mut checkpoint = Checkpoint::new();
    let mut firsts = Vec::new();
    for (pid, from) in (1..).zip((0..all).step_by(PROCESS_STEP)) {
        let mib = PROCESS_MIB.min(all - from);
        let page = Mapping::noise(START, 4096, 1);
        firsts.push((format!("pages-{pid}.img"), page.content().to_vec(), from, mib));
        let mut process = Process::new(pid, "large").map(page.reserve(mib * MIB - PAGE));
        if pid > 1 {
            process = process.parent(1);
        }
        checkpoint = checkpoint.process(process);
        let pages = mib * MIB / PAGE;
        let mut at = 1;
        while at < pages {
            let count = ENTRY_PAGES.min(pages - at);
            checkpoint = checkpoint.pagemap_entry(pid, present(START + at * PAGE, count));
            at += count;
        }
    }
    let archive = Archive::of(Producer::Podman, &checkpoint);

    let mut tar = Builder::new(out);
    for (name, bytes) in archive.files() {
        let made = firsts.iter().find(|(pages, ..)| name.rsplit('/').next() == Some(pages));
        if let Some((_, first, from, mib)) = made {
            // The builder wrote the stack's pages and the first one of the mapping.
            let stack = bytes.strip_suffix(first.as_slice()).context("the first page is last")?;
            let memory = |number| match amounts.block(from + number) {
                Some(number) => noise(number),
                None => vec![0; BLOCK],
            };
            let rest = Made::new(mib * MIB, &memory);
            let size = stack.len() as u64 + mib * MIB;
            tar.append_data(&mut header(size), name, stack.chain(rest))?;
        } else if name != "rootfs-diff.tar" {
            tar.append_data(&mut header(bytes.len() as u64), name, bytes)?;
        }
    }
    let size = amounts.text * MIB;
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
        buf[..count].copy_from_slice(&ready[..count]);
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
