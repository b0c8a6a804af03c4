//! The fold: what all work has found, split by checkpoint, as records.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::omissions::omissions;
use super::owners::Owners;
use super::prepared::fingerprint_key;
use super::scope;
use super::walk::Scanned;
use super::{Described, Outcome, Settings};
use crate::checkpoint::{Checkpoint, path_id};
use crate::coverage::{Coverage, Reason};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::finding::{self, Context, Fingerprints, Found, Holds};
use crate::matching::Engine;
use crate::region::{Holder, HolderKind, LabelKind, Locus, RegionKind};
use crate::report::{CheckpointRecord, Container, CoverageRecord, DiagnosticRecord, Pod, Record};
use crate::rule::{Class, RuleSet};
use crate::secret::SecretBytes;
use crate::tally::{Part, Partial, Spread, ValueKey, Values};

/// Makes the records of a target.
pub(super) fn fold(
    scanned: Scanned,
    engine: &Engine,
    key_name: &str,
    settings: &Settings,
    outcome: &mut Outcome,
    emit: &mut dyn FnMut(Record) -> io::Result<()>,
) -> io::Result<()> {
    let Scanned { target, is_part, compression, mut checkpoints, mut partial, units, files } =
        scanned;
    describe_processes(&mut checkpoints, &partial.labels, None);
    for checkpoint in &mut checkpoints {
        outcome.fits |= scope::fits(&settings.filter, checkpoint);
        settings.filter.restrict(&mut checkpoint.shared, &checkpoint.processes);
    }
    let owner = Owners::of(&checkpoints);
    let fingerprints = Fingerprints {
        key: fingerprint_key(settings).0,
        key_name: key_name.to_owned(),
        is_private: settings.fingerprint_key.is_some(),
    };
    let mut coverage: Vec<Coverage> = vec![Coverage::default(); checkpoints.len()];
    let mut file_counts = vec![0u64; checkpoints.len()];
    for (unit, part) in &partial.coverage {
        let path = units.get(unit).map_or("", String::as_str);
        if let Some(sum) = coverage.get_mut(owner.of_path(path)) {
            sum.merge(part);
        }
    }
    for (unit, count) in &files {
        let path = units.get(unit).map_or("", String::as_str);
        if let Some(sum) = file_counts.get_mut(owner.of_path(path)) {
            *sum = sum.saturating_add(*count);
        }
    }
    let mut notes: Vec<Vec<Diagnostic>> = vec![Vec::new(); checkpoints.len()];
    let mut note = |diagnostic: Diagnostic| {
        let index = owner.of_path(&diagnostic.member);
        if let Some(notes) = notes.get_mut(index) {
            notes.push(diagnostic);
        }
    };
    self::notes(&mut partial).into_iter().for_each(&mut note);
    if partial.found.overflow {
        let text = "more values than are kept; those with the lowest hashes are shown";
        note(Diagnostic::new(Level::Error, Code::LimitReached, "", text));
    }
    // A database full of sessions, or of certificates: what is no finding by itself is not lost by this.
    if partial.unproven.overflow || !partial.vault.is_whole() {
        let text = "more values than proofs look into; those with the lowest hashes were looked at";
        note(Diagnostic::new(Level::Warning, Code::LimitReached, "", text));
    }
    if partial.listed.overflow {
        let text = "more indicators of lists than are kept; those with the lowest hashes are shown";
        note(Diagnostic::new(Level::Warning, Code::LimitReached, "", text));
    }
    let mut known_sets = BTreeMap::new();
    let mut of_set = |set: u64| *known_sets.entry(set).or_insert_with(|| owner.of_set(set, &units));
    let values = split(&partial, checkpoints.len(), &mut of_set);
    let mut holds: Vec<BTreeMap<u32, Holds<'_>>> =
        checkpoints.iter().map(|_| BTreeMap::new()).collect();
    for ((rule, holder), held) in &partial.holding.by {
        if let Some(holds) = holds.get_mut(of_set(holder.set)) {
            holds.entry(*rule).or_default().by.push((*holder, held));
        }
    }
    for (rule, holder) in &partial.holding.holders {
        if let Some(holds) = holds.get_mut(of_set(holder.set)) {
            holds.entry(*rule).or_default().holders.insert(*holder);
        }
    }
    for ((rule, set), hits) in &partial.holding.hits {
        if let Some(holds) = holds.get_mut(of_set(*set)) {
            let held = holds.entry(*rule).or_default();
            held.hits = held.hits.saturating_add(*hits);
        }
    }
    let values = values.into_iter().zip(holds);
    let rows = checkpoints.iter().zip(values).zip(coverage).zip(notes).zip(file_counts);
    let several = checkpoints.len() > 1 || is_part;
    for ((((checkpoint, (values, holds)), mut coverage), mut notes), files) in rows {
        outcome.checkpoints = outcome.checkpoints.saturating_add(1);
        let name = format!("c{}", outcome.checkpoints);
        emit(Record::Checkpoint(checkpoint_record(
            checkpoint,
            &name,
            &target,
            several,
            compression,
            files,
        )))?;
        let context = Context {
            checkpoint,
            name: &name,
            rules: engine.rules(),
            yara: settings.yara.as_ref().map_or(&[], |rules| rules.infos()),
            names: &partial.names,
            line_feeds: &partial.line_feeds,
            kept: &partial.kept,
            vault: &partial.vault,
            earlier: &outcome.earlier,
            fingerprints: &fingerprints,
            max_places: settings.max_places,
        };
        let keys: Vec<ValueKey> = values.iter().map(|(key, _)| *key).collect();
        let findings = finding::findings(values, &holds, &context);
        for finding in findings {
            let row = (finding.severity, finding.confidence);
            let count = outcome.findings.entry(row).or_default();
            *count = count.saturating_add(1);
            emit(Record::Finding(finding))?;
        }
        outcome.earlier.add(outcome.checkpoints, keys.into_iter());
        balance(&mut coverage, &mut notes);
        outcome.scanned_bytes = outcome.scanned_bytes.saturating_add(coverage.scanned);
        for diagnostic in notes {
            outcome.complete &= diagnostic.level != Level::Error;
            emit(Record::Diagnostic(DiagnosticRecord {
                checkpoint: Some(name.clone()),
                diagnostic,
            }))?;
        }
        emit(Record::Coverage(CoverageRecord {
            checkpoint: name,
            coverage,
            notes: scope::note(&settings.filter).into_iter().chain(omissions(checkpoint)).collect(),
        }))?;
    }
    Ok(())
}

/// The values of a partial by checkpoint, each in order.
fn split<'a>(
    partial: &'a Partial,
    checkpoints: usize,
    of_set: &mut impl FnMut(u64) -> usize,
) -> Vec<Vec<(ValueKey, Found<'a>)>> {
    let parts = [&partial.found, &partial.unproven, &partial.listed];
    let mut spreads: Vec<(ValueKey, &Spread)> = parts.into_iter().flat_map(Values::iter).collect();
    spreads.sort_by_key(|(key, _)| *key);
    let mut values: Vec<Vec<(ValueKey, Found<'a>)>> =
        (0..checkpoints).map(|_| Vec::new()).collect();
    for (key, spread) in spreads {
        let mut of = |set: u64, change: &mut dyn FnMut(&mut Found<'a>)| {
            let Some(values) = values.get_mut(of_set(set)) else { return };
            match values.last_mut() {
                Some((last, found)) if *last == key => change(found),
                _ => {
                    let mut found = Found::default();
                    change(&mut found);
                    values.push((key, found));
                }
            }
        };
        for part in &spread.parts {
            of(part.holder.set, &mut |found| found.parts.push(part));
        }
        for (set, count) in spread.counts() {
            of(set, &mut |found| found.count = found.count.saturating_add(count));
        }
        for holder in spread.holders() {
            of(holder.set, &mut |found| found.holders.push(holder));
        }
    }
    values.iter_mut().flatten().for_each(|(_, found)| found.settle());
    values
}

/// The diagnostics of a partial, by code, with how many there were of those that were too many.
pub(super) fn notes(partial: &mut Partial) -> Vec<Diagnostic> {
    let mut notes = Vec::new();
    for (code, diagnostics) in std::mem::take(&mut partial.notes) {
        let count = partial.note_counts.get(&code).copied().unwrap_or_default();
        let kept = diagnostics.len() as u64;
        notes.extend(diagnostics);
        if count > kept {
            let text = format!("{} more of these, {count} in all", count - kept);
            notes.push(Diagnostic::new(Level::Note, code, "", text));
        }
    }
    notes
}

/// The checkpoints of a target with their processes described; secrets in arguments are masked.
pub(super) fn describe(scanned: Scanned, rules: &RuleSet) -> Described {
    let Scanned { mut checkpoints, mut partial, .. } = scanned;
    describe_processes(&mut checkpoints, &partial.labels, Some((&partial, rules)));
    let mut diagnostics = notes(&mut partial);
    diagnostics.sort();
    Described { checkpoints, diagnostics }
}

/// Gives processes the text of their arguments and the names of their variables.
fn describe_processes(
    checkpoints: &mut [Checkpoint],
    labels: &BTreeMap<(Holder, LabelKind, u64), SecretBytes>,
    mask: Option<(&Partial, &RuleSet)>,
) {
    let mask = mask.map(|(partial, rules)| Mask::of(labels, partial, rules));
    for checkpoint in checkpoints {
        let set = path_id(&checkpoint.set);
        for (pid, process) in &mut checkpoint.processes {
            let id = u64::from(*pid);
            let holder = Holder { set, kind: HolderKind::Memory, id, ordinal: 0 };
            let mut argv = label(labels, holder, LabelKind::Argv, process.argv.start);
            let mut environ = label(labels, holder, LabelKind::Environ, process.environ.start);
            if let Some(mask) = &mask {
                mask.blank(&mut argv, process.argv.start, (holder, LabelKind::Argv));
                mask.blank(&mut environ, process.environ.start, (holder, LabelKind::Environ));
            }
            process.set_strings(&argv, &environ);
            // Wiped.
            drop((SecretBytes::from(argv), SecretBytes::from(environ)));
        }
    }
}

/// The bytes of a label from an address on.
fn label(
    labels: &BTreeMap<(Holder, LabelKind, u64), SecretBytes>,
    holder: Holder,
    kind: LabelKind,
    start: u64,
) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for ((_, _, at), part) in labels.range((holder, kind, 0)..=(holder, kind, u64::MAX)) {
        // Parts that are not neighbours are not joined.
        if *at == start.saturating_add(bytes.len() as u64) {
            bytes.extend_from_slice(part.expose());
        }
    }
    bytes
}

/// What rules have found in labels.
struct Mask {
    /// Where secrets stand: addresses and lengths.
    places: BTreeMap<(Holder, LabelKind), Vec<(u64, u32)>>,
    /// Secrets with more copies than places are known of.
    values: BTreeSet<SecretBytes>,
    /// Whether there are secrets of which nothing is known.
    overflow: bool,
}

impl Mask {
    fn of(
        labels: &BTreeMap<(Holder, LabelKind, u64), SecretBytes>,
        partial: &Partial,
        rules: &RuleSet,
    ) -> Self {
        let found = &partial.found;
        let (mut places, mut values) = (BTreeMap::new(), BTreeSet::new());
        let parts =
            found.iter().flat_map(|(_, spread)| spread.parts.iter().map(move |it| (spread, it)));
        for (spread, Part { holder, kind, tally }) in parts {
            let label =
                [(RegionKind::Argv, LabelKind::Argv), (RegionKind::Environ, LabelKind::Environ)];
            let Some((_, kind)) = label.into_iter().find(|(region, _)| region == kind) else {
                continue;
            };
            // Indicators are no secrets.
            let class = rules.get(tally.best.0.rule).class;
            if matches!(class, Class::Indicator | Class::Listed) {
                continue;
            }
            let all_holders = spread.is_whole();
            let all_places = tally.count <= tally.places.len() as u64;
            let spans: &mut Vec<(u64, u32)> = places.entry((*holder, kind)).or_default();
            for (Locus { at, len, .. }, _) in tally.places.iter() {
                spans.push((at, len));
                if !(all_holders && all_places) {
                    values.extend(value(labels, *holder, kind, at, len));
                }
            }
        }
        Self { places, values, overflow: found.overflow }
    }

    /// Puts stars over every secret in the strings of a label that begins at `start`; over all but the
    /// first string where not all secrets are known.
    fn blank(&self, bytes: &mut [u8], start: u64, label: (Holder, LabelKind)) {
        for value in self.values.iter().filter(|value| !value.is_empty()) {
            let copies: Vec<usize> = memchr::memmem::find_iter(bytes, value.expose()).collect();
            for from in copies {
                let to = from.saturating_add(value.len());
                bytes.get_mut(from..to).unwrap_or_default().fill(b'*');
            }
        }
        for (at, len) in self.places.get(&label).into_iter().flatten() {
            let from = usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(*len).unwrap_or(usize::MAX));
            bytes.get_mut(from..to.min(bytes.len())).unwrap_or_default().fill(b'*');
        }
        if self.overflow {
            let first = memchr::memchr(0, bytes).unwrap_or(bytes.len());
            let rest = bytes.get_mut(first..).unwrap_or_default();
            rest.iter_mut().filter(|byte| **byte != 0).for_each(|byte| *byte = b'*');
        }
    }
}

/// The bytes of a match in a label, which may lie in several parts.
fn value(
    labels: &BTreeMap<(Holder, LabelKind, u64), SecretBytes>,
    holder: Holder,
    kind: LabelKind,
    at: u64,
    len: u32,
) -> Option<SecretBytes> {
    let ((_, _, start), _) = labels.range((holder, kind, 0)..=(holder, kind, at)).next_back()?;
    let bytes = SecretBytes::from(label(labels, holder, kind, *start));
    let from = usize::try_from(at.saturating_sub(*start)).ok()?;
    let to = from.saturating_add(usize::try_from(len).ok()?).min(bytes.len());
    bytes.expose().get(from..to).map(SecretBytes::new)
}

/// A ledger that does not add up is a fault of ours that nobody should have to find.
fn balance(coverage: &mut Coverage, notes: &mut Vec<Diagnostic>) {
    let accounted = coverage.accounted();
    if accounted == coverage.total {
        return;
    }
    let text = "the ledger of bytes does not add up; please report this";
    notes.push(
        Diagnostic::new(Level::Error, Code::LedgerImbalance, "", text)
            .expected(format!("{} bytes", coverage.total), format!("{accounted} bytes")),
    );
    if accounted < coverage.total {
        coverage.skip(Reason::Unreadable, coverage.total - accounted);
    }
}

fn checkpoint_record(
    checkpoint: &Checkpoint,
    name: &str,
    target: &str,
    several: bool,
    compression: &str,
    files: u64,
) -> CheckpointRecord {
    let container = &checkpoint.container;
    let inside = if checkpoint.root.is_empty() { &checkpoint.set } else { &checkpoint.root };
    CheckpointRecord {
        checkpoint: name.to_owned(),
        target: if several && !inside.is_empty() {
            format!("{target}!{}", inside.trim_end_matches('!'))
        } else {
            target.to_owned()
        },
        producer: checkpoint.producer.to_owned(),
        compression: compression.to_owned(),
        container: Container {
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            image_id: container.image_id.clone(),
            runtime: container.runtime.clone(),
            engine_version: container.engine_version.clone(),
        },
        pod: checkpoint.pod.as_ref().map(|pod| Pod {
            name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            uid: pod.uid.clone(),
            id: pod.id.clone(),
        }),
        host: checkpoint.host.clone(),
        created: checkpoint.created.clone(),
        checkpointed: checkpoint.checkpointed.clone(),
        criu: checkpoint.criu.clone(),
        processes: checkpoint.processes.len() as u64,
        memory_bytes: checkpoint.memory_bytes,
        files,
    }
}
