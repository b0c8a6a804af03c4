//! What a SARIF report must hold beside its schema: what the standard demands in words, and what the
//! programs that read such reports stumble over. It shares no code with what writes them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Whom a report is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Anybody.
    Any,
    /// GitHub code scanning.
    GitHub,
    /// GitLab.
    GitLab,
}

/// Everything that is wrong with a report, each with the place: `/runs/0/results/3: no uri`.
pub fn faults(log: &Value, reader: Reader) -> Vec<String> {
    let runs = list(&log["runs"]);
    let mut check = Check { reader, run: runs.first().unwrap_or(&Value::Null), faults: Vec::new() };
    check.that(log["version"] == "2.1.0", "/version", "is not 2.1.0");
    check.that(runs.len() == 1, "/runs", "is not one run");
    check.numbers(log, "");
    check.tool();
    check.results();
    check.artifacts();
    check.logical_locations();
    check.invocations();
    check.faults
}

/// Largest integer that Microsoft's SDK reads.
const MOST: i64 = 0x7fff_ffff;

struct Check<'a> {
    reader: Reader,
    run: &'a Value,
    faults: Vec<String>,
}

impl<'a> Check<'a> {
    fn that(&mut self, holds: bool, at: &str, fault: &str) {
        if !holds {
            self.faults.push(format!("{at}: {fault}"));
        }
    }

    /// The entry of a table of the run that an index names.
    fn entry(&mut self, table: &str, index: &Value, at: &str) -> Option<&'a Value> {
        let found = index.as_u64().and_then(|index| usize::try_from(index).ok());
        let found = found.and_then(|index| list(&self.run[table]).get(index));
        self.that(found.is_some(), at, &format!("index {index} is not in {table}"));
        found
    }

    fn numbers(&mut self, value: &Value, at: &str) {
        match value {
            Value::Number(number) if !number.is_f64() => {
                let small = number.as_i64().is_some_and(|n| (-MOST - 1..=MOST).contains(&n));
                self.that(small, at, "an integer of more than 32 bits");
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.numbers(item, &format!("{at}/{index}"));
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.numbers(member, &format!("{at}/{name}"));
                }
            }
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Number(_) => {}
        }
    }

    /// A text for people.
    fn text(&mut self, value: &Value, most: usize, at: &str) {
        let text = value.as_str().unwrap_or_default();
        self.that(!text.trim().is_empty(), at, "no text");
        self.that(text.chars().count() <= most, at, "too long a text");
        self.that(!text.contains(['{', '}']), at, "a placeholder in a text");
        self.that(!text.contains("]("), at, "a link in a text");
        self.that(!text.contains(is_hidden), at, "a control character in a text");
    }

    fn tool(&mut self) {
        let driver = &self.run["tool"]["driver"];
        let at = "/tool/driver";
        for name in ["name", "version", "semanticVersion", "organization"] {
            self.that(is_some_text(&driver[name]), at, &format!("no {name}"));
        }
        self.that(driver["rules"].is_array(), at, "no list of rules");
        let mut ids = BTreeSet::new();
        for (index, rule) in list(&driver["rules"]).iter().enumerate() {
            let at = format!("{at}/rules/{index}");
            let id = rule["id"].as_str().unwrap_or_default();
            self.that(!id.is_empty() && id.len() <= 255 && !id.contains('/'), &at, "a bad id");
            self.that(ids.insert(id), &at, "an id of another rule");
            self.text(&rule["name"], 255, &format!("{at}/name"));
            for (name, most) in
                [("shortDescription", 1024), ("fullDescription", 1024), ("help", 2048)]
            {
                self.text(&rule[name]["text"], most, &format!("{at}/{name}"));
            }
            self.harm(&rule["defaultConfiguration"], rule, &at);
            let tags = list(&rule["properties"]["tags"]);
            let distinct: BTreeSet<&str> = tags.iter().filter_map(Value::as_str).collect();
            self.that((1..=10).contains(&tags.len()), &at, "none or more than 10 tags");
            self.that(distinct.len() == tags.len(), &at, "a tag twice");
            for relationship in list(&rule["relationships"]) {
                self.taxon(&relationship["target"], &at);
            }
        }
        let mut ids = BTreeSet::new();
        for (index, descriptor) in list(&driver["notifications"]).iter().enumerate() {
            let at = format!("{at}/notifications/{index}");
            let id = descriptor["id"].as_str().unwrap_or_default();
            self.that(!id.is_empty() && ids.insert(id), &at, "no id of its own");
        }
        if self.reader == Reader::GitHub {
            let automation = &self.run["automationDetails"];
            self.that(automation.is_null(), "/automationDetails", "hides the upload's category");
            return;
        }
        let guid = &self.run["automationDetails"]["guid"];
        self.that(is_guid(guid), "/automationDetails", "no GUID of version 1 to 5");
        let id = self.run["automationDetails"]["id"].as_str().unwrap_or_default();
        self.that(
            id.starts_with("cryoscan/") && id.ends_with('/'),
            "/automationDetails",
            "a bad id",
        );
    }

    /// Level, rank and security severity must come to the same word.
    fn harm(&mut self, of: &Value, rule: &Value, at: &str) {
        let rank = of["rank"].as_f64().unwrap_or(-1.0);
        let security = rule["properties"]["security-severity"].as_str();
        let security = security.and_then(|text| text.parse::<f64>().ok()).unwrap_or(-1.0);
        let same = (security * 10.0 - rank).abs() < 0.001;
        self.that(same && security > 0.0, at, "rank is not ten times security-severity");
        self.that(of["level"] == level(rank), at, "level and rank differ");
    }

    /// A reference to a taxonomy of the run: by name and GUID, never by index.
    fn taxon(&mut self, target: &Value, at: &str) {
        let component = &target["toolComponent"];
        self.that(component["index"].is_null(), at, "a taxonomy by index");
        let taxonomies = list(&self.run["taxonomies"]);
        let found = taxonomies
            .iter()
            .find(|it| it["guid"] == component["guid"] && it["name"] == component["name"]);
        let ids = found.map_or(&[][..], |taxonomy| list(&taxonomy["taxa"]));
        let known =
            is_some_text(&target["id"]) && ids.iter().any(|taxon| taxon["id"] == target["id"]);
        self.that(known, at, "a taxon that no taxonomy has");
    }

    fn results(&mut self) {
        let results = list(&self.run["results"]);
        self.that(self.run["results"].is_array(), "/results", "no list of results");
        for name in ["suppressions", "baselineState"] {
            let having = results.iter().filter(|result| !result[name].is_null()).count();
            let uniform = having == 0 || having == results.len();
            self.that(uniform, "/results", &format!("{name} on some results only"));
        }
        let mut guids = BTreeSet::new();
        let mut identities = BTreeMap::new();
        let mut columns = false;
        let keys = |result: &'a Value| result["partialFingerprints"].as_object();
        let keys = |result| keys(result).map(|map| map.keys().collect::<Vec<_>>());
        for (index, result) in results.iter().enumerate() {
            let at = format!("/results/{index}");
            self.result(result, &at);
            self.that(is_guid(&result["guid"]), &at, "no GUID of version 1 to 5");
            self.that(guids.insert(result["guid"].to_string()), &at, "the GUID of another result");
            let same = results.first().and_then(keys) == keys(result);
            self.that(same, &at, "other fingerprints than the first result");
            let first = &result["locations"][0]["physicalLocation"];
            // By what the services take two results of one checkpoint for the same.
            let uri = &first["artifactLocation"]["uri"];
            let checkpoint = result["properties"]["checkpoint"].as_str();
            let fingerprints = &result["partialFingerprints"];
            let identity = match self.reader {
                Reader::Any => Vec::new(),
                Reader::GitHub => vec![uri, &fingerprints["primaryLocationLineHash"]],
                Reader::GitLab => vec![uri, &first["region"]["startLine"]],
            };
            if !identity.is_empty() {
                let identity = (checkpoint, result["ruleId"].as_str(), format!("{identity:?}"));
                let other = identities.insert(identity, index);
                self.that(other.is_none(), &at, "the service takes it for another result");
            }
            let all = list(&result["locations"]).iter().chain(list(&result["relatedLocations"]));
            columns |= all
                .into_iter()
                .any(|location| !location["physicalLocation"]["region"]["startColumn"].is_null());
        }
        let kind = self.run["columnKind"] == "unicodeCodePoints";
        self.that(kind == columns, "/columnKind", "does not say how columns are counted");
        if self.reader != Reader::Any {
            self.that(results.len() <= 5000, "/results", "more than the service shows");
        }
    }

    fn result(&mut self, result: &'a Value, at: &str) {
        let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
        let rule = index.and_then(|index| list(&self.run["tool"]["driver"]["rules"]).get(index));
        let named = rule.is_some_and(|rule| rule["id"] == result["ruleId"]);
        self.that(named, at, "ruleIndex does not lead to ruleId");
        self.that(result["kind"] == "fail", at, "not of kind fail, so it can have no level");
        let rank = result["rank"].as_f64().unwrap_or(-1.0);
        self.that(result["level"] == level(rank), at, "level and rank differ");
        self.text(&result["message"]["text"], 2048, &format!("{at}/message"));
        let fingerprints = result["partialFingerprints"].as_object();
        self.that(fingerprints.is_some_and(|map| !map.is_empty()), at, "no fingerprints");
        for (name, value) in fingerprints.into_iter().flatten() {
            let version = name.split_once('/').map(|(_, version)| version);
            let versioned = version.is_none_or(|version| {
                version.strip_prefix('v').is_some_and(|digits| digits.parse::<u32>().is_ok())
            });
            self.that(versioned, at, &format!("{name}: a slash without a version behind it"));
            self.that(is_some_text(value), at, &format!("{name}: an empty fingerprint"));
        }
        let locations = list(&result["locations"]);
        self.that(locations.len() == 1, at, "not one location");
        for location in locations {
            self.location(location, &format!("{at}/locations/0"));
        }
        let mut ids = BTreeSet::new();
        for (index, location) in list(&result["relatedLocations"]).iter().enumerate() {
            let at = format!("{at}/relatedLocations/{index}");
            self.location(location, &at);
            self.that(ids.insert(location["id"].as_i64()), &at, "the id of another location");
            self.text(&location["message"]["text"], 2048, &at);
        }
        if self.reader == Reader::GitHub {
            let hash = &result["partialFingerprints"]["primaryLocationLineHash"];
            self.that(is_some_text(hash), at, "no primaryLocationLineHash");
        }
    }

    fn location(&mut self, location: &'a Value, at: &str) {
        let physical = &location["physicalLocation"];
        let artifact = self.artifact_location(&physical["artifactLocation"], at);
        let (region, address) = (&physical["region"], &physical["address"]);
        if !region.is_null() {
            self.region(region, artifact, at);
        }
        if !address.is_null() {
            self.address(address, region, at);
        }
        if self.reader != Reader::Any {
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap_or_default();
            self.that(uri.starts_with("checkpoints/"), at, "not the path of a checkpoint");
            for name in ["startLine", "startColumn", "endLine", "endColumn"] {
                self.that(region[name].is_u64(), at, &format!("no {name}"));
            }
        }
        for logical in list(&location["logicalLocations"]) {
            let entry = self.entry("logicalLocations", &logical["index"], at);
            let same = entry.is_some_and(|it| {
                let name = "fullyQualifiedName";
                logical[name].is_null() || it[name] == logical[name]
            });
            self.that(same, at, "a logical location by another name than in the table");
        }
    }

    fn artifact_location(&mut self, location: &Value, at: &str) -> Option<&'a Value> {
        let uri = location["uri"].as_str().unwrap_or_default();
        if let Some(fault) = uri_fault(uri) {
            self.faults.push(format!("{at}: URI {uri}: {fault}"));
        }
        if location["index"].is_null() {
            return None;
        }
        let entry = self.entry("artifacts", &location["index"], at)?;
        self.that(
            entry["location"]["uri"] == uri,
            at,
            "another URI than in the table of artifacts",
        );
        Some(entry)
    }

    fn region(&mut self, region: &Value, artifact: Option<&Value>, at: &str) {
        let number = |name: &str| region[name].as_i64();
        let has = |names: &[&str]| names.iter().any(|name| !region[*name].is_null());
        let is_binary = has(&["byteOffset", "byteLength"]);
        let is_text = has(&["startLine", "startColumn", "endLine", "endColumn", "charOffset"]);
        self.that(is_binary || is_text, at, "a region that says nothing");
        if is_binary {
            let both = number("byteOffset").zip(number("byteLength"));
            self.that(both.is_some(), at, "a binary region without offset or length");
            let (offset, length) = both.unwrap_or_default();
            self.that(offset >= 0 && length >= 0, at, "a region of less than nothing");
            let size = artifact.and_then(|artifact| artifact["length"].as_i64());
            let end = offset.saturating_add(length);
            let within = size.is_none_or(|size| end <= size);
            self.that(within, at, "a region beyond the end of its artifact");
            self.that(!is_text, at, "a region of bytes and of text, which need not agree");
        }
        if is_text {
            let (line, column) = (number("startLine").unwrap_or(0), number("startColumn"));
            self.that(line >= 1 && column.unwrap_or(1) >= 1, at, "a region before the first line");
            let end = number("endLine").unwrap_or(line);
            self.that(end >= line, at, "a region that ends before it begins");
            let ordered = number("endColumn").is_none_or(|last| last >= column.unwrap_or(1));
            self.that(end > line || ordered, at, "a region that ends before it begins");
        }
    }

    fn address(&mut self, address: &Value, region: &Value, at: &str) {
        let has = |name: &str| !address[name].is_null();
        self.that(has("parentIndex") == has("offsetFromParent"), at, "half an address in a parent");
        self.that(has("parentIndex") || !has("relativeAddress"), at, "relative to no parent");
        self.that(is_some_text(&address["fullyQualifiedName"]), at, "an address without a name");
        let length = address["length"].as_i64().map(i64::abs);
        let same = region["byteLength"].is_null() || region["byteLength"].as_i64() == length;
        self.that(same, at, "address and region differ in length");
        // `java(15):[heap]+0x5c80`: what is behind the plus is the offset in the mapping.
        let name = address["fullyQualifiedName"].as_str().unwrap_or_default();
        let offset = name.rsplit_once("+0x").map(|(_, digits)| digits);
        let offset = offset.and_then(|digits| i64::from_str_radix(digits, 16).ok());
        let same = region["byteOffset"].is_null() || region["byteOffset"].as_i64() == offset;
        self.that(same, at, "address and region differ in offset");
    }

    fn artifacts(&mut self) {
        let mut known = BTreeSet::new();
        for (index, artifact) in list(&self.run["artifacts"]).iter().enumerate() {
            let at = format!("/artifacts/{index}");
            let location = &artifact["location"];
            let uri = location["uri"].as_str().unwrap_or_default();
            if let Some(fault) = uri_fault(uri) {
                self.faults.push(format!("{at}: URI {uri}: {fault}"));
            }
            let parent = artifact["parentIndex"].as_i64();
            self.that(known.insert((parent, uri)), &at, "an artifact twice");
            self.that(is_above(parent, index), &at, "parentIndex does not lead up");
            if parent.is_some() {
                self.that(location["uriBaseId"].is_null(), &at, "a nested artifact with a base");
                self.that(!uri.contains(':'), &at, "a nested artifact with an absolute URI");
            } else {
                self.that(artifact["offset"].is_null(), &at, "an offset in nothing");
                let roles = list(&artifact["roles"]);
                self.that(roles.contains(&"analysisTarget".into()), &at, "no target, in nothing");
            }
        }
    }

    fn logical_locations(&mut self) {
        let table = list(&self.run["logicalLocations"]);
        let mut names = BTreeSet::new();
        for (index, entry) in table.iter().enumerate() {
            let at = format!("/logicalLocations/{index}");
            let name = entry["fullyQualifiedName"].as_str().unwrap_or_default();
            self.that(!name.is_empty() && names.insert(name), &at, "no name of its own");
            let parent = entry["parentIndex"].as_i64();
            self.that(is_above(parent, index), &at, "parentIndex does not lead up");
            let above = parent.and_then(|parent| table.get(usize::try_from(parent).ok()?));
            let above = above.and_then(|above| above["fullyQualifiedName"].as_str());
            let below = above.is_none_or(|above| name.starts_with(&format!("{above}/")));
            self.that(below, &at, "a name that is not that of its parent and one more part");
        }
    }

    fn invocations(&mut self) {
        let invocations = list(&self.run["invocations"]);
        self.that(invocations.len() == 1, "/invocations", "not one invocation");
        for invocation in invocations {
            let notifications = list(&invocation["toolExecutionNotifications"]);
            let errors = notifications.iter().filter(|it| it["level"] == "error").count();
            let told = invocation["executionSuccessful"] == (errors == 0);
            self.that(
                told,
                "/invocations/0",
                "an error of a run that did not fail, or none of one",
            );
            for (index, notification) in notifications.iter().enumerate() {
                let at = format!("/invocations/0/toolExecutionNotifications/{index}");
                let descriptor = &notification["descriptor"];
                let table = list(&self.run["tool"]["driver"]["notifications"]);
                let entry = descriptor["index"].as_u64().and_then(|at| usize::try_from(at).ok());
                let entry = entry.and_then(|at| table.get(at));
                let named = entry.is_some_and(|entry| entry["id"] == descriptor["id"]);
                self.that(named, &at, "the index of its descriptor does not lead to its id");
                self.text(&notification["message"]["text"], 2048, &at);
                for location in list(&notification["locations"]) {
                    self.artifact_location(&location["physicalLocation"]["artifactLocation"], &at);
                }
            }
        }
    }
}

/// What is wrong with a URI reference (RFC 3986); `None` if it is well formed and encoded as the
/// standard asks for: relative, or a file of this machine.
fn uri_fault(uri: &str) -> Option<&'static str> {
    let path = uri.strip_prefix("file:///").unwrap_or(uri);
    if uri.is_empty() {
        return Some("none");
    }
    if path == uri && uri.starts_with('/') {
        return Some("absolute, without a scheme");
    }
    if path.contains(':') {
        return Some("a colon that is not encoded");
    }
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@/".contains(&byte);
        let mut digit = || bytes.next().is_some_and(|it| matches!(it, b'0'..=b'9' | b'A'..=b'F'));
        if !(plain || byte == b'%' && digit() && digit()) {
            return Some("a character that is not encoded");
        }
    }
    None
}

/// Whether a parent stands above its child: in a table that is written in this order nothing can
/// lead back to itself.
fn is_above(parent: Option<i64>, child: usize) -> bool {
    parent.is_none_or(|parent| usize::try_from(parent).is_ok_and(|parent| parent < child))
}

fn level(rank: f64) -> &'static str {
    match rank {
        70.0..=100.0 => "error",
        40.0..70.0 => "warning",
        0.0..40.0 => "note",
        _ => "no level",
    }
}

fn is_guid(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let begins = |index: usize, with: &[char]| {
        parts.get(index).is_some_and(|part: &&str| part.starts_with(with))
    };
    lengths == [8, 4, 4, 4, 12]
        && text.chars().all(|char| char == '-' || char.is_ascii_hexdigit())
        && begins(2, &['1', '2', '3', '4', '5'])
        && begins(3, &['8', '9', 'a', 'b'])
}

/// Characters that a terminal or an eye is misled by.
fn is_hidden(char: char) -> bool {
    char.is_control() || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
}

fn is_some_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
