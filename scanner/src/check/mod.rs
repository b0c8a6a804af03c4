//! Offline validators: they look at a candidate in its surroundings and give outcome, true span
//! and attributes. Pure functions; one file per family.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::secret::SecretBytes;

mod alibaba;
mod armour;
mod assigned;
mod attributes;
mod aws;
mod aws_request;
mod aws_session;
mod azure;
mod azure_devops;
mod azure_marked;
mod azure_sas;
mod base58;
mod base64_json;
mod bech32;
pub(crate) mod bip39;
mod ccache;
mod certificate;
mod claims;
mod cloudflare;
mod connection;
mod cookie;
mod crc32;
mod crypt;
mod curve;
mod discord;
mod docker;
mod elastic;
pub mod entropy;
mod ethereum;
mod fernet;
mod flyio;
mod gcp;
mod gitlab;
mod gnupg;
mod http_auth;
mod issuer;
mod jenkins;
mod jfrog;
mod jwk;
mod jwt;
mod keepass;
mod key;
mod keystore;
mod keytab;
pub mod known;
mod kubernetes;
mod kubernetes_objects;
mod kubernetes_proto;
mod lexicon;
mod macaroon;
pub(crate) mod modular;
mod monero;
mod notation;
mod onion;
mod openpgp;
mod openssh;
mod payment_card;
mod pem;
mod pkcs12;
mod placeholder;
mod pool_url;
pub(crate) mod prime;
pub(crate) mod public_half;
mod putty;
mod random_text;
mod resp;
mod sasl;
mod scram;
mod signify;
mod solana;
mod stored_password;
mod stores;
mod teamcity;
mod token_json;
mod uri;
mod vault;
mod vendor;
mod vendor_crc32;
mod wireguard;

pub use attributes::Attributes;
pub use jwt::Claims;
pub use placeholder::{Placeholder, placeholder};
pub use uri::{ConnectionUri, parse as parse_connection_uri};

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It has the shape only, or a check found it doubtful.
    Low,
    /// Shape and context speak for it.
    Medium,
    /// Its structure or its place leaves little doubt.
    High,
    /// A checksum, a proof or a whole structure shows it.
    Confirmed,
}

impl Confidence {
    /// The name in reports and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Confirmed => "confirmed",
        }
    }
}

/// The harm if a finding is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing, no harm by itself.
    Info,
    /// Little, or short-lived.
    Low,
    /// Access to something of limited worth, or a protected key.
    Medium,
    /// Access to a service or its data.
    High,
    /// Access to an account, a cluster or an identity.
    Critical,
}

impl Severity {
    /// The name in reports and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a check sees of a candidate.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The text run around the candidate, narrow (UTF-16 folded).
    pub text: &'a [u8],
    /// Where in `text` the rule's pattern says the value lies. Kinds without a fixed length ask
    /// for the longest run that the value's alphabet allows: the check finds the end inside it.
    pub span: Range<usize>,
    /// Whether `text` ends where memory ends, so that the value may go on beyond it.
    pub cut: bool,
}

impl Subject<'_> {
    /// The bytes of the value as the pattern found it.
    pub fn value(&self) -> &[u8] {
        self.text.get(self.span.clone()).unwrap_or_default()
    }

    /// The span of a part of [`Self::value`], in `text`. It never leaves the given span.
    fn part(&self, within: Range<usize>) -> Range<usize> {
        let at = |offset: usize| self.span.start.saturating_add(offset).min(self.span.end);
        at(within.start)..at(within.end)
    }

    /// Whether the value's first `len` bytes run up to where memory ends.
    fn is_cut_at(&self, len: usize) -> bool {
        self.cut && self.span.start.saturating_add(len) >= self.text.len()
    }
}

/// What a check has to say about a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is what the rule says.
    Pass,
    /// It looks like it and is damaged, cut, doubtful, or of little worth (a default password, a
    /// published test key): the finding stays, with low confidence.
    Weak,
    /// It is not: the candidate is dropped.
    Fail,
    /// The check could not be made here; nothing changes.
    Unavailable,
}

/// How a value is written where it lies, if not plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notation {
    /// Two bytes a character, the lower one first.
    Utf16Le,
    /// Two bytes a character, the higher one first.
    Utf16Be,
    /// Four bytes a character, the lowest one first.
    Utf32Le,
    /// Percent-encoded (RFC 3986 §2.1), as in URLs.
    Percent,
    /// With the escapes of JSON strings (RFC 8259 §7) or of XML.
    Escaped,
    /// Base64 (RFC 4648 §4).
    Base64,
    /// Base64 with the alphabet for URLs (RFC 4648 §5).
    Base64Url,
    /// Two hexadecimal digits a byte (RFC 4648 §8).
    Hex,
    /// A compressed stream of gzip (RFC 1952).
    Gzip,
    /// A compressed stream of zlib (RFC 1950).
    Zlib,
}

impl Notation {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Utf16Le,
        Self::Utf16Be,
        Self::Utf32Le,
        Self::Percent,
        Self::Escaped,
        Self::Base64,
        Self::Base64Url,
        Self::Hex,
        Self::Gzip,
        Self::Zlib,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Utf32Le => "utf-32le",
            Self::Percent => "percent",
            Self::Escaped => "json",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Hex => "hex",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
        }
    }

    /// Whether most characters stand for themselves.
    pub fn keeps_characters(self) -> bool {
        matches!(self, Self::Percent | Self::Escaped)
    }

    /// Whether it can hold bytes that are no text.
    pub fn holds_bytes(self) -> bool {
        matches!(self, Self::Base64 | Self::Base64Url | Self::Hex | Self::Gzip | Self::Zlib)
    }
}

/// A value that does not lie plainly: how it is written, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// How it is written.
    pub notation: Notation,
    /// The value itself, which a report shows in place of the bytes.
    pub value: SecretBytes,
}

/// The answer of a check.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Whether the candidate is what it seems.
    pub outcome: Outcome,
    /// The true span of the value in `Subject::text`: inside the given span, a stale tail is cut.
    pub span: Range<usize>,
    /// Facts read off the value.
    pub attributes: Attributes,
    /// The value without accidents of notation (armour without line ends); `None`: as it lies.
    pub canonical: Option<SecretBytes>,
    /// The value itself, where the span holds it in another notation.
    pub plain: Option<Plain>,
}

impl Verdict {
    /// An answer about the span as it was found, without attributes.
    pub fn of(outcome: Outcome, subject: &Subject<'_>) -> Self {
        Self {
            outcome,
            span: subject.span.clone(),
            attributes: Attributes::new(),
            canonical: None,
            plain: None,
        }
    }
}

/// A check that rules name in `checks`.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The name in rules and in evidence.
    pub name: &'static str,
    /// What a pass proves by itself. [`Confidence::Low`]: nothing, it only weeds out what is not.
    pub on_pass: Confidence,
    /// Looks at a candidate. The span of the answer is never outside the subject's.
    pub run: fn(&Subject<'_>) -> Verdict,
}

impl Check {
    /// Whether it calculates with elliptic curves, which takes a thousand times as long as others do.
    pub fn is_costly(&self) -> bool {
        ["der-private-key", "jwk", "kubernetes-key-data", "pem"].contains(&self.name)
    }

    /// The texts of which one stands in the claims of every token that this check passes; `None` where nothing is
    /// known of claims.
    pub fn claims(&self) -> Option<&'static [&'static str]> {
        Some(match self.name {
            "argocd-token" => issuer::ARGO_CD,
            "aws-web-identity" => claims::AWS_WEB_IDENTITY,
            "entra-token" => claims::ENTRA,
            "github-actions-token" => issuer::GITHUB_ACTIONS,
            "google-identity" => claims::GOOGLE_IDENTITY,
            "jfrog-access-token" => issuer::JFROG,
            "kubernetes-service-account" => kubernetes::SERVICE_ACCOUNT,
            "supabase-service-role" => claims::SUPABASE,
            _ => return None,
        })
    }
}

/// Every check, by name.
pub static CHECKS: &[Check] = &[
    Check { name: "age-identity", on_pass: Confidence::Confirmed, run: bech32::age_identity },
    Check { name: "alibaba-session-token", on_pass: Confidence::High, run: alibaba::session_token },
    Check { name: "alibaba-sts-id", on_pass: Confidence::Low, run: alibaba::temporary_id },
    Check { name: "ansible-vault", on_pass: Confidence::High, run: stores::ansible },
    Check { name: "argocd-token", on_pass: Confidence::High, run: issuer::argo_cd },
    Check { name: "assigned-value", on_pass: Confidence::Low, run: assigned::run },
    Check { name: "aws-access-key-id", on_pass: Confidence::High, run: aws::access_key_id },
    Check { name: "aws-bedrock-key", on_pass: Confidence::High, run: aws_request::bedrock },
    Check { name: "aws-ecr-password", on_pass: Confidence::High, run: aws_request::ecr },
    Check { name: "aws-presigned", on_pass: Confidence::High, run: aws_request::presigned },
    Check { name: "aws-secret-key", on_pass: Confidence::Medium, run: aws::secret_key },
    Check { name: "aws-session-token", on_pass: Confidence::High, run: aws_session::run },
    Check { name: "aws-unique-id", on_pass: Confidence::Low, run: aws::unique_id },
    Check { name: "aws-web-identity", on_pass: Confidence::High, run: claims::aws_web_identity },
    Check { name: "azure-account-key", on_pass: Confidence::High, run: azure::account_key },
    Check { name: "azure-cask-key", on_pass: Confidence::Confirmed, run: azure::common_key },
    Check {
        name: "azure-client-secret",
        on_pass: Confidence::Confirmed,
        run: azure::client_secret,
    },
    Check { name: "azure-devops-pat", on_pass: Confidence::Confirmed, run: azure_devops::run },
    Check { name: "azure-marked-key", on_pass: Confidence::Confirmed, run: azure_marked::run },
    Check { name: "azure-sas", on_pass: Confidence::High, run: azure_sas::run },
    Check { name: "azure-storage-key", on_pass: Confidence::Confirmed, run: azure::storage_key },
    Check { name: "basic-credentials", on_pass: Confidence::High, run: http_auth::basic },
    Check { name: "bearer-token", on_pass: Confidence::Low, run: http_auth::bearer },
    Check { name: "bip32-key", on_pass: Confidence::Confirmed, run: base58::extended_key },
    Check { name: "bip39-phrase", on_pass: Confidence::High, run: bip39::run },
    Check { name: "bitcoin-address", on_pass: Confidence::Confirmed, run: bech32::bitcoin_address },
    Check { name: "certificate", on_pass: Confidence::Low, run: certificate::armoured },
    Check { name: "cloudflare-crc32", on_pass: Confidence::Confirmed, run: cloudflare::credential },
    Check { name: "cloudflare-tunnel", on_pass: Confidence::High, run: cloudflare::tunnel },
    Check { name: "connection-uri", on_pass: Confidence::High, run: connection::run },
    Check { name: "crypt-hash", on_pass: Confidence::High, run: crypt::run },
    Check {
        name: "curve-public-key",
        on_pass: Confidence::Low,
        run: certificate::curve_public_key,
    },
    Check { name: "der-private-key", on_pass: Confidence::Confirmed, run: pem::der },
    Check { name: "discord-token", on_pass: Confidence::High, run: discord::run },
    Check { name: "docker-auth", on_pass: Confidence::High, run: docker::auth },
    Check { name: "elastic-api-key", on_pass: Confidence::Confirmed, run: elastic::run },
    Check { name: "entra-token", on_pass: Confidence::High, run: claims::entra },
    Check { name: "ethereum-address", on_pass: Confidence::Confirmed, run: ethereum::address },
    Check { name: "ethereum-key", on_pass: Confidence::Medium, run: ethereum::private_key },
    Check { name: "ethereum-keystore", on_pass: Confidence::High, run: ethereum::keystore },
    Check { name: "fernet", on_pass: Confidence::Medium, run: fernet::run },
    Check { name: "flyio-macaroon", on_pass: Confidence::High, run: flyio::run },
    Check { name: "gcp-access-token", on_pass: Confidence::High, run: gcp::access_token },
    Check { name: "gcp-service-account", on_pass: Confidence::High, run: gcp::service_account },
    Check { name: "gcp-user-credentials", on_pass: Confidence::High, run: gcp::user_credentials },
    Check { name: "github-actions-token", on_pass: Confidence::High, run: issuer::github_actions },
    Check { name: "github-crc32", on_pass: Confidence::Confirmed, run: crc32::run },
    Check { name: "gitlab-routable", on_pass: Confidence::Confirmed, run: gitlab::routable },
    Check { name: "gitlab-token", on_pass: Confidence::High, run: gitlab::plain },
    Check { name: "gnupg-key", on_pass: Confidence::Confirmed, run: gnupg::run },
    Check { name: "google-identity", on_pass: Confidence::High, run: claims::google_identity },
    Check { name: "grafana-token", on_pass: Confidence::Confirmed, run: token_json::grafana },
    Check { name: "hex-entropy", on_pass: Confidence::Low, run: entropy::hex },
    Check { name: "java-keystore", on_pass: Confidence::High, run: keystore::run },
    Check { name: "jenkins-agent-secret", on_pass: Confidence::Medium, run: entropy::hex },
    Check { name: "jenkins-api-token", on_pass: Confidence::Medium, run: jenkins::api_token },
    Check { name: "jenkins-ciphertext", on_pass: Confidence::High, run: jenkins::ciphertext },
    Check {
        name: "jenkins-confidential-key",
        on_pass: Confidence::High,
        run: jenkins::confidential_key,
    },
    Check { name: "jfrog-access-token", on_pass: Confidence::High, run: issuer::jfrog },
    Check {
        name: "jfrog-reference-token",
        on_pass: Confidence::Confirmed,
        run: jfrog::reference_token,
    },
    Check { name: "jwe", on_pass: Confidence::High, run: jwk::encrypted },
    Check { name: "jwk", on_pass: Confidence::High, run: jwk::private },
    Check { name: "jwt", on_pass: Confidence::High, run: jwt::run },
    Check { name: "keepass-head", on_pass: Confidence::High, run: keepass::run },
    Check { name: "kerberos-ccache", on_pass: Confidence::Confirmed, run: ccache::run },
    Check { name: "kerberos-keytab", on_pass: Confidence::Confirmed, run: keytab::run },
    Check {
        name: "kubernetes-bootstrap-token",
        on_pass: Confidence::Medium,
        run: kubernetes_objects::bootstrap_token,
    },
    Check {
        name: "kubernetes-key-data",
        on_pass: Confidence::Confirmed,
        run: kubernetes_objects::key_data,
    },
    Check {
        name: "kubernetes-secret-data",
        on_pass: Confidence::High,
        run: kubernetes_objects::secret_data,
    },
    Check {
        name: "kubernetes-secret-proto",
        on_pass: Confidence::High,
        run: kubernetes_proto::run,
    },
    Check {
        name: "kubernetes-service-account",
        on_pass: Confidence::High,
        run: kubernetes::service_account,
    },
    Check {
        name: "kubernetes-string-data",
        on_pass: Confidence::High,
        run: kubernetes_objects::string_data,
    },
    Check { name: "monero-address", on_pass: Confidence::Confirmed, run: monero::address },
    Check { name: "not-placeholder", on_pass: Confidence::Low, run: placeholder::run },
    Check { name: "npm-crc32", on_pass: Confidence::Confirmed, run: crc32::run },
    Check { name: "onepassword-token", on_pass: Confidence::High, run: stores::onepassword },
    Check { name: "onion-address", on_pass: Confidence::Confirmed, run: onion::address },
    Check { name: "onion-key", on_pass: Confidence::Confirmed, run: onion::key },
    Check { name: "openai-key", on_pass: Confidence::High, run: vendor::openai },
    Check { name: "openpgp-block", on_pass: Confidence::Confirmed, run: openpgp::block },
    Check { name: "openpgp-packet", on_pass: Confidence::Confirmed, run: openpgp::packet },
    Check {
        name: "openshift-token",
        on_pass: Confidence::High,
        run: kubernetes_objects::openshift_token,
    },
    Check { name: "openssh", on_pass: Confidence::Confirmed, run: openssh::run },
    Check { name: "openvpn-key", on_pass: Confidence::Confirmed, run: stores::openvpn },
    Check { name: "payment-card", on_pass: Confidence::Medium, run: payment_card::run },
    Check { name: "pem", on_pass: Confidence::Confirmed, run: pem::run },
    Check { name: "pkcs12", on_pass: Confidence::High, run: pkcs12::run },
    Check { name: "pool-url", on_pass: Confidence::High, run: pool_url::run },
    Check { name: "prefixed-jwt", on_pass: Confidence::High, run: jwt::prefixed },
    Check { name: "prime-candidate", on_pass: Confidence::Low, run: prime::run },
    Check { name: "putty-key", on_pass: Confidence::Confirmed, run: putty::run },
    Check { name: "pypi-macaroon", on_pass: Confidence::Confirmed, run: macaroon::run },
    Check { name: "random-mixed", on_pass: Confidence::Low, run: random_text::mixed },
    Check { name: "random-part", on_pass: Confidence::Low, run: random_text::part },
    Check { name: "random-text", on_pass: Confidence::Low, run: random_text::run },
    Check { name: "resp-string", on_pass: Confidence::High, run: resp::run },
    Check { name: "rsa-public-key", on_pass: Confidence::Low, run: prime::public_key },
    Check { name: "sasl-plain", on_pass: Confidence::High, run: sasl::plain },
    Check { name: "scram-verifier", on_pass: Confidence::Confirmed, run: scram::run },
    Check { name: "secret-in-context", on_pass: Confidence::Medium, run: random_text::run },
    Check { name: "sentry-token", on_pass: Confidence::Confirmed, run: token_json::sentry },
    Check { name: "session-cookie", on_pass: Confidence::Low, run: cookie::run },
    Check { name: "signify-key", on_pass: Confidence::High, run: signify::run },
    Check { name: "slack-token", on_pass: Confidence::High, run: vendor::slack },
    Check { name: "solana-key", on_pass: Confidence::Medium, run: solana::run },
    Check { name: "stored-password", on_pass: Confidence::High, run: stored_password::run },
    Check { name: "stripe-key", on_pass: Confidence::High, run: vendor::stripe },
    Check { name: "supabase-service-role", on_pass: Confidence::High, run: claims::supabase },
    Check { name: "teamcity-token", on_pass: Confidence::High, run: teamcity::run },
    Check { name: "url-password", on_pass: Confidence::Medium, run: assigned::url },
    Check { name: "vault-token", on_pass: Confidence::High, run: vault::service_token },
    Check { name: "vendor-crc32", on_pass: Confidence::Confirmed, run: vendor_crc32::run },
    Check { name: "vercel-crc32", on_pass: Confidence::Confirmed, run: crc32::run },
    Check { name: "wif-key", on_pass: Confidence::Confirmed, run: base58::private_key },
    Check { name: "wireguard-clamp", on_pass: Confidence::High, run: wireguard::run },
];

/// The check of that name.
pub fn check(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

/// Characters of the shortest user's name that may be a token.
const USER_TOKEN: usize = 16;

/// A user's name as an attribute; `None` where it is a secret itself: the password once more, or a
/// token, which some services take for the user.
fn user_attribute(user: &str, password: &str) -> Option<String> {
    let is_token = user.len() >= USER_TOKEN && random_text::is_random(user.as_bytes());
    (user != password && !is_token).then(|| attribute(user))
}

/// Characters of an attribute, after which it is cut.
const ATTRIBUTE_CHARS: usize = 200;

/// Text from a value as an attribute: no control or format characters, at most
/// [`ATTRIBUTE_CHARS`] of the text's characters.
fn attribute(text: &str) -> String {
    // A claim may carry a connection string.
    if text.contains('@') && text.contains("://") {
        return "(a URI with user information)".to_owned();
    }
    if text.len() <= ATTRIBUTE_CHARS && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == ATTRIBUTE_CHARS {
            out.push('…');
            break;
        }
        // escape_debug also covers format characters, such as those that turn the direction.
        if matches!(c, '"' | '\'' | '\\') {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A subject whose value is all of `text`.
    pub(super) fn whole(text: &[u8]) -> Subject<'_> {
        Subject { text, span: 0..text.len(), cut: false }
    }

    #[test]
    fn names_are_unique_and_sorted() {
        assert!(CHECKS.is_sorted_by(|a, b| a.name < b.name));
        for entry in CHECKS {
            assert_eq!(check(entry.name).map(|c| c.name), Some(entry.name));
        }
        assert!(check("no-such-check").is_none());
    }

    #[test]
    fn scales_are_ordered_and_named_in_lower_case() {
        assert!(Confidence::Low < Confidence::Medium && Confidence::High < Confidence::Confirmed);
        assert!(Severity::Info < Severity::Low && Severity::High < Severity::Critical);
        assert_eq!(serde_json::to_string(&Confidence::Confirmed).unwrap(), "\"confirmed\"");
        assert_eq!(serde_json::from_str::<Severity>("\"info\"").unwrap(), Severity::Info);
    }

    #[test]
    fn attributes_show_no_control_characters() {
        assert_eq!(attribute("a\u{1b}[31m\u{202e}\"é"), "a\\u{1b}[31m\\u{202e}\"é");
        assert_eq!(attribute(&"x".repeat(500)).chars().count(), 201);
    }

    /// Text that gets past the first tests of the checks.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let known: Vec<&'static [u8]> = vec![
            b"-----BEGIN ",
            b"RSA PRIVATE KEY",
            b"OPENSSH PRIVATE KEY",
            b"-----",
            b"-----END ",
            b"\\n",
            b"\n",
            b"MIIB",
            b"MC4CAQAwBQYDK2VwBCIEI",
            b"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ",
            b"openssh-key-v1\0\0\0\0\x04none",
            b"\x30\x82\x01\x00\x02\x01\x00",
            b"eyJhbGciOiJSUzI1NiJ9",
            b"eyJhbGciOiJub25lIn0",
            b".",
            b"e30",
            b"postgres",
            b"jdbc:oracle:thin:",
            b"jdbc:",
            b"://",
            b"user:",
            b"@",
            b"[::1]",
            b"host",
            b":5432",
            b";password=",
            b"${",
            b"%",
            b"{AQAAABAAAAAg",
            b"}",
            b"AKIA",
            b"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t",
            b"$6$saltstring$",
            b"$2b$12$",
            b"xoxb-",
            b"sk_live_",
            b"T3BlbkFJ",
            b"pypi-AgEIcHlwaS5vcmcC",
            b"stratum+tcp://",
            b"&#10;",
            b"\\u000a",
            "…é".as_bytes(),
            b"sv=2022-11-02&se=2026-01-01&sp=r&sig=",
            b"\\u0026",
            b"hvs.CAESI",
            b"glpat-",
            b".01.0z",
            b"IQoJb3JpZ2luX2Vj",
            b"fm2_lJPE",
            b"ABSKQmVkcm9ja0FQSUtleS",
            b"X-Amz-Signature=",
            b"CAISxwI",
            b"gAAAAABlU_EA",
            b"+ACR",
            b"sha256~",
            b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x01a",
            b"\xce\xce\xce\xce\0\0\0\x02\0\0\0\x01\0\0\0\x03\0\x01a",
            b"\x30\x82\x01\0\x02\x01\x03\x30\x81\xf0\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x81\xe0\x04\x81\xd0",
            b"{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"",
            b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: \nPublic-Lines: 1\n",
            b"Private-Lines: 1\n",
            b"(11:private-key(3:ecc(",
            b"\x94\x40\x04\x60\0\0\0\x16\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01\x01\x07\x40",
            b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n",
            b"special happy clinic ",
            b"RWRTY0Iy",
            b"ops_eyJ",
            b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\0\x04\0",
            b"\x05\x04\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01A",
            b"$argon2id$v=19$m=1,t=1,p=1$",
            b"$ANSIBLE_VAULT;1.1;AES256\n",
            b"\x05\x02\0\0\0\x30\0\x01\0\x01A\0\x01b\0\0\0\x01\0\0\0\0\x01\0\x17\0\x10",
        ];
        let piece = prop_oneof![
            prop::sample::select(known).prop_map(<[u8]>::to_vec),
            "[A-Za-z0-9+/=_-]{0,90}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..24),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_check_panics_or_leaves_its_span(
            text in pieces(),
            a in any::<prop::sample::Index>(),
            b in any::<prop::sample::Index>(),
            from_start in any::<bool>(),
            cut in any::<bool>(),
        ) {
            let (a, b) = (a.index(text.len().saturating_add(1)), b.index(text.len().saturating_add(1)));
            let span = if from_start { 0..text.len() } else { a.min(b)..a.max(b) };
            let subject = Subject { text: &text, span: span.clone(), cut };
            for check in CHECKS {
                let verdict = (check.run)(&subject);
                prop_assert!(verdict.span.start <= verdict.span.end, "{}", check.name);
                prop_assert!(
                    span.start <= verdict.span.start && verdict.span.end <= span.end,
                    "{}: {:?} is not inside {:?}", check.name, verdict.span, span
                );
                for (_, value) in verdict.attributes.iter() {
                    prop_assert!(!value.contains(char::is_control));
                }
            }
        }

        #[test]
        fn a_span_outside_the_text_is_an_empty_value(text in pieces(), past in 1_usize..9) {
            let start = text.len().saturating_add(past);
            let subject = Subject { text: &text, span: start..start.saturating_add(40), cut: true };
            for check in CHECKS {
                prop_assert_ne!((check.run)(&subject).outcome, Outcome::Pass);
            }
        }
    }
}
