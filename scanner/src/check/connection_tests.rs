//! The grammar and the judgement together: what is read off a URI, and what is made of it.
#![expect(clippy::string_slice, reason = "ASCII of our own making")]

use super::super::tests::whole;
use super::super::uri::ConnectionUri;
use super::*;

/// A password that no rule takes for a placeholder; no literal that looks like one in use.
const PASSWORD: &str = "f9j4tvyedJJS";

fn uri(template: &str) -> String {
    template
        .replace(":P@", &format!(":{PASSWORD}@"))
        .replace("/P@", &format!("/{PASSWORD}@"))
        .replace("=P", &format!("={PASSWORD}"))
}

fn parsed(text: &str) -> ConnectionUri {
    parse(text.as_bytes(), 0..text.len()).unwrap_or_else(|| panic!("{text}"))
}

/// What is read off each URI: user, host, database, engine.
#[test]
fn engines() {
    // URI, engine, user, host, database; `-` for none.
    let cases = "
        postgres://app:P@db.shop.svc:5432/shop?sslmode=require postgres app db.shop.svc shop
        postgresql+psycopg2://app:P@10.0.0.1/shop postgres app 10.0.0.1 shop
        mysql://app:P@mysql mysql app mysql -
        mysql+pymysql://app:P@db/x mysql app db x
        mongodb://app:P@a:27017,b:27017,c/admin?replicaSet=r mongodb app a,b,c admin
        mongodb+srv://app:P@c0.ab1.mongodb.net/?w=majority mongodb app c0.ab1.mongodb.net -
        redis://:P@cache:6379/2 redis - cache 2
        rediss://default:P@[2001:db8::7]:6380 redis default 2001:db8::7 -
        valkey://:P@cache redis - cache -
        amqps://mq:P@rabbit:5671/%2Fprod amqp mq rabbit /prod
        mssql+pyodbc://sa:P@db/master?driver=x sqlserver sa db master
        clickhouse://app:P@ch:9000/logs clickhouse app ch logs
        ldaps://cn=admin:P@ldap ldap cn=admin ldap -
        https://ci:P@git.corp/team/x.git url ci git.corp -
        smtp://no-reply%40corp:P@mail:587 url no-reply@corp mail -
        jdbc:mysql://ci:P@mysql.ci.svc:3306/builds mysql ci mysql.ci.svc builds
        jdbc:postgresql://db:5432/shop?user=app&password=P&ssl=true postgres app db shop
        jdbc:sqlserver://db:1433;databaseName=shop;user=sa;password=P;encrypt=true sqlserver sa db shop
        jdbc:db2://db:50000/shop:user=app;password=P; db2 app db shop
        jdbc:mysql:loadbalance://a,b/shop?user=app&password=P mysql app a,b shop
        jdbc:oracle:thin:app/P@//db:1521/shop oracle app db shop
        jdbc:oracle:thin:app/P@db:1521:sid oracle app db -
        jdbc:oracle:thin:app/P@(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=db)(PORT=1521))) oracle app db -
        postgresql://db/shop?user=app&password=P postgres app db shop";
    for case in cases.lines().skip(1) {
        let [template, engine, user, host, database] =
            case.split_ascii_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{case}");
        };
        let [user, database] = [user, database].map(|field| field.trim_matches('-'));
        let text = uri(template);
        let found = parsed(&text);
        assert_eq!(&text[found.password.clone()], PASSWORD, "{template}");
        assert_eq!(found.user.as_deref().unwrap_or_default(), user, "{template}");
        assert_eq!(found.host, host, "{template}");
        assert_eq!(found.database.as_deref().unwrap_or_default(), database, "{template}");
        assert_eq!(found.engine, engine, "{template}");
        assert_eq!(found.span, 0..text.trim_end_matches(';').len(), "{template}");
        assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Pass, "{template}");
    }
}

#[test]
fn the_end_is_where_the_grammar_ends() {
    for start in ["postgres://app:P@db:5432/shop", "redis://:P@cache", "amqp://a1:P@[::1]"] {
        let text = uri(start);
        for tail in [
            "",
            "\"",
            "'",
            " and more",
            "\n",
            "<br>",
            ">",
            "\\n",
            "\\u0026x",
            "`",
            ".",
            ",",
            ").",
            "; next",
            "\u{1}x",
            "é",
            "],",
            "?",
            "|x",
            "^",
        ] {
            let followed = format!("{text}{tail}");
            let verdict = run(&whole(followed.as_bytes()));
            assert_eq!(
                (verdict.outcome, verdict.span),
                (Outcome::Pass, 0..text.len()),
                "{followed}"
            );
        }
    }
    let list = uri("amqp://a1:P@h1,amqp://a1:P@h2");
    assert_eq!(parsed(&list).span, 0..uri("amqp://a1:P@h1").len());
}

#[test]
fn the_span_may_begin_inside_the_text() {
    let text = uri("URL=redis://:P@cache\0");
    let found = parse(text.as_bytes(), 4..text.len()).unwrap();
    assert_eq!(&text[found.span], uri("redis://:P@cache"));
    assert_eq!(&text[found.password], PASSWORD);
}

#[test]
fn passwords_with_special_characters() {
    for written in
        ["p%40ss%2Fw9rd", "a:b9zq", "a@b9zq", "y+T7g%BCK!BQ4jGyul", "x^{9}|~zq", "pä9zqk"]
    {
        let text = format!("postgres://app:{written}@db/shop");
        let found = parsed(&text);
        assert_eq!(&text[found.password], written);
        assert_eq!(found.host, "db");
        assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Pass, "{text}");
    }
    assert_eq!(percent_decoded(b"p%40ss%2fw%zz%4").as_slice(), b"p@ss/w%zz%4");
}

#[test]
fn no_password_no_host_or_a_placeholder_fails() {
    for template in [
        "postgres://db/shop",
        "postgres://app@db/shop",
        "postgres://app:@db/shop",
        "postgres://app:P@",
        "postgres://app:P@/shop",
        "postgres://app:P@-db",
        "postgres://app:P@host:port/db",
        "redis://:P@[::zz]",
        "postgres:app:P@db",
        "://app:P@db",
        "https://host/path?password=P",
        "https://cdn.corp/npm/x:1@2.0/y",
        "postgres://user:password@localhost:5432/db",
        "mysql://USER:${MYSQL_PASSWORD}@db/x",
        "mysql://USER:secret@db/x",
        "postgres://app:<password>@db",
        "postgres://app:[password]@db",
        "postgres://app:{password}@db",
        "postgres://app:%s@db",
        "postgres://app:****@db",
        "postgres://app:***@db",
        "postgres://app:xxxxxxxx@db",
        "postgres://app:your-password@db",
        "postgres://app:$PASSWORD@db",
        "http://a:b@c",
        "scheme://user:pass@host:port/path",
        "https://k3Jx81LmQz0:x-oauth-basic@github.com/x",
        "jdbc:oracle:thin:@//db:1521/x",
        "jdbc:oracle:thin:app/@db:1521:x",
        "jdbc:postgresql://db/shop?user=app&password=",
        "jdbc:postgresql://db/shop?user=app&password=${PW}",
        "",
    ] {
        assert_eq!(run(&whole(uri(template).as_bytes())).outcome, Outcome::Fail, "{template}");
    }
}

#[test]
fn default_passwords_are_weak() {
    for text in [
        "amqp://guest:guest@rabbit",
        "postgres://postgres:postgres@db/x",
        "mysql://root:root@db",
        "mysql://root:password@db",
        "redis://:changeme@cache",
        "postgres://shop:shop@db/shop",
        "mongodb://admin:P%40ssw0rd@db",
        "redis://:x9@cache",
    ] {
        let verdict = run(&whole(text.as_bytes()));
        assert_eq!(verdict.outcome, Outcome::Weak, "{text}");
        assert_eq!(verdict.attributes["password.weak"], "true");
    }
}

#[test]
fn attributes_name_the_place_and_no_secret() {
    let verdict = run(&whole(uri("postgres://app:P@db:5432/shop").as_bytes()));
    let expected = [
        ("uri.database", "shop"),
        ("uri.engine", "postgres"),
        ("uri.host", "db"),
        ("uri.scheme", "postgres"),
        ("uri.user", "app"),
    ];
    assert!(verdict.attributes.iter().map(|(k, v)| (k, v.as_str())).eq(expected));

    let token = uri("https://k3Jx81LmQz0PaW7dTn5R:P@git.corp/x");
    let verdict = run(&whole(token.as_bytes()));
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert!(!verdict.attributes.contains_key("uri.user"));
    assert!(!format!("{:?}", parsed(&token)).contains(PASSWORD));
}

#[test]
fn a_uri_that_memory_cuts_is_weak() {
    let text = uri("redis://:P@cache");
    let cut = |text: &str| {
        let subject = Subject { text: text.as_bytes(), span: 0..text.len(), cut: true };
        run(&subject).outcome
    };
    assert_eq!(cut(&text), Outcome::Weak);
    assert_eq!(cut(&format!("{text}\n")), Outcome::Pass);
}

#[test]
fn hosts_of_documentation_are_doubtful() {
    let outcome = |template: &str| run(&whole(uri(template).as_bytes())).outcome;
    for template in
        ["redis://:P@example.com", "mongodb://app:P@a.example.net,b.EXAMPLE.org:27017/x"]
    {
        assert_eq!(outcome(template), Outcome::Weak, "{template}");
    }
    for template in ["redis://:P@notexample.com", "mongodb://app:P@example.com,db.corp/x"] {
        assert_eq!(outcome(template), Outcome::Pass, "{template}");
    }
}
