//! JSON Lines: one record a line, nothing else. All other formats can be made from it.

use std::io::{self, Write};

use super::{Format, Record, Report, Style};

/// For log shippers, `jq` and later runs of cryoscan.
pub(super) const FORMAT: Format = Format {
    name: "jsonl",
    help: "JSON Lines, one record a line: for programs",
    make: |out, _: &Style| Box::new(JsonLines { out, lines: Vec::new() }),
};

/// Bytes of findings that are written at once: with one more behind them they fit into an empty pipe.
const AT_ONCE: usize = 32 << 10;

struct JsonLines {
    out: Box<dyn Write + Send>,
    /// Those that are not written yet.
    lines: Vec<u8>,
}

impl JsonLines {
    fn write(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.lines);
        // Also what could not be written: it is not tried again.
        self.lines.clear();
        written
    }
}

impl Drop for JsonLines {
    /// Where another report fails, what was found so far is told all the same.
    fn drop(&mut self) {
        let _told = self.write();
    }
}

impl Report for JsonLines {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        // Whole lines a write, so that who reads while the scan runs sees whole records. The findings of a
        // checkpoint come all at once; the record behind them lets the last ones go.
        serde_json::to_writer(&mut self.lines, record)?;
        self.lines.push(b'\n');
        let is_finding = matches!(record, Record::Finding(_));
        if is_finding && self.lines.len() < AT_ONCE { Ok(()) } else { self.write() }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write()?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{sample, tests::Shared, tests::written};
    use super::*;

    #[test]
    fn every_record_is_one_line_in_fixed_key_order() {
        insta::assert_snapshot!(written(&FORMAT, &Style::default(), &sample::findings()));
    }

    #[test]
    fn whole_lines_are_written_and_the_end_of_a_checkpoint_lets_all_go() {
        let out = Shared::default();
        let mut report = (FORMAT.make)(Box::new(out.clone()), &Style::default());
        let (mut all, mut held) = (String::new(), 0);
        for record in std::iter::repeat_n(sample::many(), 3).flatten() {
            report.record(&record).unwrap();
            all += &(serde_json::to_string(&record).unwrap() + "\n");
            let written = out.0.lock().unwrap().clone();
            assert!(all.as_bytes().starts_with(&written) && written.last() == Some(&b'\n'));
            let left = all.len() - written.len();
            assert!(left < AT_ONCE && (left == 0 || matches!(record, Record::Finding(_))));
            held = held.max(left);
        }
        assert!(held > 0, "findings wait for each other");
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
