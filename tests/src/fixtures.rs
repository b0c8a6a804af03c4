//! The checkpoints in `tests/fixtures`, and what is known to be in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// A checkpoint archive on disk and its known content.
#[derive(Debug)]
pub struct Fixture {
    /// `tests/fixtures/NAME/checkpoint.tar.zst`.
    pub archive: PathBuf,
    /// From `truth.json.zst` beside it.
    pub truth: Truth,
}

/// What is known to be in a checkpoint.
#[derive(Debug, Clone, Deserialize)]
pub struct Truth {
    /// Name of the fixture.
    pub name: String,
    /// Producer: `podman`, `cri-o`, `containerd-cri`, `containerd`, `docker`, `runc`, `criu`, `oci-image`.
    pub layout: String,
    /// Every value that was planted, decoys included.
    pub values: Vec<Planted>,
}

/// A value that was planted, and where a brute-force search of the checkpoint found it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Planted {
    /// Fixture, kind and number: the only part that may be printed.
    pub id: String,
    /// Kind of value: `github-pat`, `jwt-rs256`…; not a rule's id.
    pub kind: String,
    value: Option<String>,
    value_b64: Option<String>,
    /// What stands around it, in words.
    pub planted_surrounding: String,
    /// Where it was put, in a word: `heap`, `pipe`, `file: sqlite`.
    pub planted_in: String,
    /// `indicator` or `behaviour` for signs of compromise; nothing for secrets.
    #[serde(rename = "class_")]
    pub class: Option<String>,
    /// An indicator that only a feed can know.
    pub feed: bool,
    /// Must not be reported as a secret.
    pub decoy: bool,
    /// A decoy that may be reported with low or medium confidence.
    pub soft: bool,
    /// Its halves are neighbours in a pages image but not in memory: never to be reported.
    pub page_gap: bool,
    /// Nothing but context tells that it is a secret.
    pub weak: bool,
    /// Only in a page of a parent dump that a later dump superseded.
    pub optional: bool,
    /// Stands directly before stale text of its own alphabet, without a checksum or a fixed length.
    pub open_end: bool,
    /// It is in the checkpoint in some encoding.
    pub expect_present: bool,
    /// `user:password` of a Basic header.
    pub clear: Option<String>,
    /// Other readings that count as found.
    pub alternatives: Vec<String>,
    /// Processes that hold it.
    pub pids: Vec<u32>,
    /// Whole occurrences in memory and in shared segments.
    pub occurrences: Vec<Occurrence>,
    /// Occurrences outside of memory.
    pub items: Vec<Item>,
}

/// An occurrence in memory.
#[derive(Debug, Clone, Deserialize)]
pub struct Occurrence {
    /// Process; absent in a shared segment.
    pub pid: Option<u32>,
    /// In the process, as `0x…`.
    pub address: Option<String>,
    /// Bytes of the encoded form.
    pub length: u64,
    /// `plain`, `utf16le`, `base64+1`, `hex`…
    pub encoding: String,
    /// The pages image; `parent/…` for a page of a parent dump.
    pub image: String,
    /// Of its first byte in the pages image.
    pub offset: u64,
    /// Who maps the shared segment that it lies in.
    #[serde(default)]
    pub mapped_by: Vec<Mapped>,
}

/// An address at which a process has an occurrence in a shared segment.
#[derive(Debug, Clone, Deserialize)]
pub struct Mapped {
    /// The process.
    pub pid: u32,
    /// As `0x…`.
    pub address: String,
}

/// An occurrence in a file, a queue or metadata.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    /// Path in the archive; `!/` enters an archive inside, `#` a part of an image.
    pub item: String,
    /// As in [`Occurrence`].
    pub encoding: String,
}

impl Planted {
    /// The planted bytes.
    ///
    /// # Errors
    /// When the truth has neither a text nor valid base64.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        if let Some(encoded) = &self.value_b64 {
            return Ok(data_encoding::BASE64.decode(encoded.as_bytes())?);
        }
        Ok(self.value.clone().with_context(|| format!("{} has no value", self.id))?.into_bytes())
    }

    /// Whether its bytes are binary.
    pub fn is_binary(&self) -> bool {
        self.value_b64.is_some()
    }

    /// Whether a scan must find it: it is there as planted, and more than context tells what it is.
    pub fn is_asked_for(&self) -> bool {
        let sign = self.feed || self.class.as_deref() == Some("behaviour");
        self.expect_present && !self.decoy && !self.weak && !self.optional && !sign
    }

    /// Where it was put, and whether that is in a parent dump.
    pub fn place(&self) -> String {
        let in_parent = |o: &Occurrence| o.image.starts_with("parent/");
        let parent = !self.occurrences.is_empty() && self.occurrences.iter().all(in_parent);
        format!("{}{}", self.planted_in, if parent { ", page of a parent dump" } else { "" })
    }

    /// Whether it lies plain or in UTF-16LE in memory, or plain in metadata or a file of the root
    /// file system's difference: no queue, tmpfs, archive of the user's or base64 on the way.
    pub fn is_direct(&self) -> bool {
        let plain = |encoding: &str| matches!(encoding, "plain" | "utf16le");
        let in_memory = |o: &Occurrence| plain(&o.encoding) && !o.image.starts_with("parent");
        let in_file = |i: &Item| {
            let own = usize::from(i.item.contains("rootfs-diff.tar!"))
                + usize::from(i.item.contains("blobs/"));
            let detached = i.item.contains('#') || i.item.contains("tmpfs");
            plain(&i.encoding) && !detached && i.item.matches('!').count() <= own
        };
        self.occurrences.iter().any(in_memory) || self.items.iter().any(in_file)
    }
}

/// Every fixture of a folder, by name.
///
/// # Errors
/// When a folder in it lacks a truth, or the truth does not decode.
pub fn load(folder: &Path) -> Result<Vec<Fixture>> {
    let mut fixtures = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let truth = path.join("truth.json.zst");
        let file = std::fs::File::open(&truth).with_context(|| truth.display().to_string())?;
        let truth = serde_json::from_reader(zstd::Decoder::new(file)?)
            .with_context(|| truth.display().to_string())?;
        fixtures.push(Fixture { archive: path.join("checkpoint.tar.zst"), truth });
    }
    fixtures.sort_by(|a, b| a.truth.name.cmp(&b.truth.name));
    Ok(fixtures)
}

/// The fixtures of this repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_reach_is_memory_metadata_and_the_file_system_difference() {
        let planted = |item: &str, encoding: &str| Planted {
            items: vec![Item { item: item.to_owned(), encoding: encoding.to_owned() }],
            ..Planted::default()
        };
        assert!(planted("spec.dump", "plain").is_direct());
        assert!(planted("rootfs-diff.tar!/etc/tls.key", "plain").is_direct());
        assert!(planted("image/blobs/sha256/00!/ctr.log", "plain").is_direct());
        assert!(!planted("spec.dump", "base64").is_direct());
        assert!(!planted("checkpoint/pipes-data.img#pipe:7", "plain").is_direct());
        assert!(!planted("checkpoint/tmpfs-dev-41.tar.gz.img!gz!/token", "plain").is_direct());
        assert!(!planted("rootfs-diff.tar!/app/lib.jar!/token", "plain").is_direct());
    }

    #[test]
    fn every_occurrence_lies_where_the_truth_says() {
        for fixture in load(&folder()).unwrap() {
            let reader = crate::reader::Reader::open_file(&fixture.archive).unwrap();
            for planted in &fixture.truth.values {
                let value = planted.bytes().unwrap();
                for occurrence in planted.occurrences.iter().filter(|o| o.encoding == "plain") {
                    let (Some(pid), Some(address)) = (occurrence.pid, &occurrence.address) else {
                        continue;
                    };
                    let address =
                        u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
                    let found = reader.memory(pid, address, value.len());
                    assert!(found.as_ref() == Some(&value), "{} at {address:#x}", planted.id);
                }
                if planted.page_gap {
                    assert!(planted.pids.is_empty(), "{}", planted.id);
                }
            }
        }
    }
}
