//! The cheapest pass over a target: the sum of its words; with `--decode`, of a compressed file, decoding it
//! and looking at nothing. Prints bytes (decoded ones), CPU nanoseconds and wall nanoseconds, as JSON.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

mod floor;

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use serde_json::json;

const USAGE: &str = "usage: cheapest-pass [--decode] TARGET";

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let decodes = arguments.next_if(|argument| argument == "--decode").is_some();
    let target = arguments.next().context(USAGE)?;
    let target = Path::new(&target);
    let (start, before) = (Instant::now(), floor::cpu_time());
    let (bytes, cpu, wall) = if decodes {
        let bytes = decode(target)?;
        (bytes, floor::cpu_time().saturating_sub(before), start.elapsed())
    } else {
        let floor = floor::measure(target, 1)?;
        (floor.bytes, floor.cpu, start.elapsed())
    };
    let figures = json!({
        "bytes": bytes,
        "cpu_ns": u64::try_from(cpu.as_nanos())?,
        "wall_ns": u64::try_from(wall.as_nanos())?,
    });
    println!("{figures}");
    Ok(())
}

/// Decodes a file of gzip or zstd, through a buffer that stays in cache; gives the length of what it holds.
fn decode(path: &Path) -> Result<u64> {
    let packed = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut decoder: Box<dyn Read> = if path.extension().is_some_and(|suffix| suffix == "gz") {
        Box::new(MultiGzDecoder::new(packed))
    } else {
        Box::new(zstd::Decoder::with_buffer(packed)?)
    };
    let (mut buffer, mut bytes) = (vec![0; 256 << 10], 0);
    loop {
        let filled = decoder.read(&mut buffer)?;
        if filled == 0 {
            return Ok(bytes);
        }
        black_box(&buffer);
        bytes += u64::try_from(filled)?;
    }
}
