//! Kerberos credential caches (MIT krb5, "Credential cache file format", versions 3 and 4).

use super::keystore::Reader;
use super::keytab::TYPES;
use super::{Attributes, Outcome, Subject, Verdict, attribute, entropy};
use crate::secret::SecretBytes;

/// Credentials of a cache, components of a principal, addresses and data of a credential.
const CREDENTIALS: usize = 1000;
const COMPONENTS: u32 = 16;
const PARTS: u32 = 64;
/// Realm of entries that hold settings instead of tickets.
const SETTINGS: &[u8] = b"X-CACHECONF:";

/// Checks a cache where the span begins: its principal, and credentials with a key of the length that
/// its type has and a ticket. The last such credential gives the end.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let judged = read(value).filter(|cache| cache.tickets > 0);
    let Some(cache) = judged else { return Verdict::of(Outcome::Fail, subject) };
    let mut attributes = Attributes::from([
        ("kerberos.principal", attribute(&cache.principal)),
        ("kerberos.tickets", cache.tickets.to_string()),
    ]);
    let end = jiff::Timestamp::from_second(i64::from(cache.last));
    if let Some(end) = end.ok().filter(|_| cache.last > 0) {
        attributes.insert("kerberos.expires", end.to_string());
    }
    Verdict {
        outcome: Outcome::Pass,
        span: subject.part(0..cache.len),
        attributes,
        canonical: value.get(..cache.len).map(SecretBytes::new),
        plain: None,
    }
}

struct Cache {
    principal: String,
    tickets: usize,
    /// When the last ticket ends, in seconds since 1970.
    last: u32,
    len: usize,
}

fn read(value: &[u8]) -> Option<Cache> {
    let mut reader = Reader(value);
    match *reader.take(2)?.first_chunk::<2>()? {
        [5, 3] => {}
        [5, 4] => _ = reader.short().filter(|fields| fields.len() < 128)?,
        _ => return None,
    }
    let is_third = value.starts_with(&[5, 3]);
    let mut cache = Cache { principal: principal(&mut reader)?, tickets: 0, last: 0, len: 0 };
    for _ in 0..CREDENTIALS {
        let Some(credential) = credential(&mut reader, is_third) else { break };
        cache.len = value.len().checked_sub(reader.0.len())?;
        if let Credential::Ticket { end } = credential {
            cache.tickets = cache.tickets.saturating_add(1);
            cache.last = cache.last.max(end);
        }
    }
    Some(cache)
}

/// `user/instance@REALM`.
fn principal(reader: &mut Reader<'_>) -> Option<String> {
    let _kind = reader.u32().filter(|kind| *kind < 256)?;
    let count = reader.u32().filter(|count| (1..=COMPONENTS).contains(count))?;
    let realm = name(reader)?;
    let parts = (0..count).map(|_| name(reader)).collect::<Option<Vec<_>>>()?;
    Some(format!("{}@{realm}", parts.join("/")))
}

fn name(reader: &mut Reader<'_>) -> Option<String> {
    let bytes = reader.long().filter(|name| name.len() < 256)?;
    let is_text = bytes.iter().all(|byte| !byte.is_ascii_control());
    std::str::from_utf8(bytes).ok().filter(|_| is_text).map(str::to_owned)
}

enum Credential {
    /// It ends then, in seconds since 1970.
    Ticket {
        end: u32,
    },
    Setting,
}

fn credential(reader: &mut Reader<'_>, is_third: bool) -> Option<Credential> {
    let mut rest = Reader(reader.0);
    principal(&mut rest)?;
    let server = principal(&mut rest)?;
    let number = rest.u16()?;
    if is_third {
        rest.u16()?;
    }
    let key = rest.long()?;
    let [_from, _start, end, _renewed] = [rest.u32()?, rest.u32()?, rest.u32()?, rest.u32()?];
    let _is_session_key = rest.take(1)?;
    let _flags = rest.u32()?;
    for _ in 0..2 {
        // Addresses, then data of authorization.
        for _ in 0..rest.u32().filter(|count| *count <= PARTS)? {
            rest.u16()?;
            rest.long()?;
        }
    }
    let ticket = rest.long()?;
    rest.long()?;
    reader.0 = rest.0;
    let is_setting = server.as_bytes().ends_with(SETTINGS);
    let is_ticket = TYPES.iter().any(|(known, size, _)| *known == number && key.len() == *size)
        && entropy::shannon(key) >= 2_000
        && ticket.first() == Some(&0x61);
    match (is_setting, is_ticket) {
        (true, _) => Some(Credential::Setting),
        (false, true) => Some(Credential::Ticket { end }),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn long(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn principal_of(parts: &[&str], realm: &str) -> Vec<u8> {
        let count = u32::try_from(parts.len()).unwrap().to_be_bytes();
        let parts: Vec<u8> = parts.iter().flat_map(|part| long(part.as_bytes())).collect();
        [&[0, 0, 0, 1], &count[..], &long(realm.as_bytes()), &parts].concat()
    }

    fn cache(third: bool, key: &[u8]) -> Vec<u8> {
        let head: &[u8] =
            if third { &[5, 3] } else { &[5, 4, 0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0] };
        let user = principal_of(&["ana"], "SHOP.TEST");
        let number: &[u8] = if third { &[0, 18, 0, 18] } else { &[0, 18] };
        let times = [[0x69, 0, 0, 0], [0x69, 0, 0, 0], [0x69, 1, 0, 0], [0; 4]].concat();
        let rest = [&times[..], &[0], &[0x40, 0, 0, 0], &[0; 8]].concat();
        let of = |server: Vec<u8>, key: &[u8], ticket: &[u8]| {
            [&user[..], &server, number, &long(key), &rest, &long(ticket), &long(b"")].concat()
        };
        let setting = principal_of(&["krb5_ccache_conf_data", "pa_type"], "X-CACHECONF:");
        let server = principal_of(&["krbtgt", "SHOP.TEST"], "SHOP.TEST");
        let credentials = [of(setting, b"", b"2"), of(server, key, &[0x61, 3, 1, 2, 3])];
        [head, &user, &credentials.concat()].concat()
    }

    #[test]
    fn credentials_are_walked_to_the_last() {
        let key = Sha256::digest(b"session");
        for third in [false, true] {
            let bytes = cache(third, &key);
            let longer = [&bytes[..], &[0; 30]].concat();
            let verdict = run(&whole(&longer));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..bytes.len()));
            assert_eq!(verdict.attributes["kerberos.principal"], "ana@SHOP.TEST");
            assert_eq!(verdict.attributes["kerberos.tickets"], "1");
            assert_eq!(verdict.attributes["kerberos.expires"], "2025-10-28T17:40:16Z");
            for cut in 0..bytes.len() {
                assert_eq!(run(&whole(&bytes[..cut])).outcome, Outcome::Fail, "{cut}");
            }
        }
        for key in [&key[..31], &[0; 32]] {
            assert_eq!(run(&whole(&cache(false, key))).outcome, Outcome::Fail);
        }
    }
}
