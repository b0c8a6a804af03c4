//! The file of `--cache`: read before a scan, written after it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::report::escape;
use crate::scan::{Cache, CacheFault, Identity, Prepared, Settings};

/// Rights that others than the owner have to write.
#[cfg(unix)]
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// Gives the settings the cache of that file, or an empty one where there is none that can be used.
pub(super) fn open(
    path: &Path,
    prepared: &Prepared,
    settings: &mut Settings,
) -> anyhow::Result<Arc<Cache>> {
    let identity = prepared.identity(settings, &program()?);
    let cache = match read(path, identity, settings.memory)? {
        Ok(cache) => cache,
        Err(why) => {
            if let Some(why) = why {
                let name = name(path);
                tracing::warn!("{name}: {why}; the cache is ignored and written anew");
            }
            Cache::new(identity, settings.memory)
        }
    };
    let cache = Arc::new(cache);
    settings.cache = Some(Arc::clone(&cache));
    Ok(cache)
}

/// Reads a cache, or says why what is there is none; nothing where nothing is there.
fn read(
    path: &Path,
    identity: Identity,
    memory: u64,
) -> anyhow::Result<Result<Cache, Option<String>>> {
    match fs::metadata(path) {
        // A pipe would be waited for.
        Ok(status) if !status.is_file() => bail!("{}: expected a file for the cache", name(path)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(None)),
        Err(error) => return Err(error).with_context(|| name(path)),
    }
    let file = File::open(path).with_context(|| name(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Of what is read, whatever the name stands for by now.
        let status = file.metadata().with_context(|| name(path))?;
        // Whoever can write to it can say that there is nothing in any memory.
        let is_own = status.uid() == rustix::process::geteuid().as_raw();
        if !is_own || status.mode() & WRITTEN_BY_OTHERS != 0 {
            return Ok(Err(Some("others than this user can write to it".to_owned())));
        }
    }
    match Cache::read(&mut BufReader::new(file), identity, memory) {
        Ok(cache) => Ok(Ok(cache)),
        Err(fault @ CacheFault::NoCache) => bail!("{}: {fault}; it is left as it is", name(path)),
        Err(fault) => Ok(Err(Some(fault.to_string()))),
    }
}

/// Writes the cache, and says how much it was worth.
pub(super) fn save(path: &Path, cache: &Cache) {
    let (asked, known) = cache.used();
    let (asked, known) = (asked >> 20, known >> 20);
    tracing::info!(
        "{known} of {asked} MiB of memory were scanned before and had nothing in them: not scanned again"
    );
    if let Err(error) = write(path, cache) {
        tracing::warn!("{}: the cache could not be written: {error}", name(path));
    }
}

/// Writes a file beside it and puts that in its place: who reads it meanwhile has the old one or the new one.
fn write(path: &Path, cache: &Cache) -> io::Result<()> {
    let new = beside(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(&new)?);
    let written = cache.write(&mut file).and_then(|()| {
        file.into_inner()?.sync_all()?;
        fs::rename(&new, path)
    });
    if written.is_err() {
        fs::remove_file(&new).unwrap_or_default();
    }
    written
}

/// The name that a new file has until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", process::id()));
    path.with_file_name(name)
}

/// What makes this program another one than that of the same version: all of its bytes.
fn program() -> anyhow::Result<[u8; 32]> {
    let open = || -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(env::current_exe()?)?)?;
        Ok(hasher.finalize())
    };
    let hash = open().context("--cache: cryoscan cannot read its own program")?;
    Ok(*hash.as_bytes())
}

fn name(path: &Path) -> String {
    escape(&path.display().to_string())
}
