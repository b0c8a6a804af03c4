//! Keys of Azure with a marker of their service before the last characters, and a checksum in those.

use super::azure::has_checksum;
use super::base64_json::head;
use super::{Outcome, Subject, Verdict, entropy, known};

/// Characters of the base64 behind the marker, padding not counted, and of the marker.
const BEHIND: usize = 6;
const MARKER: usize = 4;

/// Each is eight characters of text.
type Seeds = &'static [&'static [u8; 8]];

/// What stands before the last characters, the service, and the seeds of its checksums.
const SERVICES: [(&[u8], &str, Seeds); 13] = [
    (
        b"ACDb",
        "cosmos-db",
        &[
            b"MastRW00",
            b"MastRO00",
            b"SystRW00",
            b"SystRO00",
            b"SysAll00",
            b"Resour00",
            b"Encryp00",
        ],
    ),
    (b"+ASb", "service-bus", MESSAGING),
    (b"+AEh", "event-hubs", MESSAGING),
    (b"+ARm", "relay", MESSAGING),
    (b"+ACR", "container-registry", &[b"ACRDflt0"]),
    (b"AzSe", "ai-search", &[b"Query000", b"PAdmin00"]),
    (b"AzFu", "functions", &[b"Master00", b"System00", b"Functi00"]),
    (b"AzCa", "redis", &[b"Access00"]),
    (b"AIoT", "iot", &[b"IoTHub00", b"DpsKey00", b"Device00"]),
    (b"+ABa", "batch", &[b"AbAcct00"]),
    (b"APIM", "api-management", &[b"Tenant00", b"IoTHub00", b"Gatewy00", b"GitKey00"]),
    (b"+AMC", "machine-learning", &[b"Classic0"]),
    // Its seed is not published.
    (b"AZEG", "event-grid", &[]),
];
const MESSAGING: Seeds = &[b"Send0000", b"Manage00", b"Listen00"];

/// Checks a marked key: the last four bytes are the checksum (Marvin32) of the others, under a seed of
/// the service that the marker names (`azure.service`). Unavailable for Event Grid.
///
/// Source: `security-utilities` of Microsoft, `IdentifiableMetadata`.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let text = value.strip_suffix(b"==").or_else(|| value.strip_suffix(b"=")).unwrap_or(value);
    let marker =
        text.len().checked_sub(BEHIND).and_then(|end| text.get(end.checked_sub(MARKER)?..end));
    let service = SERVICES.iter().find(|(known, ..)| Some(*known) == marker);
    let (Some((_, service, seeds)), Some(bytes)) = (service, head(text)) else { return fail };
    let is_valid = seeds.iter().any(|seed| has_checksum(&bytes, u64::from_be_bytes(**seed)));
    let is_random = entropy::shannon(&bytes) >= 4_000 && !known::is_documentation_value(value);
    let outcome = match (is_valid, seeds.is_empty()) {
        _ if !is_random => Outcome::Fail,
        (true, _) => Outcome::Pass,
        (false, true) => Outcome::Unavailable,
        (false, false) => Outcome::Fail,
    };
    let mut verdict = Verdict::of(outcome, subject);
    verdict.attributes.insert("azure.service", (*service).to_owned());
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Synthetic, made after Microsoft's library.
    const VECTORS: [(&str, &str, &str, &str); 2] = [
        ("SmnGuKLX9Kmd09evHW4QWRM/4qRc0Yd/u", "+ASb", "NjHCqc=", "service-bus"),
        ("/nv7/Id2CQ5uHcNRnLYOvs4l3DzAnCK9GC12W4SueV", "+ACR", "aVdXa9", "container-registry"),
    ];

    #[test]
    fn the_checksum_decides() {
        for (body, marker, end, service) in VECTORS {
            let key = [body, marker, end].concat();
            let verdict = run(&whole(key.as_bytes()));
            assert_eq!(verdict.outcome, Outcome::Pass, "{service}");
            assert_eq!(verdict.attributes["azure.service"], service);
            for at in 0..key.trim_end_matches('=').len() {
                let mut changed = key.clone().into_bytes();
                changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
                assert_eq!(run(&whole(&changed)).outcome, Outcome::Fail, "{service}, byte {at}");
            }
            let other = key.replace(marker, "AzCa");
            assert_eq!(run(&whole(other.as_bytes())).outcome, Outcome::Fail);
        }
    }

    #[test]
    fn a_kind_without_a_published_seed() {
        let (body, _, end, _) = VECTORS[0];
        let key = [body, "AZEG", end].concat();
        assert_eq!(run(&whole(key.as_bytes())).outcome, Outcome::Unavailable);
        let filler = ["A".repeat(33).as_str(), "AZEG", "AAAAAA="].concat();
        assert_eq!(run(&whole(filler.as_bytes())).outcome, Outcome::Fail);
        assert_eq!(run(&whole(b"AZEG")).outcome, Outcome::Fail);
        assert_eq!(run(&whole(b"")).outcome, Outcome::Fail);
    }
}
