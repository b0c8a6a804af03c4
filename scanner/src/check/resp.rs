//! Strings in the protocol of Redis, which says how long they are.

use super::{Outcome, Subject, Verdict};

/// Checks that a bulk string has the length that stands before it (`$16`, carriage return, line
/// feed), and takes so many bytes of it. Weak: memory ends inside of it.
///
/// Source: Redis serialization protocol specification, "Bulk strings".
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let head = subject.text.get(..subject.span.start).unwrap_or_default();
    let Some(head) = head.strip_suffix(b"\r\n") else { return fail };
    let digits = head.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (before, digits) = head.split_at(head.len().saturating_sub(digits));
    let len = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
    let (Some(len @ 1..), Some(b'$')) = (len, before.last()) else { return fail };
    let value = subject.value();
    if value.len() < len {
        let outcome = if subject.is_cut_at(value.len()) { Outcome::Weak } else { Outcome::Fail };
        return Verdict::of(outcome, subject);
    }
    let end = subject.span.start.saturating_add(len);
    let behind = subject.text.get(end..).unwrap_or_default();
    if !behind.is_empty() && !behind.starts_with(b"\r") {
        return fail;
    }
    Verdict { span: subject.part(0..len), ..Verdict::of(Outcome::Pass, subject) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, value: &str, behind: &str, cut: bool) -> (Outcome, usize) {
        let text = [head, value, behind].concat();
        let span = head.len()..head.len().saturating_add(value.len());
        let verdict = run(&Subject { text: text.as_bytes(), span, cut });
        (verdict.outcome, verdict.span.len())
    }

    #[test]
    fn the_length_decides() {
        let head = "*2\r\n$4\r\nAUTH\r\n$9\r\n";
        assert_eq!(check(head, "k7Wq-mz2P", "\r\n", false), (Outcome::Pass, 9));
        assert_eq!(check(head, "k7Wq-mz2P", "", false), (Outcome::Pass, 9));
        assert_eq!(check(head, "k7Wq-mz2P", "x\r\n", false).0, Outcome::Fail);
        assert_eq!(check(head, "k7Wq-mz", "\r\n", false).0, Outcome::Fail);
        assert_eq!(check(head, "k7Wq-mz", "", true).0, Outcome::Weak);
        assert_eq!(check("AUTH ", "k7Wq-mz2P", "\r\n", false).0, Outcome::Fail);
        assert_eq!(check("9\r\n", "k7Wq-mz2P", "\r\n", false).0, Outcome::Fail);
        assert_eq!(check("$0\r\n", "k7Wq-mz2P", "\r\n", false).0, Outcome::Fail);
        assert_eq!(check("$99999999999999999999\r\n", "k7Wq", "\r\n", false).0, Outcome::Fail);
    }
}
