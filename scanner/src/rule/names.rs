//! What the name of a variable, a key or a flag says about the value that is assigned to it.

/// Last words of names whose values are secret, as long as something else says whose they are.
static LAST_WORDS: List<40> = List::of([
    "apikey",
    "apisecret",
    "apitoken",
    "appkey",
    "appsecret",
    "auth",
    "authkey",
    "authorization",
    "authtoken",
    "bearer",
    "cookie",
    "cred",
    "credential",
    "credentials",
    "creds",
    "dsn",
    "jwt",
    "key",
    "keys",
    "mnemonic",
    "otp",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "pepper",
    "pin",
    "psk",
    "pw",
    "pwd",
    "salt",
    "secret",
    "secrets",
    "seed",
    "sig",
    "signature",
    "token",
    "tokens",
    "webhook",
]);

/// What a name of one word ends with: `dbpassword`, `hubtoken`.
const ENDINGS: [&str; 10] = [
    "accesskey",
    "apikey",
    "authkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "token",
];

/// Words behind those that do not take the meaning away: `secret_key_base`, `token_value`.
static SUFFIXES: List<15> = List::of([
    "b64",
    "base",
    "base64",
    "current",
    "default",
    "new",
    "old",
    "override",
    "plain",
    "plaintext",
    "str",
    "string",
    "text",
    "value",
    "var",
]);

/// Words that make another thing of a key or token: `public_key`, `next_token`.
static OPEN: List<31> = List::of([
    "brace",
    "bracket",
    "cache",
    "change",
    "closing",
    "colon",
    "column",
    "continuation",
    "dot",
    "foreign",
    "hot",
    "idempotency",
    "map",
    "next",
    "object",
    "opening",
    "page",
    "pagination",
    "paging",
    "paren",
    "partition",
    "primary",
    "public",
    "request",
    "row",
    "semicolon",
    "short",
    "sort",
    "starting",
    "syntax",
    "vocab",
]);

static KEYS: List<4> = List::of(["key", "keys", "token", "tokens"]);

/// Words of a name, last first: parted by anything but letters and digits, and where a capital follows a
/// small letter.
fn words(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let end = rest.iter().rposition(u8::is_ascii_alphanumeric)?.saturating_add(1);
        let head = rest.get(..end)?;
        let mut start = end;
        while let Some(before) = start.checked_sub(1) {
            let byte = *head.get(before)?;
            let next = head.get(start).copied();
            let is_border =
                byte.is_ascii_lowercase() && next.is_some_and(|next| next.is_ascii_uppercase());
            if !byte.is_ascii_alphanumeric() || is_border {
                break;
            }
            start = before;
        }
        rest = head.get(..start)?;
        head.get(start..)
    })
}

/// Words that names are made of, in lower case. Lengths and first letters refuse nearly all others.
struct List<const N: usize> {
    words: [&'static str; N],
    lengths: u64,
    firsts: u64,
}

impl<const N: usize> List<N> {
    const fn of(words: [&'static str; N]) -> Self {
        let (mut lengths, mut firsts) = (0, 0);
        let mut rest = words.as_slice();
        while let [word, others @ ..] = rest {
            lengths |= 1 << (word.len() % 64);
            if let [first, ..] = word.as_bytes() {
                firsts |= 1 << (*first % 64);
            }
            rest = others;
        }
        Self { words, lengths, firsts }
    }

    fn has(&self, word: &[u8]) -> bool {
        let first = word.first().map_or(0, |first| first.to_ascii_lowercase() % 64);
        self.lengths >> (word.len() % 64) & 1 == 1
            && self.firsts >> first & 1 == 1
            && self.words.iter().any(|entry| entry.as_bytes().eq_ignore_ascii_case(word))
    }
}

/// Whether a name is that of a key or token that is no secret: an index, a place in a list, the mark of a
/// request that may be sent again.
///
/// # Examples
/// ```
/// use cryoscan::rule::says_open;
/// assert!(says_open(b"NextToken") && says_open(b"public_key") && says_open(b"ClientRequestToken"));
/// assert!(!says_open(b"CACHE_PASSWORD") && !says_open(b"page_access_token") && !says_open(b"token"));
/// ```
pub fn says_open(name: &[u8]) -> bool {
    let mut words = words(name).skip_while(|word| is_number(word) || SUFFIXES.has(word));
    let is_key = |word: &[u8]| KEYS.has(word);
    // `publicKeyToken` is as open as its key.
    words.next().is_some_and(is_key)
        && words.find(|word| !is_key(word)).is_some_and(|word| OPEN.has(word))
}

fn is_number(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_digit)
}

/// Whether text behind a word leaves its meaning: `_2`, `Value`, nothing.
pub fn keeps_meaning(tail: &[u8]) -> bool {
    words(tail).all(|word| is_number(word) || SUFFIXES.has(word))
}

/// Whether a name says that its value is secret.
///
/// # Examples
/// ```
/// use cryoscan::rule::says_secret;
/// assert!(says_secret(b"GITEA_TOKEN") && says_secret(b"secretKeyBase") && says_secret(b"dbpassword2"));
/// assert!(!says_secret(b"TOKEN_TYPE") && !says_secret(b"public_key") && !says_secret(b"keyboard"));
/// ```
pub fn says_secret(name: &[u8]) -> bool {
    let mut words = words(name).skip_while(|word| is_number(word) || SUFFIXES.has(word));
    let Some(last) = words.next() else { return false };
    let letters = last
        .len()
        .saturating_sub(last.iter().rev().take_while(|byte| byte.is_ascii_digit()).count());
    let last = last.get(..letters).unwrap_or_default();
    let ends = |ending: &str| {
        let tail = last.len().checked_sub(ending.len()).and_then(|at| last.get(at..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(ending.as_bytes()))
    };
    (LAST_WORDS.has(last) || ENDINGS.into_iter().any(ends)) && !says_open(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_secret() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "dbpassword",
            "spring.datasource.password",
            "X-Api-Key",
            "apiKey",
            "client_secret",
            "clientSecret2",
            "SECRET_KEY_BASE",
            "token-1",
            "authToken",
            "RABBITMQ_DEFAULT_PASS",
            "TS_AUTHKEY",
            "MYSQL_PWD",
            "SENTRY_DSN",
            "_authToken",
            "CACHE_PASSWORD",
        ] {
            assert!(says_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_that_do_not() {
        for name in [
            "",
            "_",
            "2",
            "value",
            "PASSWORD_FILE",
            "token_type",
            "SECRET_NAME",
            "keyId",
            "keyboard",
            "public_key",
            "PUBLIC_KEY",
            "publicKey",
            "nextToken",
            "clientRequestToken",
            "publicKeyToken",
            "tokenizer",
            "primaryKey",
            "monkey",
            "author",
            "passwordField",
            "max_tokens_count",
        ] {
            assert!(!says_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_stands_behind_a_word() {
        assert!(
            ["", "2", "_2", "Value", "_BASE", "-text"]
                .iter()
                .all(|it| keeps_meaning(it.as_bytes()))
        );
        assert!(["_file", "Field", "s", "_type"].iter().all(|it| !keeps_meaning(it.as_bytes())));
    }
}
