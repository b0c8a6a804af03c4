//! Shared access signatures of Azure: a query that is a permission.

use super::notation::{base64, unescaped};
use super::{Outcome, Subject, Verdict, attribute, entropy};
use crate::check::uri::percent_decoded;

/// Parameters of a signature of Azure Storage (service, account and user delegation) and of Service
/// Bus. What stands before the first or behind the last of them is no part of it.
const PARAMETERS: &str = "\
    ses sv ss srt sp se st spr sip sig si sr sdd skoid sktid skt ske sks skv skdutid sduoid saoid \
    suoid scid rscc rscd rsce rscl rsct tn spk srk epk erk skn";

/// What parts the parameters, as it stands in a URL, in XML, in JSON.
const SEPARATORS: [&[u8]; 4] = [b"&amp;", b"\\u0026", b"\\u0026amp;", b"&"];

/// Checks the query of a signature: 32 bytes of HMAC in `sig`, and either the version (a date) with
/// permissions and expiry or a stored policy, or, for Service Bus, resource, expiry in seconds and
/// the name of the key. Reads off `azure.sas.expires` and `azure.sas.permissions`.
///
/// Source: "Create an account SAS" and "Shared Access Signature authentication" of Microsoft.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let fail = Verdict::of(Outcome::Fail, subject);
    let value = subject.value();
    let mut all = parameters(value);
    let is_known = |(name, _, _): &&Parameter<'_>| {
        PARAMETERS.split(' ').any(|known| known.as_bytes() == *name)
    };
    let Some(sig) = all.iter().position(|(name, ..)| *name == b"sig") else { return fail };
    let before = all.get(..sig).unwrap_or_default().iter().rev().take_while(is_known).count();
    let mut first = sig.saturating_sub(before);
    // Letters of something else may touch the first parameter.
    if let Some((name, _, at)) = first.checked_sub(1).and_then(|index| all.get_mut(index))
        && let Some(stale) = stale(name)
    {
        *name = name.get(stale..).unwrap_or_default();
        *at = at.saturating_add(stale);
        first = first.saturating_sub(1);
    }
    let known: Vec<&Parameter<'_>> = all.iter().skip(first).take_while(is_known).collect();
    let of = |name: &[u8]| known.iter().find(|(known, ..)| *known == name).map(|(_, v, _)| *v);
    let is_signed = of(b"sig").is_some_and(|signature| {
        base64(&unescaped(signature).0)
            .is_some_and(|mac| mac.len() == 32 && entropy::shannon(&mac) >= 4_000)
    });
    let is_storage = of(b"sv").is_some_and(is_date)
        && (of(b"si").is_some() || of(b"se").is_some() && of(b"sp").is_some());
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let is_bus = of(b"sr").is_some() && of(b"skn").is_some() && of(b"se").is_some_and(is_number);
    let (Some((_, _, first)), Some((_, last, at))) = (known.first(), known.last()) else {
        return fail;
    };
    if !is_signed || !(is_storage || is_bus) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    let name = known.last().map_or(0, |(name, ..)| name.len().saturating_add(1));
    verdict.span = subject.part(*first..at.saturating_add(name).saturating_add(last.len()));
    for (key, parameter) in [("azure.sas.expires", "se"), ("azure.sas.permissions", "sp")] {
        if let Some(text) = of(parameter.as_bytes()) {
            let text = percent_decoded(text);
            verdict.attributes.insert(key, attribute(&String::from_utf8_lossy(&text)));
        }
    }
    verdict
}

/// How many characters of a name are none of a parameter's, if the others are: the fewest.
fn stale(name: &[u8]) -> Option<usize> {
    (1..name.len()).find(|&at| {
        let rest = name.get(at..).unwrap_or_default();
        rest.len() > 1 && PARAMETERS.split(' ').any(|known| known.as_bytes() == rest)
    })
}

/// Name, value, and where the name begins.
type Parameter<'a> = (&'a [u8], &'a [u8], usize);

fn parameters(query: &[u8]) -> Vec<Parameter<'_>> {
    let mut all = Vec::new();
    let mut at = 0_usize;
    while let Some(rest) = query.get(at..) {
        let next = memchr::memchr2_iter(b'&', b'\\', rest).find_map(|offset| {
            let text = rest.get(offset..)?;
            let separator = SEPARATORS.iter().find(|known| text.starts_with(known))?;
            Some((offset, separator.len()))
        });
        let (end, separator) = next.unwrap_or((rest.len(), 0));
        if let Some(parameter) = rest.get(..end)
            && let Some(equals) = memchr::memchr(b'=', parameter)
        {
            let (name, value) = parameter.split_at(equals);
            all.push((name, value.get(1..).unwrap_or_default(), at));
        }
        if separator == 0 {
            break;
        }
        at = at.saturating_add(end).saturating_add(separator);
    }
    all
}

/// `2022-11-02`, the version of the service.
fn is_date(text: &[u8]) -> bool {
    text.len() == 10
        && text.iter().enumerate().all(|(at, b)| match at {
            4 | 7 => *b == b'-',
            _ => b.is_ascii_digit(),
        })
        && text.starts_with(b"20")
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "ASCII of our own making")]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;
    use sha2::{Digest, Sha256};

    fn signature() -> String {
        let text = BASE64.encode(&Sha256::digest(b"a signature"));
        text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    }

    #[test]
    fn signatures_and_their_ends() {
        let sig = signature();
        let times = "st=2026-01-01T00:00:00Z&se=2026-12-31T00%3A00%3A00Z";
        let whole_ones = [
            format!("sv=2022-11-02&ss=b&srt=sco&sp=rl&{times}&spr=https&sig={sig}"),
            format!("sp=r&{times}&sv=2022-11-02&sr=c&sig={sig}"),
            format!("sv=2019-12-12&si=policy&sr=b&sig={sig}"),
            format!("sr=https%3A%2F%2Fshop.servicebus.test%2F&sig={sig}&se=1767225600&skn=send"),
            format!("sv=2022-11-02&amp;se=2026-12-31&amp;sp=r&amp;sig={sig}"),
            format!("sv=2022-11-02\\u0026se=2026-12-31\\u0026sp=r\\u0026sig={sig}"),
        ];
        for query in whole_ones {
            let judge = |text: &str| run(&whole(text.as_bytes()));
            let verdict = judge(&query);
            assert_eq!((verdict.outcome, verdict.span), (Outcome::Pass, 0..query.len()), "{query}");
            let around = format!("restype=container&{query}&comp=list");
            assert_eq!(judge(&around).span, 18..18 + query.len(), "{query}");
            let stale = format!("old{query}");
            assert_eq!(judge(&stale).span, 3..3 + query.len(), "{query}");
        }
    }

    #[test]
    fn other_queries_fail() {
        let sig = signature();
        let fails = [
            format!("se=2026-12-31&sp=r&sig={sig}"),
            format!("sv=2022-11-02&sp=r&sig={sig}"),
            format!("sv=latest&se=2026-12-31&sp=r&sig={sig}"),
            format!("sv=2022-11-02&se=2026-12-31&sp=r&sig={}", &sig[..20]),
            format!("sv=2022-11-02&se=2026-12-31&sp=r&sig={}%3D", "A".repeat(43)),
            "sv=2022-11-02&se=2026-12-31&sp=r".to_owned(),
            String::new(),
        ];
        for query in fails {
            assert_eq!(run(&whole(query.as_bytes())).outcome, Outcome::Fail, "{query}");
        }
    }

    #[test]
    fn expiry_and_permissions_are_told() {
        let query = format!("sv=2022-11-02&se=2026-12-31T00%3A00%3A00Z&sp=rw&sig={}", signature());
        let attributes = run(&whole(query.as_bytes())).attributes;
        assert_eq!(attributes["azure.sas.expires"], "2026-12-31T00:00:00Z");
        assert_eq!(attributes["azure.sas.permissions"], "rw");
    }
}
