//! Tokens of Kubernetes service accounts.

use serde_json::Value;

use super::jwt::{self, Object};
use super::{Attributes, Outcome, Subject, Verdict, attribute};

/// What stands in the claims of a token of a service account, one of them at least.
pub(super) const SERVICE_ACCOUNT: &[&str] =
    &["system:serviceaccount:", "kubernetes.io", "kubernetes/serviceaccount"];

/// Checks a JWT as `jwt` does, and that its payload is one of the API server: a bound token
/// (`kubernetes.io`), a legacy one (`iss` = `kubernetes/serviceaccount`), or any other with `sub` =
/// `system:serviceaccount:NAMESPACE:NAME`. Every other JWT fails here and is left to the rule for
/// plain ones.
///
/// Source: `pkg/serviceaccount/claims.go` and `legacy.go` of Kubernetes.
pub(super) fn service_account(subject: &Subject<'_>) -> Verdict {
    let found = jwt::read_if(subject, SERVICE_ACCOUNT).and_then(|(mut verdict, claims)| {
        verdict.attributes.extend(attributes(&claims)?);
        // As those of Secrets were before Kubernetes 1.24.
        if !claims.contains_key("exp") {
            verdict.attributes.insert("jwt.exp", "never".to_owned());
        }
        Some(verdict)
    });
    found.unwrap_or_else(|| Verdict::of(Outcome::Fail, subject))
}

fn attributes(claims: &Object) -> Option<Attributes> {
    let text = |key: &str| claims.get(key).and_then(Value::as_str);
    let subject = text("sub")
        .and_then(|sub| sub.strip_prefix("system:serviceaccount:"))
        .and_then(|sub| sub.split_once(':'));
    let bound = claims.get("kubernetes.io").and_then(Value::as_object);
    let is_legacy = text("iss") == Some("kubernetes/serviceaccount");
    if subject.is_none() && bound.is_none() && !is_legacy {
        return None;
    }

    let bound_text = |key: &str| bound?.get(key)?.as_str();
    let bound_name = |key: &str| bound?.get(key)?.get("name")?.as_str();
    let found = [
        (
            "kubernetes.namespace",
            bound_text("namespace")
                .or_else(|| text("kubernetes.io/serviceaccount/namespace"))
                .or_else(|| subject.map(|(namespace, _)| namespace)),
        ),
        (
            "kubernetes.serviceaccount",
            bound_name("serviceaccount")
                .or_else(|| text("kubernetes.io/serviceaccount/service-account.name"))
                .or_else(|| subject.map(|(_, name)| name)),
        ),
        ("kubernetes.pod", bound_name("pod")),
        ("kubernetes.secret", text("kubernetes.io/serviceaccount/secret.name")),
    ];
    Some(found.into_iter().filter_map(|(name, value)| Some((name, attribute(value?)))).collect())
}

#[cfg(test)]
mod tests {
    use super::super::jwt::tests::compact;
    use super::super::tests::whole;
    use super::*;

    fn judge(payload: &str) -> Verdict {
        let token = compact(r#"{"alg":"RS256","kid":"k"}"#, payload, &[7; 256]);
        let text = [&token[..], b"stale"].concat();
        let verdict = service_account(&whole(&text));
        if verdict.outcome != Outcome::Fail {
            assert_eq!(verdict.span, 0..token.len());
        }
        verdict
    }

    fn facts(verdict: &Verdict) -> Vec<&str> {
        let ours = verdict.attributes.iter().filter(|(name, _)| name.starts_with("kubernetes."));
        ours.map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn bound_tokens() {
        let verdict = judge(
            r#"{"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:shop:cart",
            "kubernetes.io":{"namespace":"shop","node":{"name":"n"},"pod":{"name":"cart-0","uid":"1"},
            "serviceaccount":{"name":"cart","uid":"2"}}}"#,
        );
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(facts(&verdict), ["shop", "cart-0", "cart"]);
        assert_eq!(verdict.attributes["jwt.kid"], "k");
    }

    #[test]
    fn legacy_tokens() {
        let verdict = judge(
            r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"shop",
            "kubernetes.io/serviceaccount/secret.name":"cart-token-1",
            "kubernetes.io/serviceaccount/service-account.name":"cart"}"#,
        );
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(facts(&verdict), ["shop", "cart-token-1", "cart"]);
        assert_eq!(verdict.attributes["jwt.exp"], "never");
    }

    #[test]
    fn the_subject_is_enough() {
        let verdict = judge(r#"{"sub":"system:serviceaccount:shop:cart"}"#);
        assert_eq!((verdict.outcome, facts(&verdict)), (Outcome::Pass, vec!["shop", "cart"]));
    }

    #[test]
    fn other_tokens_fail() {
        for payload in [r#"{"sub":"system:node:a"}"#, r#"{"iss":"kubernetes"}"#, "{}", "[]"] {
            assert_eq!(judge(payload).outcome, Outcome::Fail, "{payload}");
        }
    }
}
