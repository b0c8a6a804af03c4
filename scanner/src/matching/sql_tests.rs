//! What is read as put into a column, and what is not.

use proptest::prelude::*;

use super::*;

/// What is put into the first column of this name.
fn read(name: &str, text: &str) -> Option<Vec<String>> {
    let at = text.find(name).unwrap();
    let values = values(text.as_bytes(), &(at..at + name.len()))?;
    Some(values.into_iter().map(|value| text.get(value).unwrap().to_owned()).collect())
}

#[test]
fn every_way_to_write_a_row() {
    for text in [
        "INSERT INTO t (id, token) VALUES (1, 'Value1')",
        "insert into t(id,token)values(1,'Value1');",
        "insert into t(token,id) values ( 'Value1' , 1 )",
        "INSERT INTO \"users\" (\"id\", \"token\") VALUES (1, 'Value1')",
        "INSERT INTO `users` (`id`,`token`,`x`) VALUES (NULL,\"Value1\",3)",
        "INSERT INTO [dbo].[users] ([id], [token]) VALUES (1, N'Value1')",
        "INSERT INTO \"s\".\"t\" (\"id\", \"token\") VALUES (1, E'Value1')",
        "INSERT INTO s.t (id, token) VALUES (1, $q$Value1$q$)",
        "INSERT INTO t (id, token) VALUES (1, $$Value1$$)",
        "REPLACE INTO t (id, token) VALUES (1, 'Value1')",
        "INSERT IGNORE INTO t (id, token) VALUE (1, _utf8mb4 'Value1')",
        "INSERT INTO t (id, token) VALUES (1, 'Value1') ON CONFLICT (id) DO NOTHING",
        "INSERT INTO t (id, token) OVERRIDING SYSTEM VALUE VALUES (1, 'Value1')",
        "INSERT INTO t (id, token) OUTPUT inserted.id VALUES (1, 'Value1')",
        "INSERT INTO t (id, token) VALUES (1, 'Value1'::character varying(64))",
        "INSERT INTO t\n  (id,\n   token)\nVALUES\n  (1,\n   'Value1')",
        "INSERT INTO t (a, b, token) VALUES ('it''s, (', 'a\\'), (', 'Value1')",
        "INSERT INTO t (a, b, token) VALUES (crypt('x', gen_salt('bf')), $1, 'Value1')",
        "INSERT INTO t (a, token) VALUES ((SELECT max(id) FROM x WHERE y IN (1, 2)), 'Value1')",
        "INSERT INTO t (a, token) VALUES ($a$)$b$, '$a$, 'Value1')",
        "INSERT INTO t (a, token) VALUES (-1.5e3, 'Value1', ",
        "INSERT INTO t (token, a) VALUES ('Value1', 'cut o",
        "COPY public.t (id, token) FROM stdin;\n1\tValue1\n\\.\n",
        "COPY t (token, id) FROM STDIN WITH (FORMAT text)\r\nValue1\t2\n",
    ] {
        assert_eq!(read("token", text), Some(vec!["Value1".to_owned()]), "{text}");
    }
}

#[test]
fn every_row_counts() {
    let text =
        "INSERT INTO t (id, token) VALUES (1, 'a'),(2, NULL), (3, 'b'),\n(4, 'c');\n(5, 'd')";
    assert_eq!(read("token", text).unwrap(), ["a", "b", "c"]);
    let text = "COPY t (id, token, x) FROM stdin;\n1\ta\tx\n2\t\\N\tx\n3\tb\tx\n\\.\n4\tc\tx\n";
    assert_eq!(read("token", text).unwrap(), ["a", "b"]);
    let many = format!("INSERT INTO t (token) VALUES {}", "('a'),".repeat(100));
    assert_eq!(read("token", &many).unwrap().len(), MOST_ROWS);
    let wide = format!("INSERT INTO t (x, token) VALUES ('{}', 'a')", "x".repeat(ROWS));
    assert_eq!(read("token", &wide).unwrap().len(), 0);
}

#[test]
fn no_string_is_no_value() {
    for text in [
        "INSERT INTO t (id, token) VALUES (1, $1)",
        "INSERT INTO t (id, token) VALUES (1, ?)",
        "INSERT INTO t (id, token) VALUES (1, :token)",
        "INSERT INTO t (id, token) VALUES (%s, %s)",
        "INSERT INTO t (id, token) VALUES (1, NULL)",
        "INSERT INTO t (id, token) VALUES (1, 42)",
        "INSERT INTO t (id, token) VALUES (1, sha256('Value1'))",
        "INSERT INTO t (id, token) VALUES (1, 'a' || 'b')",
        "INSERT INTO t (id, token) VALUES ('Value1')",
        "INSERT INTO t (id, token) VALUES (1, 'Value1",
    ] {
        assert_eq!(read("token", text), Some(vec![]), "{text}");
    }
}

#[test]
fn what_is_no_column() {
    for text in [
        "a list (user, token) values ('a', 'b')",
        "look into it (the user, token, and so on) values ('a', 'b')",
        "def f(user, token):\n  values = ('a', 'b')",
        "create table t (id int, token text); values ('a', 'b')",
        "create table t (id, token) values ('a', 'b')",
        "INSERT INTO t (id, token) SELECT 'a', 'b'",
        "INSERT INTO t (id, token)",
        "INSERT INTO t (id, token) ON x (1, 'a')",
        "splinto t (id, token) VALUES (1, 'a')",
        "INSERT INTO t (id, f(token)) VALUES (1, 'a')",
        "INSERT INTO t (id, token = 1) VALUES (1, 'a')",
        "COPY t (id, token) TO stdout;\n1\tValue1\n",
        "token, id) VALUES ('a', 1)",
        "INSERT INTO t (id, token",
        "token",
    ] {
        assert_eq!(read("token", text), None, "{text}");
    }
}

#[test]
fn tables_have_columns() {
    let text = "INSERT INTO s.api_keys (owner, key) VALUES ('x', 'Value1')";
    let at = text.find("api_keys").unwrap();
    let list = columns(text.as_bytes(), &(at..at + 8)).unwrap();
    assert_eq!(text.get(list), Some("(owner, key"));
    for text in ["f(api_keys (owner))", "create table api_keys (owner)", "into api_keys values (1)"]
    {
        let at = text.find("api_keys").unwrap();
        assert_eq!(columns(text.as_bytes(), &(at..at + 8)), None, "{text}");
    }
}

#[test]
fn strings_in_dollars() {
    let string = |text: &str| {
        dollar_string(text.as_bytes(), 0, 100)
            .map(|(span, end)| (text.get(span).unwrap().to_owned(), end))
    };
    assert_eq!(string("$$a$b$$ x"), Some(("a$b".to_owned(), 7)));
    assert_eq!(string("$q$a$$q$"), Some(("a$".to_owned(), 8)));
    for text in ["$1$a$1$", "$2y$10$abc", "$q$a$x$", "$q", "$", "", "$$a"] {
        assert_eq!(string(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0_usize..100) {
        let at = at.min(bytes.len());
        let end = (at + 5).min(bytes.len());
        may_stand_at(&bytes, at);
        columns(&bytes, &(at..end));
        dollar_string(&bytes, at, 50);
        for value in values(&bytes, &(at..end)).unwrap_or_default() {
            assert!(value.start <= value.end && value.end <= bytes.len());
        }
    }

    #[test]
    fn any_statement_is_read(
        list in "[a-b\"`\\[\\]., ()]{0,12}",
        rows in "[a1'\"$\\\\(),;: \\t\\n]{0,60}",
        copies in any::<bool>(),
    ) {
        let (verb, behind) = if copies { ("copy", "from stdin\n") } else { ("into", "values(") };
        let text = format!("{verb} t ({list}token) {behind}{rows}");
        let at = text.find("token").unwrap();
        let bytes = text.as_bytes();
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            for value in values(bytes, &(at.min(len)..(at + 5).min(len))).unwrap_or_default() {
                assert!(value.start <= value.end && value.end <= len);
            }
        }
    }
}
