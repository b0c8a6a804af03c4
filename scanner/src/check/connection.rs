//! Whether a connection URI holds a password that someone uses.

use super::uri::{parse, percent_decoded};
use super::{Outcome, Placeholder, Subject, Verdict, attribute, entropy, placeholder};

/// Checks a URI that begins where the span does. It ends where the grammar of RFC 3986 does, or at
/// a quote, bracket or backslash; punctuation at its end belongs to the sentence around it.
///
/// Weak: a default password, one that equals the user, or one of two characters
/// (`password.weak`); a host of documentation; a URI that runs up to where memory ends. Fail: no password, no host, a placeholder.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(uri) = parse(subject.text, subject.span.clone()) else { return fail };
    let written = subject.text.get(uri.password.clone()).unwrap_or_default();
    let password = percent_decoded(written);
    let user = uri.user.as_deref().unwrap_or_default();
    let is_weak = match placeholder(written).max(placeholder(&password)) {
        Placeholder::Yes => return fail,
        Placeholder::WeakDefault => true,
        Placeholder::No => password.len() < 3 || password.eq_ignore_ascii_case(user.as_bytes()),
    };
    // `user:password@` of a manual; a token as the user is found by its own rule.
    if is_weak && is_placeholder_user(user) || written == b"x-oauth-basic" {
        return fail;
    }

    let is_doubtful = is_weak || is_example_host(&uri.host) || subject.is_cut_at(uri.span.len());
    let outcome = if is_doubtful { Outcome::Weak } else { Outcome::Pass };
    let mut verdict = Verdict::of(outcome, subject);
    verdict.span = uri.span.clone();
    let attributes = &mut verdict.attributes;
    attributes.insert("uri.engine", uri.engine.to_owned());
    attributes.insert("uri.host", attribute(&uri.host));
    attributes.insert("uri.scheme", attribute(&uri.scheme));
    if !user.is_empty() && !may_be_token(user) {
        attributes.insert("uri.user", attribute(user));
    }
    if let Some(database) = &uri.database {
        attributes.insert("uri.database", attribute(database));
    }
    if is_weak {
        attributes.insert("password.weak", "true".to_owned());
    }
    verdict
}

/// Whether every host is of a domain that RFC 2606 §3 keeps for documentation.
pub(super) fn is_example_host(hosts: &str) -> bool {
    const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];
    hosts.split(',').all(|host| {
        let host = host.to_ascii_lowercase();
        DOMAINS.iter().any(|domain| {
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    })
}

/// Users of manuals.
fn is_placeholder_user(user: &str) -> bool {
    const USERS: &str = "\
        user username usr uname login name myuser my_user dbuser db_user youruser your_user \
        someuser foo bar";
    user.len() == 1 || USERS.split(' ').any(|known| user.eq_ignore_ascii_case(known))
}

/// Attributes are never secret: a long random user may be one.
fn may_be_token(user: &str) -> bool {
    user.len() > 40 || user.len() >= 20 && entropy::shannon(user.as_bytes()) >= 3_600
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
