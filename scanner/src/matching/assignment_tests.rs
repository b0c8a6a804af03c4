//! What is read as assigned to a name, and what is not.

use proptest::prelude::*;

use super::*;
use crate::rule::{RuleId, RuleSet};

/// The values that are tried for every place of a keyword, in order.
fn tried(keyword: &str, text: &str) -> Vec<String> {
    let rule = format!(
        "[[rules]]\nid = 'a'\nname = 'A'\ndescription = 'A.'\nregex = '.{{1,200}}'\nanchor = 'assignment'\n\
         keywords = ['{keyword}']\nseverity = 'low'\nconfidence = 'low'\nremediation = 'N'\ncwe = []\n\
         attack = []\nexamples = []\n"
    );
    let set = RuleSet::from_files(&[("a.toml", &rule)]).unwrap();
    let crate::rule::Anchor::Assignment(words) = &set.rules()[0].anchor else { panic!("no words") };
    let lower = text.to_ascii_lowercase();
    let literal = String::from_utf8_lossy(words.iter().next().unwrap().literal()).into_owned();
    let mut all = Vec::new();
    for (at, _) in lower.match_indices(&literal) {
        let take = |value: &Value| -> Option<()> {
            all.push(text.get(value.span.clone()).unwrap().to_owned());
            None
        };
        assert_eq!(find(text.as_bytes(), at, words, 200, &mut Reading::default(), take), None);
    }
    all
}

#[test]
fn every_way_to_write_it() {
    for text in [
        "GITEA_TOKEN=Value1",
        "gitea-token: Value1\n",
        "\"giteaToken\": \"Value1\"",
        "'gitea' => 'Value1'",
        "gitea_token = \"Value1\"",
        "<giteaToken>Value1</giteaToken>",
        "<add key=\"GiteaToken\" value=\"Value1\"/>",
        "{\"name\":\"GITEA_TOKEN\",\"value\":\"Value1\"}",
        "{\"name\": \"GITEA_TOKEN\", \"value\": \"Value1\"}",
        "- name: GITEA_TOKEN\n  value: Value1\n",
        "- name: GITEA_TOKEN\n  value: \"Value1\"\n",
        "app --gitea-token Value1 --x",
        "app --gitea-token=Value1",
        "java -Dgitea.token=Value1 -jar x",
        "--gitea-token\0Value1\0",
        "X-Gitea-Token: Value1\r\nHost: x",
        "GET /x?gitea_token=Value1&x=y",
        "define('GITEA_TOKEN', 'Value1');",
        "[\"gitea-token\",\"Value1\"]",
        "os.environ['GITEA_TOKEN'] = 'Value1'",
        "export GITEA_TOKEN='Value1'",
        "\"GITEA_TOKEN=Value1\",\"A=b\"",
        "giteaToken := \"Value1\"",
        "{\"Gitea-Token\":[\"Value1\"]}",
        "x\\nGITEA_TOKEN=Value1\\nB=c",
        "GITEA_TOKEN=Value1",
        "<property name=\"gitea.token\">Value1</property>",
        "gitea_token = b'Value1'",
    ] {
        assert!(
            tried("gitea", text).iter().any(|value| value == "Value1"),
            "{text}: {:?}",
            tried("gitea", text)
        );
    }
}

#[test]
fn a_name_that_says_secret_shortly_behind_the_keyword() {
    for text in [
        "[gitea]\nurl = x\ntoken = Value1\n",
        "gitea:\n  user: x\n  apiKey: \"Value1\"",
        "{\"gitea\":{\"token\":\"Value1\"}}",
        "Host: gitea.example\r\nAuthorization: Bearer Value1\r\n",
        "curl https://gitea.example/ -H 'Authorization: token Value1'",
    ] {
        assert!(tried("gitea", text).iter().any(|value| value == "Value1"), "{text}");
    }
    let far = format!("gitea {}\ntoken = Value1\n", "x ".repeat(NEAR / 2));
    assert_eq!(tried("gitea", &far), [""; 0]);
    assert_eq!(tried("gitea", "gitea\nurl = Value1\n"), [""; 0]);
}

#[test]
fn rows_of_a_table() {
    for text in [
        "INSERT INTO t (id, gitea_token) VALUES (1, 'Value1')",
        "INSERT INTO `gitea` (`id`, `name`, `token`) VALUES (1, 'x', 'Value1')",
        "insert into gitea_keys(owner,key) values('team3',$q$Value1$q$)",
        "COPY gitea (id, token) FROM stdin;\n1\tValue1\n\\.\n",
        "UPDATE t SET gitea_token = 'Value1' WHERE id = 1",
        "UPDATE t SET gitea_token = $$Value1$$, x = 1",
        "UPDATE t SET \"gitea_token\"=E'Value1'",
    ] {
        assert_eq!(tried("gitea", text), ["Value1"], "{text}");
    }
    let columns = vec!["column"; 30].join(", ");
    let items = vec!["'x'"; 30].join(", ");
    let wide =
        format!("INSERT INTO gitea ({columns}, token) VALUES ({items}, 'a'), ({items}, 'b')");
    assert_eq!(tried("gitea", &wide), ["a", "b"]);
    // The name of a table says what its columns hold as one word more.
    assert_eq!(tried("api_key", "INSERT INTO api_keys (id, key) VALUES (1, 'a')"), ["a"]);
    assert_eq!(tried("api_key", "INSERT INTO api_key_uses (id, key) VALUES (1, 'a')"), [""; 0]);
    assert_eq!(tried("api_key", "api_keys(id, key) = 'a'"), [""; 0]);
    // What stands behind the name of a column is another column.
    assert_eq!(tried("token", "INTO \"t\" (\"token\", \"id\") VALUES ('a', 'b')"), ["a"]);
    assert_eq!(tried("token", "INTO t (a, tokens) VALUES ('a', 'b')"), [""; 0]);
}

#[test]
fn what_assigns_nothing() {
    for text in [
        "the gitea token is",
        "gitea_token == Value1",
        "gitea::token",
        "gitea://token",
        "gitea_token_type=Value1",
        "gitea_token_file: Value1",
        "gitea_token)",
        "gitea_token = ",
        "gitea-token -v",
        "--gitea-token --other",
        "\"gitea_token\", x",
        "gitea_token\0Value1",
        "gitea_url=Value1",
    ] {
        assert_eq!(tried("gitea", text), [""; 0], "{text}");
    }
}

#[test]
fn words_that_say_secret_end_the_name() {
    assert_eq!(tried("password", "dbpassword=a-b"), ["a-b"]);
    assert_eq!(tried("api_key", "API key: a-b\n"), ["a-b"]);
    assert_eq!(tried("api_key", "apikey2=a-b"), ["a-b"]);
    for text in ["password_hash=ab", "passwordField=ab", "password {", "password and token=ab"] {
        assert_eq!(tried("password", text), [""; 0], "{text}");
    }
    assert_eq!(tried("pass", "compass=ab bypass=ab"), [""; 0]);
}

#[test]
fn a_value_keeps_its_signs_and_escapes() {
    assert_eq!(tried("password", "{\"password\":\"a\\\"b c,d\"}"), ["a\\\"b c,d"]);
    assert_eq!(tried("password", "PASSWORD=a,b;c&d\n")[0], "a,b;c&d");
    assert_eq!(tried("password", "?password=a&b=c"), ["a"]);
    assert_eq!(tried("password", "password: a b\n"), ["a", "a b"]);
    assert_eq!(tried("password", "password='größe'"), ["größe"]);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
        let mut bytes = bytes;
        let at = at.min(bytes.len());
        bytes.splice(at..at, *b"password");
        let words = Keywords::new(vec![Keyword::new("password").unwrap()]);
        let len = bytes.len();
        find(&bytes, at, &words, 100, &mut Reading::default(), |value| -> Option<()> {
            assert!(value.span.start < value.span.end && value.span.end <= len);
            None
        });
        let run_end = text_run::end(&bytes, at, 1000);
        Sight::of(&bytes, at, run_end).end(&bytes, run_end, 100);
    }
}

proptest! {
    #[test]
    fn what_was_read_before_changes_nothing(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                &b"password"[..], b"password=", b"PassWord: \"", b"--password ", b"token", b"_key", b"=", b" ", b"a1",
                b"x,y;z", b"\"", b"\\", b"\xc3\xa9", b"\xff", b"\n", b"\0", b"bearer ", b"value=", b"next_token: 'b'",
            ]),
            0..40,
        ),
        looks in prop::collection::vec((0_usize..200, 0_usize..30, 0_usize..300), 1..30),
    ) {
        let text = pieces.concat();
        let words = ["password", "token", "-password", "pass_word"].map(|it| Keyword::new(it).unwrap());
        let words = Keywords::new(words.to_vec());
        let mut reading = Reading::default();
        for (at, before, most) in looks {
            let base = at.min(text.len()).saturating_sub(before);
            let part = &text[base..text.len().min(base + before + most + 20)];
            let at = at.min(text.len()) - base;
            let values = |reading: &mut Reading| {
                let mut all = Vec::new();
                find(part, at, &words, most, reading, |value| -> Option<()> {
                    all.push(value.clone());
                    None
                });
                all
            };
            reading.begin(RuleId(0), base, part, at);
            prop_assert_eq!(values(&mut reading), values(&mut Reading::default()));
        }
    }
}

#[test]
fn a_keyword_of_flags_meets_flags_only() {
    for text in [
        "app --db-token Value1 --x",
        "app -token=Value1",
        "java -Djks.token=Value1 -jar x",
        "--token\0Value1\0",
        "\"args\": [\"app\", \"--token\",\n  \"Value1\"]",
        "\"args\": [\"--token=Value1\"]",
    ] {
        assert!(tried("-token", text).iter().any(|value| value == "Value1"), "{text}");
    }
    for text in [
        "TOKEN=Value1",
        "\"token\": \"Value1\"",
        "[\"token\", \"Value1\"]",
        "app --no-token Value1",
        "app --token-file Value1",
        "app --page-token Value1",
        "\\-\\-page\\-token=\"Value1\"",
    ] {
        assert_eq!(tried("-token", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_flag_may_stand_where_a_dash_stands_in_the_row_or_behind_blanks() {
    for (text, may_be) in [
        ("--db_password", true),
        ("--db password", true),
        ("--db\tpassword", true),
        ("-password", true),
        ("password", false),
        ("a-b=password", false),
        ("--db\"password", false),
        ("--db\npassword", false),
        ("db.password", false),
    ] {
        let at = text.find("password").unwrap();
        assert_eq!(may_be_flag(text.as_bytes(), at), may_be, "{text:?}");
    }
    let far = format!("-{}password", "a".repeat(200));
    assert!(!may_be_flag(far.as_bytes(), 201), "no name is as long");
}
