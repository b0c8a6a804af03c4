//! Covers what inspect would show and no rule of the scanner sees: passwords of SQL statements in
//! process titles, of mount options, and annotations of unknown content.

use std::collections::BTreeMap;

/// Words in front of a password in SQL: `ALTER ROLE x PASSWORD '…'`, `… IDENTIFIED BY '…'`.
const WORDS: [&str; 2] = ["password", "identified by"];

/// Covers string literals of SQL that a word of [`WORDS`] calls a password. A literal without its end,
/// in a title that was cut, is covered as far as it goes.
pub(super) fn title(text: &str) -> String {
    // ASCII only: the places stay the same.
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some((word, len)) = WORDS
        .iter()
        .filter_map(|word| Some((from + lower.get(from..)?.find(word)?, word.len())))
        .min()
    {
        let after = word + len;
        let rest = text.get(after..).unwrap_or_default();
        let Some((open, close)) = literal(rest) else {
            masked.push_str(text.get(from..after).unwrap_or_default());
            from = after;
            continue;
        };
        masked.push_str(text.get(from..after + open).unwrap_or_default());
        masked.push_str(&stars(rest.get(open..close).unwrap_or_default()));
        from = after + close;
    }
    masked.push_str(text.get(from..).unwrap_or_default());
    masked
}

/// Where the content of the string literal at the start of a text begins and ends.
fn literal(text: &str) -> Option<(usize, usize)> {
    let between = |char: char| char.is_ascii_whitespace() || "=:(".contains(char);
    let start = text.trim_start_matches(between);
    // A quote right behind the word ends a literal that holds the word.
    if start.len() == text.len() {
        return None;
    }
    let start =
        start.strip_prefix(['e', 'E', 'n', 'N']).filter(|it| it.starts_with('\'')).unwrap_or(start);
    let quote = start.chars().next()?;
    let (open, end) = match quote {
        '\'' | '"' => {
            let content = start.get(1..)?;
            (text.len() - content.len(), end_of_quoted(content, quote))
        }
        // Dollar quoting of PostgreSQL: $tag$ … $tag$.
        '$' => {
            let tag = start.get(..start.get(1..)?.find('$')? + 2)?;
            let content = start.get(tag.len()..)?;
            (text.len() - content.len(), content.find(tag).unwrap_or(content.len()))
        }
        _ => return None,
    };
    Some((open, open + end))
}

/// Bytes before the quote that ends a literal; a doubled one, or one behind a backslash, does not.
fn end_of_quoted(content: &str, quote: char) -> usize {
    let mut chars = content.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if char == '\\' || (char == quote && chars.peek().is_some_and(|(_, next)| *next == quote)) {
            chars.next();
        } else if char == quote {
            return at;
        }
    }
    content.len()
}

/// Covers the values of mount options whose names say that they are secret.
pub(super) fn options(text: &str) -> String {
    let option = |option: &str| match option.split_once('=') {
        Some((name, value)) if is_secret(name) => format!("{name}={}", stars(value)),
        _ => option.to_owned(),
    };
    text.split(',').map(option).collect::<Vec<_>>().join(",")
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token"].iter().any(|word| name.contains(word))
        || name.ends_with("key")
}

/// Annotations that say how a container was run; a name that ends in `.` stands for all below it.
/// Others may hold anything: `kubectl` puts whole manifests there.
const ANNOTATIONS: [&str; 17] = [
    "io.container.manager",
    "io.kubernetes.container.name",
    "io.kubernetes.container.restartCount",
    "io.kubernetes.cri-o.ContainerType",
    "io.kubernetes.cri-o.IP.0",
    "io.kubernetes.cri-o.IP.1",
    "io.kubernetes.cri-o.ImageName",
    "io.kubernetes.cri-o.ImageRef",
    "io.kubernetes.cri-o.LogPath",
    "io.kubernetes.cri-o.RuntimeHandler",
    "io.kubernetes.cri-o.SandboxID",
    "io.kubernetes.cri-o.SeccompProfilePath",
    "io.kubernetes.cri.container-type",
    "io.kubernetes.cri.image-name",
    "io.kubernetes.cri.sandbox-id",
    "io.podman.annotations.",
    "org.opencontainers.image.",
];
/// Bytes of the value of an annotation; a longer one is no fact but a document.
const LONGEST: usize = 512;

/// The annotations that are shown.
pub(super) fn annotations(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let known = |name: &str| {
        ANNOTATIONS.iter().any(|it| name == *it || (it.ends_with('.') && name.starts_with(it)))
    };
    all.iter()
        .filter(|(name, value)| known(name) && name.len().max(value.len()) <= LONGEST)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn stars(value: &str) -> String {
    "*".repeat(value.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_of_sql_are_covered() {
        let cases = [
            ("ALTER ROLE app PASSWORD 'abc'", "ALTER ROLE app PASSWORD '***'"),
            (
                "create user x with password E'a\\'b' login",
                "create user x with password E'****' login",
            ),
            ("PASSWORD 'a''b'; PASSWORD \"c\"", "PASSWORD '****'; PASSWORD \"*\""),
            (
                "CREATE USER x IDENTIFIED BY 'abc' EXPIRE",
                "CREATE USER x IDENTIFIED BY '***' EXPIRE",
            ),
            ("SET PASSWORD = PASSWORD('abc')", "SET PASSWORD = PASSWORD('***')"),
            ("ALTER ROLE x PASSWORD $$abc$$", "ALTER ROLE x PASSWORD $$***$$"),
            ("ALTER ROLE x PASSWORD $q$a$$c$q$;", "ALTER ROLE x PASSWORD $q$****$q$;"),
            ("ALTER ROLE x PASSWORD 'cut o", "ALTER ROLE x PASSWORD '*****"),
            ("ALTER ROLE x PASSWORD", "ALTER ROLE x PASSWORD"),
            ("ALTER ROLE x PASSWORD NULL", "ALTER ROLE x PASSWORD NULL"),
            ("SELECT 'password' FROM a WHERE b = 'c'", "SELECT 'password' FROM a WHERE b = 'c'"),
            ("postgres: writer", "postgres: writer"),
        ];
        for (text, expected) in cases {
            assert_eq!(title(text), expected);
        }
    }

    #[test]
    fn options_that_are_passwords_are_covered() {
        let cases = [
            (
                "rw,vers=3.0,username=a,password=b=c,port=445",
                "rw,vers=3.0,username=a,password=***,port=445",
            ),
            ("name=admin,secretkey=x,mds_namespace=y", "name=admin,secretkey=*,mds_namespace=y"),
            ("size=64k,mode=755", "size=64k,mode=755"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(options(text), expected);
        }
    }

    #[test]
    fn annotations_of_unknown_content_are_left_out() {
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let kept = of("io.podman.annotations.privileged", "TRUE");
        let all = BTreeMap::from([
            kept.clone(),
            of("kubectl.kubernetes.io/last-applied-configuration", "{}"),
            of("io.kubernetes.cri-o.Annotations", "{}"),
            of("org.opencontainers.image.title", &"x".repeat(513)),
        ]);
        assert_eq!(annotations(&all), BTreeMap::from([kept]));
    }

    proptest! {
        #[test]
        fn any_title_keeps_its_length(text in "(password|identified by| |'|\"|\\$|=|E|é|\\\\|a){0,20}") {
            prop_assert_eq!(title(&text).len(), text.len());
        }
    }
}
