//! A finding as reports show it. The order of the fields is the order of the keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::check::{Confidence, Outcome, Severity};
use crate::region::RegionKind;

/// One secret value, indicator or behaviour in one checkpoint, with all its places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Finding {
    /// Name within this report: checkpoint and number (`c1-0007`).
    pub id: String,
    /// Name of the value across reports: `v1:<key id>:<32 hex digits>`.
    pub fingerprint: String,
    /// Name of the value together with where it lives, without pid, address or offset.
    pub place_fingerprint: String,
    /// The checkpoint record that this finding belongs to.
    pub checkpoint: String,
    /// What kind of finding.
    pub class: Class,
    /// The rule that found it.
    pub rule: RuleName,
    /// The harm if it is true.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// What and where, in a few words.
    pub title: String,
    /// The value (class `secret`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Excerpt>,
    /// The text found (classes `grep` and `yara`).
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<Excerpt>,
    /// What a feed or a rule watches for (class `indicator`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indicator: Option<Indicator>,
    /// What was checked offline, and what came of it.
    pub evidence: Vec<Evidence>,
    /// Facts read off the value, never secret: `jwt.alg` → `RS256`.
    pub attributes: BTreeMap<String, String>,
    /// Distinct spans of bytes that hold it, exact.
    pub count: u64,
    /// Processes that hold it, exact.
    pub processes: u64,
    /// Files that hold it, exact.
    pub files: u64,
    /// Where it lies: at most `--max-places`, by region, pid, address and path.
    pub places: Vec<Place>,
    /// Places that are not shown.
    pub places_omitted: u64,
    /// What to do, in one or two sentences.
    pub remediation: String,
    /// Pages that say more.
    pub references: Vec<String>,
    /// Weaknesses: `CWE-798`.
    pub cwe: Vec<String>,
    /// ATT&CK techniques: `T1552.001`.
    pub attack: Vec<String>,
    /// How it compares with the baseline; `null` without one.
    pub status: Option<Status>,
    /// Why the user has suppressed it; `null` if not.
    pub suppression: Option<String>,
}

/// What kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A credential.
    Secret,
    /// Something a feed or a rule watches for.
    Indicator,
    /// Something a process does that it should not.
    Behaviour,
    /// A YARA rule holds.
    Yara,
    /// The user's own pattern (`--grep`).
    Grep,
}

/// The rule behind a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct RuleName {
    /// Stable name: `github-pat-classic`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// The group of rules it belongs to: `github`.
    pub family: String,
}

/// What a report shows of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Excerpt {
    /// The public prefix of its kind and `…`: `ghp_…`.
    pub preview: String,
    /// Bytes of the value.
    pub length: u64,
    /// The value itself (`--show-secrets` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value itself in base64, where it is no UTF-8 (`--show-secrets` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_b64: Option<String>,
}

/// What a feed or a rule watches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Indicator {
    /// What kind of thing: `ipv4`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The thing itself; it is public.
    pub value: String,
}

/// What was checked offline, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Name of the check: `github-crc32`.
    pub check: Cow<'static, str>,
    /// What came of it.
    pub result: Outcome,
}

/// How a finding compares with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The baseline does not have it.
    New,
    /// The baseline has it.
    Unchanged,
    /// The user has accepted it.
    Suppressed,
}

/// A span of bytes that holds the value, in words. What does not apply is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Place {
    /// What kind of bytes.
    pub region: RegionKind,
    /// The process, by its pid inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Name of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Its descriptor of the pipe, socket, terminal or deleted file that holds the bytes; the lowest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fd: Option<u32>,
    /// Which end of a pipe or FIFO it has open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<PipeEnd>,
    /// CRIU's number of the kernel object that holds the bytes: of a pipe, FIFO, socket, terminal,
    /// message queue, BPF map or deleted file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<u64>,
    /// The socket in whose queue the bytes waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<Socket>,
    /// Virtual address of the first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Bytes of the value as it lies there (in UTF-16 twice its characters).
    pub length: u64,
    /// The mapping around the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vma: Option<Vma>,
    /// Path chain of the file: `rootfs-diff.tar!root/.netrc`. Where there is an `image`: path of the FIFO,
    /// terminal or deleted file as the container sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Path of the file as the container sees it, where `path` leads into an archive of its files:
    /// `/root/.netrc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_path: Option<String>,
    /// The image that holds the bytes: `checkpoint/pages-1.img`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Offset of the first byte in `image`, or in the file where there is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Where `offset` is that of a block of compressed pages: offset in what the block expands to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_offset: Option<u64>,
    /// Line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Byte in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// What had to be decoded to see the value, outermost first: `utf-16le`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoded: Vec<Cow<'static, str>>,
    /// Whether a later dump of the chain replaced this page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

/// An end of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PipeEnd {
    /// For reading.
    Read,
    /// For writing.
    Write,
    /// For both.
    Both,
}

/// A socket in whose queue bytes waited.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Socket {
    /// `tcp` or `unix`.
    pub protocol: String,
    /// Its own side: address and port, `10.0.0.7:5432`, or the name of a unix socket, in which `@`
    /// stands for NUL; `null` if it has none.
    pub local: Option<String>,
    /// The other side.
    pub remote: Option<String>,
    /// Which way they went.
    pub queue: Queue,
}

/// Which way bytes in a queue went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// Received, and not read by the program.
    Received,
    /// Sent by the program, and not acknowledged by the other side.
    Sent,
}

/// One mapping of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Vma {
    /// First address.
    pub start: Address,
    /// The address behind the last one.
    pub end: Address,
    /// What it is: `heap`, `stack`, `anonymous`, `file`, `shared`, `vdso` …
    pub kind: Cow<'static, str>,
    /// Protection as in `/proc/PID/maps`: `rw-p`.
    pub prot: String,
    /// The mapped file; `null` if there is none.
    pub path: Option<String>,
}

/// A virtual address; reports write it as a string, `0x7f21a4b0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u64);

impl Address {
    /// Bytes of the longest in words.
    const LONGEST: usize = 18;

    /// Its words, without the machinery of formats: there are three in most places of a finding.
    fn write(self, room: &mut [u8; Self::LONGEST]) -> &str {
        let mut free = room.iter_mut();
        let mut push = |byte: u8| free.next_back().map_or((), |last| *last = byte);
        let mut rest = self.0;
        loop {
            let digit = rest.to_le_bytes()[0] & 15;
            push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
            rest >>= 4;
            if rest == 0 {
                break;
            }
        }
        push(b'x');
        push(b'0');
        let from = free.len();
        room.get(from..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; Self::LONGEST]))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write(&mut [0; Self::LONGEST]))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or_default();
        let number = u64::from_str_radix(digits, 16);
        number.map(Self).map_err(|_| de::Error::custom("expected an address, 0x and hex digits"))
    }
}

#[cfg(feature = "dev")]
impl schemars::JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A virtual address in hexadecimal.",
            "type": "string",
            "pattern": "^0x[0-9a-f]{1,16}$",
        })
    }
}
