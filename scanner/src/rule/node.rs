//! TOML and YAML as one tree that knows where everything stands, so that every complaint about a
//! rule file can name its line.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of a file.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The bytes of the file it stands in.
    pub at: Range<usize>,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A string, and whatever YAML could take for one.
    Text(String),
    Number(f64),
    Bool(bool),
    Nothing,
    List(Vec<Node>),
    Table(Vec<Pair>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub key: String,
    /// Where the key stands.
    pub at: Range<usize>,
    pub node: Node,
}

/// What is wrong with a file as TOML or YAML, and where.
pub(super) type SyntaxError = (Range<usize>, String);

/// Values in one file, and how deep they may be nested.
const MOST_NODES: usize = 1 << 20;
const DEEPEST: usize = 32;

impl Value {
    /// In words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Nothing => "nothing",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads TOML.
pub(super) fn toml(text: &str) -> Result<Node, SyntaxError> {
    let table = DeTable::parse(text)
        .map_err(|error| (error.span().unwrap_or_default(), error.message().to_owned()))?;
    let at = table.span();
    Ok(Node { at, value: Value::Table(of_table(table.get_ref(), 0)?) })
}

fn of_table(table: &DeTable<'_>, deep: usize) -> Result<Vec<Pair>, SyntaxError> {
    let mut pairs = Vec::new();
    for (key, value) in table {
        let node = of_value(value, deep + 1)?;
        pairs.push(Pair { key: key.get_ref().clone().into_owned(), at: key.span(), node });
    }
    // In the order of the file.
    pairs.sort_by_key(|pair| pair.at.start);
    Ok(pairs)
}

fn of_value(value: &Spanned<DeValue<'_>>, deep: usize) -> Result<Node, SyntaxError> {
    if deep > DEEPEST {
        return Err((value.span(), format!("nested deeper than {DEEPEST}")));
    }
    let number = |text: &str| text.replace('_', "").parse::<f64>().unwrap_or(f64::NAN);
    let found = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(integer) => Value::Number(
            i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(f64::NAN, |integer| number(&integer.to_string())),
        ),
        DeValue::Float(float) => Value::Number(number(float.as_str())),
        DeValue::Boolean(is) => Value::Bool(*is),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(list) => Value::List(
            list.iter().map(|one| of_value(one, deep + 1)).collect::<Result<Vec<_>, _>>()?,
        ),
        DeValue::Table(table) => Value::Table(of_table(table, deep)?),
    };
    Ok(Node { at: value.span(), value: found })
}

/// Reads YAML: one document, without aliases, which could make much out of little.
pub(super) fn yaml(text: &str) -> Result<Node, SyntaxError> {
    let offsets = Offsets::of(text);
    let mut reader = Reader { stack: Vec::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = offsets.byte(error.marker().index());
            (at..at, error.info().to_owned())
        })?;
        let at = offsets.byte(span.start.index())..offsets.byte(span.end.index());
        reader.event(event, at)?;
    }
    reader.root.ok_or_else(|| (0..0, "there is nothing in it".to_owned()))
}

/// From characters to bytes.
enum Offsets {
    /// They are the same.
    Ascii,
    Table(Vec<usize>),
}

impl Offsets {
    fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        Self::Table(text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
    }

    fn byte(&self, char: usize) -> usize {
        match self {
            Self::Ascii => char,
            Self::Table(table) => table.get(char).or(table.last()).copied().unwrap_or_default(),
        }
    }
}

/// A list or table that is not finished.
struct Open {
    at: Range<usize>,
    into: Into,
}

enum Into {
    List(Vec<Node>),
    Table(Vec<Pair>, Option<(String, Range<usize>)>),
}

struct Reader {
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, at: Range<usize>) -> Result<(), SyntaxError> {
        match event {
            Event::Alias(_) => Err((at, "aliases are not read here: write it out".to_owned())),
            Event::Scalar(text, style, ..) => {
                let value = scalar(&text, style);
                self.put(Node { at, value }, Some(&text))
            }
            Event::SequenceStart(..) => self.open(at, Into::List(Vec::new())),
            Event::MappingStart(..) => self.open(at, Into::Table(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(open) => {
                    let at = open.at.start..at.end.max(open.at.start);
                    let value = match open.into {
                        Into::List(list) => Value::List(list),
                        Into::Table(pairs, _) => Value::Table(pairs),
                    };
                    self.put(Node { at, value }, None)
                }
                None => Ok(()),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err((at, "there is more than one document in it".to_owned()))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, at: Range<usize>, into: Into) -> Result<(), SyntaxError> {
        if self.stack.len() >= DEEPEST {
            return Err((at, format!("nested deeper than {DEEPEST}")));
        }
        self.stack.push(Open { at, into });
        Ok(())
    }

    fn put(&mut self, node: Node, text: Option<&str>) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err((node.at, format!("more than {MOST_NODES} values")));
        }
        match self.stack.last_mut().map(|open| &mut open.into) {
            None => self.root = Some(node),
            Some(Into::List(list)) => list.push(node),
            Some(Into::Table(pairs, key)) => match (key.take(), text) {
                (Some((key, at)), _) => pairs.push(Pair { key, at, node }),
                (None, Some(text)) => *key = Some((text.to_owned(), node.at)),
                (None, None) => return Err((node.at, "a key is no string".to_owned())),
            },
        }
        Ok(())
    }
}

/// A value of YAML's core schema.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Nothing,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number)
        }
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(node: &Node) -> &[Pair] {
        let Value::Table(pairs) = &node.value else { panic!("{node:?}") };
        pairs
    }

    #[test]
    fn places_are_those_of_the_file_in_both_languages() {
        let yaml_text = "# größe\nrules:\n  - name: Ä\n    pattern: |\n      (?x)\n      a b\n    n: 3.5\n    v: false\n";
        let toml_text =
            "# größe\n[[rules]]\nname = 'Ä'\npattern = '''\n(?x)\na b\n'''\nn = 3.5\nv = false\n";
        for (text, root) in [(yaml_text, yaml(yaml_text)), (toml_text, toml(toml_text))] {
            let root = root.unwrap();
            let [rules] = pairs(&root) else { panic!("{root:?}") };
            let Value::List(list) = &rules.node.value else { panic!("{root:?}") };
            let keys: Vec<&str> =
                pairs(&list[0]).iter().map(|pair| text.get(pair.at.clone()).unwrap()).collect();
            assert_eq!(keys, ["name", "pattern", "n", "v"]);
            let values: Vec<&Value> = pairs(&list[0]).iter().map(|pair| &pair.node.value).collect();
            assert!(matches!(values[1], Value::Text(text) if text == "(?x)\na b\n"), "{values:?}");
            assert!(matches!(values[2], Value::Number(n) if (*n - 3.5).abs() < 1e-9));
            assert!(matches!(values[3], Value::Bool(false)));
        }
    }

    #[test]
    fn what_could_grow_is_refused() {
        let deep = "[".repeat(40);
        for (text, problem) in [
            ("a: &x [1]\nb: *x\n", "aliases"),
            (deep.as_str(), "nested deeper"),
            ("a: 1\n---\nb: 2\n", "more than one document"),
            ("", "nothing in it"),
            ("a: [1", ""),
        ] {
            let (_, said) = yaml(text).unwrap_err();
            assert!(said.contains(problem), "{text}: {said}");
        }
    }
}
