//! What is refused before a pattern is asked is what its checks would refuse.

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use proptest::prelude::*;

use super::*;

/// What tokens claim: what some vendor's do, the same written with escapes, and what nearly is it.
const CLAIMS: [&str; 12] = [
    r#"{"iss":"argocd","sub":"admin"}"#,
    r#"{"iss":"argo\u0063d","sub":"admin"}"#,
    r#"{"iss":"https:\/\/sts.windows.net\/t\/","tid":"t"}"#,
    r#"{"iss":"https://sts.windows.net/t/","tid":"t"}"#,
    r#"{"aud":["sts.amazonaws.com"]}"#,
    r#"{"iss":"https://accounts.google.com"}"#,
    r#"{"iss":"supabase","ref":"abc","role":"service_role"}"#,
    r#"{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:shop:web"}"#,
    r#"{"iss":"https://token.actions.githubusercontent.com","repository":"shop/web"}"#,
    r#"{"iss":"jfrt@1","sub":"u"}"#,
    r#"{"iss":"argo","sub":"argocd"}"#,
    r#"{"iss":"login.shop.test","aud":7}"#,
];

fn token(claims: usize, signature: u8, cut: usize, tail: &str) -> Vec<u8> {
    let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let head = part(br#"{"alg":"HS256","kid":"1"}"#);
    let parts = [head, part(CLAIMS[claims].as_bytes()), part(&[signature; 32])];
    let mut token = parts.join(".").into_bytes();
    token.truncate(token.len().saturating_sub(cut));
    [&token, tail.as_bytes()].concat()
}

proptest! {
    #[test]
    fn tokens_are_refused_for_what_they_claim_as_by_their_checks(
        tokens in prop::collection::vec(
            (
                0..CLAIMS.len(),
                any::<u8>(),
                prop_oneof![4 => Just(0_usize), 1 => 0..80_usize],
                prop::sample::select(vec!["", ".", "stale", ".next.part", " "]),
                0..4_usize,
            ),
            1..6,
        ),
    ) {
        let mut bytes = Vec::new();
        for (claims, signature, cut, tail, form) in tokens {
            let token = token(claims, signature, cut, tail);
            match form {
                0 => bytes.extend(token),
                1 => bytes.extend(token.iter().flat_map(|byte| [*byte, 0])),
                2 => bytes.extend(BASE64.encode(&[b"token: ", &token[..]].concat()).into_bytes()),
                _ => bytes.extend([b"{\"access_token\":\"", &token[..], b"\"}"].concat()),
            }
            bytes.extend([0; 3]);
        }
        let (asks, never_asks) = &*ENGINES;
        let matches = |engine: &Engine| {
            let mut all = Vec::new();
            engine.scan_file("", &bytes, &mut Scratch::default(), |it| all.push(format!("{it:?}")));
            all
        };
        prop_assert_eq!(matches(asks), matches(never_asks));
    }
}

/// The engine, and one that leaves claims to the checks.
static ENGINES: LazyLock<(Engine, Engine)> = LazyLock::new(|| {
    let engine = || Engine::new(RuleSet::builtin().unwrap(), [7; 32]);
    let mut never_asks = engine();
    never_asks.claims.fill_with(Vec::new);
    (engine(), never_asks)
});

#[test]
fn every_vendor_of_tokens_is_asked_for() {
    assert_eq!(ENGINES.0.claims.iter().filter(|texts| !texts.is_empty()).count(), 8);
}
