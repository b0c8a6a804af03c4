//! Tokens of several vendors that end in a CRC-32 of themselves, each in a spelling of its own.

use data_encoding::BASE64_NOPAD;

use super::{Outcome, Subject, Verdict, crc32, known};

/// How a vendor spells the checksum.
#[derive(Debug, Clone, Copy)]
enum Spelling {
    /// Six digits of base62, `0-9A-Za-z`.
    Base62,
    /// Six digits of base62, `0-9a-zA-Z`.
    Base62SmallFirst,
    /// Eight small hex digits, the highest byte first.
    Hex,
    /// Eight hex digits with capitals, the highest byte first.
    HexCapitals,
    /// Eight small hex digits, the lowest byte first.
    HexLowestFirst,
    /// Base64 of the four bytes, the lowest first, without padding.
    Base64LowestFirst,
}

impl Spelling {
    fn of(self, sum: u32) -> Vec<u8> {
        let swapped = |digit: &u8| match digit {
            b'a'..=b'z' => digit.to_ascii_uppercase(),
            _ => digit.to_ascii_lowercase(),
        };
        match self {
            Self::Base62 => crc32::base62(sum).to_vec(),
            Self::Base62SmallFirst => crc32::base62(sum).iter().map(swapped).collect(),
            Self::Hex => format!("{sum:08x}").into_bytes(),
            Self::HexCapitals => format!("{sum:08X}").into_bytes(),
            Self::HexLowestFirst => format!("{:08x}", sum.swap_bytes()).into_bytes(),
            Self::Base64LowestFirst => BASE64_NOPAD.encode(&sum.to_le_bytes()).into_bytes(),
        }
    }
}

/// The tokens of one vendor: prefix, body, separator, checksum.
struct Scheme {
    prefix: &'static [u8],
    /// Characters of the body; `None`: up to the separator.
    body: Option<usize>,
    separator: &'static [u8],
    /// Whether the prefix counts.
    over_prefix: bool,
    spelling: Spelling,
    /// Whether several tokens or the vendor's own code show the scheme, so that a wrong sum refutes.
    certain: bool,
}

/// Reproduced on tokens that the vendors or public rule sets print, except for the second of
/// Atlassian, of which no valid one was seen.
const SCHEMES: [Scheme; 8] = [
    Scheme {
        prefix: b"ATATT3xFfGF0",
        body: None,
        separator: b"=",
        over_prefix: true,
        spelling: Spelling::HexCapitals,
        certain: true,
    },
    Scheme {
        prefix: b"ATCTT3xFfG",
        body: None,
        separator: b"=",
        over_prefix: true,
        spelling: Spelling::HexCapitals,
        certain: false,
    },
    Scheme {
        prefix: b"apify_api_",
        body: Some(30),
        separator: b"",
        over_prefix: true,
        spelling: Spelling::Base62SmallFirst,
        certain: true,
    },
    Scheme {
        prefix: b"cflt",
        body: Some(54),
        separator: b"",
        over_prefix: false,
        spelling: Spelling::Base64LowestFirst,
        certain: true,
    },
    Scheme {
        prefix: b"cnvca",
        body: Some(43),
        separator: b"",
        over_prefix: true,
        spelling: Spelling::Hex,
        certain: true,
    },
    Scheme {
        prefix: b"glsa_",
        body: Some(32),
        separator: b"_",
        over_prefix: true,
        spelling: Spelling::HexLowestFirst,
        certain: true,
    },
    Scheme {
        prefix: b"salad_cloud_org_",
        body: None,
        separator: b"",
        over_prefix: false,
        spelling: Spelling::Base62,
        certain: true,
    },
    Scheme {
        prefix: b"salad_cloud_user_",
        body: None,
        separator: b"",
        over_prefix: false,
        spelling: Spelling::Base62,
        certain: true,
    },
];

/// Checks the CRC-32 (IEEE) at the end of a token of Apify, Atlassian, Canva, Confluent, Grafana or
/// SaladCloud. It also gives the end. Without a separator and a length the sum stands at the end of
/// the value.
///
/// Unavailable: the sum is wrong, and the vendor's scheme is not sure.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(scheme) = SCHEMES.iter().find(|scheme| value.starts_with(scheme.prefix)) else {
        return fail;
    };
    match end(scheme, value) {
        Some(end) if !value.get(..end).is_some_and(known::is_documentation_value) => {
            Verdict { span: subject.part(0..end), ..Verdict::of(Outcome::Pass, subject) }
        }
        None if !scheme.certain => Verdict::of(Outcome::Unavailable, subject),
        _ => fail,
    }
}

/// Bytes of the token at the start of `value`, if its checksum is right.
fn end(scheme: &Scheme, value: &[u8]) -> Option<usize> {
    let start = scheme.prefix.len();
    let body_end = match scheme.body {
        Some(len) => start.checked_add(len)?,
        None if scheme.separator.is_empty() => {
            value.len().checked_sub(scheme.spelling.of(0).len())?
        }
        None => start.checked_add(memchr::memmem::find(value.get(start..)?, scheme.separator)?)?,
    };
    let summed = value.get(if scheme.over_prefix { 0 } else { start }..body_end)?;
    let rest = value.get(body_end..)?.strip_prefix(scheme.separator)?;
    let sum = scheme.spelling.of(crc32fast::hash(summed));
    let is_right = body_end > start && rest.starts_with(&sum);
    is_right.then(|| body_end.checked_add(scheme.separator.len())?.checked_add(sum.len()))?
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// Body and checksum, made with zlib's crc32; those of Apify and SaladCloud as in [`made`].
    const VECTORS: [(&str, &str, &str); 4] = [
        ("cflt", "6smYgOw9RTEzi1JGLEXa0sO40x9ehcZGvQfZnHg5wplQ70MxrbgPN9", "yecq3Q"),
        ("glsa_", "x4xyB7LQ4DBqHboMSp4DTHEzEDh2QFLV", "_9ee908db"),
        ("apify_api_", "UKP2HZ0RDNxY5TXvCcT3M8DywjAloS", "1BdCtI"),
        (
            "ATATT3xFfGF0",
            concat!(
                "UjYp7RNmxNyHaYV9NOd8r0q8C-mSiWMFGdfEv7o9_NMhH_jfNhzgBfezXDBvvMLIwko8IOA5DyH2nDbwFLCP",
                "JAXVhdrE3VJXjTCOGLgk37eI7O2pjVwp6sc-VEn2KnPoYLgTaHL_E9yTYL_9S4xDQNMAAL5QaDtpc6RzGKXi5As"
            ),
            "=2780F32B",
        ),
    ];

    /// A token of which the sum is made by another implementation of the CRC: bit by bit.
    fn made(prefix: &str, body: &str, over_prefix: bool) -> (String, u32) {
        let head = [prefix, body].concat();
        let summed = if over_prefix { head.as_str() } else { body };
        let sum = summed.bytes().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| {
                (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        });
        (head, !sum)
    }

    fn outcome(token: &str) -> Outcome {
        run(&whole(token.as_bytes())).outcome
    }

    #[test]
    fn the_checksum_decides() {
        for (prefix, body, sum) in VECTORS {
            let token = [prefix, body, sum].concat();
            assert_eq!(outcome(&token), Outcome::Pass, "{prefix}");
            let stale = token.clone() + "stale";
            let verdict = run(&whole(stale.as_bytes()));
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..token.len()));
            for at in [prefix.len(), prefix.len() + body.len() / 2, token.len() - 1] {
                let mut changed = token.clone().into_bytes();
                changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
                assert_eq!(run(&whole(&changed)).outcome, Outcome::Fail, "{prefix} byte {at}");
            }
            for len in 0..token.len() {
                let cut = token.get(..len).unwrap();
                assert_ne!(outcome(cut), Outcome::Pass, "{prefix} {len} bytes");
            }
        }
    }

    #[test]
    fn the_check_value_of_the_crc_is_spelt() {
        let sum = made("", "123456789", false).1;
        assert_eq!(sum, 0xcbf4_3926);
        assert_eq!(Spelling::Hex.of(sum), b"cbf43926");
        assert_eq!(Spelling::HexCapitals.of(sum), b"CBF43926");
        assert_eq!(Spelling::HexLowestFirst.of(sum), b"2639f4cb");
    }

    #[test]
    fn tokens_of_other_vendors() {
        let body = "Q4kTzC8mWb0xYvJ2nLpRs6HdEaUgFiNo7XwMqPt1V5K";
        let (head, sum) = made("cnvca", body, true);
        assert_eq!(outcome(&format!("{head}{sum:08x}")), Outcome::Pass);
        assert_eq!(outcome(&format!("{head}{:08x}", sum ^ 1)), Outcome::Fail);
        let (head, sum) = made("salad_cloud_user_", body, false);
        let digits = String::from_utf8(Spelling::Base62.of(sum)).unwrap();
        assert_eq!(outcome(&format!("{head}{digits}")), Outcome::Pass);
        assert_eq!(outcome(&format!("{head}000000")), Outcome::Fail);
        let (head, sum) = made("ATCTT3xFfGN0", body, true);
        assert_eq!(outcome(&format!("{head}={sum:08X}")), Outcome::Pass);
        assert_eq!(outcome(&format!("{head}={:08X}", sum ^ 1)), Outcome::Unavailable);
        assert_eq!(outcome("glpat-something"), Outcome::Fail);
    }
}
