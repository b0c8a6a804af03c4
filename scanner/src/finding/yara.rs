//! A YARA rule that holds becomes a finding: one for each rule and checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Context, Excerpt, Finding, Place, RuleName, kernel, place};
use crate::region::{Holder, HolderKind};
use crate::tally::Held;

/// Where one rule holds in one checkpoint.
#[derive(Debug, Default)]
pub struct Holds<'a> {
    /// Details, of the lowest holders.
    pub by: Vec<(Holder, &'a Held)>,
    /// All holders.
    pub holders: BTreeSet<Holder>,
    /// Spans of its strings, over all holders.
    pub hits: u64,
}

/// Names of strings that an attribute shows.
const STRINGS: usize = 16;

/// The finding of a rule, unless it is private.
pub(super) fn finding(rule: u32, holds: &Holds<'_>, context: &Context<'_>) -> Option<Finding> {
    let info = context.yara.get(usize::try_from(rule).ok()?).filter(|info| !info.private)?;
    let (first, held) = holds.by.first()?;
    let (locus, (kind, _)) = held.lowest.first_key_value()?;
    let places = places(holds, context);
    let mut attributes = info.attributes.clone();
    let mut strings: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in holds.by.iter().flat_map(|(_, held)| &held.strings) {
        let sum = strings.entry(name).or_default();
        *sum = sum.saturating_add(*count);
    }
    if !strings.is_empty() {
        let more = if strings.len() > STRINGS { " …" } else { "" };
        let shown = strings.iter().take(STRINGS).map(|(name, count)| format!("{name} {count}"));
        let text = format!("{}{more}", shown.collect::<Vec<_>>().join(", "));
        attributes.insert("yara.strings".to_owned(), text);
    }
    let owners = holds.by.iter().flat_map(|(holder, held)| {
        let places = held.lowest.iter();
        places
            .map(|(locus, (kind, _))| (place::owner(*holder, *locus, context).into_owned(), *kind))
    });
    let (fingerprint, place_fingerprint) = context.fingerprints.of_rule(&info.id, owners, context);
    let value = held.value.as_ref().map(|(_, value)| value.expose());
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    let matched = Excerpt {
        preview: "…".to_owned(),
        length: u64::from(locus.len),
        value: text.map(str::to_owned),
        value_b64: value
            .filter(|_| text.is_none())
            .map(|value| data_encoding::BASE64.encode(value)),
    };
    let at = place::holder_in_words(*first, *kind, *locus, context);
    let is_file = |it: &&Holder| matches!(it.kind, HolderKind::File | HolderKind::Ghost);
    let files = holds.holders.iter().filter(is_file);
    Some(Finding {
        id: String::new(),
        fingerprint,
        place_fingerprint,
        checkpoint: context.name.to_owned(),
        class: Class::Yara,
        rule: RuleName {
            id: info.id.clone(),
            name: info.name.clone(),
            family: info.namespace.clone(),
        },
        severity: info.severity,
        confidence: info.confidence,
        title: format!("{} {at}", info.name),
        secret: None,
        matched: (locus.len > 0).then_some(matched),
        indicator: None,
        evidence: Vec::new(),
        attributes,
        count: holds.holders.len() as u64,
        processes: places.processes,
        files: files.count() as u64,
        places: places.shown,
        places_omitted: places.omitted,
        remediation: info.remediation.clone(),
        references: info.references.clone(),
        cwe: Vec::new(),
        attack: info.attack.clone(),
        status: None,
        suppression: None,
    })
}

fn places(holds: &Holds<'_>, context: &Context<'_>) -> place::Places {
    let mut all: Vec<Place> = Vec::new();
    let mut total = holds.hits;
    let memory = holds.holders.iter().filter(|holder| holder.kind == HolderKind::Memory);
    let mut processes: BTreeSet<u32> =
        memory.map(|holder| place::pid_of(*holder, context)).collect();
    let objects = holds.holders.iter();
    processes.extend(objects.flat_map(|holder| kernel::pids(*holder, context.checkpoint)));
    for (holder, held) in &holds.by {
        let mut of_one = 1u64;
        for (locus, (kind, position)) in &held.lowest {
            let mut places = Vec::new();
            place::words(*holder, *kind, *locus, None, context, &mut places);
            for place in &mut places {
                // Only files have lines.
                place.line = position.map(|(line, _)| line).filter(|_| place.line.is_some());
                place.column = position.map(|(_, at)| at).filter(|_| place.column.is_some());
            }
            of_one = places.len().max(1) as u64;
            processes.extend(places.iter().filter_map(|place| place.pid));
            all.extend(places);
        }
        // A span that several processes map is as many places.
        total = total.saturating_add(held.hits.saturating_mul(of_one.saturating_sub(1)));
    }
    place::choose(all, total, processes.len() as u64, context)
}
