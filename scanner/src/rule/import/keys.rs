//! The keys of a table, taken one by one, so that what is left over can be named.

use std::ops::Range;

use super::Text;
use crate::rule::fault::{Cost, Fault, Place};
use crate::rule::node::{Node, Pair, Value};

/// The keys of one table of a file.
pub(in crate::rule) struct Keys<'a> {
    place: Place<'a>,
    /// Id of the rule that the table is of; empty outside of rules.
    rule: String,
    /// Name of the table, with a point behind it; empty for a rule itself.
    path: &'static str,
    left: Vec<&'a Pair>,
}

impl<'a> Keys<'a> {
    /// The keys of a node; none, and a fault, if that is no table.
    pub(in crate::rule) fn of(
        place: Place<'a>,
        node: &'a Node,
        rule: &str,
        path: &'static str,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut keys = Self { place, rule: rule.to_owned(), path, left: Vec::new() };
        match &node.value {
            Value::Table(pairs) => keys.left = pairs.iter().collect(),
            Value::Text(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Nothing
            | Value::List(_) => {
                faults.push(keys.wrong(path.trim_end_matches('.'), node, "a table"));
            }
        }
        keys
    }

    /// Whose keys they are, once it is known.
    pub(in crate::rule) fn set_rule(&mut self, rule: &str) {
        rule.clone_into(&mut self.rule);
    }

    fn wrong(&self, key: &str, node: &Node, expected: &str) -> Fault {
        let problem = format!("expected {expected}, found {}", node.value.name());
        let key = format!("{}{key}", self.path);
        self.place.fault(Cost::Wrong, node.at.start, (&self.rule, &key), problem)
    }

    /// Says something about a key.
    pub(in crate::rule) fn fault(
        &self,
        cost: Cost,
        at: &Range<usize>,
        key: &str,
        problem: impl Into<String>,
    ) -> Fault {
        let key = format!("{}{key}", self.path);
        self.place.fault(cost, at.start, (&self.rule, &key), problem)
    }

    /// Takes a key; case does not matter, as in the tools that these files are for.
    pub(in crate::rule) fn take(&mut self, key: &str) -> Option<&'a Pair> {
        let index = self.left.iter().position(|pair| pair.key.eq_ignore_ascii_case(key))?;
        let pair = self.left.remove(index);
        (!matches!(pair.node.value, Value::Nothing)).then_some(pair)
    }

    pub(in crate::rule) fn text(&mut self, key: &str, faults: &mut Vec<Fault>) -> Option<Text> {
        let node = &self.take(key)?.node;
        let text = text(node);
        if text.is_none() {
            faults.push(self.wrong(key, node, "a string"));
        }
        text
    }

    pub(in crate::rule) fn texts(&mut self, key: &str, faults: &mut Vec<Fault>) -> Vec<Text> {
        let Some(pair) = self.take(key) else { return Vec::new() };
        let Value::List(list) = &pair.node.value else {
            faults.push(self.wrong(key, &pair.node, "a list of strings"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for node in list {
            match text(node) {
                Some(text) => texts.push(text),
                None => faults.push(self.wrong(key, node, "a string")),
            }
        }
        texts
    }

    pub(in crate::rule) fn number(&mut self, key: &str, faults: &mut Vec<Fault>) -> Option<f64> {
        let node = &self.take(key)?.node;
        if let Value::Number(number) = node.value
            && number.is_finite()
        {
            return Some(number);
        }
        faults.push(self.wrong(key, node, "a number"));
        None
    }

    /// A whole number that is not below zero.
    pub(in crate::rule) fn count(&mut self, key: &str, faults: &mut Vec<Fault>) -> Option<usize> {
        let number = self.number(key, faults)?;
        Some(whole(number))
    }

    pub(in crate::rule) fn flag(&mut self, key: &str, faults: &mut Vec<Fault>) -> Option<bool> {
        let node = &self.take(key)?.node;
        if let Value::Bool(is) = node.value {
            return Some(is);
        }
        faults.push(self.wrong(key, node, "true or false"));
        None
    }

    /// The tables of a list, or the one that stands in its place.
    pub(in crate::rule) fn tables(&mut self, key: &str, faults: &mut Vec<Fault>) -> Vec<&'a Node> {
        let Some(pair) = self.take(key) else { return Vec::new() };
        match &pair.node.value {
            Value::List(list) => list.iter().collect(),
            Value::Table(_) => vec![&pair.node],
            Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Nothing => {
                faults.push(self.wrong(key, &pair.node, "a list of tables"));
                Vec::new()
            }
        }
    }

    /// Names every key that is left: with a reason if `known` has one.
    pub(in crate::rule) fn finish(self, known: &[(&str, &str)], faults: &mut Vec<Fault>) {
        for pair in &self.left {
            let reason = known.iter().find(|(key, _)| pair.key.eq_ignore_ascii_case(key));
            let reason = reason.map_or("no such key is known: it is ignored", |(_, reason)| reason);
            if !reason.is_empty() {
                faults.push(self.fault(Cost::Ignored, &pair.at, &pair.key, reason));
            }
        }
    }
}

/// A string, or what YAML takes for something else though a string was meant.
fn text(node: &Node) -> Option<Text> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        Value::Nothing | Value::List(_) | Value::Table(_) => return None,
    };
    Some(Text { text, at: node.at.clone() })
}

/// A number without what stands behind its point; 0 for what is below that.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is clamped, and casts of floats saturate"
)]
pub(in crate::rule) fn whole(number: f64) -> usize {
    number.clamp(0.0, 1e9) as usize
}
