//! The TOML of gitleaks and betterleaks.
//!
//! Sources: the documentation of gitleaks 8 and betterleaks 1 and 2 on their configuration files.

use std::sync::Arc;

use super::keys::{Keys, whole};
use super::{Foreign, Pack, Part, Text, id, parse, title};
use crate::rule::Pattern;
use crate::rule::fault::{Cost, Fault, Place};
use crate::rule::node::Node;
use crate::rule::terms::{Allowed, Target, Terms};

/// Keys of the file that mean nothing here, and why.
const OF_FILES: &[(&str, &str)] = &[
    ("title", ""),
    ("description", ""),
    ("minVersion", ""),
    ("betterleaksMinVersion", ""),
    ("prefilter", "expressions are not run: nothing is left out before the rules see it"),
    ("filter", "expressions are not run: what it would leave out is reported"),
];

/// Keys of a rule that mean nothing here, and why.
const OF_RULES: &[(&str, &str)] = &[
    ("filter", "expressions are not run: what it would leave out is reported"),
    ("validate", "values are never sent anywhere: nothing is validated"),
    ("tokenEfficiency", "there is no such test: it is ignored"),
];

/// Bytes to a partner that a rule of ours may ask for at most.
const FARTHEST: usize = 1024;

/// Characters that are taken for a line.
const LINE: usize = 120;

/// What a file says of the file it builds on.
#[derive(Debug, Default)]
pub(in crate::rule) struct Extends {
    pub path: Option<Text>,
}

/// Reads a file.
pub(in crate::rule) fn read(
    place: Place<'_>,
    root: &Node,
    faults: &mut Vec<Fault>,
) -> (Pack, Extends) {
    let mut file = Keys::of(place, root, "", "", faults);
    let mut pack = Pack::default();
    let mut extends = Extends::default();
    if let Some(pair) = file.take("extend") {
        let mut keys = Keys::of(place, &pair.node, "", "extend.", faults);
        pack.extends_builtin = keys.flag("useDefault", faults).unwrap_or(false);
        extends.path = keys.text("path", faults);
        pack.disabled = keys.texts("disabledRules", faults);
        if pack.extends_builtin {
            let problem = "the rules that come with cryoscan take the place of that tool's own";
            faults.push(keys.fault(Cost::Ignored, &pair.at, "useDefault", problem));
        }
        keys.finish(&[("url", "nothing is fetched: it is ignored")], faults);
    }
    for node in file.tables("rules", faults) {
        pack.rules.extend(rule(place, node, faults));
    }
    let lists = [file.tables("allowlist", faults), file.tables("allowlists", faults)].concat();
    for node in lists {
        let mut keys = Keys::of(place, node, "", "allowlists.", faults);
        let targets = keys.texts("targetRules", faults);
        let Some(list) = allowed(place, keys, faults).map(Arc::new) else { continue };
        if targets.is_empty() {
            for rule in &mut pack.rules {
                rule.terms.allowed.push(Arc::clone(&list));
            }
            pack.allowed.push(list);
            continue;
        }
        for target in targets {
            let wanted = id(&target.text);
            match pack.rules.iter_mut().find(|rule| rule.id == wanted) {
                Some(rule) => rule.terms.allowed.push(Arc::clone(&list)),
                None => pack.rules.push(addition(&wanted, &target, Arc::clone(&list))),
            }
        }
    }
    file.finish(OF_FILES, faults);
    (pack, extends)
}

/// What is allowed for a rule that stands elsewhere.
fn addition(id: &str, target: &Text, list: Arc<Allowed>) -> Foreign {
    let terms = Terms { allowed: vec![list], ..Terms::default() };
    Foreign { adds_to: true, terms, ..empty(id, target.at.start) }
}

fn empty(id: &str, at: usize) -> Foreign {
    Foreign {
        id: id.to_owned(),
        at,
        name: String::new(),
        description: String::new(),
        regex: None,
        path: None,
        part: Part::First,
        keywords: Vec::new(),
        tags: Vec::new(),
        terms: Terms::default(),
        confidence: None,
        near: None,
        is_hidden: false,
        references: Vec::new(),
        examples: Vec::new(),
        counterexamples: Vec::new(),
        adds_to: false,
        origin: 0,
    }
}

fn rule(place: Place<'_>, node: &Node, faults: &mut Vec<Fault>) -> Option<Foreign> {
    let mut keys = Keys::of(place, node, "", "", faults);
    let Some(name) = keys.text("id", faults) else {
        faults.push(keys.fault(Cost::Wrong, &node.at, "id", "a rule without an id"));
        return None;
    };
    let id = id(&name.text);
    keys.set_rule(&id);
    let mut rule = empty(&id, name.at.start);
    rule.description = keys.text("description", faults).map_or_else(String::new, |text| text.text);
    rule.name = title(&rule.description, &id);
    rule.regex = keys.text("regex", faults).filter(|text| !text.text.is_empty());
    rule.path = keys.text("path", faults).filter(|text| !text.text.is_empty());
    rule.part = match keys.count("secretGroup", faults) {
        None | Some(0) => Part::First,
        Some(group) => Part::Group(group),
    };
    rule.keywords = keys.texts("keywords", faults);
    rule.tags = keys.texts("tags", faults).into_iter().map(|tag| tag.text).collect();
    let entropy = keys.number("entropy", faults).filter(|bits| *bits > 0.0);
    rule.terms.entropy = entropy.and_then(|bits| u32::try_from(whole(bits * 1000.0)).ok());
    rule.is_hidden = keys.flag("skipReport", faults).unwrap_or(false);
    let lists = [keys.tables("allowlist", faults), keys.tables("allowlists", faults)].concat();
    for node in lists {
        let inner = Keys::of(place, node, &id, "allowlists.", faults);
        rule.terms.allowed.extend(allowed(place, inner, faults).map(Arc::new));
    }
    let partners = [keys.tables("required", faults), keys.tables("components", faults)].concat();
    for (index, node) in partners.into_iter().enumerate() {
        let mut inner = Keys::of(place, node, &id, "required.", faults);
        let partner = inner.text("id", faults);
        let columns = inner.count("withinColumns", faults);
        let lines = inner.count("withinLines", faults);
        let within = inner.text("within", faults);
        let window = within.and_then(|within| window(&within.text));
        let lines = lines.map(|lines| lines.saturating_add(1).saturating_mul(LINE));
        let within = columns.or(window).or(lines).unwrap_or(FARTHEST).min(FARTHEST);
        inner.finish(&[("optional", "")], faults);
        let Some(partner) = partner else { continue };
        let problem = if index == 0 {
            rule.near = u64::try_from(within).ok().map(|within| (partner.clone(), within));
            "a partner that stands near raises the confidence and is never required: in memory the two \
             may lie far apart"
        } else {
            "only the first partner is looked for: this one is ignored"
        };
        faults.push(keys.fault(Cost::Ignored, &partner.at, "required", problem));
    }
    keys.finish(OF_RULES, faults);
    rule.adds_to = rule.regex.is_none() && rule.path.is_none();
    Some(rule)
}

/// Bytes of a window such as `5L`, `-12C` or `2L,20C`: what is narrower counts.
pub(super) fn window(text: &str) -> Option<usize> {
    let bytes = |part: &str| {
        let part = part.trim().trim_start_matches(['+', '-']);
        let number = |unit: char| part.strip_suffix(unit).and_then(|it| it.parse::<usize>().ok());
        number('C').or_else(|| number('L').map(|lines| lines.saturating_mul(LINE)))
    };
    text.split(',').filter_map(bytes).filter(|bytes| *bytes > 0).min()
}

/// A list of what is allowed; `None`, and a fault, if it cannot be used.
fn allowed(place: Place<'_>, mut keys: Keys<'_>, faults: &mut Vec<Fault>) -> Option<Allowed> {
    let mut list = Allowed::default();
    if let Some(condition) = keys.text("condition", faults) {
        list.all = match condition.text.to_ascii_uppercase().as_str() {
            "AND" | "&&" => true,
            "" | "OR" | "||" => false,
            _ => {
                let problem = format!("expected AND or OR, found {:?}", condition.text);
                faults.push(keys.fault(Cost::Wrong, &condition.at, "condition", problem));
                return None;
            }
        };
    }
    if let Some(target) = keys.text("regexTarget", faults) {
        list.target = match target.text.as_str() {
            "" | "secret" => Target::Secret,
            "match" => Target::Match,
            "line" => Target::Line,
            _ => {
                let problem = format!("expected secret, match or line, found {:?}", target.text);
                faults.push(keys.fault(Cost::Wrong, &target.at, "regexTarget", problem));
                return None;
            }
        };
    }
    let commits = keys.take("commits");
    if let Some(commits) = commits {
        let problem = if list.all {
            "a checkpoint has no commits: this list never holds"
        } else {
            "a checkpoint has no commits: they are ignored"
        };
        faults.push(keys.fault(Cost::Ignored, &commits.at, "commits", problem));
    }
    for (key, of_paths) in [("regexes", false), ("paths", true)] {
        for text in keys.texts(key, faults) {
            let about = keys.fault(Cost::Wrong, &text.at, key, "");
            match parse(&text, place, (&about.rule, &about.key)) {
                Ok((pattern, _)) if of_paths => list.paths.push(Pattern::new(pattern)),
                Ok((pattern, _)) => list.regexes.push(Pattern::new(pattern)),
                Err(fault) => faults.push(*fault),
            }
        }
    }
    let words = keys.texts("stopwords", faults).into_iter();
    list.stopwords =
        words.map(|word| word.text.to_ascii_lowercase()).filter(|word| !word.is_empty()).collect();
    keys.finish(&[("description", "")], faults);
    let is_empty = list.paths.is_empty() && list.regexes.is_empty() && list.stopwords.is_empty();
    let never = list.all && commits.is_some();
    (!is_empty && !never).then_some(list)
}

/// Rules that build on those of another file: what is said here wins, lists grow.
pub(in crate::rule) fn extend(pack: &mut Pack, base: Pack) {
    for mut rule in base.rules {
        if pack.disabled.iter().any(|disabled| id(&disabled.text) == rule.id) {
            continue;
        }
        rule.terms.allowed.extend(pack.allowed.iter().cloned());
        let Some(own) = pack.rules.iter_mut().find(|own| own.id == rule.id) else {
            pack.rules.push(rule);
            continue;
        };
        if own.regex.is_none() {
            own.origin = rule.origin;
            (own.regex, own.part) =
                (rule.regex, if own.part == Part::First { rule.part } else { own.part });
        }
        own.path = own.path.take().or(rule.path);
        own.terms.entropy = own.terms.entropy.or(rule.terms.entropy);
        if own.description.is_empty() {
            (own.name, own.description) = (rule.name, rule.description);
        }
        own.keywords.extend(rule.keywords);
        own.tags.extend(rule.tags);
        own.terms.allowed.extend(rule.terms.allowed);
        own.near = own.near.take().or(rule.near);
        own.adds_to = own.regex.is_none() && own.path.is_none();
    }
    pack.allowed.extend(base.allowed);
    pack.extends_builtin |= base.extends_builtin;
}
