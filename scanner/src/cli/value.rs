//! Values of options: reports, gates, sizes.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::exit::Gate;
use crate::check::{Confidence, Severity};
use crate::region::CELL;
use crate::report::{FORMATS, Format};
use crate::scan::LEAST_MEMORY;

/// A report for a file.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) format: &'static Format,
    pub(super) path: PathBuf,
}

/// The format of that name.
pub(super) fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

pub(super) fn format_names() -> PossibleValuesParser {
    let values = FORMATS.iter();
    values.map(|format| PossibleValue::new(format.name).help(format.help)).into()
}

pub(super) fn output(text: &str) -> Result<Output, String> {
    let (name, path) = text.split_once('=').ok_or("expected FORMAT=PATH")?;
    let format = format(name).ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        format!("expected one of {}, found {name:?}", names.join(", "))
    })?;
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(Output { format, path: path.into() })
}

pub(super) fn gate(text: &str) -> Result<Gate, String> {
    let (severity, confidence) = text.split_once(':').unwrap_or((text, "medium"));
    Ok(Gate {
        severity: named(&SEVERITIES, Severity::name, severity)?,
        confidence: named(&CONFIDENCES, Confidence::name, confidence)?,
    })
}

pub(super) fn severity(text: &str) -> Result<Severity, String> {
    named(&SEVERITIES, Severity::name, text)
}

const SEVERITIES: [Severity; 5] =
    [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
const CONFIDENCES: [Confidence; 4] =
    [Confidence::Low, Confidence::Medium, Confidence::High, Confidence::Confirmed];

fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, String> {
    all.iter().copied().find(|value| name(*value) == text).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|value| name(*value)).collect();
        format!("expected one of {}, found {text:?}", names.join(", "))
    })
}

pub(super) fn memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < LEAST_MEMORY {
        let least = LEAST_MEMORY >> 20;
        return Err(format!("expected at least {least}MiB, which one thread needs, found {text}"));
    }
    Ok(bytes)
}

pub(super) fn window(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes == 0 || !bytes.is_multiple_of(CELL) {
        return Err("expected a multiple of 64KiB".to_owned());
    }
    Ok(bytes)
}

/// Bytes, from `536870912`, `512MiB` or `512M`.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 9] = [
        ("", 0),
        ("K", 10),
        ("KiB", 10),
        ("M", 20),
        ("MiB", 20),
        ("G", 30),
        ("GiB", 30),
        ("T", 40),
        ("TiB", 40),
    ];
    let expected = || format!("expected a size such as 512MiB, found {text:?}");
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).ok_or_else(expected)?;
    let number: u64 = digits.parse().map_err(|_| expected())?;
    let (_, shift) =
        UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(expected)?;
    number.checked_mul(1 << shift).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_gate_takes_medium_confidence_unless_told() {
        let expected = Gate { severity: Severity::Low, confidence: Confidence::Medium };
        assert_eq!(gate("low"), Ok(expected));
        for wrong in ["", "severe", "high:", "high:sure", "high:low:low"] {
            assert!(gate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, expected) in
            [("0", 0), ("17", 17), ("64KiB", 65536), ("512MiB", 512 << 20), ("2g", 2 << 30)]
        {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for wrong in ["", "MiB", "1.5GiB", "-1", "1MB", "16777216TiB", "99999999999999999999"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        let few = "expected at least 48MiB, which one thread needs, found 47MiB";
        assert_eq!(memory("47MiB"), Err(few.to_owned()));
        assert_eq!(memory("48MiB"), Ok(48 << 20));
        assert!(window("100KiB").is_err() && window("0").is_err());
    }

    #[test]
    fn an_output_names_its_format() {
        for (text, name, path) in
            [("jsonl=a=b.jsonl", "jsonl", "a=b.jsonl"), ("text=c", "text", "c")]
        {
            let output = output(text).unwrap();
            assert_eq!((output.format.name, output.path.as_path()), (name, Path::new(path)));
        }
        for wrong in ["a.jsonl", "xml=a", "text="] {
            assert!(output(wrong).is_err(), "{wrong}");
        }
    }
}
