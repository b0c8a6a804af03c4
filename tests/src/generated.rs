//! Plants values of all kinds in live processes, dumps these, and compares what a scan says of the dump
//! with where the values truly are: their addresses are those at which `/proc/PID/mem` held them when it
//! was dumped.

mod hold;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Child;

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result};
use data_encoding::BASE64;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::builder::Mapping;
use crate::dumper;
use crate::kinds::{GROUPS, Kind, Made};
use crate::random::Random;
use crate::recall::canonical;
use crate::scanned::{address, shown};
use crate::surroundings::{Surrounding, Written, write};

pub use hold::{hold, start};
pub use tables::markdown;

const PAGE: usize = 4096;

/// A value that was planted, and what came of it.
#[derive(Debug, Clone)]
pub struct Plant {
    /// The letter of its group.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static Kind,
    /// Where it was put.
    pub surrounding: Surrounding,
    /// The value and the text it stands in.
    pub made: Made,
    /// How it lies in memory.
    pub written: Written,
    /// Processes and addresses of it; none before it was dumped.
    pub at: Vec<(u32, u64)>,
    /// What a scan has said.
    pub verdict: Verdict,
}

/// What a scan said of a planted value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verdict {
    /// The value at its address, by these rules.
    Exact(BTreeSet<String>),
    /// Something at its address that is not the value: rules and what they report.
    Other(BTreeMap<String, String>),
    /// Nothing.
    #[default]
    Missed,
}

/// Makes a value of every kind for each of these surroundings, where it has a meaning there. Equal seeds
/// give equal values; no value is made twice.
pub fn plan(surroundings: &[Surrounding], seed: u64, of: &dyn Fn(&Kind) -> bool) -> Vec<Plant> {
    let mut plants = Vec::new();
    let mut random = Random::new(seed);
    for (group, _, kinds) in GROUPS {
        for kind in kinds.iter().filter(|kind| of(kind)) {
            for surrounding in surroundings {
                let Some(made) = kind.make(random.next_word()) else { continue };
                let written = write(kind, &made, *surrounding, &mut random);
                plants.extend(written.map(|written| Plant {
                    group,
                    kind,
                    surrounding: *surrounding,
                    made,
                    written,
                    at: Vec::new(),
                    verdict: Verdict::Missed,
                }));
            }
        }
    }
    plants
}

/// What a process is to hold.
#[derive(Debug, Clone, Default)]
pub struct Plot {
    /// Bytes of its memory, from a page's start on.
    pub memory: Vec<u8>,
    /// Its arguments.
    pub argv: Vec<Vec<u8>>,
    /// Its environment: names and values.
    pub environ: Vec<(Vec<u8>, Vec<u8>)>,
    /// Texts that become strings of its own.
    pub strings: Vec<Vec<u8>>,
}

/// Lays values out for one process, with memory in use between them.
pub fn plot(plants: &[Plant], seed: u64) -> Plot {
    let mut random = Random::new(seed);
    let mut plot = Plot::default();
    let mut names: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for plant in plants {
        let bytes = &plant.written.bytes;
        if plant.surrounding == Surrounding::Argv {
            plot.argv.extend(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec));
        } else if plant.surrounding == Surrounding::Environ {
            let sign = bytes.iter().position(|byte| *byte == b'=').unwrap_or(0);
            let (name, value) = bytes.split_at(sign);
            let seen = names.entry(name.to_vec()).or_default();
            *seen += 1;
            let prefix = if *seen > 1 { format!("APP{seen}_") } else { String::new() };
            let value = value.get(1..).unwrap_or_default();
            plot.environ.push(([prefix.as_bytes(), name].concat(), value.to_vec()));
        } else if plant.surrounding.is_runtime() {
            plot.strings.push(bytes.clone());
        } else {
            let noise = 256 + random.below(256);
            let noise = Mapping::noise(0, noise / 16 * 16, random.next_word());
            plot.memory.extend(noise.content());
            plot.memory.extend([0; 16]);
            if plant.surrounding == Surrounding::PageEdge
                && let Some(value) = plant.written.spans.first()
            {
                let middle = usize::midpoint(value.start, value.end);
                let at = (plot.memory.len() + middle) % PAGE;
                plot.memory.resize(plot.memory.len() + (PAGE - at), 0);
            }
            plot.memory.extend(bytes);
            plot.memory.resize((plot.memory.len() + 16).next_multiple_of(16), 0);
        }
    }
    plot.memory.resize(plot.memory.len().next_multiple_of(PAGE), 0);
    plot
}

/// Dumps a process that holds values, notes where in memory they are, and ends it.
///
/// # Errors
/// When it cannot be stopped, read or written down.
pub fn dump(mut child: Child, plants: &mut [Plant], out: &Path) -> Result<dumper::Dumped> {
    let pids = dumper::stop(child.id())?;
    let needles: Vec<&[u8]> = plants.iter().map(|plant| plant.written.needle()).collect();
    let longest = needles.iter().map(|needle| needle.len()).max().unwrap_or(0);
    let search = AhoCorasick::new(&needles).context("too many values")?;
    let mut found: BTreeSet<(usize, u32, u64)> = BTreeSet::new();
    // What was read before, as a value may begin there: process, its end, bytes.
    let mut before = (0, 0, Vec::new());
    let dumped = dumper::dump(&pids, out, &mut |pid, at, bytes| {
        let is_next = before.0 == pid && before.1 == at;
        let mut held = if is_next { std::mem::take(&mut before.2) } else { Vec::new() };
        let start = at - held.len() as u64;
        held.extend(bytes);
        for hit in search.find_overlapping_iter(&held) {
            found.insert((hit.pattern().as_usize(), pid, start + hit.start() as u64));
        }
        let keep = held.len().saturating_sub(longest);
        before = (pid, at + bytes.len() as u64, held.split_off(keep));
    });
    dumper::signal("KILL", &pids)?;
    child.wait().context("the process does not end")?;
    for (plant, pid, at) in found {
        if let Some(plant) = plants.get_mut(plant) {
            plant.at.push((pid, at));
        }
    }
    dumped
}

/// What a finding says: its rules, its value, the length of a place.
struct Said {
    rules: BTreeSet<String>,
    value: Vec<u8>,
    len: u64,
}

/// Longest value, in bytes of memory, that a place may begin before.
const REACH: u64 = 1 << 16;

/// Compares a report in JSON Lines with where the values are; gives the findings by rule of high
/// confidence that are at none of them.
///
/// # Errors
/// When the report cannot be read.
pub fn compare(report: &str, plants: &mut [Plant]) -> Result<BTreeMap<String, usize>> {
    let mut places: BTreeMap<(u32, u64), Vec<usize>> = BTreeMap::new();
    let mut all: Vec<Said> = Vec::new();
    let mut sure: Vec<usize> = Vec::new();
    for line in report.lines() {
        let finding: Value = serde_json::from_str(line).context("a line of the report")?;
        if finding["type"] != "finding" {
            continue;
        }
        let also = finding["attributes"]["also"].as_array().into_iter().flatten();
        let rules = also.chain([&finding["rule"]["id"]]).filter_map(Value::as_str);
        let rules: BTreeSet<String> = rules.map(str::to_owned).collect();
        let value = shown(&finding).map(|value| canonical(&value)).unwrap_or_default();
        let first = all.len();
        for place in finding["places"].as_array().into_iter().flatten() {
            let pid = place["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            if let (Some(pid), Some(at)) = (pid, address(&place["address"])) {
                places.entry((pid, at)).or_default().push(all.len());
                let len = place["length"].as_u64().unwrap_or(1).max(1);
                all.push(Said { rules: rules.clone(), value: value.clone(), len });
            }
        }
        if matches!(finding["confidence"].as_str(), Some("high" | "confirmed")) {
            sure.extend(first..all.len());
        }
    }
    for plant in plants.iter_mut() {
        let mut exact = BTreeSet::new();
        let mut other = BTreeMap::new();
        for (pid, start) in &plant.at {
            let end = start + plant.written.needle().len() as u64;
            let around = places.range((*pid, start.saturating_sub(REACH))..(*pid, end));
            for ((_, at), said) in around {
                for index in said {
                    let said = &all[*index];
                    if at + said.len <= *start {
                        continue;
                    }
                    if is_exact(plant, *start, *at, said) {
                        exact.extend(said.rules.clone());
                    } else {
                        let value = String::from_utf8_lossy(&said.value);
                        other.extend(
                            said.rules.iter().map(|rule| (rule.clone(), value.to_string())),
                        );
                    }
                }
            }
        }
        plant.verdict = match (exact.is_empty(), other.is_empty()) {
            (false, _) => Verdict::Exact(exact),
            (true, false) => Verdict::Other(other),
            (true, true) => Verdict::Missed,
        };
    }
    let mut astray = BTreeMap::new();
    for said in sure.iter().map(|index| &all[*index]) {
        // Copies of planted values are true wherever they are.
        if !said.value.is_empty() && !plants.iter().any(|plant| plant.knows(&said.value)) {
            for rule in &said.rules {
                *astray.entry(rule.clone()).or_default() += 1;
            }
        }
    }
    Ok(astray)
}

impl Plant {
    /// Readings of the value, and of each of its parts, that count as exact: as it is, and what base64
    /// in it says, of a login the password too.
    fn readings(&self, span: usize) -> Vec<Vec<u8>> {
        let span = self.made.spans.get(span).cloned().unwrap_or_default();
        let value = self.made.text.get(span).unwrap_or_default();
        let mut readings = vec![canonical(value)];
        if let Ok(clear) = BASE64.decode(value) {
            let colon = clear.iter().position(|byte| *byte == b':');
            readings.extend(colon.and_then(|at| clear.get(at + 1..)).map(canonical));
            readings.extend(released(&clear).into_iter().flatten());
            readings.push(canonical(&clear));
        }
        readings
    }

    /// Whether a value is this one, a part of its text, or around it.
    fn knows(&self, value: &[u8]) -> bool {
        let text = canonical(&self.made.text);
        contains(&self.made.text, value)
            || contains(&text, value)
            || contains(value, self.made.value())
            || (0..self.made.spans.len())
                .flat_map(|span| self.readings(span))
                .any(|reading| contains(&reading, value))
    }
}

/// The values that a release of Helm was configured with: in base64 again is gzip, and in that is JSON.
fn released(base64: &[u8]) -> Option<Vec<Vec<u8>>> {
    let gzip = BASE64.decode(base64).ok()?;
    let release: Value = serde_json::from_reader(GzDecoder::new(gzip.as_slice())).ok()?;
    let mut values = Vec::new();
    let mut rest = vec![&release["config"]];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(object) => rest.extend(object.values()),
            Value::String(text) => values.push(canonical(text.as_bytes())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
        }
    }
    Some(values)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// Whether a finding at this address is the value, or the part of it that matters, exactly.
fn is_exact(plant: &Plant, start: u64, at: u64, said: &Said) -> bool {
    let written = &plant.written;
    let base = written.spans.first().map_or(0, |span| span.start);
    written.spans.iter().enumerate().any(|(number, span)| {
        let first = start + (span.start - base) as u64;
        let mut readings = plant.readings(number).into_iter();
        // The same bytes, in base64 or not, begin where the value begins.
        // Between NULs the same bytes are little-endian from the next one on.
        let is_shifted = plant.surrounding == Surrounding::Utf16Be && at == first + 1;
        let place = if written.is_hidden { at >= start } else { at == first || is_shifted };
        let inside = at >= first && at < start + written.needle().len() as u64;
        readings.next() == Some(said.value.clone()) && place
            || readings.any(|reading| inside && reading == said.value)
    })
}
