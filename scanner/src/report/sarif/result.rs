//! A finding as a result.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use serde_sarif::sarif::{PropertyBag, Result, ResultKind, ResultLevel};

use super::super::plain::{escape, number as counted};
use super::words::{bag, clean, guid, int, message, number};
use super::{Profile, Sarif, place, rules};
use crate::check::Outcome;
use crate::finding::{Evidence, Finding, Place};

/// The result that a finding becomes. It never carries a value, also where the record does.
pub(super) fn result(sarif: &mut Sarif, finding: &Finding) -> Result {
    let (rule_id, rule_index) = sarif.rules.of(finding);
    let harm = rules::harm(finding.severity);
    let level = match harm.level {
        "error" => ResultLevel::Error,
        "warning" => ResultLevel::Warning,
        _ => ResultLevel::Note,
    };
    let twin = sarif.twins.entry((rule_index, finding.place_fingerprint.clone())).or_default();
    *twin = twin.saturating_add(1);
    let twin = *twin;
    let current = &sarif.current;
    let (artifacts, logical) = (&mut sarif.artifacts, &mut sarif.logical);
    let primary = primary(finding);
    let first = finding.places.get(primary);
    let mut related = None;
    let location = match sarif.profile {
        Profile::Full => {
            let rest = finding.places.iter().enumerate().filter(|(index, _)| *index != primary);
            let rest = (1i64..).zip(rest.map(|(_, place)| place));
            let first = first.map(|first| place::full(first, current, artifacts, logical));
            let rest = rest.map(|(id, next)| {
                place::related(id, next, place::full(next, current, artifacts, logical))
            });
            related = Some(rest.collect::<Vec<_>>()).filter(|rest| !rest.is_empty());
            first.unwrap_or_else(|| place::whole(current, artifacts, logical))
        }
        Profile::GitHub => place::stable(first, current, None),
        Profile::GitLab => {
            let digits = digits(&finding.place_fingerprint, 12);
            let last = if twin > 1 { format!("{digits}-{twin}") } else { digits.to_owned() };
            place::stable(first, current, Some(&last))
        }
    };
    let mut result = Result::builder().message(message(text(sarif, finding))).build();
    result.rule_index = super::words::index(rule_index);
    result.rule_id = Some(rule_id);
    result.kind = Some(ResultKind::Fail);
    result.level = Some(level);
    result.rank = Some(harm.rank);
    result.guid = Some(guid(&[&sarif.current.dump, &finding.id, &finding.fingerprint]));
    result.correlation_guid = Some(guid(&["cryoscan", "value", &finding.fingerprint]));
    result.occurrence_count = int(finding.count).filter(|count| *count > 0);
    result.locations = Some(vec![location]);
    result.related_locations = related;
    result.partial_fingerprints = Some(fingerprints(sarif.profile, finding, twin));
    result.properties = Some(properties(finding));
    result
}

/// The place that the title speaks of: viewers show it beside the title. Otherwise the first.
fn primary(finding: &Finding) -> usize {
    let is_named = |place: &Place| {
        let holder = match (&place.comm, place.pid) {
            (Some(comm), Some(pid)) if !comm.is_empty() => format!("{comm} ({pid})"),
            (_, Some(pid)) => format!("process {pid}"),
            (_, None) => place.path.clone().or_else(|| place.image.clone()).unwrap_or_default(),
        };
        !holder.is_empty() && finding.title.ends_with(&format!(" in {holder}"))
    };
    finding.places.iter().position(is_named).unwrap_or_default()
}

/// What the services take two results for the same by.
fn fingerprints(profile: Profile, finding: &Finding, twin: u64) -> BTreeMap<String, String> {
    let mut fingerprints = BTreeMap::from([
        ("cryoscanSecret/v1".to_owned(), finding.fingerprint.clone()),
        ("cryoscanPlace/v1".to_owned(), finding.place_fingerprint.clone()),
    ]);
    if profile == Profile::GitHub {
        let hash = format!("{}:{twin}", digits(&finding.place_fingerprint, 16));
        fingerprints.insert("primaryLocationLineHash".to_owned(), hash);
    }
    fingerprints
}

/// The first digits of a fingerprint `v1:<key>:<digits>`.
fn digits(fingerprint: &str, count: usize) -> &str {
    let digits = fingerprint.rsplit(':').next().unwrap_or_default();
    digits.get(..count).unwrap_or(digits)
}

/// The first sentence stands alone: some services show no more.
fn text(sarif: &Sarif, finding: &Finding) -> String {
    let mut facts = Vec::new();
    if let Some(indicator) = &finding.indicator {
        facts.push(format!("{} {}", indicator.kind, indicator.value));
    }
    if let Some(excerpt) = finding.secret.as_ref().or(finding.matched.as_ref()) {
        let shown = Some(excerpt.preview.as_str()).filter(|preview| *preview != "…");
        facts.extend(shown.map(str::to_owned));
        facts.push(counted(excerpt.length, "byte", "bytes"));
    }
    let passed = finding.evidence.iter().filter(|made| made.result == Outcome::Pass);
    let passed: Vec<&str> = passed.map(|made| &*made.check).collect();
    let checks =
        if passed.is_empty() { String::new() } else { format!(" ({})", passed.join(", ")) };
    facts.push(format!("confidence {}{checks}", finding.confidence.name()));
    let mut holders = Vec::new();
    if finding.processes > 0 {
        holders.push(counted(finding.processes, "process", "processes"));
    }
    if finding.files > 0 {
        holders.push(counted(finding.files, "file", "files"));
    }
    let holders =
        if holders.is_empty() { String::new() } else { format!(" in {}", holders.join(" and ")) };
    let copies = counted(finding.count, "copy", "copies");
    let container = sarif.logical.full_name(sarif.current.container);
    let facts = clean(&facts.join(", "), 500);
    let rest = clean(&format!("{copies}{holders} of {container}."), 500);
    format!("{}. {}{rest}", clean(&finding.title, 500), capital(&format!("{facts}; ")))
}

fn capital(text: &str) -> String {
    // The prefix of a token keeps its case.
    match text.strip_prefix("confidence") {
        Some(rest) => format!("Confidence{rest}"),
        None => text.to_owned(),
    }
}

fn properties(finding: &Finding) -> PropertyBag {
    let excerpt = finding.secret.as_ref().or(finding.matched.as_ref());
    let attributes = finding.attributes.iter();
    let attributes: Map<String, Value> =
        attributes.map(|(name, value)| (escape(name), Value::from(escape(value)))).collect();
    let evidence = |made: &Evidence| {
        let outcome = serde_json::to_value(made.result).unwrap_or_default();
        Value::from(format!("{}: {}", escape(&made.check), outcome.as_str().unwrap_or_default()))
    };
    let indicator = finding.indicator.as_ref().map(|indicator| {
        let named = [("type", &indicator.kind), ("value", &indicator.value)];
        Map::from_iter(named.map(|(name, text)| (name.to_owned(), Value::from(escape(text)))))
    });
    let attributes = Some(attributes).filter(|attributes| !attributes.is_empty());
    bag([
        ("id", Value::from(finding.id.clone())),
        ("checkpoint", Value::from(finding.checkpoint.clone())),
        ("class", serde_json::to_value(finding.class).unwrap_or_default()),
        ("family", Value::from(finding.rule.family.clone())),
        ("severity", Value::from(finding.severity.name())),
        ("confidence", Value::from(finding.confidence.name())),
        ("preview", Value::from(excerpt.map(|excerpt| escape(&excerpt.preview)))),
        ("length", excerpt.map_or(Value::Null, |excerpt| number(excerpt.length))),
        ("indicator", Value::from(indicator)),
        ("evidence", finding.evidence.iter().map(evidence).collect()),
        ("attributes", Value::from(attributes)),
        ("count", number(finding.count)),
        ("processes", number(finding.processes)),
        ("files", number(finding.files)),
        ("placesOmitted", number(finding.places_omitted)),
    ])
}
