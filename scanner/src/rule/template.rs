//! The templates with which kingfisher's rules compute a checksum: text with `{{ NAME | filter: n }}`
//! in it, of Liquid only what a checksum needs.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};

/// A template that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Operand, Vec<Filter>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Name(String),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    Prefix(usize),
    Suffix(usize),
    /// The sum as a number; so many of its last digits.
    Crc32 {
        radix: u64,
        digits: Option<usize>,
    },
    /// The sum's bytes, the lowest first, in base64.
    Crc32Base64(Option<usize>),
    /// A number in another notation, with zeros before it.
    Base {
        radix: u64,
        width: usize,
    },
    Sha256,
    Base64,
    Base64Url,
    FromBase64,
    Lower,
    Upper,
    Append(Operand),
    Prepend(Operand),
    Replace(String, String),
}

/// Longest text that is made on the way.
const LONGEST: usize = 64 << 10;

/// Digits of numbers up to base 62, as the vendors' checksums have them.
const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// The filter or the sign that is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (inner, behind) = behind.split_once("}}").ok_or("{{ without }}")?;
            parts.push(value(inner.trim_matches('-'))?);
            rest = behind;
        }
        if rest.contains("{%") || text.contains("{%") {
            return Err("{% … %}".to_owned());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// What it makes of the variables; `None` when one is missing or has no such form.
    pub(super) fn fill<'a>(&self, variable: &dyn Fn(&str) -> Option<&'a [u8]>) -> Option<Vec<u8>> {
        let mut made = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => made.extend(text.bytes()),
                Part::Value(operand, filters) => {
                    let start = operand.get(variable)?;
                    let value = filters
                        .iter()
                        .try_fold(start, |value, filter| filter.apply(&value, variable))?;
                    made.extend(value);
                }
            }
            if made.len() > LONGEST {
                return None;
            }
        }
        Some(made)
    }
}

impl Operand {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let quoted = ['"', '\'']
            .into_iter()
            .find_map(|quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)));
        if let Some(quoted) = quoted {
            return Ok(Self::Text(quoted.to_owned()));
        }
        let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name && !text.is_empty() {
            Ok(Self::Name(text.to_owned()))
        } else {
            Err(format!("`{text}`"))
        }
    }

    fn get<'a>(&self, variable: &dyn Fn(&str) -> Option<&'a [u8]>) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Name(name) => variable(name).map(<[u8]>::to_vec),
        }
    }
}

fn value(text: &str) -> Result<Part, String> {
    let mut pieces = split(text, '|').into_iter();
    let operand = Operand::parse(&pieces.next().unwrap_or_default())?;
    let filters = pieces.map(|piece| filter(&piece)).collect::<Result<_, _>>()?;
    Ok(Part::Value(operand, filters))
}

/// Splits at a sign that stands in no quotes.
fn split(text: &str, sign: char) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
        }
        if c == sign && quote.is_none() {
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

fn filter(text: &str) -> Result<Filter, String> {
    let (name, arguments) = text.split_once(':').unwrap_or((text, ""));
    let name = name.trim();
    let arguments: Vec<String> = split(arguments, ',');
    let argument = arguments.first().map(|it| it.trim()).filter(|it| !it.is_empty());
    let number = || -> Result<Option<usize>, String> {
        let parse = |it: &str| it.parse().map_err(|_| format!("`{name}: {it}`"));
        argument.map(parse).transpose()
    };
    let text = |index: usize| match Operand::parse(arguments.get(index).map_or("", String::as_str))
    {
        Ok(Operand::Text(text)) => Ok(text),
        _ => Err(format!("`{name}` without two strings")),
    };
    Ok(match name {
        "prefix" => Filter::Prefix(number()?.unwrap_or(usize::MAX)),
        "suffix" => Filter::Suffix(number()?.unwrap_or(usize::MAX)),
        "crc32" => Filter::Crc32 { radix: 10, digits: None },
        "crc32_dec" => Filter::Crc32 { radix: 10, digits: number()? },
        "crc32_hex" => Filter::Crc32 { radix: 16, digits: Some(number()?.unwrap_or(8)) },
        "crc32_le_b64" => Filter::Crc32Base64(number()?),
        "base62" => Filter::Base { radix: 62, width: number()?.unwrap_or(0).min(64) },
        "base36" => Filter::Base { radix: 36, width: number()?.unwrap_or(0).min(64) },
        "sha256" => Filter::Sha256,
        "b64enc" => Filter::Base64,
        "b64url_enc" => Filter::Base64Url,
        "b64dec" => Filter::FromBase64,
        "downcase" => Filter::Lower,
        "upcase" => Filter::Upper,
        "append" => Filter::Append(Operand::parse(argument.unwrap_or_default())?),
        "prepend" => Filter::Prepend(Operand::parse(argument.unwrap_or_default())?),
        "replace" => Filter::Replace(text(0)?, text(1)?),
        _ => return Err(format!("the filter `{name}`")),
    })
}

impl Filter {
    fn apply<'a>(
        &self,
        value: &[u8],
        variable: &dyn Fn(&str) -> Option<&'a [u8]>,
    ) -> Option<Vec<u8>> {
        let last = |text: Vec<u8>, most: Option<usize>| {
            let from = most.map_or(0, |most| text.len().saturating_sub(most));
            text.get(from..).map(<[u8]>::to_vec)
        };
        let made = match self {
            Self::Prefix(len) => value.get(..value.len().min(*len))?.to_vec(),
            Self::Suffix(len) => last(value.to_vec(), Some(*len))?,
            Self::Crc32 { radix, digits } => {
                let sum = u64::from(crc32fast::hash(value));
                let width = digits.unwrap_or(0).min(64);
                last(notation(sum, *radix, width).to_ascii_lowercase(), *digits)?
            }
            Self::Crc32Base64(len) => {
                let text = BASE64.encode(&crc32fast::hash(value).to_le_bytes()).into_bytes();
                text.get(..len.map_or(text.len(), |len| len.min(text.len())))?.to_vec()
            }
            Self::Base { radix, width } => {
                let number = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
                let digits = notation(number, *radix, *width);
                if *radix == 36 { digits.to_ascii_lowercase() } else { digits }
            }
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(value)).into_bytes(),
            Self::Base64 => BASE64.encode(value).into_bytes(),
            Self::Base64Url => BASE64URL_NOPAD.encode(value).into_bytes(),
            Self::FromBase64 => BASE64.decode(value).ok()?,
            Self::Lower => value.to_ascii_lowercase(),
            Self::Upper => value.to_ascii_uppercase(),
            Self::Append(more) => [value, &more.get(variable)?].concat(),
            Self::Prepend(more) => [&more.get(variable)?, value].concat(),
            Self::Replace(from, to) => {
                std::str::from_utf8(value).ok()?.replace(from, to).into_bytes()
            }
        };
        (made.len() <= LONGEST).then_some(made)
    }
}

/// A number with these digits, with zeros before it up to a width.
fn notation(mut number: u64, radix: u64, width: usize) -> Vec<u8> {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        let digit = number.checked_rem(radix).and_then(|digit| usize::try_from(digit).ok());
        digits.push(digit.and_then(|digit| DIGITS.get(digit)).copied().unwrap_or(b'?'));
        number = number.checked_div(radix).unwrap_or(0);
    }
    while digits.len() < width {
        digits.push(b'0');
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Option<String> {
        let variable = |name: &str| (name == "BODY").then_some(&b"123456789"[..]);
        let made = Template::parse(template).unwrap().fill(&variable)?;
        Some(String::from_utf8(made).unwrap())
    }

    /// CRC-32 of "123456789" is 0xcbf43926, the check value of its catalogue entry.
    #[test]
    fn filters_compute_what_their_names_say() {
        for (template, expected) in [
            ("x{{ BODY }}y", "x123456789y"),
            ("{{BODY|suffix:3}}", "789"),
            ("{{ BODY | prefix: 2 | append: \"|\" | prepend: BODY }}", "12345678912|"),
            ("{{ BODY | crc32 }}", "3421780262"),
            ("{{ BODY | crc32_dec: 4 }}", "0262"),
            ("{{ BODY | crc32_hex }}", "cbf43926"),
            ("{{ BODY | crc32_hex: 4 }}", "3926"),
            ("{{ BODY | crc32_le_b64: 6 }}", "Jjn0yw"),
            ("{{ 'ab' | b64enc }}{{ 'ab' | b64url_enc }}", "YWI=YWI"),
            ("{{ 'YWI=' | b64dec | upcase }}", "AB"),
            ("{{ 'a-b-c' | replace: '-', ':' }}", "a:b:c"),
            (
                "{{ 'abc' | sha256 }}",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(filled(template).as_deref(), Some(expected), "{template}");
        }
        assert_eq!(filled("{{ OTHER }}"), None);
        assert_eq!(filled("{{ 'no number' | base62 }}"), None);
        assert_eq!(filled("{{ '61' | base62: 3 }}{{ '35' | base36 }}").unwrap(), "00zz");
        assert_eq!(filled("{{ '3843' | base62 }}").unwrap(), "zz");
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (template, problem) in [
            ("{{ BODY | uuid }}", "the filter `uuid`"),
            ("{{ BODY", "{{ without }}"),
            ("{% if x %}", "{% … %}"),
            ("{{ a.b }}", "`a.b`"),
            ("{{ BODY | suffix: x }}", "`suffix: x`"),
        ] {
            assert_eq!(Template::parse(template), Err(problem.to_owned()));
        }
    }
}
