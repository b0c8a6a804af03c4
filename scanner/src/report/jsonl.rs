//! JSON Lines: one record a line, nothing else. All other formats can be made from it.

use std::io::{self, Write};

use super::{Format, Record, Report, Style};

/// For log shippers, `jq` and later runs of cryoscan.
pub(super) const FORMAT: Format = Format {
    name: "jsonl",
    help: "JSON Lines, one record a line: for programs",
    make: |out, _: &Style| Box::new(JsonLines { out, line: Vec::new() }),
};

struct JsonLines {
    out: Box<dyn Write + Send>,
    /// Room for one.
    line: Vec<u8>,
}

impl Report for JsonLines {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        // One write a line, so that a reader of a pipe never sees half a record of a live run.
        self.line.clear();
        serde_json::to_writer(&mut self.line, record)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{sample, tests::written};
    use super::*;

    #[test]
    fn every_record_is_one_line_in_fixed_key_order() {
        insta::assert_snapshot!(written(&FORMAT, &Style::default(), &sample::findings()));
    }

    #[test]
    fn a_line_break_in_a_name_does_not_break_the_line() {
        let records = sample::hostile();
        let text = written(&FORMAT, &Style::default(), &records);
        assert_eq!(text.lines().count(), records.len());
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["type"].is_string(), "{line}");
        }
    }

    #[test]
    fn every_line_follows_the_schema() {
        let schema = include_str!("../../../docs/generated/report.schema.json");
        let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        let sets = [
            sample::findings(),
            sample::clean(),
            sample::incomplete(),
            sample::many(),
            sample::hostile(),
        ];
        for line in written(&FORMAT, &Style::default(), &sets.concat()).lines() {
            let value = serde_json::from_str(line).unwrap();
            if let Err(fault) = schema.validate(&value) {
                panic!("{fault} at {}: {line}", fault.instance_path());
            }
        }
        let wrong = [
            r#"{"type":"finding"}"#,
            r#"{"type":"verdict"}"#,
            r#"{"type":"coverage","checkpoint":"c1","total":-1,"scanned":0,"skipped":{},"decoded":0,"notes":[]}"#,
        ];
        for line in wrong {
            assert!(!schema.is_valid(&serde_json::from_str(line).unwrap()), "{line}");
        }
    }
}
