//! Values whose name alone says that they are secret: whether they could be.

use std::sync::LazyLock;

use super::lexicon::Lexicon;
use super::{
    Outcome, Placeholder, Subject, Verdict, connection, entropy, placeholder, random_text, uri,
};

/// Thousandths of a bit per character that passwords of eight characters and more reach.
const VARIED: u32 = 2_250;

/// What looks like a password and is none.
const CHARACTER_SETS: [&[u8]; 3] = [b"utf8mb3", b"utf8mb4", b"utf16le"];

/// Characters below which a password in a URL that does not look like one is that of a manual.
const SHORT: usize = 6;

/// Characters from which on a value must look random.
const LONG: usize = 16;

/// Checks that what is assigned to a name like "password" is no placeholder, no word, no expression of a
/// program and no other text made for people. A pass proves nothing; a default password is weak.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let value = subject.value();
    let before = subject.span.start.checked_sub(1).and_then(|at| subject.text.get(at));
    let is_quoted = before.is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    if names_itself(value) {
        return Verdict::of(Outcome::Fail, subject);
    }
    match placeholder(value) {
        Placeholder::Yes => Verdict::of(Outcome::Fail, subject),
        Placeholder::WeakDefault if value.len() >= 6 => {
            let mut verdict = Verdict::of(Outcome::Weak, subject);
            verdict.attributes.insert("password.weak", "true".to_owned());
            verdict
        }
        Placeholder::WeakDefault => Verdict::of(Outcome::Fail, subject),
        Placeholder::No if could_be(value, is_quoted, random_text::is_varied) => {
            Verdict::of(Outcome::Pass, subject)
        }
        Placeholder::No => Verdict::of(Outcome::Fail, subject),
    }
}

/// Checks a URL with user and password, of which documentation is full: a password that does not look like
/// one makes it doubtful.
pub(super) fn url(subject: &Subject<'_>) -> Verdict {
    let mut verdict = connection::run(subject);
    let password = uri::parse(subject.text, subject.span.clone()).map(|uri| uri.password);
    let password = password.and_then(|password| subject.text.get(password)).unwrap_or_default();
    let could_be = || could_be(password, true, random_text::is_random);
    if matches!(verdict.outcome, Outcome::Pass | Outcome::Weak) && !could_be() {
        let host = verdict.attributes.get("uri.host");
        let is_example = host.is_some_and(|host| connection::is_example_host(host));
        let is_of_a_manual = is_example || password.len() < SHORT;
        verdict.outcome = if is_of_a_manual { Outcome::Fail } else { Outcome::Weak };
    }
    verdict
}

/// Whether a value is the word for what stands there: `password: PASSWORD`.
fn names_itself(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [b"password", b"passwd", b"passwort", b"passphrase", b"pwd", b"pass"];
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic();
    let start = value.iter().position(is_letter).unwrap_or(0);
    let end = value.iter().rposition(is_letter).map_or(0, |last| last.saturating_add(1));
    let sides = [value.get(..start), value.get(end..)];
    let has_digits = sides.into_iter().flatten().flatten().any(u8::is_ascii_digit);
    let word = value.get(start..end).unwrap_or_default();
    !has_digits && WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether a long value is the name of a type or a constant: it ends with the word for what it is
/// (`dsa.DSAPrivateKey`, `ClosingBraceToken$1`), or is made of words with a capital each (`NumTapesToCreate`).
fn is_name_of_type(value: &[u8]) -> bool {
    let capitals = value.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let is_camel_case = value.iter().all(u8::is_ascii_alphabetic)
        && capitals.saturating_mul(4) <= value.len()
        && !value.windows(2).any(|pair| pair.iter().all(u8::is_ascii_uppercase));
    if is_camel_case {
        return true;
    }
    let value = value.strip_suffix(b"$1").unwrap_or(value);
    ["Key", "Token", "Secret", "Password"].iter().any(|word| {
        let head = value.strip_suffix(word.as_bytes());
        head.and_then(<[u8]>::last).is_some_and(u8::is_ascii_alphanumeric)
    })
}

/// Whether a value could be a password or a token; `is_random` says so of a long one.
fn could_be(value: &[u8], is_quoted: bool, is_random: fn(&[u8]) -> bool) -> bool {
    let counts = entropy::classes(value);
    let letters = counts.upper.saturating_add(counts.lower);
    let signs = value.iter().filter(|byte| !byte.is_ascii_alphanumeric());
    let strange =
        signs.clone().filter(|byte| !matches!(byte, b'_' | b'-' | b'.' | b'/' | b':')).count();
    let is_text =
        value.iter().any(u8::is_ascii_whitespace) || value.windows(3).any(|it| it == b"://");
    let is_code = !is_quoted && value.iter().any(|byte| b"(){}[]<>|;,\\".contains(byte));
    if CHARACTER_SETS.contains(&value) {
        return false;
    }
    if letters < 2 || is_text || is_code || value.starts_with(b"#") || is_made_of_words(value) {
        return false;
    }
    if value.len() >= LONG && strange < 2 {
        return is_random(value) && !is_name_of_type(value);
    }
    let kinds = [counts.upper, counts.lower, counts.digits, strange];
    let kinds = kinds.iter().filter(|count| **count > 0).count();
    let is_mixed = kinds >= 3 && (counts.digits > 0 || strange > 1)
        || counts.digits >= 2 && changes(value) >= 3
        || counts.digits > 0 && strange > 0;
    value.len() >= 6 && is_mixed && entropy::shannon(value) >= VARIED
}

/// How often a letter stands beside a digit.
fn changes(value: &[u8]) -> usize {
    let pairs = value.iter().zip(value.iter().skip(1));
    pairs
        .filter(|(a, b)| {
            a.is_ascii_digit() && b.is_ascii_alphabetic()
                || a.is_ascii_alphabetic() && b.is_ascii_digit()
        })
        .count()
}

/// Words of four letters and more that programs, their configurations and their texts are full of.
const WORDS: &str = "\
    about accept access account action active actual address admin after agent alert algorithm alias allow \
    alpha alter always amount android anonymous another apache append apple application apply archive area \
    args argument array article asset async attach attribute audit auth author auto available avatar back \
    backend background backup balance base basic batch before begin beta between binary bind block body \
    boolean border bottom bound branch browser bucket buffer build bundle business button byte bytes cache \
    call callback cancel card case cast category cert certificate chain change channel char charset chart \
    chat check child class clean clear click client clone close cloud cluster code collection color column \
    command comment commit common company compare component config configuration confirm connect connection \
    console const constant contact container content context control convert cookie copy core correct count \
    country create created credential cross crypto current cursor custom customer data database date debug \
    decode default define delete demo deploy description design detail device dialog digest digit direct \
    directory disable discord display docker document domain done double down download draft driver drop \
    duration dynamic each edit editor element email empty enable encode encoding encrypt endpoint engine \
    english enter entity entry enum error event example except exchange execute exist exists exit expand expect expire \
    explorer export expression extend extension extra fail failed fake false family fast feature feed fetch \
    field file filename fill filter final find firewall first flag float flow focus folder font foot footer force \
    foreign form format forward found frame free from front full function game gateway general generate \
    generic getter github global google grant graph green grid group guest guid handle handler hardware hash head \
    header height hello help helper hidden hide high history home hook host html http https icon identity \
    ignore image import index info initial inline inner input insert install instance integer integration \
    interface internal invalid issue item iterator java javascript join json keyboard keyword kind label lang \
    language large last latest layout left length level library license light like limit line link linux \
    list listen literal load local locale location lock login logo logout long lookup lower machine mail main make \
    manage manager manual map mark master match maximum media member memory menu message meta method \
    middle minimum mobile mock mode model modal module monitor month more move multi music must name native \
    need network never next node none normal note notice notification null number oauth object offset open \
    openid operation operator option optional order origin other output over override owner package page \
    panel param parameter parent parse part partition partner pass passphrase password passwd paste path \
    pattern payload payment people period permission person phone photo picture pipe place placeholder plain \
    plan platform play please plugin point policy pool port position post power prefix press preview price \
    primary print private process product production profile program progress project promise prompt proof \
    property props protocol provider proxy public publish push query queue quote random range rate read ready \
    real reason receive recent record redirect reference refresh region register registry reject related \
    release remote remove render replace reply report repository request require required reset resolve \
    resource response rest result retry return reverse review right role root round route router rule \
    runtime safe same sample save scale schema scope score screen script scroll search second secret section \
    secure security seed select self send sensitive server service session setting settings setup share shared shell \
    short show side sign signature simple single site size slack small some sort sound source space special \
    spring stack staging standard start state static status step stop storage store stream strict string \
    strong struct style subject submit success suffix super support switch symbol sync syntax system table target \
    task team template temp test text that theme then this thread throw time timeout timestamp title token \
    tool total trace track transaction transfer transform tree trigger true trust trusted type undefined \
    unique unit unknown update upload upper usage user username using util valid validate validator value variable \
    vault vector verify version view virtual visible wait wallet warn warning watch website week welcome width \
    window with word work workflow workspace world wrap write wrong xpath year your zone";

/// Whether more than half of the letters are those of such words.
fn is_made_of_words(value: &[u8]) -> bool {
    let mut covered = 0_usize;
    let mut letters = 0_usize;
    let mut start = 0;
    let is_letter = |at: usize| value.get(at).is_some_and(u8::is_ascii_alphabetic);
    while start < value.len() {
        if !is_letter(start) {
            start = start.saturating_add(1);
            continue;
        }
        let mut end = start.saturating_add(1);
        let is_border = |at: usize| {
            let (a, b) = (at.checked_sub(1).and_then(|at| value.get(at)), value.get(at));
            a.is_some_and(u8::is_ascii_lowercase) && b.is_some_and(u8::is_ascii_uppercase)
        };
        while is_letter(end) && !is_border(end) {
            end = end.saturating_add(1);
        }
        let word = value.get(start..end).unwrap_or_default();
        letters = letters.saturating_add(word.len());
        covered = covered.saturating_add(in_words(word));
        start = end;
    }
    covered.saturating_mul(2) > letters
}

/// The words of [`WORDS`].
static KNOWN: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::of(WORDS));

/// Letters of a word that are those of known ones: all, or those of its beginning and end.
fn in_words(word: &[u8]) -> usize {
    let is = |part: &[u8]| part.len() >= 4 && KNOWN.has(part);
    if is(word)
        || word.split_last().is_some_and(|(last, rest)| matches!(last, b's' | b'S') && is(rest))
    {
        return word.len();
    }
    let most = word.len().min(12);
    let head = (4..=most).rev().find(|len| word.get(..*len).is_some_and(is)).unwrap_or(0);
    let left = word.get(head..).unwrap_or_default();
    let tail = (4..=left.len().min(12)).rev();
    let tail = tail
        .into_iter()
        .find(|len| left.len().checked_sub(*len).and_then(|at| left.get(at..)).is_some_and(is));
    head.saturating_add(tail.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;
    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest, Sha256};

    #[test]
    fn what_programs_and_texts_assign_is_refused() {
        for value in [
            "options.password",
            "getPassword(user)",
            "this.state.password2",
            "string",
            "Passwort",
            "DB_PASSWORD_V2",
            "Enter your password",
            "process.env.PASS1",
            "https://example.org/x1",
            "12345-678",
            "2024-01-01T10:00",
            "#aabb00",
            "e.token1,t.x",
            "userPassword1",
            "application/json",
            "sha256",
            "utf8mb4",
            "reset_password_token_2",
            "v1.2.3",
            "input1",
            "admin",
            "PASSWORD",
            "password}",
            "SensitiveString2048",
            "MLKEM768X25519PublicKey",
            "ClosingBraceToken$1",
            "NumTapesToCreate",
        ] {
            assert_eq!(run(&whole(value.as_bytes())).outcome, Outcome::Fail, "{value}");
        }
    }

    #[test]
    fn default_passwords_are_weak() {
        for value in ["changeme", "password1", "Admin123!"] {
            assert_eq!(run(&whole(value.as_bytes())).outcome, Outcome::Weak, "{value}");
        }
    }

    #[test]
    fn urls_of_documentation_are_doubtful() {
        let of = |password: &str| {
            let url = ["https://ann:", password, "@git.shop.svc/x"].concat();
            url.into_bytes()
        };
        assert_eq!(url(&whole(&of("Tr0ub4dor.3x"))).outcome, Outcome::Pass);
        assert_eq!(url(&whole(&of("mypassphrase"))).outcome, Outcome::Weak);
        assert_eq!(url(&whole(&of("bar"))).outcome, Outcome::Fail);
        let example = |password: &str| ["https://ann:", password, "@www.example.org/x"].concat();
        assert_eq!(url(&whole(example("mypassphrase").as_bytes())).outcome, Outcome::Fail);
        assert_eq!(url(&whole(example("Tr0ub4dor.3x").as_bytes())).outcome, Outcome::Weak);
        assert_eq!(url(&whole(b"https://git.shop.svc/x")).outcome, Outcome::Fail);
    }

    #[test]
    fn passwords_and_random_text_pass() {
        for value in ["Tr0ub4dor&3", "x9!kQ2", "s3cr3tpw", "kJ8-wq2L", "zX4v9Qa1", "7hgT-5kd-W"] {
            assert_eq!(run(&whole(value.as_bytes())).outcome, Outcome::Pass, "{value}");
        }
        let mut refused = 0;
        for seed in 0..200_u32 {
            let digest = Sha256::digest(seed.to_le_bytes());
            for text in
                [HEXLOWER.encode(&digest), BASE64.encode(&digest), BASE64.encode(&digest[..9])]
            {
                refused += usize::from(run(&whole(text.as_bytes())).outcome != Outcome::Pass);
            }
        }
        assert!(refused <= 30, "{refused} of 600");
    }
}
