//! Tokens of forges, build services and package registries with a structure or a checksum, and the
//! alphabets they are written in. Made after the vendors' descriptions: nothing here is the scanner's.

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};

use crate::random::Random;
use crate::values::{self, Algorithm, BASE62};

/// The text of a class of this module; `None` if it is none, or its argument makes no sense.
pub(crate) fn fill(class: &str, argument: &str, random: &mut Random) -> Option<String> {
    let mut of = |alphabet: &[u8]| {
        let length = argument.parse::<usize>().ok().filter(|length| *length <= 6000)?;
        Some(random.text(alphabet, length))
    };
    match class {
        "base32-lower" => of(b"abcdefghijklmnopqrstuvwxyz234567"),
        "upper36" => of(&BASE62[..36]),
        "hex-upper" => of(b"0123456789ABCDEF"),
        "uuid" if argument.is_empty() => Some(values::uuid(random)),
        "azure-devops" => azure_devops(argument, random),
        "teamcity" if argument.is_empty() => Some(teamcity(random)),
        "jfrog-reference" if argument.is_empty() => Some(jfrog_reference(random)),
        "atlassian" => Some(atlassian(argument, random)),
        "jwt-issuer" => issued(argument, random),
        _ => None,
    }
}

/// Microsoft, `security-utilities`: four bytes of the token are the CRC-32 of the others, mixed with a
/// number of the kind.
fn azure_devops(kind: &str, random: &mut Random) -> Option<String> {
    let mix = match kind {
        "user" => 0xE0B9_692D,
        "application" => 0x1019_F92E,
        _ => return None,
    };
    let mut body = random.bytes(28);
    let sum = (crc32fast::hash(&body) ^ mix).to_le_bytes();
    // From the front on, so that each byte ends where it belongs.
    for (at, byte) in [(2, sum[3]), (7, sum[2]), (8, sum[1]), (22, sum[0])] {
        body.insert(at, byte);
    }
    Some(BASE32_NOPAD.encode(&body).to_lowercase())
}

fn teamcity(random: &mut Random) -> String {
    let secret = BASE64URL_NOPAD.encode(&random.bytes(27));
    let id = BASE64URL_NOPAD.encode(values::uuid(random).as_bytes());
    format!("eyJ0eXAiOiAiVENWMiJ9.{secret}.{id}")
}

fn jfrog_reference(random: &mut Random) -> String {
    let expires = 1_767_225_600 + random.below(10_000_000);
    let secret = random.text(BASE62, 27);
    BASE64.encode(format!("reftkn:01:{expires}:{secret}").as_bytes())
}

/// The CRC-32 of all before the `=` in eight capital hex digits.
fn atlassian(prefix: &str, random: &mut Random) -> String {
    let body = random.text(&[BASE62, b"-_"].concat(), 172);
    let signed = format!("{prefix}3xFfG{body}");
    let sum = crc32fast::hash(signed.as_bytes());
    format!("{signed}={sum:08X}")
}

/// A JSON Web Token with the claims of an issuer.
fn issued(issuer: &str, random: &mut Random) -> Option<String> {
    let issued = 1_767_225_600 + random.below(10_000_000);
    let id = values::uuid(random);
    let (algorithm, own) = match issuer {
        "argocd" => (Algorithm::Hs256, r#""iss":"argocd","sub":"ci:apiKey""#),
        "actions" => (
            Algorithm::Rs256,
            r#""iss":"https://token.actions.githubusercontent.com","repository":"shop/cart""#,
        ),
        "jfrog" => (Algorithm::Rs256, r#""iss":"jfac@01hq","scp":"applied-permissions/user""#),
        "gitea" => (Algorithm::Hs256, r#""typ":"internal""#),
        _ => return None,
    };
    let claims = format!(r#"{{{own},"nbf":{issued},"iat":{issued},"jti":"{id}"}}"#);
    Some(values::jwt(algorithm, &random.bytes(32), &claims, random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let mut random = Random::new(3);
        let mut make = |class: &str, argument: &str| fill(class, argument, &mut random).unwrap();
        assert_eq!(make("azure-devops", "user").len(), 52);
        assert_eq!(make("teamcity", "").len(), 20 + 1 + 36 + 1 + 48);
        assert_eq!(make("jfrog-reference", "").len(), 64);
        assert!(make("jfrog-reference", "").starts_with("cmVmdGtuOj"));
        assert_eq!(make("atlassian", "ATCTT").len(), 10 + 172 + 9);
        assert_eq!(make("jwt-issuer", "argocd").split('.').count(), 3);
        assert!(make("base32-lower", "90").chars().all(|c| matches!(c, 'a'..='z' | '2'..='7')));
        assert!(make("upper36", "90").chars().all(|c| matches!(c, 'A'..='Z' | '0'..='9')));
        assert!(make("hex-upper", "90").chars().all(|c| matches!(c, 'A'..='F' | '0'..='9')));
        for (class, argument) in [("azure-devops", "x"), ("upper36", "x"), ("no-such-class", "")] {
            assert!(fill(class, argument, &mut Random::new(1)).is_none(), "{class}");
        }
    }

    #[test]
    fn the_checksum_of_a_token_of_azure_devops_stands_where_the_vendor_puts_it() {
        let token = fill("azure-devops", "user", &mut Random::new(5)).unwrap();
        let mut bytes = BASE32_NOPAD.decode(token.to_uppercase().as_bytes()).unwrap();
        // From the back on, so that what is left keeps its place.
        let sum = [22, 8, 7, 2].map(|at| bytes.remove(at));
        assert_eq!(u32::from_le_bytes(sum) ^ 0xE0B9_692D, crc32fast::hash(&bytes));
    }
}
