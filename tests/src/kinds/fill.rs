//! The parts of templates.

use data_encoding::{
    BASE32_NOPAD, BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXUPPER,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

use super::material;
use crate::generate::generate;
use crate::random::Random;
use crate::values::{self, BASE58, BASE62};
use crate::vendor_tokens::{in_base, marvin};

const DIGITS: &[u8] = b"0123456789";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The text of a part, `class:argument`; `before` is what the template has made so far.
pub(super) fn fill(part: &str, before: &str, random: &mut Random) -> Option<String> {
    let (class, argument) = part.split_once(':').unwrap_or((part, ""));
    let count = argument.parse::<usize>();
    if let (Some(alphabet), Ok(count)) = (alphabet(class), &count) {
        return Some(random.text(&alphabet, *count));
    }
    let count = count.ok();
    let last = |count: usize| before.get(before.len().checked_sub(count)?..);
    let crc = |count: usize| Some(crc32fast::hash(last(count)?.as_bytes()));
    match class {
        "lb" => Some("{".to_owned()),
        "rb" => Some("}".to_owned()),
        "pw" => values::strong_password(count?, random),
        "uuid" => Some(values::uuid(random)),
        "nz" => Some(random.text(&DIGITS[1..], 1) + &random.text(DIGITS, count? - 1)),
        "b64" => Some(BASE64.encode(&random.bytes(count?))),
        "b64n" => Some(BASE64_NOPAD.encode(&random.bytes(count?))),
        "b64u" => Some(BASE64URL.encode(&random.bytes(count?))),
        "u43" => Some(BASE64URL_NOPAD.encode(&random.bytes(32))),
        "crc62" => Some(values::base62_checksum(last(count?)?.as_bytes())),
        "crchex" => Some(format!("{:08x}", crc(count?)?)),
        "crcHEX" => Some(
            HEXUPPER
                .encode(&crc32fast::hash(before.trim_end_matches('=').as_bytes()).to_be_bytes()),
        ),
        "crcb64" => BASE64.encode(&crc(count?)?.to_le_bytes()).get(..6).map(str::to_owned),
        "canva-crc" => Some(format!("{:08x}", crc(48)?)),
        "apify-crc" => Some(apify(crc(40)?)),
        "grafana-crc" => {
            let signed = last(38)?.trim_end_matches('_');
            Some(HEXLOWER.encode(&crc32fast::hash(signed.as_bytes()).to_le_bytes()))
        }
        "aws-key" => {
            // A first character beyond `P` says that the account is in the id.
            let head = random.text(b"QRSTUVWXYZ234567", 1);
            Some(format!("{argument}{head}{}", random.text(&alphabet("b32")?, 15)))
        }
        "devops-pat" => Some(devops_pat(random)),
        "cask" => Some(cask(argument, random)),
        "azure-key" => azure_key(argument, random),
        "gitlab-runner" => Some(gitlab_runner(random)),
        "jwt-of" => jwt(argument, random),
        "jwe" => Some(jwe(random)),
        "oci-fingerprint" => {
            let pairs: Vec<String> = random.bytes(16).iter().map(|b| format!("{b:02x}")).collect();
            Some(pairs.join(":"))
        }
        "solana" => {
            let numbers: Vec<String> = random.bytes(64).iter().map(u8::to_string).collect();
            Some(numbers.join(","))
        }
        "pan" => Some(card(random)),
        "fernet" => Some(fernet(count?, random)),
        "helm" => helm(random),
        _ => encoded(class, random).or_else(|| material::fill(class, argument, random)).or_else(
            || Some(generate(class, &format!("{{{part}}}"), None, random.next_word()).ok()?.text),
        ),
    }
}

fn alphabet(class: &str) -> Option<Vec<u8>> {
    Some(match class {
        "an" => BASE62.to_vec(),
        "u" => [BASE62, b"-_"].concat(),
        "b" => [BASE62, b"+/"].concat(),
        "w" => [BASE62, b"_"].concat(),
        "h" => b"0123456789abcdef".to_vec(),
        "H" => b"0123456789ABCDEF".to_vec(),
        "d" => DIGITS.to_vec(),
        "ln" => [LOWER, DIGITS].concat(),
        "un" => [UPPER, DIGITS].concat(),
        "upper" => UPPER.to_vec(),
        "letters" => [UPPER, LOWER].concat(),
        "b32" => [UPPER, b"234567"].concat(),
        "b32l" => [LOWER, b"234567"].concat(),
        "b58" => BASE58.to_vec(),
        "django" => [LOWER, DIGITS, b"!@#$%^&*(-_=+)"].concat(),
        "wp" => (b'!'..=b'~').filter(|byte| !b"'\\\"".contains(byte)).collect(),
        _ => return None,
    })
}

/// Base64 of something with a structure.
fn encoded(class: &str, random: &mut Random) -> Option<String> {
    let mut of = |class: &str, count: usize| alphabet(class).map(|of| random.text(&of, count));
    let text = match class {
        "bedrock" => {
            format!("BedrockAPIKey-{}-at-{}:{}", of("ln", 4)?, of("d", 12)?, of("b", 62)?)
        }
        "bedrock-url" => format!(
            "/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIA{}%2F20260102%2Feu-west-1%2Fbedrock%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=43200&X-Amz-SignedHeaders=host&X-Amz-Signature={}&Version=1",
            of("b32", 16)?,
            of("h", 64)?
        ),
        "ecr" => format!(
            r#"{{"payload":"{}","datakey":"{}","version":"2","type":"DATA_KEY","expiration":1767225600}}"#,
            of("b", 900)?,
            of("b", 240)?
        ),
        "cloudflared" => format!(
            r#"{{"a":"{}","t":"{}-4{}-8{}-{}","s":"{}="}}"#,
            of("h", 32)?,
            format_args!("{}-{}", of("h", 8)?, of("h", 4)?),
            of("h", 3)?,
            of("h", 3)?,
            of("h", 12)?,
            of("b", 43)?
        ),
        "grafana-cloud" => {
            format!(
                r#"{{"o":"{}","n":"orders-push","k":"{}","m":{{"r":"eu"}}}}"#,
                of("d", 6)?,
                of("an", 24)?
            )
        }
        "grafana-old" => format!(r#"{{"k":"{}","n":"orders","id":1}}"#, of("an", 32)?),
        "sentry" => format!(
            r#"{{"iat":17672256{}.123456,"url":"https://sentry.io","region_url":"https://us.sentry.io","org":"shop"}}"#,
            of("d", 2)?
        ),
        "ops" => format!(
            r#"{{"signInAddress":"shop.1password.com","userAuth":{{"method":"SRPg-4096","alg":"PBES2g-HS256","iterations":650000,"salt":"{}"}},"email":"{}@1passwordserviceaccounts.com","srpX":"{}","muk":{{"alg":"A256GCM","ext":true,"k":"{}","key_ops":["encrypt","decrypt"],"kty":"oct","kid":"mp"}},"secretKey":"A3-{}-{}","throttleSecret":{{"seed":"{}","uuid":"{}"}},"deviceUuid":"{}"}}"#,
            of("u", 22)?,
            of("ln", 13)?,
            of("h", 64)?,
            of("u", 43)?,
            of("un", 6)?,
            of("un", 11)?,
            of("h", 64)?,
            of("un", 26)?,
            of("ln", 26)?
        ),
        "elastic" => format!("{}:{}", of("an", 20)?, of("u", 22)?),
        "auth-plain" => format!("\0mailer\0{}", of("an", 18)?),
        "jfrog-reference" => format!("reftkn:01:{}:{}", of("d", 10)?, of("an", 27)?),
        "discord" => {
            let id = format!("1{}", of("d", 17)?);
            let id = BASE64URL_NOPAD.encode(id.as_bytes());
            return Some(format!("{id}.{}.{}", of("u", 6)?, of("u", 38)?));
        }
        "fly" => {
            let mut bytes = vec![0x94, 0x93, 0xc4, 32];
            bytes.extend(random.bytes(32));
            bytes.extend([0xc4, 16]);
            bytes.extend(random.bytes(16));
            bytes.push(0xc2);
            let location = b"https://api.fly.io/v1";
            bytes.extend([0xd9, u8::try_from(location.len()).ok()?]);
            bytes.extend(location);
            bytes.extend([0x92, 4, 0x92, 0xce, 0, 1, 2, 3, 31, 0xc4, 32]);
            bytes.extend(random.bytes(32));
            return Some(format!("FlyV1 fm2_{}", BASE64.encode(&bytes)));
        }
        _ => return None,
    };
    Some(BASE64.encode(text.as_bytes()))
}

fn apify(mut rest: u32) -> String {
    const ORDER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = ORDER[(rest % 62) as usize];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// 28 random bytes and their CRC-32 in between, in base32.
fn devops_pat(random: &mut Random) -> String {
    const PLACES: [usize; 4] = [22, 8, 7, 2];
    let mut bytes = random.bytes(32);
    let body: Vec<u8> = bytes
        .iter()
        .enumerate()
        .filter_map(|(at, byte)| (!PLACES.contains(&at)).then_some(*byte))
        .collect();
    let sum = crc32fast::hash(&body) ^ 0xe0b9_692d;
    for (place, byte) in PLACES.into_iter().zip(sum.to_le_bytes()) {
        bytes[place] = byte;
    }
    BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}

fn cask(signature: &str, random: &mut Random) -> String {
    let key = format!("{}JQQJ99BC{}{signature}", random.text(BASE62, 52), random.text(BASE62, 16));
    let bytes = BASE64.decode(key.as_bytes()).unwrap_or_default();
    let sum = u32::from_be_bytes(marvin(&bytes, *b"Default0").to_le_bytes());
    let padded = format!("{:0<6}", in_base(62, sum.into(), 1));
    key + &padded.chars().take(4).collect::<String>()
}

/// Keys with a marker before the last six characters, which hold a checksum.
fn azure_key(service: &str, random: &mut Random) -> Option<String> {
    let (bytes, seed, marker) = match service {
        "cosmos" => (64, b"MastRW00", "ACDb"),
        "batch" => (64, b"AbAcct00", "+ABa"),
        "hub" => (32, b"Send0000", "+AEh"),
        "redis" => (32, b"Access00", "AzCa"),
        "iot" => (32, b"IoTHub00", "AIoT"),
        "acr" => (39, b"ACRDflt0", "+ACR"),
        // How its checksum is seeded is not published: any will do.
        "grid" => (32, b"Unknown0", "AZEG"),
        "search" => (39, b"Query000", "AzSe"),
        "function" => (40, b"Master00", "AzFu"),
        _ => return None,
    };
    loop {
        let mut text = BASE64.encode(&random.bytes(bytes));
        let at = text.trim_end_matches('=').len() - 10;
        // The bits between the marker and the checksum are zero.
        text.replace_range(at..at + 5, &format!("{marker}A"));
        let mut key = BASE64.decode(text.as_bytes()).ok()?;
        let (body, sum) = key.split_last_chunk_mut::<4>()?;
        *sum = marvin(body, *seed).to_le_bytes();
        let key = match service {
            "function" => BASE64URL.encode(&key),
            _ => BASE64.encode(&key),
        };
        if service != "search" || key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Some(key);
        }
    }
}

/// A routable token of a runner: its kind stands before the payload.
fn gitlab_runner(random: &mut Random) -> String {
    let routing = format!("g:{}\no:1", random.text(b"123456789abc", 3));
    let length = u8::try_from(routing.len()).unwrap_or_default();
    let payload = [&random.bytes(16), routing.as_bytes(), &[length]].concat();
    let payload = BASE64URL_NOPAD.encode(&payload);
    let signed = format!("glrt-t1_{payload}.01.{}", in_base(36, payload.len() as u64, 2));
    let sum = in_base(36, crc32fast::hash(signed.as_bytes()).into(), 7);
    signed + &sum
}

fn jwt(class: &str, random: &mut Random) -> Option<String> {
    let (one, two) = (values::uuid(random), values::uuid(random));
    let iat = 1_767_225_600 + random.below(10_000_000);
    let exp = iat + 36_000_000;
    let times = format!(r#""iat":{iat},"nbf":{iat},"exp":{exp}"#);
    let (algorithm, claims) = match class {
        "github" => (
            "RS256",
            format!(
                r#"{{"nameid":"{one}","scp":"Actions.Results:{two}","iss":"https://token.actions.githubusercontent.com","aud":"https://token.actions.githubusercontent.com",{times}}}"#
            ),
        ),
        "gitlab" => (
            "RS256",
            format!(
                r#"{{"namespace_path":"shop","project_path":"shop/orders","job_id":"{iat}","jti":"{one}","iss":"https://gitlab.shop.test","sub":"job_1",{times}}}"#
            ),
        ),
        "argocd" => (
            "HS256",
            format!(
                r#"{{"iss":"argocd","sub":"ci:apiKey","jti":"{one}","nbf":{iat},"iat":{iat}}}"#
            ),
        ),
        "eks" => (
            "RS256",
            format!(
                r#"{{"aud":["pods.eks.amazonaws.com"],"iss":"https://oidc.eks.eu-west-1.amazonaws.com/id/1","sub":"system:serviceaccount:shop:{one}",{times}}}"#
            ),
        ),
        "irsa" => (
            "RS256",
            format!(
                r#"{{"aud":["sts.amazonaws.com"],"iss":"https://oidc.eks.eu-west-1.amazonaws.com/id/1","sub":"system:serviceaccount:shop:{one}",{times}}}"#
            ),
        ),
        "google" => (
            "RS256",
            format!(
                r#"{{"iss":"https://accounts.google.com","azp":"{one}","aud":"https://orders.shop.test","sub":"1{iat}","email":"orders@shop.iam.gserviceaccount.com",{times}}}"#
            ),
        ),
        "azure" => (
            "RS256",
            format!(
                r#"{{"aud":"https://management.azure.com/","iss":"https://sts.windows.net/{one}/","appid":"{two}","tid":"{one}",{times}}}"#
            ),
        ),
        "jfrog" => (
            "RS256",
            format!(
                r#"{{"sub":"jfac@{one}/users/ci","scp":"applied-permissions/user","aud":"*@*","iss":"jfac@{one}","jti":"{two}",{times}}}"#
            ),
        ),
        "supabase" => (
            "HS256",
            format!(
                r#"{{"iss":"supabase","ref":"{}","role":"service_role","iat":{iat},"exp":{exp}}}"#,
                random.text(LOWER, 20)
            ),
        ),
        "spiffe" => (
            "ES256",
            format!(r#"{{"aud":["orders"],"sub":"spiffe://shop.test/ns/shop/sa/{one}",{times}}}"#),
        ),
        "registry" => (
            "RS256",
            format!(
                r#"{{"iss":"auth.docker.io","sub":"ci","aud":"registry.docker.io","jti":"{one}","access":[{{"type":"repository","name":"shop/orders","actions":["pull","push"]}}],{times}}}"#
            ),
        ),
        "istio" => (
            "RS256",
            format!(
                r#"{{"aud":["istio-ca"],"iss":"https://kubernetes.default.svc","kubernetes.io":{{"namespace":"shop","serviceaccount":{{"name":"orders","uid":"{one}"}}}},"sub":"system:serviceaccount:shop:orders",{times}}}"#
            ),
        ),
        "kubernetes-legacy" => (
            "RS256",
            format!(
                r#"{{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"shop","kubernetes.io/serviceaccount/secret.name":"orders-token-abcde","kubernetes.io/serviceaccount/service-account.name":"orders","kubernetes.io/serviceaccount/service-account.uid":"{one}","sub":"system:serviceaccount:shop:orders"}}"#
            ),
        ),
        "none" => ("none", format!(r#"{{"sub":"{one}","admin":true,{times}}}"#)),
        _ => return None,
    };
    let header = match algorithm {
        "RS256" | "ES256" => {
            format!(r#"{{"alg":"{algorithm}","kid":"{}","typ":"JWT"}}"#, random.text(BASE62, 27))
        }
        _ => format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#),
    };
    let signature = match algorithm {
        "RS256" => random.bytes(256),
        "ES256" => random.bytes(64),
        "none" => Vec::new(),
        _ => random.bytes(32),
    };
    let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    Some(format!("{}.{}.{}", part(header.as_bytes()), part(claims.as_bytes()), part(&signature)))
}

fn jwe(random: &mut Random) -> String {
    let parts = [
        br#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#.to_vec(),
        random.bytes(256),
        random.bytes(12),
        random.bytes(80),
        random.bytes(16),
    ];
    parts.map(|part| BASE64URL_NOPAD.encode(&part)).join(".")
}

/// A number of a payment card with its check digit (ISO/IEC 7812-1, Luhn).
fn card(random: &mut Random) -> String {
    let mut number = format!("4{}", random.text(DIGITS, 14));
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| match u32::from(digit - b'0') {
            digit if at % 2 == 1 => digit,
            digit if digit > 4 => 2 * digit - 9,
            digit => 2 * digit,
        })
        .sum();
    number.push_str(&((10 - sum % 10) % 10).to_string());
    number
}

/// Version, time, and so many bytes of cipher text between vector and signature.
fn fernet(cipher: usize, random: &mut Random) -> String {
    let time = 1_767_225_600 + random.next_word() % 10_000_000;
    let bytes = [&[0x80], &time.to_be_bytes()[..], &random.bytes(16 + cipher + 32)].concat();
    BASE64URL.encode(&bytes)
}

/// A release of Helm: JSON, gzip, and base64 twice.
fn helm(random: &mut Random) -> Option<String> {
    let password = values::strong_password(18, random)?;
    let json = format!(
        r#"{{"name":"orders","info":{{"status":"deployed"}},"chart":{{"metadata":{{"name":"orders","version":"1.2.3"}}}},"config":{{"db":{{"password":"{password}"}}}},"manifest":"---\n# Source: orders/{}\n","version":3,"namespace":"shop"}}"#,
        random.text(LOWER, 200)
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(json.as_bytes()).ok()?;
    let inner = BASE64.encode(&gzip.finish().ok()?);
    Some(BASE64.encode(inner.as_bytes()))
}
