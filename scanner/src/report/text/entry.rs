//! One finding in words.

use super::super::Style;
use super::super::plain::{Line, bytes, clip, number, paragraph, safe};
use super::{MARGIN, color};
use crate::check::Outcome;
use crate::finding::{Class, Finding, PipeEnd, Place, Queue, Socket, Vma};
use crate::region::RegionKind;

/// What it is, why it is believed, where it lies, what to do.
pub(super) fn detailed(style: &Style, finding: &Finding) -> Vec<Line> {
    let mut body = vec![grounds(style, finding), extent(finding)];
    body.extend(best(style, &finding.places).into_iter().map(|at| place(style, at)));
    if style.verbose {
        if finding.places_omitted > 0 {
            let more = number(finding.places_omitted, "more place", "more places");
            body.push(format!("and {more}: --max-places shows more"));
        }
        let facts = finding.attributes.iter();
        body.extend(facts.map(|(name, value)| safe(style, &format!("{name} = {value}"))));
    }
    body.extend(finding.suppression.iter().map(|why| format!("suppressed: {}", safe(style, why))));
    if !finding.remediation.is_empty() {
        body.push(format!("to do: {}", safe(style, &finding.remediation)));
    }
    if style.verbose {
        body.extend(finding.references.iter().map(|page| format!("see {}", safe(style, page))));
    }
    let mut lines = heading(style, finding, &safe(style, &finding.title));
    lines.extend(body.iter().flat_map(|text| paragraph(style, MARGIN, text)));
    lines
}

/// What it is and how much of it there is.
pub(super) fn short(style: &Style, finding: &Finding) -> Vec<Line> {
    let title = clip(&finding.title, 80);
    heading(style, finding, &format!("{title}; {}; {}", extent(finding), finding.id))
}

/// The severity in the margin, and a text beside it.
fn heading(style: &Style, finding: &Finding, text: &str) -> Vec<Line> {
    let mut lines = paragraph(style, MARGIN, text);
    if let Some(first) = lines.first_mut() {
        let name = finding.severity.name().to_uppercase();
        first.painted = name.len();
        first.sgr = color(finding.severity);
        first.text = format!("{name:MARGIN$}{}", first.text.trim_start());
    }
    lines
}

/// The value as far as it may be shown, and what speaks for it.
fn grounds(style: &Style, finding: &Finding) -> String {
    let value = match (finding.secret.as_ref().or(finding.matched.as_ref()), &finding.indicator) {
        (Some(excerpt), _) => {
            let revealed = excerpt.value.as_ref().or(excerpt.value_b64.as_ref());
            let shown = safe(style, revealed.unwrap_or(&excerpt.preview));
            format!("{shown} ({}); ", bytes(excerpt.length))
        }
        (None, Some(indicator)) => {
            format!("{} {}; ", safe(style, &indicator.kind), safe(style, &indicator.value))
        }
        (None, None) => String::new(),
    };
    let strings = finding.attributes.get("yara.strings");
    let strings = strings.map(|names| format!("strings {}; ", safe(style, names)));
    let list = finding.attributes.get("list").zip(finding.attributes.get("list.line"));
    let list = list.map(|(list, line)| format!("line {line} of {}; ", safe(style, list)));
    let value = value + &strings.unwrap_or_default() + &list.unwrap_or_default();
    let checks = finding.evidence.iter();
    let checks =
        checks.map(|made| format!("{} {}", safe(style, &made.check), outcome(made.result)));
    let checks: Vec<String> = checks.collect();
    let checks = if checks.is_empty() { String::new() } else { format!(": {}", checks.join(", ")) };
    let confidence = finding.confidence.name();
    let rule = safe(style, &finding.rule.id);
    format!("{value}confidence {confidence}{checks}; rule {rule}, {}", finding.id)
}

fn outcome(result: Outcome) -> &'static str {
    match result {
        Outcome::Pass => "passed",
        Outcome::Weak => "doubtful",
        Outcome::Fail => "failed",
        Outcome::Unavailable => "could not be made",
    }
}

/// `17 copies in 3 processes and 1 file`; a YARA rule holds or does not.
fn extent(finding: &Finding) -> String {
    let mut holders = Vec::new();
    if finding.processes > 0 {
        holders.push(number(finding.processes, "process", "processes"));
    }
    if finding.files > 0 {
        holders.push(number(finding.files, "file", "files"));
    }
    if finding.class == Class::Yara && !holders.is_empty() {
        return format!("holds in {}", holders.join(" and "));
    }
    let copies = number(finding.count, "copy", "copies");
    if holders.is_empty() { copies } else { format!("{copies} in {}", holders.join(" and ")) }
}

/// All places, or the first and one of another kind.
fn best<'a>(style: &Style, places: &'a [Place]) -> Vec<&'a Place> {
    if style.verbose {
        return places.iter().collect();
    }
    let Some(first) = places.first() else { return Vec::new() };
    let other = places.iter().find(|place| place.region != first.region).or(places.get(1));
    std::iter::once(first).chain(other).collect()
}

pub(super) fn place(style: &Style, place: &Place) -> String {
    let mut parts = Vec::new();
    parts.extend(holder(style, place));
    if let Some(address) = place.address {
        let vma = place.vma.as_ref().map(|vma| mapping(style, vma)).unwrap_or_default();
        parts.push(format!("at {address}{vma}"));
    }
    parts.extend(place.path.as_ref().map(|path| {
        let seen = place.container_path.as_ref();
        let seen = seen.map(|seen| format!(" ({} in the container)", safe(style, seen)));
        safe(style, path) + &seen.unwrap_or_default()
    }));
    match (place.line, place.column) {
        (Some(line), Some(column)) => parts.push(format!("line {line}, column {column}")),
        (Some(line), None) => parts.push(format!("line {line}")),
        (None, _) if place.address.is_some() && !style.verbose => {}
        (None, _) => {
            parts.extend(place.image.as_ref().map(|image| safe(style, image)));
            parts.extend(place.offset.map(|offset| match place.block_offset {
                Some(within) => format!("block at {offset}, byte {within} of its pages"),
                None => format!("offset {offset}"),
            }));
        }
    }
    if !place.decoded.is_empty() {
        parts.push(format!("as {}", safe(style, &place.decoded.join(", "))));
    }
    if place.superseded {
        parts.push("replaced by a later dump".to_owned());
    }
    parts.join(", ")
}

/// `java (15)`, `environment of java (15)`, `pipe 7 (read end, fd 3 of sh (12))`, `metadata`; nothing for
/// a plain file.
fn holder(style: &Style, place: &Place) -> Option<String> {
    let comm = place.comm.as_ref().map(|comm| safe(style, comm));
    let process = match (comm, place.pid) {
        (Some(comm), Some(pid)) => Some(format!("{comm} ({pid})")),
        (None, Some(pid)) => Some(format!("process {pid}")),
        (comm, None) => comm,
    };
    if let Some(number) = place.object {
        let socket = place.socket.as_ref().map(|socket| connection(style, socket));
        let open = open(place, process);
        let open = open.map(|open| format!(" ({open})")).unwrap_or_default();
        return Some(if place.region == RegionKind::GhostFile {
            // Its path says which.
            format!("{}{open}", name(place.region))
        } else if place.region == RegionKind::SysvMessage {
            format!("message in SysV queue {number}")
        } else {
            format!("{} {number}{}{open}", name(place.region), socket.unwrap_or_default())
        });
    }
    match (process, place.region) {
        (Some(process), RegionKind::Memory) => Some(process),
        (Some(process), region) => Some(format!("{} of {process}", name(region))),
        (None, RegionKind::File) => None,
        (None, region) => Some(name(region).to_owned()),
    }
}

/// `read end, fd 3 of sh (12)`.
fn open(place: &Place, process: Option<String>) -> Option<String> {
    let process = process?;
    let end = match place.end {
        Some(PipeEnd::Read) => "read end, ",
        Some(PipeEnd::Write) => "write end, ",
        Some(PipeEnd::Both) => "both ends, ",
        None => "",
    };
    Some(match place.fd {
        Some(fd) => format!("{end}fd {fd} of {process}"),
        None => format!("{end}mapped by {process}"),
    })
}

/// ` received by 10.0.0.7:80 from 10.0.0.9:4242`.
fn connection(style: &Style, socket: &Socket) -> String {
    let (first, second) = match socket.queue {
        Queue::Received => ("received by", "from"),
        Queue::Sent => ("sent by", "to"),
    };
    let side = |word: &str, name: &Option<String>| {
        name.as_ref().map(|name| format!(" {word} {}", safe(style, name))).unwrap_or_default()
    };
    side(first, &socket.local) + &side(second, &socket.remote)
}

fn mapping(style: &Style, vma: &Vma) -> String {
    let path = vma.path.as_ref().map(|path| format!(" {}", safe(style, path)));
    let (kind, prot) = (safe(style, &vma.kind), safe(style, &vma.prot));
    format!(" in {kind} {}-{} {prot}{}", vma.start, vma.end, path.unwrap_or_default())
}

fn name(region: RegionKind) -> &'static str {
    match region {
        RegionKind::Memory => "memory",
        RegionKind::SharedMemory => "shared memory",
        RegionKind::Argv => "arguments",
        RegionKind::Environ => "environment",
        RegionKind::Pipe => "pipe",
        RegionKind::Fifo => "FIFO",
        RegionKind::SocketQueue => "socket queue",
        RegionKind::TcpQueue => "TCP queue",
        RegionKind::GhostFile => "deleted file",
        RegionKind::Memfd => "memfd",
        RegionKind::SysvMessage => "SysV message",
        RegionKind::SysvShm => "SysV shared memory",
        RegionKind::Tty => "terminal",
        RegionKind::TmpfsFile => "tmpfs file",
        RegionKind::File => "file",
        RegionKind::VolumeFile => "volume file",
        RegionKind::Log => "log",
        RegionKind::Metadata => "metadata",
        RegionKind::BpfMap => "BPF map",
        RegionKind::Registers => "registers",
        RegionKind::RawImage => "pages without addresses",
    }
}
