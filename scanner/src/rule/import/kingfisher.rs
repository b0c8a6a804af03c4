//! The YAML of noseyparker and kingfisher.
//!
//! Sources: the documentation of noseyparker 0.24 and kingfisher 1 on their rules.

use super::gitleaks::window;
use super::keys::{Keys, whole};
use super::{Foreign, Pack, Part, Text, id, title};
use crate::check::Confidence;
use crate::rule::fault::{Cost, Fault, Place};
use crate::rule::file::Example;
use crate::rule::node::Node;
use crate::rule::template::Template;
use crate::rule::terms::{Checksum, Least, Terms};

/// Keys of the file that mean nothing here, and why.
const OF_FILES: &[(&str, &str)] =
    &[("rulesets", "sets of rules are not read: choose with --rule and tag:")];

/// Keys of a rule that mean nothing here, and why.
const OF_RULES: &[(&str, &str)] = &[
    ("validation", "values are never sent anywhere: nothing is validated"),
    ("revocation", "values are never sent anywhere: nothing is revoked"),
    ("tls_mode", ""),
];

/// Bytes to a partner that a rule of ours may ask for at most.
const FARTHEST: usize = 1024;

/// What kingfisher calls a special character.
const SPECIAL: &str = "!@#$%^&*()_+-=[]{}|;:'\",.<>?/\\`~";

/// Reads a file.
pub(in crate::rule) fn read(place: Place<'_>, root: &Node, faults: &mut Vec<Fault>) -> Pack {
    let mut file = Keys::of(place, root, "", "", faults);
    let mut pack = Pack::default();
    for node in file.tables("rules", faults) {
        pack.rules.extend(rule(place, node, faults));
    }
    file.finish(OF_FILES, faults);
    pack
}

fn rule(place: Place<'_>, node: &Node, faults: &mut Vec<Fault>) -> Option<Foreign> {
    let mut keys = Keys::of(place, node, "", "", faults);
    let name = keys.text("name", faults);
    let Some(given) = keys.text("id", faults) else {
        faults.push(keys.fault(Cost::Wrong, &node.at, "id", "a rule without an id"));
        return None;
    };
    let id = id(&given.text);
    keys.set_rule(&id);
    let Some(regex) = keys.text("pattern", faults) else {
        faults.push(keys.fault(Cost::Wrong, &given.at, "pattern", "a rule without a pattern"));
        return None;
    };
    let name = name.map_or_else(String::new, |name| name.text);
    let description = keys.text("description", faults).map(|text| text.text);
    let mut terms = Terms::default();
    let entropy = keys.number("min_entropy", faults).filter(|bits| *bits > 0.0);
    terms.entropy = entropy.and_then(|bits| u32::try_from(whole(bits * 1000.0)).ok());
    if let Some(pair) = keys.take("pattern_requirements") {
        let inner = Keys::of(place, &pair.node, &id, "pattern_requirements.", faults);
        requirements(place, inner, &id, &mut terms, faults);
    }
    let confidence = keys.text("confidence", faults).and_then(|text| {
        let found = match text.text.to_ascii_lowercase().as_str() {
            "low" => Some(Confidence::Low),
            "medium" => Some(Confidence::Medium),
            "high" => Some(Confidence::High),
            _ => None,
        };
        if found.is_none() {
            let problem = format!("expected low, medium or high, found {:?}", text.text);
            faults.push(keys.fault(Cost::Wrong, &text.at, "confidence", problem));
        }
        found
    });
    let mut near = None;
    for (index, node) in keys.tables("depends_on_rule", faults).into_iter().enumerate() {
        let mut inner = Keys::of(place, node, &id, "depends_on_rule.", faults);
        let partner = inner.text("rule_id", faults);
        let within = inner.text("within", faults).and_then(|within| window(&within.text));
        inner.finish(&[("variable", ""), ("optional", ""), ("verify_candidates", "")], faults);
        let Some(partner) = partner else { continue };
        let problem = if index == 0 {
            let within = within.unwrap_or(FARTHEST).min(FARTHEST);
            let partner = Text { text: super::id(&partner.text), at: partner.at.clone() };
            near = u64::try_from(within).ok().map(|within| (partner, within));
            "a rule that is depended on raises the confidence where it finds something near, and is \
             never required"
        } else {
            "only the first rule that is depended on is looked for: this one is ignored"
        };
        faults.push(keys.fault(Cost::Ignored, &partner.at, "depends_on_rule", problem));
    }
    let is_hidden = !keys.flag("visible", faults).unwrap_or(true);
    let examples = |texts: Vec<Text>| texts.into_iter().map(example).collect();
    let rule = Foreign {
        at: given.at.start,
        description: description.unwrap_or_else(|| format!("A value of the kind {name}.")),
        name: if name.is_empty() { title("", &id) } else { name },
        regex: Some(regex),
        path: None,
        part: Part::Token,
        keywords: keys.texts("keywords", faults),
        tags: [keys.texts("tags", faults), keys.texts("categories", faults)]
            .concat()
            .into_iter()
            .map(|tag| tag.text)
            .collect(),
        terms,
        confidence,
        near,
        is_hidden,
        references: keys.texts("references", faults).into_iter().map(|text| text.text).collect(),
        examples: examples(keys.texts("examples", faults)),
        counterexamples: examples(keys.texts("negative_examples", faults)),
        adds_to: false,
        origin: 0,
        id,
    };
    keys.finish(OF_RULES, faults);
    Some(rule)
}

/// A text, not a template.
fn example(text: Text) -> Example {
    Example { r#gen: text.text, value: None, path: None, is_text: true }
}

fn requirements(
    place: Place<'_>,
    mut keys: Keys<'_>,
    rule: &str,
    terms: &mut Terms,
    faults: &mut Vec<Fault>,
) {
    terms.least = Least {
        digits: keys.count("min_digits", faults).unwrap_or(0),
        upper: keys.count("min_uppercase", faults).unwrap_or(0),
        lower: keys.count("min_lowercase", faults).unwrap_or(0),
        special: keys.count("min_special_chars", faults).unwrap_or(0),
        specials: keys
            .text("special_chars", faults)
            .map_or_else(|| SPECIAL.to_owned(), |it| it.text),
    };
    let words = keys.texts("ignore_if_contains", faults).into_iter();
    let words = words.map(|word| word.text.trim().to_ascii_lowercase());
    terms.without = words.filter(|word| !word.is_empty()).collect();
    if let Some(pair) = keys.take("checksum") {
        let mut inner = Keys::of(place, &pair.node, rule, "pattern_requirements.checksum.", faults);
        terms.checksum = checksum(place, &mut inner, rule, faults);
        inner.finish(&[], faults);
    }
    keys.finish(&[], faults);
}

fn checksum(
    place: Place<'_>,
    keys: &mut Keys<'_>,
    rule: &str,
    faults: &mut Vec<Fault>,
) -> Option<Checksum> {
    let may_miss = keys.flag("skip_if_missing", faults).unwrap_or(false);
    let expected = keys.text("expected", faults);
    let pair = keys.take("actual")?;
    let mut actual = Keys::of(place, &pair.node, rule, "checksum.actual.", faults);
    let group = actual.text("requires_capture", faults).map(|group| group.text);
    let template = actual.text("template", faults);
    actual.finish(&[], faults);
    let (Some(template), Some(expected)) = (template, expected) else {
        let problem = "a checksum has actual.template and expected: it is not computed";
        faults.push(keys.fault(Cost::Ignored, &pair.at, "actual", problem));
        return None;
    };
    let mut read = |text: &Text, key: &str| match Template::parse(&text.text) {
        Ok(template) => Some(template),
        Err(what) => {
            let problem = format!("{what} is not known: the checksum is not computed");
            faults.push(keys.fault(Cost::Ignored, &text.at, key, problem));
            None
        }
    };
    let (actual, expected) = (read(&template, "actual.template")?, read(&expected, "expected")?);
    Some(Checksum { actual, expected, group, may_miss })
}
