//! The grammar of connection URIs: databases, caches, brokers, JDBC, any `scheme://user:password@host`.

use std::ops::Range;

use zeroize::Zeroizing;

/// A URI with a password in it. Ranges are offsets in the text that was parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionUri {
    /// The URI, without what stands behind it.
    pub span: Range<usize>,
    /// What comes before `://`, in lower case: `postgresql+psycopg2`, `jdbc:mysql`.
    pub scheme: String,
    /// The family of the scheme: `postgres`, `redis`; `url` for those that are no data store.
    pub engine: &'static str,
    /// The user, decoded; none where the URI names none.
    pub user: Option<String>,
    /// The password as written: percent-encoded, except for the parameters of JDBC.
    pub password: Range<usize>,
    /// The hosts without ports, parted by commas where there are several.
    pub host: String,
    /// The database, or a broker's virtual host, decoded.
    pub database: Option<String>,
}

impl std::fmt::Debug for ConnectionUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A user may be a token.
        f.debug_struct("ConnectionUri")
            .field("span", &self.span)
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("password", &self.password)
            .finish_non_exhaustive()
    }
}

/// Bytes of the longest password.
const LONGEST_PASSWORD: usize = 1024;

/// Parses the URI at the start of `span` in `text`; `None` if there is none, or no password in
/// it, or no host. The span of the result lies in `span`.
pub fn parse(text: &[u8], span: Range<usize>) -> Option<ConnectionUri> {
    let base = span.start;
    let value = text.get(span)?;
    let scheme_len = scheme(value)?;
    let rest = value.get(scheme_len..)?;
    let scheme = value.get(..scheme_len)?.strip_suffix(b":")?;
    let is_of = |head: &[u8]| {
        scheme.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
    };
    let parts = match rest.strip_prefix(b"//") {
        Some(rest) => {
            let at = value.len().checked_sub(rest.len())?;
            authority(value, at, is_of(b"jdbc:"))
        }
        None if is_of(b"jdbc:oracle:") => oracle_thin(value, scheme_len),
        None => None,
    }?;
    let scheme = String::from_utf8_lossy(scheme).to_ascii_lowercase();
    let engine = engine(&scheme);
    let end = trimmed(value, parts.host_end, parts.end);
    let tail = parts.host_end..end;
    let (user, password) = match parts.password {
        Some(password) => (parts.user, password),
        // Parameters are passwords only where a driver reads them.
        None if engine != "url" => {
            let password = parameter(value, tail.clone(), &["password", "pwd", "passwd", "pass"])?;
            let user = parameter(value, tail.clone(), &["user", "username", "uid"]);
            (user.or(parts.user), password)
        }
        None => return None,
    };
    if !(1..=LONGEST_PASSWORD).contains(&password.len()) {
        return None;
    }
    let decoded = |range: Range<usize>| {
        let text = percent_decoded(value.get(range)?);
        (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
    };
    let database = database(value, tail);
    let moved =
        |range: Range<usize>| base.saturating_add(range.start)..base.saturating_add(range.end);
    Some(ConnectionUri {
        span: moved(0..end),
        scheme,
        engine,
        user: user.and_then(decoded),
        password: moved(password),
        host: parts.host,
        database: if engine == "url" { None } else { database.and_then(decoded) },
    })
}

/// Length of `scheme:` before `//`, or of `jdbc:…:`.
fn scheme(value: &[u8]) -> Option<usize> {
    let is_jdbc = value.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"jdbc:"));
    let is_scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-' | b'_');
    if !value.first()?.is_ascii_alphabetic() {
        return None;
    }
    if !is_jdbc {
        let len = value.iter().take(64).take_while(|b| is_scheme(b)).count();
        return value.get(len..)?.starts_with(b"://").then(|| len.saturating_add(1));
    }
    let slashes = memchr::memmem::find(value.get(..value.len().min(64))?, b"://");
    let thin = [&b"jdbc:oracle:thin:"[..], b"jdbc:oracle:oci:", b"jdbc:oracle:oci8:"];
    let oracle = thin
        .iter()
        .find(|head| value.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head)));
    if let Some(head) = oracle {
        return Some(head.len());
    }
    let len = slashes?;
    let is_clean = value.get(..len)?.iter().all(|b| is_scheme(b) || *b == b':');
    is_clean.then(|| len.saturating_add(1))
}

/// Families of schemes. Dialects follow a `+` or, in JDBC, a `:`.
fn engine(scheme: &str) -> &'static str {
    // The engine, then the schemes that are not called so.
    const ENGINES: &str = "\
        amqp,amqps,rabbitmq cassandra clickhouse,clickhouses,ch cockroachdb,cockroach \
        couchbase,couchbases couchdb db2 elasticsearch,es h2 influxdb kafka ldap,ldaps mariadb \
        memcached mongodb mqtt,mqtts mysql,mysql2,mysqlx nats neo4j,bolt oracle \
        postgres,postgresql,pgsql,postgis,pg redis,rediss,valkey,valkeys redshift rethinkdb \
        snowflake sqlserver,mssql,tds,jtds trino,presto";
    let family = scheme.strip_prefix("jdbc:").unwrap_or(scheme);
    let family = family.split(['+', ':']).next().unwrap_or_default();
    let found = ENGINES.split(' ').find(|schemes| schemes.split(',').any(|name| name == family));
    found.and_then(|schemes| schemes.split(',').next()).unwrap_or("url")
}

/// What stands between the scheme and the path. Ranges are offsets in the value.
struct Parts {
    user: Option<Range<usize>>,
    password: Option<Range<usize>>,
    host: String,
    host_end: usize,
    /// Where the last character ends that may be part of the URI.
    end: usize,
}

/// Characters of RFC 3986 §2 except the apostrophe, which is a quote more often.
fn is_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()*+,;=%".contains(&byte)
}

/// People put more into a password than the grammar allows, and programs read it.
fn is_userinfo(byte: u8) -> bool {
    is_uri(byte) || matches!(byte, b'^' | b'{' | b'|' | b'}') || byte >= 0x80
}

fn authority(value: &[u8], at: usize, is_jdbc: bool) -> Option<Parts> {
    let rest = value.get(at..)?;
    let len = rest
        .iter()
        .position(|&b| !is_userinfo(b) || matches!(b, b'/' | b'?' | b'#') || is_jdbc && b == b';')
        .unwrap_or(rest.len());
    let authority = rest.get(..len)?;
    let separator = authority.iter().rposition(|&b| b == b'@');
    let (mut user, mut password) = (None, None);
    let mut host_at = at;
    if let Some(separator) = separator {
        let userinfo = authority.get(..separator)?;
        let end = at.checked_add(separator)?;
        host_at = end.checked_add(1)?;
        match userinfo.iter().position(|&b| b == b':') {
            Some(colon) => {
                let colon = at.checked_add(colon)?;
                user = Some(at..colon);
                password = Some(colon.checked_add(1)?..end).filter(|password| !password.is_empty());
            }
            None => user = Some(at..end),
        }
    }
    let (host, host_end) = hosts(value, host_at)?;
    let rest = value.get(host_end..)?;
    let tail = match rest.first() {
        Some(b'/' | b'?' | b'#') => true,
        Some(b';' | b':') => is_jdbc,
        _ => false,
    };
    let tail = if tail { rest.iter().take_while(|b| is_uri(**b)).count() } else { 0 };
    Some(Parts { user, password, host, host_end, end: host_end.checked_add(tail)? })
}

/// One or more `host[:port]`, parted by commas; the names, and where they end.
fn hosts(value: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut names = String::new();
    let mut end = None;
    while let Some((name, len)) = host(value.get(at..)?) {
        let next = at.checked_add(len)?;
        // `amqp://…@a,amqp://…@b`: what looks like the next host is the next URI.
        if end.is_some() && value.get(next..)?.starts_with(b"://") {
            break;
        }
        if end.is_some() {
            names.push(',');
        }
        names.push_str(name);
        let port = port(value.get(next..)?)?;
        at = next.checked_add(port)?;
        end = Some(at);
        if value.get(at) != Some(&b',') {
            break;
        }
        at = at.checked_add(1)?;
    }
    Some((names, end?))
}

/// Length of `:1234`; none for `:port`, which only manuals have.
fn port(text: &[u8]) -> Option<usize> {
    let Some(rest) = text.strip_prefix(b":") else { return Some(0) };
    let digits = rest.iter().take(5).take_while(|b| b.is_ascii_digit()).count();
    match rest.first() {
        Some(b) if b.is_ascii_alphabetic() && !rest.starts_with(b"//") => None,
        _ if digits > 0 => digits.checked_add(1),
        _ => Some(0),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets, and its length.
fn host(text: &[u8]) -> Option<(&str, usize)> {
    let (name, len) = if let Some(rest) = text.strip_prefix(b"[") {
        let close = rest.iter().take(64).position(|&b| b == b']')?;
        let address = std::str::from_utf8(rest.get(..close)?).ok()?;
        let without_zone = address.split('%').next()?;
        without_zone.parse::<std::net::Ipv6Addr>().ok()?;
        (address, close.checked_add(2)?)
    } else {
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'%');
        let len = text.iter().take(256).take_while(|b| is_name(b)).count();
        // A full stop at the end belongs to the name where more of the URI follows.
        let is_last = !matches!(text.get(len), Some(b':' | b'/' | b'?'));
        let marks = text.get(..len)?.iter().rev().take_while(|b| matches!(b, b'.' | b'-')).count();
        let len = if is_last { len.checked_sub(marks)? } else { len };
        let name = std::str::from_utf8(text.get(..len)?).ok()?;
        let first = *name.as_bytes().first()?;
        if !(first.is_ascii_alphanumeric() || matches!(first, b'_' | b'%')) || !is_encoded(name) {
            return None;
        }
        (name, len)
    };
    Some((name, len))
}

/// Whether every percent sign begins an encoded byte.
fn is_encoded(name: &str) -> bool {
    name.split('%').skip(1).all(|part| {
        part.as_bytes().first_chunk::<2>().is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    })
}

/// `user/password@//host:port/service`, `user/password@host:port:sid`,
/// `user/password@(DESCRIPTION=…(HOST=host)…)`.
fn oracle_thin(value: &[u8], at: usize) -> Option<Parts> {
    let rest = value.get(at..)?;
    let len = rest.iter().position(|&b| !is_userinfo(b)).unwrap_or(rest.len());
    let rest = rest.get(..len)?;
    let slash = at.checked_add(rest.iter().position(|&b| b == b'/')?)?;
    let sign = at.checked_add(rest.iter().position(|&b| b == b'@')?)?;
    let password = slash.checked_add(1)?..sign;
    if slash == at || password.is_empty() {
        return None;
    }
    let mut host_at = sign.checked_add(1)?;
    let after = value.get(host_at..)?;
    if after.starts_with(b"(") {
        let upper = after.to_ascii_uppercase();
        let found = memchr::memmem::find(&upper, b"(HOST=")?;
        host_at = host_at.checked_add(found)?.checked_add(6)?;
    } else if after.starts_with(b"//") {
        host_at = host_at.checked_add(2)?;
    }
    let (name, host_len) = host(value.get(host_at..)?)?;
    let host_end = host_at.checked_add(host_len)?;
    let port = port(value.get(host_end..)?).unwrap_or(0);
    let host_end = host_end.checked_add(port)?;
    let tail = value.get(host_end..)?.iter().take_while(|b| is_uri(**b)).count();
    Some(Parts {
        user: Some(at..slash),
        password: Some(password),
        host: name.to_owned(),
        host_end,
        end: host_end.checked_add(tail)?,
    })
}

/// The end without punctuation behind it, yet not before the end of the host.
fn trimmed(value: &[u8], host_end: usize, end: usize) -> usize {
    let tail = value.get(host_end..end).unwrap_or_default();
    let is_open = tail.contains(&b'(') || value.get(..host_end).is_some_and(|v| v.contains(&b'('));
    let is_punctuation = |b: &u8| {
        matches!(b, b'.' | b',' | b';' | b':' | b'!' | b'?' | b']') || *b == b')' && !is_open
    };
    end.saturating_sub(tail.iter().rev().take_while(|b| is_punctuation(b)).count())
}

/// The value of the first of the parameters `names`, after `?`, `&`, `;`, `:`, `,` or `(`.
fn parameter(value: &[u8], within: Range<usize>, names: &[&str]) -> Option<Range<usize>> {
    let is_border = |b: u8| matches!(b, b'?' | b'&' | b';' | b':' | b'(' | b',');
    let tail = value.get(within.clone())?;
    let mut at = within.start;
    for part in tail.split(|&b| is_border(b)) {
        if let Some(equals) = part.iter().position(|&b| b == b'=') {
            let name = part.get(..equals).unwrap_or_default();
            if names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
                let start = at.checked_add(equals)?.checked_add(1)?;
                // A password may hold what else parts parameters.
                let rest = value.get(start..within.end)?;
                let len = rest.iter().position(|&b| matches!(b, b'&' | b';' | b')'));
                return Some(start..start.checked_add(len.unwrap_or(rest.len()))?);
            }
        }
        at = at.checked_add(part.len())?.checked_add(1)?;
    }
    None
}

/// The first part of the path, or the parameter that SQL Server and DB2 have for it.
fn database(value: &[u8], tail: Range<usize>) -> Option<Range<usize>> {
    let text = value.get(tail.clone())?;
    let named = parameter(value, tail.clone(), &["databaseName", "database", "dbname"]);
    if named.is_some() || !text.starts_with(b"/") {
        return named;
    }
    let start = tail.start.checked_add(1)?;
    let path = value.get(start..tail.end)?;
    let len = path.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b';' | b':' | b'&'));
    Some(start..start.checked_add(len.unwrap_or(path.len()))?)
}

/// Text without percent-encoding (RFC 3986 §2.1); what is no encoding stays. It may be a secret.
pub(super) fn percent_decoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = byte {
            out.push((high << 4) | low);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
