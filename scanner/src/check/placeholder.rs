//! Text that stands where a password would: placeholders, templates, references, defaults.

use std::sync::LazyLock;

use zeroize::Zeroizing;

use super::entropy::{is_periodic, is_sequence};
use super::lexicon::{Lexicon, Parts};
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
    if is_weak(value) {
        return Placeholder::WeakDefault;
    }
    let stands_for_one = PARTS.are_in(value)
        || is_template(value)
        || is_reference(value)
        || is_path(value)
        || is_filler(value)
        || NO_VALUES.has(value)
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

/// Whether a text begins with another one, which is in lower case.
fn begins_with(text: &[u8], head: &[u8]) -> bool {
    text.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}

/// What shows a placeholder wherever it stands in a value: openings of templates, masks, references, fillers.
static PARTS: LazyLock<Parts> = LazyLock::new(|| {
    const WORDS: &str = "\
        ${ {{ <% $( %( *** ... … ••• \
        secretkeyref valuefrom getenv( process.env \
        xxxxxx 0123456789 1234567890 abcdefgh example placeholder redacted dummy lorem your- \
        your_ yourpass yoursecret yourtoken yourkey replaceme insert_";
    Parts::of(WORDS.split(' ').map(str::as_bytes).collect())
});

/// Passwords that come with products, or that everyone tries first; without digits and marks at
/// their end, which [`is_weak`] takes off.
static WEAK: LazyLock<Lexicon> = LazyLock::new(|| {
    Lexicon::of(
        "admin adminadmin administrator changeit changeme default demo guest letmein login mariadb \
         minioadmin mongo mongodb mysql oracle pass passwd password postgres postgresql pw pwd qwerty \
         rabbitmq redis root sa secret superuser test tester testing tomcat toor user vagrant welcome \
         wordpress",
    )
});

/// Letters of the longest of them, or more.
const WEAK_LETTERS: usize = 16;

/// `P@ssw0rd123!`, `change-me`, `12345678`.
fn is_weak(value: &[u8]) -> bool {
    if value.iter().all(u8::is_ascii_digit) {
        return (6..=10).contains(&value.len()) && (is_sequence(value) || is_periodic(value));
    }
    // The first letters without separators, as they stand and with signs for what they are drawn for.
    let mut plain = Zeroizing::new([0; WEAK_LETTERS]);
    let mut spelt = Zeroizing::new([0; WEAK_LETTERS]);
    let (mut letters, mut stem, mut spelt_stem) = (0_usize, 0_usize, 0_usize);
    for byte in value.iter().filter(|byte| !matches!(byte, b'-' | b'_' | b'.' | b' ')) {
        let drawn = spelt_out(byte.to_ascii_lowercase());
        for (kept, byte) in [(&mut plain, *byte), (&mut spelt, drawn)] {
            if let Some(kept) = kept.get_mut(letters) {
                *kept = byte;
            }
        }
        letters = letters.saturating_add(1);
        if !byte.is_ascii_digit() && !b"!@#$*?".contains(byte) {
            stem = letters;
        }
        if drawn.is_ascii_lowercase() {
            spelt_stem = letters;
        }
    }
    let is_known = |text: &[u8], len| text.get(..len).is_some_and(|word| WEAK.has(word));
    is_known(&*plain, letters)
        || letters.saturating_sub(stem) <= 5 && is_known(&*plain, stem)
        || is_known(&*spelt, spelt_stem)
}

fn spelt_out(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        other => other,
    }
}

/// All of a value is text of a template language, a format, a shell, or masks one.
fn is_template(value: &[u8]) -> bool {
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
    words(text).any(|word| STOP_WORDS.has(word))
}

/// A value that says where the secret is.
fn is_reference(value: &[u8]) -> bool {
    const HEADS: [&[u8]; 21] = [
        b"vault:",
        b"op://",
        b"arn:aws:secretsmanager",
        b"arn:aws:ssm",
        b"projects/",
        b"!vault",
        b"$ansible_vault",
        b"ref+",
        b"file:",
        b"env:",
        b"env.",
        b"enc[",
        b"ssm:",
        b"awssm:",
        b"keyring:",
        b"!ref",
        b"!sub",
        b"os.environ",
        b"os.getenv",
        b"system.getenv",
        b"secrets.",
    ];
    let is_call = matches!(value, [first, .., b')'] if first.is_ascii_alphabetic())
        && value.iter().position(|&b| b == b'(').is_some_and(|open| {
            let name = value.get(..open).unwrap_or_default();
            name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        });
    is_call || HEADS.iter().any(|head| begins_with(value, head))
}

/// What paths begin with.
static ROOTS: LazyLock<Lexicon> = LazyLock::new(|| {
    Lexicon::of(
        "app bin config data dev etc home lib mnt opt proc root run secrets srv sys tmp usr var vault",
    )
});

/// A path: of a mounted secret, a key file.
fn is_path(value: &[u8]) -> bool {
    match value {
        [b'/', rest @ ..] => {
            let mut parts = rest.split(|&b| b == b'/');
            parts.next().is_some_and(|root| ROOTS.has(root)) && parts.next().is_some()
        }
        [b'.' | b'~', b'/', ..] | [b'.', b'.', b'/', ..] => true,
        [drive, b':', b'\\', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Characters that fill a place.
fn is_filler(value: &[u8]) -> bool {
    let is_number = value.iter().all(u8::is_ascii_digit);
    let letters = value.iter().filter(|b| b.is_ascii_alphanumeric());
    let is_one_letter = {
        let mut rest = value.iter().filter(|b| b.is_ascii_alphanumeric());
        let first = rest.next().map(u8::to_ascii_lowercase);
        rest.all(|b| Some(b.to_ascii_lowercase()) == first)
    };
    is_number && value.len() < 6
        || letters.count() == 0
        || value.len() >= 3 && is_one_letter
        || value.len() >= 6 && (is_periodic(value) || is_sequence(value))
}

/// Whole values that are none.
static NO_VALUES: LazyLock<Lexicon> = LazyLock::new(|| {
    Lexicon::of(
        "any auto bool boolean disabled empty enabled false hidden int key masked n/a na nan nil no \
         none null number object off on optional removed required sensitive str string tbd text todo \
         token true undefined unknown unset value void yes",
    )
});

/// Words that name what should stand there.
static STOP_WORDS: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::of(STOPPING));

const STOPPING: &str = "\
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
    let mut count = 0_usize;
    words(value).all(|word| {
        count = count.saturating_add(1);
        STOP_WORDS.has(word)
    }) && count >= 2
        && value.iter().filter(|b| b.is_ascii_digit()).count() <= 3
        && value.is_ascii()
}

/// The words of a value: letters, parted by anything else and where a capital follows a small letter.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_one = |a: &u8, b: &u8| {
        a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
            && !(a.is_ascii_lowercase() && b.is_ascii_uppercase())
    };
    value.chunk_by(is_one).filter(|word| word.first().is_some_and(u8::is_ascii_alphabetic))
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
