//! Password hashes of crypt(3), as in `/etc/shadow`.

use super::random_text::is_random;
use super::{Outcome, Subject, Verdict, attribute, entropy};

/// What a scheme of crypt(5) looks like behind its second dollar.
struct Scheme {
    prefix: &'static str,
    name: &'static str,
    /// Characters of the hash.
    len: usize,
    /// Which characters may stand last: those whose unused bits are clear.
    last: &'static [u8],
}

const TWO_BITS: &[u8] = b"./01";
const FOUR_BITS: &[u8] = b"./0123456789ABCD";
/// bcrypt counts `./A-Za-z0-9` and fills from the top: two bits of the last character are unused.
const TOP_FOUR_BITS: &[u8] = b".CGKOSWaeimquy26";

const fn scheme(
    prefix: &'static str,
    name: &'static str,
    len: usize,
    last: &'static [u8],
) -> Scheme {
    Scheme { prefix, name, len, last }
}

/// crypt(5) of libxcrypt; lengths of the hash by the bits of its digest.
const SCHEMES: &[Scheme] = &[
    scheme("$y$", "yescrypt", 43, FOUR_BITS),
    scheme("$gy$", "gost-yescrypt", 43, FOUR_BITS),
    scheme("$7$", "scrypt", 43, FOUR_BITS),
    scheme("$6$", "sha512crypt", 86, TWO_BITS),
    scheme("$5$", "sha256crypt", 43, FOUR_BITS),
    scheme("$1$", "md5crypt", 22, TWO_BITS),
    scheme("$2a$", "bcrypt", 31, TOP_FOUR_BITS),
    scheme("$2b$", "bcrypt", 31, TOP_FOUR_BITS),
    scheme("$2x$", "bcrypt", 31, TOP_FOUR_BITS),
    scheme("$2y$", "bcrypt", 31, TOP_FOUR_BITS),
];

/// Characters of the salt of bcrypt, which stands before the hash without a dollar.
const BCRYPT_SALT: usize = 22;

/// Checks the parts of a crypt hash: the length of its scheme, a random hash whose last character
/// has no bit that the digest does not fill. Reads off scheme and, in a line of `/etc/shadow`, user.
///
/// Weak: a last character that no digest has.
/// Fail: other lengths, a salt or hash that is a filling.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let judged = judge(subject.value());
    let Some((scheme, outcome)) = judged else { return Verdict::of(Outcome::Fail, subject) };
    let mut verdict = Verdict::of(outcome, subject);
    verdict.attributes.insert("hash.scheme", scheme.name.to_owned());
    if let Some(user) = user(subject) {
        verdict.attributes.insert("hash.user", attribute(user));
    }
    verdict
}

fn judge(value: &[u8]) -> Option<(&'static Scheme, Outcome)> {
    let scheme = SCHEMES.iter().find(|scheme| value.starts_with(scheme.prefix.as_bytes()))?;
    let (head, hash) = value.split_at_checked(value.len().checked_sub(scheme.len)?)?;
    let rest = head.get(scheme.prefix.len()..)?;
    let salt = if scheme.name == "bcrypt" {
        let (cost, salt) = rest.split_at_checked(rest.len().checked_sub(BCRYPT_SALT)?)?;
        let cost = std::str::from_utf8(cost).ok()?.strip_suffix('$')?;
        // Lower ones are of test vectors: the algorithm asks for 4 to 31.
        cost.parse::<u8>().ok().filter(|cost| (4..=31).contains(cost))?;
        salt
    } else {
        rest.strip_suffix(b"$")?.rsplit(|&byte| byte == b'$').next()?
    };
    let is_filling = |text: &[u8]| entropy::is_periodic(text) || entropy::is_sequence(text);
    if !is_random(hash)
        || salt.len() > 4 && (is_filling(salt) || entropy::shannon(salt) < 1_500)
        || hash.contains(&b'$')
    {
        return None;
    }
    let fits = hash.last().is_some_and(|last| scheme.last.contains(last));
    Some((scheme, if fits { Outcome::Pass } else { Outcome::Weak }))
}

/// The name before the hash, in a line of `/etc/shadow`.
fn user<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let line = subject.text.get(..subject.span.start)?.strip_suffix(b":")?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let start = line.iter().rposition(|byte| !is_name(byte)).map_or(0, |at| at.saturating_add(1));
    let before = start.checked_sub(1).and_then(|at| line.get(at));
    if before.is_some_and(|&byte| byte != b'\n') {
        return None;
    }
    let name = std::str::from_utf8(line.get(start..)?).ok()?;
    (1..=32).contains(&name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    fn check(parts: &[&str]) -> Outcome {
        run(&whole(parts.concat().as_bytes())).outcome
    }

    #[test]
    fn of_the_specification() {
        // U. Drepper, "Unix crypt using SHA-256 and SHA-512": the password `Hello world!`.
        let sha256 = ["$5$", "saltstring$", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"];
        assert_eq!(check(&sha256), Outcome::Pass);
        let sha512 = [
            "$6$",
            "saltstring$",
            "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJue",
            "sI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ];
        assert_eq!(check(&sha512), Outcome::Pass);
    }

    #[test]
    fn of_a_library() {
        // Made with libxcrypt 4.4 from one letter.
        let hashes: [&[&str]; 3] = [
            &["$y$", "j9T$F5Jx5fExrKuPp53xLKQ..1$", "6foLM1JhGupouWKMU70wxK61Kw9ZnecbACjJwRadqM2"],
            &["$1$", "Dy8EQ13Q$", "gRIpILoJcA192QLtohBfP1"],
            &["$7$", "CU..../....kR2vN8qL$", "19TzpFZ5AwP26vdEMbfvWacoVUfd2MfVusFAVFilh.C"],
        ];
        for hash in hashes {
            assert_eq!(check(hash), Outcome::Pass, "{hash:?}");
        }
        // OpenBSD's regress/lib/libc/crypt: its salt is a filling.
        let bcrypt = ["$2a$05$", "CCCCCCCCCCCCCCCCCCCCC.", "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"];
        assert_eq!(check(&bcrypt), Outcome::Fail);
    }

    #[test]
    fn the_last_character_has_no_bit_too_many() {
        let hash = ["$5$", "saltstring$", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEcz"];
        assert_eq!(check(&hash), Outcome::Weak);
    }

    #[test]
    fn fillings_and_other_lengths_fail() {
        assert_eq!(check(&["$6$salt$", &"x".repeat(86)]), Outcome::Fail);
        assert_eq!(
            check(&["$5$", "abcdefgh$", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"]),
            Outcome::Fail
        );
        assert_eq!(
            check(&["$2b$00$", "abcdefghijklmnopqrstuu", "i1D709vfamulimlGcq0qq3UvuUasvEa"]),
            Outcome::Fail
        );
        for text in ["", "$6$", "$6$$", "$2b$12$", "$9$salt$hash"] {
            assert_eq!(check(&[text]), Outcome::Fail, "{text}");
        }
    }

    #[test]
    fn the_user_of_the_line_is_named() {
        let hash = ["$5$", "saltstring$", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"].concat();
        let line = format!("\nana.m:{hash}:19000:0:99999:7:::\n");
        let start = line.find('$').unwrap();
        let subject =
            Subject { text: line.as_bytes(), span: start..start + hash.len(), cut: false };
        let verdict = run(&subject);
        assert_eq!(verdict.attributes.get("hash.user").map(String::as_str), Some("ana.m"));
        assert_eq!(verdict.span, start..start + hash.len());
    }
}
