//! URLs of mining pools.

use super::{Outcome, Subject, Verdict};

/// Hosts of documentation.
const EXAMPLES: &str =
    "localhost host hostname server pool yourpool example.com example.org example.net";

/// Checks host and port of a mining pool's URL. A URL that carries user and password is reported
/// without them, as an indicator is shown.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let Some(scheme) = memchr::memmem::find(value, b"://") else { return fail };
    let host_at = match memchr::memrchr(b'@', value) {
        Some(at) => at.saturating_add(1),
        None => scheme.saturating_add(3),
    };
    let Some(address) = value.get(host_at..) else { return fail };
    let Some(colon) = memchr::memrchr(b':', address) else { return fail };
    let (host, port) = address.split_at_checked(colon).unwrap_or_default();
    let port = port.get(1..).and_then(|port| std::str::from_utf8(port).ok());
    let is_port = port.and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0);
    let host = host.to_ascii_lowercase();
    let is_example = EXAMPLES.split(' ').any(|example| {
        host.strip_suffix(example.as_bytes())
            .is_some_and(|rest| rest.is_empty() || example.contains('.') && rest.ends_with(b"."))
    });
    if !is_port || is_example || !host.iter().any(u8::is_ascii_alphanumeric) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    if value.contains(&b'@') {
        verdict.span = subject.part(host_at..value.len());
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    #[test]
    fn host_and_port_are_asked_for() {
        for url in ["stratum+tcp://pool.shop.test:3333", "stratum+ssl://[2001:db8::1]:443"] {
            let verdict = run(&whole(url.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..url.len()), "{url}");
        }
        for url in [
            "stratum+tcp://pool.example.com:3333",
            "stratum+tcp://localhost:3333",
            "stratum+tcp://pool.shop.test:99999",
            "stratum+tcp://pool.shop.test",
            "stratum+tcp://",
            "",
        ] {
            assert_eq!(run(&whole(url.as_bytes())).outcome, Outcome::Fail, "{url}");
        }
    }

    #[test]
    fn user_and_password_are_left_out() {
        let url = "stratum+tcp://worker:hunter2@pool.shop.test:3333";
        let verdict = run(&whole(url.as_bytes()));
        assert_eq!(url.get(verdict.span), Some("pool.shop.test:3333"));
    }
}
