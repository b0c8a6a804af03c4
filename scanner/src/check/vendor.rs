//! Keys of vendors without a published checksum, whose structure tells where they end.

use std::cmp::Ordering;
use std::ops::Range;

use super::random_text::is_random;
use super::{Outcome, Subject, Verdict, known};

/// In every key of OpenAI: base64 of the name.
const OPENAI: &[u8] = b"T3BlbkFJ";

/// Characters on each side of [`OPENAI`], the likeliest first.
const OPENAI_SIDES: [usize; 3] = [74, 58, 20];

/// Checks the marker of OpenAI with 74, 58 or 20 characters on each side of it, which gives the end.
///
/// Source: the rules of several public scanners agree on the lengths; the vendor publishes none.
pub(super) fn openai(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let sides = memchr::memmem::find_iter(value, OPENAI).find_map(|marker| {
        let head = value.get(..marker)?;
        let tail = value.get(marker.checked_add(OPENAI.len())?..)?;
        let is_left = |side: &&usize| {
            let dash = head.len().checked_sub(**side).and_then(|at| at.checked_sub(1));
            dash.and_then(|at| head.get(at)) == Some(&b'-')
        };
        let left = *OPENAI_SIDES.iter().find(is_left)?;
        // Both sides are of one length in all keys seen; others are taken if that one is not there.
        let right = std::iter::once(left).chain(OPENAI_SIDES).find(|side| tail.len() >= *side)?;
        Some((head.len().checked_sub(left)?, marker.checked_add(OPENAI.len())?.checked_add(right)?))
    });
    match sides {
        Some((from, end)) if value.get(from..end).is_some_and(is_random) => {
            ends(subject, end, Outcome::Pass)
        }
        _ => Verdict::of(Outcome::Fail, subject),
    }
}

/// Characters of the secret part of a bot token of Slack.
const SLACK: usize = 24;
/// Characters of the longest secret part that is taken as it stands.
const SLACK_MOST: usize = 34;
/// Characters of the shortest that is longer than 24 and the bytes of a pointer.
const SLACK_BEHIND_POINTER: usize = SLACK + 7;

/// Checks the numbers and the secret part of a token of Slack. The secret part has 24 characters;
/// where fewer follow (18 at least, in tokens of the first years) it ends with them. The vendor fixes
/// no length: up to ten more that end by themselves belong to it, a longer run is other text. At the
/// end of the text a few more may be bytes of a pointer.
///
/// Weak: fewer than 24. Unavailable: more.
pub(super) fn slack(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(dash) = value.iter().rposition(|&byte| byte == b'-') else { return fail };
    let Some(from) = dash.checked_add(1) else { return fail };
    let secret = value.get(from..).unwrap_or_default();
    let is_ended = match subject.text.get(subject.span.end) {
        Some(next) => secret.len() <= SLACK_MOST && !next.is_ascii_alphanumeric(),
        None => !subject.cut && (SLACK_BEHIND_POINTER..=SLACK_MOST).contains(&secret.len()),
    };
    let secret = if is_ended { secret } else { secret.get(..SLACK).unwrap_or(secret) };
    let Some(end) = from.checked_add(secret.len()) else { return fail };
    let numbers = value.get(..dash).unwrap_or_default().split(|&byte| byte == b'-').skip(1);
    let is_number = |number: &[u8]| number.iter().any(|digit| Some(digit) != number.first());
    if !numbers.into_iter().all(is_number) || !is_random(secret) {
        return fail;
    }
    let outcome = match secret.len().cmp(&SLACK) {
        Ordering::Less => Outcome::Weak,
        Ordering::Equal => Outcome::Pass,
        Ordering::Greater => Outcome::Unavailable,
    };
    ends(subject, end, outcome)
}

/// Characters behind the prefix of a key of Stripe that names its account, and of an older one.
const STRIPE: [usize; 2] = [99, 24];

/// Checks the random part of a key of Stripe. Keys made since about 2019 begin with `51` and the
/// account's name and have 99 characters, older ones 24. The vendor fixes no length: where others
/// follow, at most eight more, or with neither length, the text itself ends the key.
pub(super) fn stripe(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let fail = Verdict::of(Outcome::Fail, subject);
    let Some(underscore) = value.iter().rposition(|&byte| byte == b'_') else { return fail };
    let Some(from) = underscore.checked_add(1) else { return fail };
    let body = value.get(from..).unwrap_or_default();
    let [long, short] = STRIPE;
    let named = body.starts_with(b"51");
    let len = match body.len() {
        len if named && len > long => long,
        len if !named && len > short && len <= short.saturating_add(8) => short,
        len => len,
    };
    let Some(end) = from.checked_add(len) else { return fail };
    let is_public = value.get(..end).is_some_and(known::is_documentation_value);
    if is_public || !body.get(..len).is_some_and(is_random) {
        return fail;
    }
    let outcome = match len == if named { long } else { short } {
        true => Outcome::Pass,
        // Another length: it may be true, or be cut.
        false if subject.is_cut_at(end) => Outcome::Weak,
        false => Outcome::Unavailable,
    };
    ends(subject, end, outcome)
}

fn ends(subject: &Subject<'_>, end: usize, outcome: Outcome) -> Verdict {
    let span: Range<usize> = subject.part(0..end);
    Verdict { span, ..Verdict::of(outcome, subject) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
    use sha2::{Digest, Sha512};

    /// Letters and digits that look random.
    fn text(seed: u8, len: usize) -> String {
        let digests: Vec<u8> = (0..4).flat_map(|i| Sha512::digest([seed, i])).collect();
        BASE64URL_NOPAD.encode(&digests).replace(['-', '_'], "x").chars().take(len).collect()
    }

    fn check(run: fn(&Subject<'_>) -> Verdict, text: &str) -> (Outcome, usize) {
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!(verdict.span.start, 0);
        (verdict.outcome, verdict.span.end)
    }

    #[test]
    fn the_marker_and_its_sides_give_the_end_of_a_key_of_openai() {
        assert_eq!(OPENAI, BASE64_NOPAD.encode(b"OpenAI").as_bytes());
        for (prefix, side) in
            [("sk-proj-", 74), ("sk-svcacct-", 58), ("sk-admin-", 58), ("sk-", 20)]
        {
            let key = [prefix, &text(1, side), "T3BlbkFJ", &text(2, side)].concat();
            assert_eq!(check(openai, &key), (Outcome::Pass, key.len()), "{prefix}");
            let longer = key.clone() + &text(3, 40);
            assert_eq!(
                check(openai, &longer),
                (Outcome::Pass, key.len()),
                "{prefix} and stale text"
            );
            assert_eq!(check(openai, &key.replacen("T3B", "T3C", 1)).0, Outcome::Fail);
        }
        let short = ["sk-proj-", &text(1, 74), "T3BlbkFJ", &text(2, 12)].concat();
        assert_eq!(check(openai, &short).0, Outcome::Fail);
        let filler = ["sk-proj-", &"x".repeat(74), "T3BlbkFJ", &"x".repeat(74)].concat();
        assert_eq!(check(openai, &filler).0, Outcome::Fail);
    }

    #[test]
    fn a_token_of_slack_has_two_numbers_and_24_characters() {
        let numbers = ["xoxb-", "481516234", "211-", "10815162342", "33-"].concat();
        let token = numbers.clone() + &text(4, 24);
        assert_eq!(check(slack, &token), (Outcome::Pass, token.len()));
        for more in [1, 6, 7, 10] {
            let long = token.clone() + &text(3, more);
            let line = format!("{long}\"\n");
            let subject = Subject { text: line.as_bytes(), span: 0..long.len(), cut: false };
            let verdict = slack(&subject);
            assert_eq!((verdict.outcome, verdict.span.end), (Outcome::Unavailable, long.len()));
            let at_end = if more > 6 {
                (Outcome::Unavailable, long.len())
            } else {
                (Outcome::Pass, token.len())
            };
            assert_eq!(check(slack, &long), at_end, "{more} more, then other bytes");
        }
        let stale = token.clone() + &text(3, 40);
        assert_eq!(check(slack, &stale), (Outcome::Pass, token.len()));
        // The pattern takes no more than it may, and the run goes on.
        let span = 0..token.len() + 10;
        let subject = Subject { text: stale.as_bytes(), span: span.clone(), cut: false };
        assert_eq!(slack(&subject).span, 0..token.len());
        let cut = Subject { text: &stale.as_bytes()[span.clone()], span, cut: true };
        assert_eq!(slack(&cut).span, 0..token.len());
        let short = numbers + &text(4, 20);
        assert_eq!(check(slack, &short), (Outcome::Weak, short.len()));
        let zeros = ["xoxb-", &"0".repeat(12), "-", &"0".repeat(12), "-", &text(4, 24)].concat();
        assert_eq!(check(slack, &zeros).0, Outcome::Fail);
        let filler = ["xoxb-", "481516234", "211-", "10815162342", "33-", &"x".repeat(24)].concat();
        assert_eq!(check(slack, &filler).0, Outcome::Fail);
    }

    #[test]
    fn keys_of_stripe_have_two_lengths_and_may_have_others() {
        let long = ["sk_live_", "51", &text(5, 97)].concat();
        let short = ["rk_live_", &text(6, 24)].concat();
        for key in [&long, &short] {
            assert_eq!(check(stripe, key), (Outcome::Pass, key.len()));
            assert_eq!(check(stripe, &(key.clone() + "Vstale")), (Outcome::Pass, key.len()));
        }
        let other = ["sk_org_", &text(7, 60)].concat();
        assert_eq!(check(stripe, &other), (Outcome::Unavailable, other.len()));
        let half = long.get(..60).unwrap().to_owned();
        let cut = Subject { text: half.as_bytes(), span: 0..half.len(), cut: true };
        assert_eq!(stripe(&cut).outcome, Outcome::Weak);
        assert_eq!(check(stripe, &["sk_live_", &"x".repeat(24)].concat()).0, Outcome::Fail);
    }
}
