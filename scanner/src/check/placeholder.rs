//! Text that stands where a password would: placeholders, templates, references, defaults.

use zeroize::Zeroizing;

use super::entropy::{is_periodic, is_sequence};
use super::{Outcome, Subject, Verdict, known};

/// What a value is worth as a password, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// It may well be one.
    No,
    /// A default or a commonplace that stands in every list of passwords: real where it is in
    /// use, and weak.
    WeakDefault,
    /// It stands for a password, or says where one is.
    Yes,
}

/// Checks that an assigned value is no placeholder. A pass proves nothing; a default password is
/// weak, as it may well be in use (`password.weak`).
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    match placeholder(subject.value()) {
        Placeholder::No => Verdict::of(Outcome::Pass, subject),
        Placeholder::Yes => Verdict::of(Outcome::Fail, subject),
        Placeholder::WeakDefault => {
            let mut verdict = Verdict::of(Outcome::Weak, subject);
            verdict.attributes.insert("password.weak", "true".to_owned());
            verdict
        }
    }
}

/// Judges the text of a password or of an assigned value, with or without quotes around it.
///
/// # Examples
/// ```
/// use cryoscan::check::{Placeholder, placeholder};
/// assert_eq!(placeholder(b"${DB_PASSWORD}"), Placeholder::Yes);
/// assert_eq!(placeholder(b"changeme"), Placeholder::WeakDefault);
/// assert_eq!(placeholder(b"f9j4tvyedJJS"), Placeholder::No);
/// ```
pub fn placeholder(value: &[u8]) -> Placeholder {
    let value = unquoted(value.trim_ascii());
    if value.is_empty() || known::is_documentation_value(value) {
        return Placeholder::Yes;
    }
    if value.len() > LONGEST {
        return Placeholder::No;
    }
    let lower = Zeroizing::new(value.to_ascii_lowercase());
    if is_weak(&lower) {
        return Placeholder::WeakDefault;
    }
    let stands_for_one = is_template(value)
        || is_reference(&lower)
        || is_path(&lower)
        || is_filler(value, &lower)
        || is_in(NO_VALUES, &lower)
        || is_constant(value)
        || is_made_of_words(value);
    if stands_for_one { Placeholder::Yes } else { Placeholder::No }
}

/// Bytes, above which a value is no placeholder.
const LONGEST: usize = 512;

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] | [b'`', inner @ .., b'`'] => inner,
        _ => value,
    }
}

/// Whether `word` is one of the words of `list`.
fn is_in(list: &str, word: &[u8]) -> bool {
    list.split(' ').any(|known| known.as_bytes() == word)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// Passwords that come with products, or that everyone tries first; without digits and marks at
/// their end, which [`is_weak`] takes off.
const WEAK: &str = "\
    admin adminadmin administrator changeit changeme default demo guest letmein login mariadb \
    minioadmin mongo mongodb mysql oracle pass passwd password postgres postgresql pw pwd qwerty \
    rabbitmq redis root sa secret superuser test tester testing tomcat toor user vagrant welcome \
    wordpress";

/// `P@ssw0rd123!`, `change-me`, `12345678`.
fn is_weak(lower: &[u8]) -> bool {
    if lower.iter().all(u8::is_ascii_digit) {
        return (6..=10).contains(&lower.len()) && (is_sequence(lower) || is_periodic(lower));
    }
    let letters = lower.iter().filter(|b| !matches!(b, b'-' | b'_' | b'.' | b' '));
    let plain: Zeroizing<String> = Zeroizing::new(letters.map(|&b| char::from(b)).collect());
    let stem = plain.trim_end_matches(|c: char| c.is_ascii_digit() || "!@#$*?".contains(c));
    let is_tail_short = plain.len().saturating_sub(stem.len()) <= 5;
    let spelt: Zeroizing<String> = Zeroizing::new(plain.chars().map(spelt_out).collect());
    let spelt = spelt.trim_end_matches(|c: char| !c.is_ascii_lowercase());
    is_in(WEAK, plain.as_bytes())
        || is_tail_short && is_in(WEAK, stem.as_bytes())
        || is_in(WEAK, spelt.as_bytes())
}

fn spelt_out(c: char) -> char {
    match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        other => other,
    }
}

/// Text of a template language, a format, a shell; what masks a value.
fn is_template(value: &[u8]) -> bool {
    const OPENINGS: [&[u8]; 5] = [b"${", b"{{", b"<%", b"$(", b"%("];
    const MASKS: [&[u8]; 4] = [b"***", b"...", "…".as_bytes(), "•••".as_bytes()];
    if OPENINGS.iter().chain(&MASKS).any(|part| contains(value, part)) {
        return true;
    }
    match value {
        [b'<', .., b'>'] | [b'{', .., b'}'] | [b'(', .., b')'] => true,
        [b'[', inner @ .., b']'] => inner.iter().all(|b| b.is_ascii_alphabetic() || *b == b' '),
        [b'@', inner @ .., b'@'] | [b'%', inner @ .., b'%'] => is_identifier(inner),
        [b'$', name @ ..] => is_variable(name),
        [b'%', verb] | [b'%', b'+', verb] => verb.is_ascii_alphabetic(),
        [b':', name @ ..] => is_identifier(name) && has_stop_word(name),
        [b'*', rest @ ..] => rest.iter().all(|&b| b == b'*'),
        _ => false,
    }
}

fn is_identifier(text: &[u8]) -> bool {
    text.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// `$DB_PASS`, `$password`, but not `$ecret1`.
fn is_variable(name: &[u8]) -> bool {
    is_identifier(name) && (!name.iter().any(u8::is_ascii_lowercase) || has_stop_word(name))
}

/// `DOCKER_PASSWORD`: the name of a variable, where its value would stand.
fn is_constant(value: &[u8]) -> bool {
    let is_upper = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    value.contains(&b'_') && value.iter().all(is_upper) && has_stop_word(value)
}

fn has_stop_word(text: &[u8]) -> bool {
    words(text).iter().any(|word| is_in(STOP_WORDS, word.as_bytes()))
}

/// A value that says where the secret is.
fn is_reference(lower: &[u8]) -> bool {
    const HEADS: &str = "\
        vault: op:// arn:aws:secretsmanager arn:aws:ssm projects/ !vault $ansible_vault ref+ \
        file: file:// env: env. enc[ ssm: awssm: keyring: !ref !sub process.env os.environ \
        os.getenv system.getenv getenv( secrets.";
    const INNER: &str = "\
        secretkeyref valuefrom getenv( process.env";
    let is_call = matches!(lower, [first, .., b')'] if first.is_ascii_alphabetic())
        && lower.iter().position(|&b| b == b'(').is_some_and(|open| {
            let name = lower.get(..open).unwrap_or_default();
            name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        });
    is_call
        || HEADS.split(' ').any(|head| lower.starts_with(head.as_bytes()))
        || INNER.split(' ').any(|part| contains(lower, part.as_bytes()))
}

/// A path: of a mounted secret, a key file.
fn is_path(lower: &[u8]) -> bool {
    const ROOTS: &str = "\
        app bin config data dev etc home lib mnt opt proc root run secrets srv sys tmp usr var \
        vault";
    match lower {
        [b'/', rest @ ..] => {
            let mut parts = rest.split(|&b| b == b'/');
            parts.next().is_some_and(|root| is_in(ROOTS, root)) && parts.next().is_some()
        }
        [b'.' | b'~', b'/', ..] | [b'.', b'.', b'/', ..] => true,
        [drive, b':', b'\\', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Characters that fill a place.
fn is_filler(value: &[u8], lower: &[u8]) -> bool {
    const INNER: &str = "\
        xxxxxx 0123456789 1234567890 abcdefgh example placeholder redacted dummy lorem your- \
        your_ yourpass yoursecret yourtoken yourkey replaceme insert_";
    let is_number = value.iter().all(u8::is_ascii_digit);
    let letters = value.iter().filter(|b| b.is_ascii_alphanumeric());
    let is_one_letter = {
        let mut rest = lower.iter().filter(|b| b.is_ascii_alphanumeric());
        let first = rest.next();
        rest.all(|b| Some(b) == first)
    };
    is_number && value.len() < 6
        || letters.count() == 0
        || value.len() >= 3 && is_one_letter
        || value.len() >= 6 && (is_periodic(value) || is_sequence(value))
        || INNER.split(' ').any(|part| contains(lower, part.as_bytes()))
}

/// Whole values that are none.
const NO_VALUES: &str = "\
    any auto bool boolean disabled empty enabled false hidden int key masked n/a na nan nil no \
    none null number object off on optional removed required sensitive str string tbd text todo \
    token true undefined unknown unset value void yes";

/// Words that name what should stand there.
const STOP_WORDS: &str = "\
    access account add admin an and api app auth bar base64 baz be change client config \
    configured credential credentials database db default encrypted enter env environment fake \
    fill fixme foo for from generated goes here hidden id in input insert is key long masked me \
    my mysql name new none not null of old optional or pass passphrase passwd password paste \
    postgres private provided put pwd random redis replace required root sample secret secure \
    self service set some string super supersecret test testing text that the this to todo token \
    use user username value var with your";

/// `your-api-key-here`, `dbPassword`, `config.password`: nothing but words of [`STOP_WORDS`], two
/// or more, and at most three digits.
fn is_made_of_words(value: &[u8]) -> bool {
    let words = words(value);
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    words.len() >= 2
        && digits <= 3
        && value.is_ascii()
        && words.iter().all(|word| is_in(STOP_WORDS, word.as_bytes()))
}

/// The words of a value in lower case: letters, parted by anything else and where a capital
/// follows a small letter.
fn words(value: &[u8]) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for &byte in value {
        if !byte.is_ascii_alphabetic() || (was_small && byte.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (byte.is_ascii_alphabetic(), words.last_mut()) {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        was_small = byte.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::BASE64;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    /// Each word of `values` is judged so; `~` stands for a blank.
    fn all(values: &str, expected: Placeholder) {
        for value in values.split_ascii_whitespace().map(|value| value.replace('~', " ")) {
            assert_eq!(placeholder(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn templates_and_masks() {
        all(
            "${DB_PASSWORD} ${env:PW} {{~.Values.password~}} <password> <your-password> <%=~pw~%>
            %(password)s $(cat~/run/x) $DB_PASSWORD $password %DB_PASSWORD% @password@ *** ********
            * [REDACTED] (sensitive~value) ENC[PKCS7,x] {password} {0} %s %+v :password abc... abc…",
            Placeholder::Yes,
        );
    }

    #[test]
    fn references_and_paths() {
        all(
            "vault:secret/data/db#password op://vault/item/field file:/etc/pw process.env.DB_PW
            arn:aws:secretsmanager:eu-west-1:1:secret:x os.environ['X'] getPassword() secretKeyRef
            DOCKER_PASSWORD config.get('pw') /run/secrets/db /var/run/secrets/x/y ./pw.txt C:\\keys\\x",
            Placeholder::Yes,
        );
        assert_eq!(placeholder(b"~/.pgpass"), Placeholder::Yes);
    }

    #[test]
    fn fillers_and_words() {
        assert_eq!(placeholder(b""), Placeholder::Yes);
        assert_eq!(placeholder(b" \n"), Placeholder::Yes);
        all(
            "'' true NULL none undefined required token value string 0 123 12345 xxxxxxxx
            XXXXXXXXXXXX aaaaaaaa abababab ---- 0000-0000 0123456789abcdef abcdefghijkl
            key0123456789 sk-xxxxxxxxxxxxx your-password your_api_key_here my-secret-password
            insert_token_here replace-me dbPassword config.password API_KEY MY_SUPER_SECRET_TOKEN
            example-password some.placeholder.x",
            Placeholder::Yes,
        );
    }

    #[test]
    fn weak_defaults() {
        all(
            "changeme change-me ChangeMe! changeit password Password1 P@ssw0rd passw0rd pa55 admin
            admin123 root guest postgres minioadmin secret 123456 12345678 111111 test1234 letmein
            qwerty123 'changeme'",
            Placeholder::WeakDefault,
        );
    }

    #[test]
    fn passwords() {
        all(
            "hunter2 correct-horse-battery-staple y+T7g%BCK!BQ4jGyul $ecret1 Tr0ub4dor&3 83920174
            f9j4tvyedJJSwDdmrR0u b05Js!heIpl5R*js81nH K=m53rnixDn5=f# s3cr3t-Xk C=qsvbk!3F^P1BA
            zz9plural /9j4tvyedJJ {AQAA 0102030405060708090",
            Placeholder::No,
        );
    }

    #[test]
    fn random_values_are_none() {
        for i in 0..=255_u8 {
            let digest = Sha256::digest([i]);
            for value in [
                BASE64.encode(&digest),
                BASE64.encode(&digest[..9]),
                data_encoding::HEXLOWER.encode(&digest),
                data_encoding::BASE32.encode(&digest[..10]),
            ] {
                assert_eq!(placeholder(value.as_bytes()), Placeholder::No, "{value}");
            }
        }
    }

    #[test]
    fn verdicts() {
        let cases = [
            ("f9j4tvyedJJS", Outcome::Pass, false),
            ("changeme", Outcome::Weak, true),
            ("<password>", Outcome::Fail, false),
        ];
        for (value, outcome, is_weak) in cases {
            let verdict = run(&whole(value.as_bytes()));
            assert_eq!(verdict.outcome, outcome, "{value}");
            assert_eq!(verdict.attributes.contains_key("password.weak"), is_weak, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(value in prop::collection::vec(any::<u8>(), 0..40)) {
            placeholder(&value);
        }

        #[test]
        fn quotes_make_no_difference(value in "[a-zA-Z0-9$%{}<>/.-]{1,20}") {
            let quoted = format!("\"{value}\"");
            prop_assert_eq!(placeholder(value.as_bytes()), placeholder(quoted.as_bytes()));
        }
    }
}
