//! Which rules of a set run: by id, by a pattern of ids, by tag.

use super::model::{Rule, RuleSet};

/// What stands before the name of a tag.
const TAG: &str = "tag:";

/// A selector that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSelector {
    /// As it was given.
    pub selector: String,
    /// What could have been meant: all ids, or all tags with `tag:` before them.
    pub names: Vec<String>,
}

impl RuleSet {
    /// Keeps the rules that one of `only` selects, all if there is none, and of these those that none of
    /// `without` selects. A selector is an id, in which `*` stands for any text, or `tag:` and the name
    /// of a family or a tag, likewise.
    ///
    /// # Errors
    /// At the first selector that selects no rule of the set as it was.
    pub fn select(&mut self, only: &[String], without: &[String]) -> Result<(), UnknownSelector> {
        for selector in only.iter().chain(without) {
            if !self.rules.iter().any(|rule| rule.is_selected(selector)) {
                return Err(self.unknown(selector));
            }
        }
        if only.is_empty() && without.is_empty() {
            return Ok(());
        }
        let any = |list: &[String], rule: &Rule| list.iter().any(|it| rule.is_selected(it));
        self.rules.retain(|rule| (only.is_empty() || any(only, rule)) && !any(without, rule));
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.hash.as_bytes());
        for rule in &self.rules {
            hasher.update(rule.id.as_bytes()).update(b"\n");
        }
        self.hash = format!("blake3:{}", hasher.finalize().to_hex());
        Ok(())
    }

    fn unknown(&self, selector: &str) -> UnknownSelector {
        let mut names: Vec<String> = if selector.starts_with(TAG) {
            let tags = |rule: &Rule| [vec![rule.family.clone()], rule.tags.clone()].concat();
            self.rules.iter().flat_map(tags).map(|tag| format!("{TAG}{tag}")).collect()
        } else {
            self.rules.iter().map(|rule| rule.id.clone()).collect()
        };
        names.sort();
        names.dedup();
        UnknownSelector { selector: selector.to_owned(), names }
    }
}

impl Rule {
    /// Whether a selector selects it, see [`RuleSet::select`].
    pub fn is_selected(&self, selector: &str) -> bool {
        match selector.strip_prefix(TAG) {
            None => matches(selector, &self.id),
            Some(tag) => {
                matches(tag, &self.family) || self.tags.iter().any(|own| matches(tag, own))
            }
        }
    }
}

/// Whether a name is what a pattern says, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    // What stands between stars is taken where it comes first; only the end has to be the end.
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("a-key", "a-key", true),
            ("a", "a-key", false),
            ("*", "a-key", true),
            ("a*", "a-key", true),
            ("*key", "a-key", true),
            ("*-*", "a-key", true),
            ("a*y*", "a-key", true),
            ("*a*a*", "a-key", false),
            ("a-key*key", "a-key", false),
            ("a*b*c", "a-bc-c", true),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    fn selected(only: &[&str], without: &[&str]) -> Result<RuleSet, UnknownSelector> {
        let texts = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mut set = RuleSet::builtin().unwrap();
        set.select(&texts(only), &texts(without))?;
        Ok(set)
    }

    #[test]
    fn rules_are_selected_by_id_pattern_and_tag() {
        let all = RuleSet::builtin().unwrap();
        let none = selected(&[], &[]).unwrap();
        assert_eq!((none.rules().len(), none.hash()), (all.rules().len(), all.hash()));
        let github = selected(&["tag:github"], &["github-pat-*"]).unwrap();
        assert!(!github.rules().is_empty());
        let is_left = |rule: &Rule| rule.family == "github" && !rule.id.starts_with("github-pat-");
        assert!(github.rules().iter().all(is_left));
        assert_ne!(github.hash(), all.hash());
        let two = selected(&["jwt", "github-pat-fine"], &[]).unwrap();
        assert_eq!(
            two.rules().iter().map(|rule| &rule.id).collect::<Vec<_>>(),
            ["github-pat-fine", "jwt"]
        );
    }

    #[test]
    fn a_selector_that_selects_nothing_is_an_error() {
        let unknown = selected(&["jwt"], &["tag:githbu"]).unwrap_err();
        assert_eq!(unknown.selector, "tag:githbu");
        assert!(unknown.names.contains(&"tag:github".to_owned()));
        let unknown = selected(&["no-such-*"], &[]).unwrap_err();
        assert!(unknown.names.contains(&"jwt".to_owned()));
    }
}
