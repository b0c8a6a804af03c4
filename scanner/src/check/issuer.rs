//! JSON Web Tokens told by who issued them.

use serde_json::Value;

use super::jwt::{self, Object};
use super::{Outcome, Subject, Verdict, attribute};

/// What stands in the claims of tokens of each, one of them at least.
pub(super) const ARGO_CD: &[&str] = &["argocd"];
pub(super) const GITHUB_ACTIONS: &[&str] = &["actions.githubusercontent.com", "Actions."];
pub(super) const JFROG: &[&str] = &["jfac@", "jfrt@", "applied-permissions/"];

/// Checks a JWT as `jwt` does, and that Argo CD issued it (`iss` = `argocd`). Every other JWT fails
/// here and is left to the rule for plain ones.
///
/// Source: `util/session/sessionmanager.go` of Argo CD.
pub(super) fn argo_cd(subject: &Subject<'_>) -> Verdict {
    judge(subject, ARGO_CD, |claims| text(claims, "iss") == Some("argocd"))
}

/// Checks a JWT as `jwt` does, and that it belongs to a run of GitHub Actions: issued by the service, or
/// with a scope of it. Tells the repository (`github.repository`).
///
/// Fail: it is the end of a token of a GitHub App (`ghs_ID_eyJ…`), which is reported whole.
///
/// Source: GitHub's documentation of OpenID Connect in workflows; `actions/toolkit`,
/// `packages/artifact`, for the scope.
pub(super) fn github_actions(subject: &Subject<'_>) -> Verdict {
    let before = subject.text.get(..subject.span.start).unwrap_or_default();
    let app = before.strip_suffix(b"_").unwrap_or_default();
    let id = app.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let app = app.get(..app.len().saturating_sub(id)).unwrap_or_default();
    if id > 0 && app.ends_with(b"ghs_") {
        return Verdict::of(Outcome::Fail, subject);
    }
    let is_scope = |word: &str| word.starts_with("Actions.");
    judge(subject, GITHUB_ACTIONS, |claims| {
        text(claims, "iss").is_some_and(|iss| iss.contains("actions.githubusercontent.com"))
            || text(claims, "scp").is_some_and(|scopes| scopes.split(' ').any(is_scope))
    })
}

/// Checks a JWT as `jwt` does, and that the JFrog platform issued it: `iss` begins with `jfac@` (`jfrt@`
/// in older versions), or the scope names permissions that are applied.
///
/// Source: rules of public scanners; the vendor documents the scope only.
pub(super) fn jfrog(subject: &Subject<'_>) -> Verdict {
    let is_scope = |word: &str| word.starts_with("applied-permissions/");
    judge(subject, JFROG, |claims| {
        text(claims, "iss").is_some_and(|iss| iss.starts_with("jfac@") || iss.starts_with("jfrt@"))
            || text(claims, "scp").is_some_and(|scopes| scopes.split(' ').any(is_scope))
    })
}

fn text<'a>(claims: &'a Object, key: &str) -> Option<&'a str> {
    claims.get(key).and_then(Value::as_str)
}

/// Judges a token of an issuer: one of `texts` stands in its claims.
fn judge(subject: &Subject<'_>, texts: &[&str], is_issued: impl Fn(&Object) -> bool) -> Verdict {
    match jwt::read_if(subject, texts) {
        Some((mut verdict, claims)) if is_issued(&claims) => {
            for (name, claim) in [("jwt.scp", "scp"), ("github.repository", "repository")] {
                if let Some(value) = text(&claims, claim) {
                    verdict.attributes.insert(name, attribute(value));
                }
            }
            verdict
        }
        _ => Verdict::of(Outcome::Fail, subject),
    }
}

#[cfg(test)]
mod tests {
    use super::super::jwt::tests::compact;
    use super::super::tests::whole;
    use super::*;

    type Run = fn(&Subject<'_>) -> Verdict;

    fn outcome(run: Run, claims: &str) -> Outcome {
        run(&whole(&compact(r#"{"alg":"HS256"}"#, claims, &[7; 32]))).outcome
    }

    #[test]
    fn each_knows_its_own() {
        let cases: [(Run, &[&str]); 3] = [
            (argo_cd, &[r#"{"iss":"argocd","sub":"admin"}"#]),
            (
                github_actions,
                &[
                    r#"{"iss":"https://token.actions.githubusercontent.com","sub":"repo:a/b"}"#,
                    r#"{"nameid":"x","scp":"Actions.Results:1:2"}"#,
                ],
            ),
            (
                jfrog,
                &[
                    r#"{"iss":"jfac@01h","sub":"jfac@01h/users/ci"}"#,
                    r#"{"iss":"x","scp":"applied-permissions/user"}"#,
                ],
            ),
        ];
        for (index, (run, _)) in cases.iter().enumerate() {
            for (other, claims) in cases.iter().enumerate() {
                let expected = if other == index { Outcome::Pass } else { Outcome::Fail };
                for claims in claims.1 {
                    assert_eq!(outcome(*run, claims), expected, "{claims}");
                }
            }
            assert_eq!(outcome(*run, r#"{"iss":"argocd-like","scp":"x"}"#), Outcome::Fail);
            assert_eq!(outcome(*run, r#"{"iss":7}"#), Outcome::Fail);
            assert_eq!(run(&whole(b"eyJ.e30.x")).outcome, Outcome::Fail);
        }
    }

    #[test]
    fn the_end_of_a_longer_token_is_none() {
        let claims = r#"{"iss":"https://token.actions.githubusercontent.com"}"#;
        let token = compact(r#"{"alg":"HS256"}"#, claims, &[7; 32]);
        for (before, expected) in
            [("ghs_123_", Outcome::Fail), ("ghs__", Outcome::Pass), ("x_1_", Outcome::Pass)]
        {
            let text = [before.as_bytes(), &token].concat();
            let subject = Subject { text: &text, span: before.len()..text.len(), cut: false };
            assert_eq!(github_actions(&subject).outcome, expected, "{before}");
        }
    }

    #[test]
    fn the_repository_is_told() {
        let claims = r#"{"iss":"https://token.actions.githubusercontent.com","repository":"a/b"}"#;
        let token = compact(r#"{"alg":"HS256"}"#, claims, &[7; 32]);
        assert_eq!(github_actions(&whole(&token)).attributes["github.repository"], "a/b");
    }
}
