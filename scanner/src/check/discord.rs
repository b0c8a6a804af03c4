//! Tokens of Discord's bots, which begin with the number of the application.

use data_encoding::BASE64URL_NOPAD;

use super::{Outcome, Subject, Verdict, random_text::is_random};

/// Bits of a snowflake below its time.
const BELOW_TIME: u32 = 22;
/// Milliseconds from Discord's first second, 2015-01-01, to the year 2050.
const LAST: u64 = 35 * 366 * 86_400_000;

/// Checks that the first part of a bot's token is the application's number in base64, a snowflake
/// made since Discord began, and that the last part could be random; reads off the number.
///
/// Source: the vendor's reference of snowflakes; the parts are those of public rule sets.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let fail = Verdict::of(Outcome::Fail, subject);
    let mut parts = value.split(|&byte| byte == b'.');
    let (Some(id), Some(_time), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
        return fail;
    };
    let id = BASE64URL_NOPAD.decode(id).ok().and_then(|id| String::from_utf8(id).ok());
    let Some(number) = id.as_ref().and_then(|id| id.parse::<u64>().ok()) else { return fail };
    let time = number >> BELOW_TIME;
    if time == 0 || time > LAST || !is_random(secret) {
        return fail;
    }
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("discord.application_id", number.to_string());
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use sha2::{Digest, Sha256};

    /// A token of the application with that number.
    fn token(id: &str, secret: &str) -> String {
        [&BASE64URL_NOPAD.encode(id.as_bytes()), "GaBcDe", secret].join(".")
    }

    #[test]
    fn the_first_part_is_a_snowflake() {
        let secret = BASE64URL_NOPAD.encode(&Sha256::digest(b"bot")[..20]);
        // The snowflake of the vendor's reference, of 2016-04-30.
        let verdict = run(&whole(token("175928847299117063", &secret).as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Pass);
        assert_eq!(verdict.attributes["discord.application_id"], "175928847299117063");
        for id in ["4000000", "18000000000000000000", "17592884729911706x", ""] {
            let outcome = run(&whole(token(id, &secret).as_bytes())).outcome;
            assert_eq!(outcome, Outcome::Fail, "{id}");
        }
        let filler = token("175928847299117063", &"x".repeat(27));
        assert_eq!(run(&whole(filler.as_bytes())).outcome, Outcome::Fail);
        assert_eq!(run(&whole(b"MTc1OTI4.abc")).outcome, Outcome::Fail);
    }
}
