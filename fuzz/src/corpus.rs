//! Inputs that were kept: what found a fault, and what libFuzzer found to reach new code. One
//! compressed archive a target, so that the repository holds no text that looks like a credential.
#![expect(clippy::disallowed_methods, reason = "small files of our own, or bounded by take")]

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

fn archive(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{name}.tar.zst"))
}

/// What was kept for a target; nothing, if nothing was.
///
/// # Panics
/// When the archive is damaged.
pub fn kept(name: &str) -> Vec<Vec<u8>> {
    let Ok(packed) = fs::File::open(archive(name)) else { return Vec::new() };
    let unpacked = zstd::Decoder::new(packed).expect("a zstd stream");
    let mut tar = tar::Archive::new(unpacked);
    let entries = tar.entries().expect("a tar");
    let mut inputs = Vec::new();
    for entry in entries {
        let mut input = Vec::new();
        entry.expect("a member").read_to_end(&mut input).expect("a body");
        inputs.push(input);
    }
    inputs
}

/// Keeps the files of a folder for a target, in the order of their content.
///
/// # Errors
/// From reading and writing.
pub fn pack(name: &str, folder: &Path) -> io::Result<usize> {
    let mut inputs = kept(name);
    for entry in fs::read_dir(folder)? {
        inputs.push(fs::read(entry?.path())?);
    }
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let path = archive(name);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let mut tar = tar::Builder::new(zstd::Encoder::new(fs::File::create(path)?, 19)?);
    for (index, input) in inputs.iter().enumerate() {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o600);
        header.set_size(input.len() as u64);
        tar.append_data(&mut header, format!("{index:05}"), input.as_slice())?;
    }
    tar.into_inner()?.finish()?;
    Ok(inputs.len())
}
