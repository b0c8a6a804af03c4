//! The cheapest pass over the bytes of a target: the sum of its 64-bit words.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What reading a target and adding up its words costs.
#[derive(Debug)]
pub(crate) struct Floor {
    /// Stored bytes of all files of the target.
    pub(crate) bytes: u64,
    /// CPU time of one pass, the mean of all.
    pub(crate) cpu: Duration,
}

/// Makes one pass to fill the page cache, and `passes` that count.
pub(crate) fn measure(target: &Path, passes: u32) -> io::Result<Floor> {
    const LEN: usize = 256 << 10;
    let files = files(target)?;
    // As the scanner reads: through a buffer that stays in cache, and begins where the kernel copies to at full speed.
    let mut room = vec![0; LEN + 64];
    let start = room.as_ptr().align_offset(64);
    let buffer = room.get_mut(start..start + LEN).unwrap_or_default();
    let mut bytes = 0;
    for file in &files {
        bytes += pass(file, buffer)?;
    }
    let start = cpu_time();
    for _ in 0..passes {
        for file in &files {
            pass(file, buffer)?;
        }
    }
    let cpu = cpu_time().saturating_sub(start) / passes.max(1);
    Ok(Floor { bytes, cpu: cpu.max(Duration::from_nanos(1)) })
}

/// Every regular file of the target; links are not followed.
fn files(target: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![target.to_owned()];
    while let Some(path) = open.pop() {
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_dir() {
            for entry in path.read_dir()? {
                open.push(entry?.path());
            }
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Adds up one file; gives its length.
fn pass(file: &Path, buffer: &mut [u8]) -> io::Result<u64> {
    let mut file = File::open(file)?;
    let (mut bytes, mut sum) = (0, 0_u64);
    loop {
        let filled = file.read(buffer)?;
        if filled == 0 {
            break;
        }
        let part = buffer.get(..filled).unwrap_or_default();
        let (words, rest) = part.as_chunks::<8>();
        sum = words.iter().fold(sum, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
        sum = rest.iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
        bytes += filled as u64;
    }
    black_box(sum);
    Ok(bytes)
}

/// CPU time of this thread, user and system.
pub(crate) fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
