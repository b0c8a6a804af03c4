//! JSON Web Tokens of clouds, told by their claims.

use serde_json::Value;

use super::jwt::{self, Object};
use super::{Attributes, Outcome, Subject, Verdict, attribute};

/// What stands in the claims of tokens of each, one of them at least.
pub(super) const AWS_WEB_IDENTITY: &[&str] = &["sts.amazonaws.com", "pods.eks.amazonaws.com"];
pub(super) const GOOGLE_IDENTITY: &[&str] = &["accounts.google.com"];
pub(super) const ENTRA: &[&str] = &["sts.windows.net/", "login.microsoftonline.com/"];
pub(super) const SUPABASE: &[&str] = &["service_role"];

/// Checks a JWT as `jwt` does, and that a role of AWS takes it: its audience is the token service or
/// the agent of EKS.
pub(super) fn aws_web_identity(subject: &Subject<'_>) -> Verdict {
    of(subject, AWS_WEB_IDENTITY, |claims| {
        let is_aws =
            |name: &str| name.starts_with("sts.amazonaws.com") || name == "pods.eks.amazonaws.com";
        audiences(claims).any(is_aws).then(Attributes::new)
    })
}

/// Checks a JWT as `jwt` does, and that Google issued it for a user or a service account.
pub(super) fn google_identity(subject: &Subject<'_>) -> Verdict {
    of(subject, GOOGLE_IDENTITY, |claims| {
        let issuer = text(claims, "iss")?;
        let is_google = matches!(issuer, "https://accounts.google.com" | "accounts.google.com");
        let account = text(claims, "email").filter(|email| email.ends_with("gserviceaccount.com"));
        let account = account.map(|email| ("gcp.service_account", attribute(email)));
        is_google.then(|| account.into_iter().collect())
    })
}

/// Checks a JWT as `jwt` does, and that Entra issued it. Reads off tenant and application.
///
/// Source: "Access token claims reference" of Microsoft.
pub(super) fn entra(subject: &Subject<'_>) -> Verdict {
    of(subject, ENTRA, |claims| {
        let issuer = text(claims, "iss")?.strip_prefix("https://")?;
        let is_entra = ENTRA.iter().any(|host| issuer.starts_with(host));
        let application = text(claims, "appid").or_else(|| text(claims, "azp"));
        let found = [("azure.tenant", text(claims, "tid")), ("azure.application", application)];
        is_entra.then(|| {
            found.into_iter().filter_map(|(name, text)| Some((name, attribute(text?)))).collect()
        })
    })
}

/// Checks a JWT as `jwt` does, and that it is the key of a Supabase project that passes by all rules of
/// access (`role` = `service_role`). The anonymous key is public.
pub(super) fn supabase(subject: &Subject<'_>) -> Verdict {
    of(subject, SUPABASE, |claims| {
        let project = text(claims, "ref");
        let is_supabase = project.is_some()
            || text(claims, "iss").is_some_and(|issuer| issuer.contains("supabase"));
        let is_service = is_supabase && text(claims, "role") == Some("service_role");
        let project = project.map(|name| ("supabase.project", attribute(name)));
        is_service.then(|| project.into_iter().collect())
    })
}

/// Every JWT that is not of the kind fails and is left to the rule for plain ones. One of `texts` stands in
/// the claims of each that is.
fn of(subject: &Subject<'_>, texts: &[&str], kind: fn(&Object) -> Option<Attributes>) -> Verdict {
    let token = jwt::read_if(subject, texts);
    let found = token.and_then(|(mut verdict, claims)| {
        verdict.attributes.extend(kind(&claims)?);
        Some(verdict)
    });
    found.unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

fn text<'a>(claims: &'a Object, key: &str) -> Option<&'a str> {
    claims.get(key).and_then(Value::as_str)
}

fn audiences(claims: &Object) -> impl Iterator<Item = &str> {
    let list = match claims.get("aud") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::jwt::tests::compact;
    use super::super::tests::whole;
    use super::*;

    type Run = fn(&Subject<'_>) -> Verdict;
    type Expected = &'static [(&'static str, &'static str)];

    fn judge(run: Run, claims: &str) -> Verdict {
        run(&whole(&compact(r#"{"alg":"RS256","kid":"1"}"#, claims, &[7; 256])))
    }

    #[test]
    fn claims_tell_the_kind() {
        let entra_claims = r#"{"iss":"https://sts.windows.net/t/","tid":"t-1","appid":"a-1"}"#;
        let cases: [(Run, &str, Expected); 8] = [
            (aws_web_identity, r#"{"aud":["sts.amazonaws.com"]}"#, &[]),
            (aws_web_identity, r#"{"aud":["x","pods.eks.amazonaws.com"]}"#, &[]),
            (aws_web_identity, r#"{"aud":"sts.amazonaws.com.cn"}"#, &[]),
            (google_identity, r#"{"iss":"https://accounts.google.com"}"#, &[]),
            (
                google_identity,
                r#"{"iss":"accounts.google.com","email":"a@b.iam.gserviceaccount.com"}"#,
                &[("gcp.service_account", "a@b.iam.gserviceaccount.com")],
            ),
            (entra, entra_claims, &[("azure.tenant", "t-1"), ("azure.application", "a-1")]),
            (
                entra,
                r#"{"iss":"https://login.microsoftonline.com/t/v2.0","azp":"a-2"}"#,
                &[("azure.application", "a-2")],
            ),
            (
                supabase,
                r#"{"iss":"supabase","ref":"abc","role":"service_role"}"#,
                &[("supabase.project", "abc")],
            ),
        ];
        for (run, claims, attributes) in cases {
            let verdict = judge(run, claims);
            assert_eq!(verdict.outcome, Outcome::Pass, "{claims}");
            for (name, value) in attributes {
                assert_eq!(verdict.attributes.get(name).map(String::as_str), Some(*value));
            }
        }
    }

    #[test]
    fn other_tokens_are_left_to_the_plain_rule() {
        let runs: [Run; 4] = [aws_web_identity, google_identity, entra, supabase];
        for claims in [
            r#"{"iss":"https://login.shop.test/","aud":"orders","role":"service_role"}"#,
            r#"{"iss":"supabase","ref":"abc","role":"anon"}"#,
            r#"{"iss":"https://sts.windows.net.shop.test/","aud":["x.sts.amazonaws.com"]}"#,
            r#"{"iss":7,"aud":{}}"#,
            "{}",
        ] {
            for run in runs {
                assert_eq!(judge(run, claims).outcome, Outcome::Fail, "{claims}");
            }
        }
        assert!(runs.iter().all(|run| run(&whole(b"eyJ.x.y")).outcome == Outcome::Fail));
    }
}
