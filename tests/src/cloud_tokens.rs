//! Credentials of clouds with a structure or a checksum, made after the vendors' descriptions.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};

use crate::random::Random;
use crate::values::{self, Algorithm};
use crate::vendor_tokens::azure_key;

/// The text of a class of this module; `None` if it is none, or its argument makes no sense.
pub(crate) fn fill(class: &str, argument: &str, random: &mut Random) -> Option<String> {
    let number = || argument.parse::<usize>().ok().filter(|number| *number <= 6000);
    match class {
        "upper" => Some(random.text(&values::BASE62[..36], number()?)),
        "uuid" if argument.is_empty() => Some(values::uuid(random)),
        "aws-presigned" => presigned(argument, "s3", random),
        "aws-rds" if argument.is_empty() => {
            let query = presigned("1", "rds-db", random)?;
            Some(format!(
                "db.shop.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=app&{query}"
            ))
        }
        "aws-bedrock" => bedrock(argument, random),
        "aws-ecr" if argument.is_empty() => Some(ecr(random)),
        "azure-marked" => azure_marked(argument, random),
        "jwt-of" => jwt_of(argument, random),
        "vercel" => {
            let body = random.text(values::BASE62, 50);
            let sum = values::base62_checksum(body.as_bytes());
            Some(format!("{argument}_{body}{sum}"))
        }
        "cloudflare" => {
            let body = random.text(values::BASE62, 40);
            Some(format!("{argument}_{body}{:08x}", crc32fast::hash(body.as_bytes())))
        }
        "cloudflare-tunnel" if argument.is_empty() => Some(tunnel(random)),
        "flyio" if argument.is_empty() => Some(flyio(random)),
        "alibaba-sts" => {
            let inner = [&[8, 2, 0x12, 0xc7, 2][..], &random.bytes(327)].concat();
            let rest = [&[0x1a, 0x80, 1][..], &random.bytes(128)].concat();
            argument.is_empty().then(|| BASE64.encode(&[inner, rest].concat()))
        }
        "fernet" => {
            let issued = 1_767_225_600 + random.below(10_000_000) as u64;
            let rest = random.bytes(16 + 16 * number()? + 32);
            Some(BASE64URL_NOPAD.encode(&[&[0x80], &issued.to_be_bytes()[..], &rest].concat()))
        }
        _ => None,
    }
}

/// A query signed with version 4, in a URL (`1`), in XML (`2`), in the order of the newer kits (`3`).
fn presigned(form: &str, service: &str, random: &mut Random) -> Option<String> {
    let (id, _) = values::aws_pair(123_456_789_012, random);
    let signature = HEXLOWER.encode(&random.bytes(32));
    let credential = format!("{id}%2F20260102%2Feu-west-1%2F{service}%2Faws4_request");
    let head = format!("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}");
    let times = "X-Amz-Date=20260102T030405Z&X-Amz-Expires=900";
    let hosts = "X-Amz-SignedHeaders=host";
    let query = format!("{head}&{times}&{hosts}&X-Amz-Signature={signature}");
    match form {
        "1" => Some(query),
        "2" => Some(query.replace('&', "&amp;")),
        "3" => Some(format!("{head}&{times}&X-Amz-Signature={signature}&{hosts}")),
        _ => None,
    }
}

fn bedrock(form: &str, random: &mut Random) -> Option<String> {
    let text = match form {
        "long" => {
            let secret = BASE64.encode(&random.bytes(45));
            let name = random.text(&values::BASE62[36..], 4);
            return Some(format!(
                "ABSK{}",
                BASE64.encode(format!("BedrockAPIKey-{name}-at-123456789012:{secret}").as_bytes())
            ));
        }
        "short" => {
            let query = presigned("1", "bedrock", random)?;
            format!("bedrock.amazonaws.com/?Action=CallWithBearerToken&{query}&Version=1")
        }
        _ => return None,
    };
    Some(format!("bedrock-api-key-{}", BASE64.encode(text.as_bytes())))
}

fn ecr(random: &mut Random) -> String {
    let payload = BASE64.encode(&random.bytes(600));
    let key = BASE64.encode(&random.bytes(120));
    let token = format!(
        r#"{{"payload":"{payload}","datakey":"{key}","version":"2","type":"DATA_KEY","expiration":1767268800}}"#
    );
    BASE64.encode(token.as_bytes())
}

fn azure_marked(kind: &str, random: &mut Random) -> Option<String> {
    let (bytes, seed, marker) = match kind {
        "cosmos" => (64, *b"MastRW00", "ACDb"),
        "events" => (32, *b"Manage00", "+AEh"),
        "relay" => (32, *b"Listen00", "+ARm"),
        "registry" => (39, *b"ACRDflt0", "+ACR"),
        "search" => (39, *b"PAdmin00", "AzSe"),
        "functions" => (40, *b"Functi00", "AzFu"),
        "redis" => (32, *b"Access00", "AzCa"),
        "iot" => (32, *b"Device00", "AIoT"),
        "batch" => (64, *b"AbAcct00", "+ABa"),
        "api" => (64, *b"GitKey00", "APIM"),
        "learning" => (64, *b"Classic0", "+AMC"),
        _ => return None,
    };
    let mut key = azure_key(bytes, seed, marker, random);
    if kind == "functions" {
        key = key.replace('+', "-").replace('/', "_");
    }
    // The service takes letters and digits only.
    while kind == "search" && key.contains(['+', '/']) {
        key = azure_key(bytes, seed, marker, random);
    }
    Some(key)
}

fn jwt_of(issuer: &str, random: &mut Random) -> Option<String> {
    let (id, other) = (values::uuid(random), values::uuid(random));
    let claims = match issuer {
        "eks" => format!(
            r#"{{"aud":["sts.amazonaws.com"],"exp":1767229200,"iss":"https://oidc.eks.eu-west-1.amazonaws.com/id/0","kubernetes.io":{{"namespace":"shop","serviceaccount":{{"name":"cart","uid":"{id}"}}}},"sub":"system:serviceaccount:shop:cart"}}"#
        ),
        "google" => format!(
            r#"{{"aud":"https://shop.test","azp":"{id}","email":"ci@shop.iam.gserviceaccount.com","iss":"https://accounts.google.com","exp":1767229200}}"#
        ),
        "entra" => format!(
            r#"{{"aud":"https://vault.azure.net","iss":"https://sts.windows.net/{id}/","tid":"{id}","appid":"{other}","exp":1767229200}}"#
        ),
        "supabase" | "supabase-anon" => {
            let role = if issuer == "supabase" { "service_role" } else { "anon" };
            let project = random.text(&values::BASE62[36..], 20);
            format!(r#"{{"iss":"supabase","ref":"{project}","role":"{role}","exp":2082585600}}"#)
        }
        _ => return None,
    };
    let algorithm =
        if issuer.starts_with("supabase") { Algorithm::Hs256 } else { Algorithm::Rs256 };
    Some(values::jwt(algorithm, &random.bytes(32), &claims, random))
}

/// cloudflared, `connection.TunnelToken`.
fn tunnel(random: &mut Random) -> String {
    let account = HEXLOWER.encode(&random.bytes(16));
    let id = values::uuid(random);
    let secret = BASE64.encode(&random.bytes(32));
    BASE64.encode(format!(r#"{{"a":"{account}","t":"{id}","s":"{secret}"}}"#).as_bytes())
}

/// superfly/macaroon: an array of nonce, location, caveats and tail.
fn flyio(random: &mut Random) -> String {
    let bytes = [
        &[0x94, 0x93, 0xc4, 16][..],
        &random.bytes(16),
        &[0xc4, 16],
        &random.bytes(16),
        &[0xc2, 0xb9],
        b"https://api.fly.io/aaa/v1",
        &[0x92, 0, 0x91, 0xce, 0, 1, 2, 3],
        &[0xc4, 32],
        &random.bytes(32),
    ]
    .concat();
    format!("fm2_{}", BASE64.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(class: &str, argument: &str) -> String {
        fill(class, argument, &mut Random::new(5)).unwrap_or_else(|| panic!("{class}:{argument}"))
    }

    #[test]
    fn shapes() {
        for (kind, len) in [
            ("cosmos", 88),
            ("events", 44),
            ("relay", 44),
            ("registry", 52),
            ("search", 52),
            ("functions", 56),
            ("redis", 44),
            ("iot", 44),
            ("batch", 88),
            ("api", 88),
            ("learning", 88),
        ] {
            assert_eq!(make("azure-marked", kind).len(), len, "{kind}");
        }
        assert_eq!(make("vercel", "vcp").len(), 60);
        assert_eq!(make("cloudflare", "cfut").len(), 53);
        assert!(make("cloudflare-tunnel", "").starts_with("eyJhIjoi"));
        assert!(make("flyio", "").starts_with("fm2_lJPEE"));
        assert!(make("aws-bedrock", "long").starts_with("ABSKQmVkcm9ja0FQSUtleS"));
        assert!(
            make("aws-bedrock", "short")
                .starts_with("bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t")
        );
        assert!(make("aws-ecr", "").starts_with("eyJwYXlsb2FkIjoi"));
        assert!(make("alibaba-sts", "").starts_with("CAIS"));
        assert!(make("fernet", "3").starts_with("gAAAAA"));
        assert_eq!(make("jwt-of", "eks").split('.').count(), 3);
        assert!(make("upper", "9").bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        for (class, argument) in
            [("jwt-of", "x"), ("azure-marked", "x"), ("upper", "x"), ("x", "1")]
        {
            assert!(fill(class, argument, &mut Random::new(1)).is_none(), "{class}");
        }
    }
}
