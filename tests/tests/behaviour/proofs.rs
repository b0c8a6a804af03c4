//! What only several places of a checkpoint prove: each with both halves in it, and with the halves apart.
//! Whole scans of built checkpoints.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use cryoscan::scan::Settings;
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::keys;
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned::{Files, Part, Scanned, scan_bytes};
use cryoscan_tests::values::{self, Algorithm};
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256};

const HEAP: u64 = 0x7f00_0000_0000;

/// A process whose heap holds the texts, far apart.
fn holding(pid: u32, texts: &[&[u8]]) -> Process {
    let mut heap = Mapping::zero(HEAP, 0x10_0000);
    for (at, text) in (HEAP + 0x4010..).step_by(0x1_0000).zip(texts) {
        heap = heap.put(at, text);
    }
    Process::new(pid, "app").map(heap)
}

fn archive(processes: impl IntoIterator<Item = Process>) -> Archive {
    let checkpoint = processes.into_iter().fold(Checkpoint::new(), Checkpoint::process);
    Archive::of(Producer::Criu, &checkpoint)
}

/// Scans without showing values: no proof may need that, or lead to it.
fn scan(archive: &Archive) -> Scanned {
    scan_bytes(&archive.tar(), &Settings::default())
}

fn of_rule<'a>(part: Part<'a>, rule: &str) -> Vec<&'a Value> {
    part.of("finding").filter(|it| it["rule"]["id"] == rule).collect()
}

fn proven_by<'a>(part: Part<'a>, proof: &str) -> Vec<&'a Value> {
    let has = |it: &&Value| {
        let evidence = it["evidence"].as_array().expect("a list");
        evidence.iter().any(|it| it["check"] == proof && it["result"] == "pass")
    };
    part.of("finding").filter(has).collect()
}

fn claims(number: u32) -> String {
    format!(r#"{{"iss":"https://login.shop.test/","sub":"user-{number}","iat":1767225600}}"#)
}

#[test]
fn the_key_of_a_token_is_known_where_it_stands_in_the_same_checkpoint() {
    let mut random = Random::new(21);
    let secret = values::hex_key(32, &mut random);
    let decoded = HEXLOWER.decode(secret.as_bytes()).expect("hex digits");
    let first = values::jwt(Algorithm::Hs256, secret.as_bytes(), &claims(1), &mut random);
    let second = values::jwt(Algorithm::Hs512, &decoded, &claims(2), &mut random);
    let other = values::jwt(Algorithm::Hs256, b"of another service", &claims(3), &mut random);
    let variable = format!("JWT_SECRET={secret}");
    let service = Process::new(7, "api").environ(&["LANG=C", &variable]);
    let tokens = [first.as_bytes(), second.as_bytes(), other.as_bytes()];

    let scanned = scan(&archive([holding(1, &tokens), service]));
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    let proven = proven_by(part, "jwt-hmac");
    assert_eq!(proven.len(), 3, "{proven:#?}");
    let signing: Vec<_> =
        proven.iter().filter(|it| !it["attributes"]["signs.jwt"].is_null()).collect();
    assert_eq!(signing.len(), 1);
    assert_eq!(signing[0]["attributes"]["signs.jwt"], "2");
    assert_eq!(signing[0]["severity"], "critical");
    assert_eq!(signing[0]["confidence"], "confirmed");
    for token in of_rule(part, "jwt") {
        let by = &token["attributes"]["signed-by"];
        if token["attributes"]["jwt.sub"] == "user-3" {
            assert!(by.is_null());
        } else {
            assert!(by.as_str().expect("a name").ends_with("JWT_SECRET"), "{by}");
            assert_eq!(token["confidence"], "confirmed");
        }
    }
    // Without the key nothing is proven, and with another one.
    let apart = scan(&archive([holding(1, &tokens), Process::new(7, "api")]));
    assert!(proven_by(apart.whole(), "jwt-hmac").is_empty());
    let variable = format!("JWT_SECRET={}", values::hex_key(32, &mut random));
    let wrong = Process::new(7, "api").environ(&["LANG=C", &variable]);
    let wrong = scan(&archive([holding(1, &tokens), wrong]));
    assert!(proven_by(wrong.whole(), "jwt-hmac").is_empty());
}

#[test]
fn a_token_signed_with_a_word_that_everybody_knows_is_told() {
    let token = values::jwt(Algorithm::Hs256, b"secret", &claims(1), &mut Random::new(22));
    let scanned = scan(&archive([holding(1, &[token.as_bytes()])]));
    let proven = proven_by(scanned.whole(), "jwt-hmac");
    assert_eq!(proven.len(), 1);
    assert_eq!(proven[0]["attributes"]["signed-by"], "a well-known word");
}

/// As Jenkins writes it: see `DefaultConfidentialStore` and `Secret`.
struct Jenkins {
    master: String,
    stored: Vec<u8>,
    payload: Vec<u8>,
}

impl Jenkins {
    fn new(random: &mut Random) -> Self {
        let (master, payload) = (values::hex_key(128, random), random.bytes(256));
        let key = &Sha256::digest(master.as_bytes())[..16];
        let text = [&payload[..], b"::::MAGIC::::"].concat();
        Self { stored: encrypt(key, None, &text), master, payload }
    }

    fn seal(&self, text: &str, random: &mut Random) -> String {
        let vector = random.bytes(16);
        let data = encrypt(&self.payload[..16], Some(&vector), text.as_bytes());
        let length = u32::try_from(data.len()).expect("a short text").to_be_bytes();
        let lengths = [&16u32.to_be_bytes()[..], &length].concat();
        format!("{{{}}}", BASE64.encode(&[&[1], &lengths[..], &vector, &data].concat()))
    }

    /// `credentials.xml` with a value each.
    fn xml(&self, credentials: &[(&str, &str)], random: &mut Random) -> String {
        let each = credentials.iter().map(|(id, text)| {
            let value = self.seal(text, random);
            format!(
                "<com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl>\n\
                 <scope>GLOBAL</scope>\n<id>{id}</id>\n<username>ci</username>\n\
                 <password>{value}</password>\n\
                 </com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl>\n"
            )
        });
        each.collect()
    }
}

/// AES-128 with the padding of PKCS #7, in ECB mode or, with a vector, in CBC mode.
fn encrypt(key: &[u8], vector: Option<&[u8]>, text: &[u8]) -> Vec<u8> {
    let pad = 16 - text.len() % 16;
    let text = [text, &vec![u8::try_from(pad).expect("16 at most"); pad]].concat();
    let cipher = aes::Aes128::new(&Array::try_from(key).expect("16 bytes"));
    let mut before = vector.map(<[u8]>::to_vec);
    let blocks = text.chunks(16).flat_map(|chunk| {
        let mut bytes = chunk.to_vec();
        if let Some(before) = &before {
            bytes.iter_mut().zip(before).for_each(|(byte, other)| *byte ^= other);
        }
        let mut block = Array::try_from(&bytes[..]).expect("16 bytes");
        cipher.encrypt_block(&mut block);
        if let Some(before) = &mut before {
            before.copy_from_slice(&block);
        }
        block.to_vec()
    });
    blocks.collect()
}

#[test]
fn the_chain_of_jenkins_opens_its_credentials_and_names_them() {
    let mut random = Random::new(23);
    let jenkins = Jenkins::new(&mut random);
    let plain = values::strong_password(24, &mut random).expect("a password");
    let xml = jenkins.xml(&[("deploy", &plain), ("registry", "grüße")], &mut random);
    let home = |name: &str| format!("var/jenkins_home/{name}");
    let (master, stored, credentials) =
        (home("secrets/master.key"), home("secrets/hudson.util.Secret"), home("credentials.xml"));
    let files: [(&str, &[u8]); 3] = [
        (&master, jenkins.master.as_bytes()),
        (&stored, &jenkins.stored),
        (&credentials, xml.as_bytes()),
    ];
    let with = |files: &[(&str, &[u8])]| {
        scan(&archive([Process::new(1, "java")]).rootfs_diff(files, false))
    };
    let scanned = with(&files);
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    let proven = proven_by(part, "jenkins-chain");
    let mut ids: Vec<_> =
        proven.iter().map(|it| it["rule"]["id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    let cipher = "jenkins-secret-cipher";
    assert_eq!(ids, ["jenkins-hudson-secret", "jenkins-master-key-file", cipher, cipher]);
    for it in &proven {
        assert_eq!((&it["severity"], &it["confidence"]), (&"critical".into(), &"confirmed".into()));
        if it["rule"]["id"] == cipher {
            assert_eq!(it["attributes"]["jenkins.decrypted"], "true");
            assert_eq!(it["attributes"]["jenkins.field"], "password");
        } else {
            assert_eq!(it["attributes"]["jenkins.opens"], "2");
            assert_eq!(it["attributes"]["jenkins.credentials"], "deploy registry");
        }
    }
    assert!(scanned.lines.iter().all(|line| !line.contains(&plain)), "a plaintext in a report");

    // Any part of the chain missing, or of another Jenkins.
    for missing in 0..3 {
        let rest: Vec<_> =
            files.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, it)| *it).collect();
        let scanned = with(&rest);
        let ciphers = of_rule(scanned.whole(), cipher);
        assert!(ciphers.iter().all(|it| it["severity"] == "medium"), "{missing}");
    }
    let other = Jenkins::new(&mut random);
    let mut mixed = files;
    mixed[0].1 = other.master.as_bytes();
    assert!(proven_by(with(&mixed).whole(), "jenkins-chain").is_empty());
}

#[test]
fn the_open_key_of_jenkins_in_memory_is_enough() {
    let mut random = Random::new(24);
    let jenkins = Jenkins::new(&mut random);
    let open = [&jenkins.payload[..], b"::::MAGIC::::"].concat();
    let xml = jenkins.xml(&[("deploy", "of no matter")], &mut random);
    let scanned = scan(&archive([holding(1, &[&open, xml.as_bytes()])]));
    let proven = proven_by(scanned.whole(), "jenkins-chain");
    assert_eq!(proven.len(), 2, "{proven:#?}");
    let open = of_rule(scanned.whole(), "jenkins-hudson-secret-clear");
    assert_eq!(open[0]["attributes"]["jenkins.credentials"], "deploy");
}

fn hmac<H: Digest>(key: &[u8], text: &[u8]) -> Vec<u8> {
    values::hmac::<H>(64, key, text)
}

#[test]
fn the_secret_of_a_framework_s_sessions_is_known_by_its_signature() {
    let mut random = Random::new(25);
    let secret = values::hex_key(32, &mut random);
    let key = secret.as_bytes();
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);

    let text = format!("{}:1r31eq", encode(br#"{"_auth_user_id":"1"}"#));
    let salt = b"django.contrib.sessions.backends.signed_cookiessigner";
    let derived = Sha256::digest([&salt[..], key].concat());
    let django = format!("{text}:{}", encode(&hmac::<Sha256>(&derived, text.as_bytes())));

    let text = format!("{}.ZVPxAA", encode(br#"{"user_id":7}"#));
    let derived = hmac::<Sha1>(key, b"cookie-session");
    let flask = format!("{text}.{}", encode(&hmac::<Sha1>(&derived, text.as_bytes())));

    let id = values::hex_key(16, &mut random);
    let mac = BASE64_NOPAD.encode(&hmac::<Sha256>(key, id.as_bytes()));
    // As a browser sends it.
    let express = format!("s%3A{id}.{}", mac.replace('+', "%2B").replace('/', "%2F"));

    let raw = HEXLOWER.decode(key).expect("hex digits");
    let (vector, data) = (BASE64.encode(&random.bytes(16)), BASE64.encode(&random.bytes(48)));
    let mac = HEXLOWER
        .encode(&hmac::<Sha256>(&raw, [vector.as_str(), data.as_str()].concat().as_bytes()));
    let json = format!(r#"{{"iv":"{vector}","value":"{data}","mac":"{mac}","tag":""}}"#);
    let laravel = BASE64.encode(json.as_bytes());

    for (framework, cookie) in [
        ("Django", format!("sessionid={django}")),
        ("itsdangerous (Flask, Starlette)", format!("session={flask}")),
        ("Express", format!("connect.sid={express}")),
        ("Laravel", format!("laravel_session={}", laravel.replace('=', "%3D"))),
    ] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: {cookie}; theme=dark\r\n\r\n");
        let variable = format!("JWT_SECRET={secret}");
        let environ = ["LANG=C", &variable];
        let process = holding(1, &[request.as_bytes()]);
        let scanned = scan(&archive([process.clone().environ(&environ)]));
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new());
        let proven = proven_by(part, "session-signature");
        let signing: Vec<_> =
            proven.iter().filter(|it| it["attributes"]["signs.sessions"] == "1").collect();
        let all: Vec<_> = part.of("finding").map(|it| (&it["rule"]["id"], &it["title"])).collect();
        assert_eq!((proven.len(), signing.len()), (2, 1), "{framework}: {all:#?}");
        for it in &proven {
            assert_eq!(it["attributes"]["session.framework"], framework);
            assert_eq!(it["confidence"], "confirmed");
        }
        assert_eq!(signing[0]["severity"], "critical");

        let apart = scan(&archive([process]));
        assert!(proven_by(apart.whole(), "session-signature").is_empty(), "{framework}");
    }
}

#[test]
fn a_private_key_tells_the_certificate_that_was_made_for_it() {
    let mut random = Random::new(26);
    let [private, public] = keys::rsa_pair(1024, &mut random);
    let certificate = keys::certificate(&public, &mut random);
    // As a file of a server has it.
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        BASE64.encode(&certificate)
    );

    for text in [certificate.as_slice(), pem.as_bytes()] {
        let scanned = scan(&archive([holding(1, &[&private]), holding(2, &[text])]));
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new());
        let proven = proven_by(part, "key-certificate");
        assert_eq!(proven.len(), 1, "{:#?}", part.of("finding").collect::<Vec<_>>());
        let attributes = &proven[0]["attributes"];
        assert_eq!(attributes["certificate.subject"], "shop.test");
        assert_eq!(attributes["certificate.names"], "www.shop.test");
        assert_eq!(attributes["certificate.not-after"], "2036-01-02T03:04:05Z");
        assert_eq!(part.of("finding").count(), 1, "the certificate itself is no finding");
    }
    let other = keys::rsa(1024, &mut random);
    let apart = scan(&archive([holding(1, &[other.as_bytes()]), holding(2, &[&certificate])]));
    assert!(proven_by(apart.whole(), "key-certificate").is_empty());
    // A public key alone says nothing of whose it is.
    let bare = scan(&archive([holding(1, &[&private]), holding(2, &[&public])]));
    assert!(proven_by(bare.whole(), "key-certificate").is_empty());
}

#[test]
fn a_secret_that_an_earlier_checkpoint_holds_too_says_so() {
    let mut random = Random::new(27);
    let token = values::github_token(&mut random);
    let other = values::github_token(&mut random);
    let files = Files::new();
    let one = files.add("one.tar", &archive([holding(1, &[token.as_bytes()])]).tar());
    let two = archive([holding(4, &[token.as_bytes(), other.as_bytes()])]);
    let two = files.add("two.tar", &two.tar());
    let scanned = cryoscan_tests::scanned::scan(&[&one, &two], &Settings::default());
    let found: Vec<_> = scanned.records.iter().filter(|it| it["type"] == "finding").collect();
    let earlier = |it: &&Value| it["attributes"]["checkpoints.earlier"].as_str().map(str::to_owned);
    let named: Vec<_> = found.iter().map(|it| (it["checkpoint"].clone(), earlier(it))).collect();
    assert_eq!(found.len(), 3);
    assert_eq!(named.iter().filter(|it| it.1.as_deref() == Some("c1")).count(), 1, "{named:?}");
    let again = found.iter().find(|it| earlier(it).is_some()).expect("the same token");
    assert_eq!(
        (&again["checkpoint"], &again["fingerprint"]),
        (&"c2".into(), &found[0]["fingerprint"])
    );
}

#[test]
fn a_service_account_token_tells_namespace_account_and_expiry() {
    let mut random = Random::new(28);
    let bound = r#"{"exp":1798761600,"iss":"https://kubernetes.default.svc","kubernetes.io":{"namespace":"shop","serviceaccount":{"name":"cart"}},"sub":"system:serviceaccount:shop:cart"}"#;
    let endless = r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"shop","kubernetes.io/serviceaccount/secret.name":"cart-token","kubernetes.io/serviceaccount/service-account.name":"cart","sub":"system:serviceaccount:shop:cart"}"#;
    for (claims, expiry, severity) in
        [(bound, "2027-01-01T00:00:00Z", "high"), (endless, "never", "critical")]
    {
        let token = values::jwt(Algorithm::Rs256, &[], claims, &mut random);
        let scanned = scan(&archive([holding(1, &[token.as_bytes()])]));
        let found = of_rule(scanned.whole(), "k8s-sa-jwt");
        assert_eq!(found.len(), 1);
        let attributes = &found[0]["attributes"];
        assert_eq!(attributes["kubernetes.namespace"], "shop");
        assert_eq!(attributes["kubernetes.serviceaccount"], "cart");
        assert_eq!(
            (&attributes["jwt.exp"], &found[0]["severity"]),
            (&expiry.into(), &severity.into())
        );
    }
}
