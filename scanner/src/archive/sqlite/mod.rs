//! `SQLite` databases (sqlite.org/fileformat2.html): rows that go on in overflow pages, put together.
//!
//! Everything else of a database, deleted rows and free pages too, lies in one piece within a page,
//! and is found in the file itself.

mod page;
mod payload;
mod tree;

use super::error::{Cause, ContainerError, Problem};
use super::source::Extent;
use super::{Body, Consumed, Flow, Member, MemberKind, Opening};
use crate::diagnostic::{Code, Level};
use page::{Cell, Header, Kind};
use payload::Payload;
use tree::{Pages, Tables};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Pages that are looked at: 16 GiB of the usual 4096 bytes.
const PAGES: u64 = 4 << 20;

pub(super) fn is(head: &[u8]) -> bool {
    head.starts_with(MAGIC) && Header::parse(head).is_some()
}

pub(super) fn open(body: Body<'_>, opening: &mut Opening<'_>) -> Result<Consumed, ContainerError> {
    let error = |cause| ContainerError { container: "sqlite", offset: 0, consumed: 0, cause };
    let most = opening.limit(|limits| limits.held_bytes);
    match body.hold(most).map_err(|fault| error(Cause::Io(fault)))? {
        Body::At(extent) => {
            let bytes = extent.len();
            walk(extent, opening).map_err(error)?;
            Ok(Consumed { bytes })
        }
        Body::Stream(mut stream) => {
            let text = "a database in a stream, too long to be held: rows of several pages were not put together";
            let problem = Problem::new(Level::Error, Code::LimitReached, 0, text);
            opening.problem(problem.expected(format!("at most {most} bytes"), "more"));
            let bytes = stream.pass(u64::MAX).map_err(|fault| error(Cause::Io(fault)))?;
            Ok(Consumed { bytes })
        }
    }
}

/// A database at hand.
struct Database {
    extent: Extent,
    header: Header,
    /// Pages of it, as far as they are looked at.
    pages: u64,
    /// Overflow pages that belong to a row: none belongs to two, so that no chain can go round.
    used: Pages,
    broken: u64,
    first_broken: Option<u64>,
}

fn walk(extent: Extent, opening: &mut Opening<'_>) -> Result<(), Cause> {
    let mut head = [0; 100];
    let found = read(&extent, 0, &mut head)?;
    let header = Header::parse(head.get(..found).unwrap_or_default()).ok_or_else(|| {
        let expected = "the header of a database".to_owned();
        Cause::Malformed { expected, found: "other bytes".to_owned() }
    })?;
    let all = extent.len().div_ceil(header.page_size);
    let pages = all.min(PAGES);
    if all > pages {
        let text = format!("only the first {pages} pages were looked at for rows of several pages");
        let problem = Problem::new(Level::Error, Code::LimitReached, 0, text);
        opening.problem(problem.expected(format!("at most {PAGES} pages"), format!("{all} pages")));
    }
    let (used, broken, first_broken) = (Pages::new(pages), 0, None);
    let mut database = Database { extent, header, pages, used, broken, first_broken };
    let flow = database.trees(opening);
    if database.broken > 0 {
        let text = format!(
            "{} rows go on in pages that are not there or not theirs; what there is was scanned",
            database.broken
        );
        let at = database.first_broken.unwrap_or_default();
        opening.problem(Problem::new(Level::Warning, Code::ContainerMalformed, at, text));
    }
    flow.map(|_| ())
}

impl Database {
    /// Every tree that the schema names, then the pages that are in none.
    fn trees(&mut self, opening: &mut Opening<'_>) -> Result<Flow, Cause> {
        let mut seen = Pages::new(self.pages);
        let mut tables = Tables::default();
        if self.tree("sqlite_schema", 1, &mut seen, &mut tables, opening)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        for (name, root) in tables.take() {
            if self.tree(&name, root, &mut seen, &mut Tables::closed(), opening)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        for number in 1..=self.pages {
            if seen.holds(number) || self.used.holds(number) {
                continue;
            }
            let page = self.page(number)?;
            for cell in page::cells(&page, number, &self.header) {
                // A free page may hold anything: only what looks whole is followed.
                if self.deliver("(free)", number, (&page, &cell), true, opening)? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::Continue)
    }

    /// The rows of a tree that go on in other pages.
    fn tree(
        &mut self,
        name: &str,
        root: u32,
        seen: &mut Pages,
        tables: &mut Tables,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        // A page is seen before it is looked at, so that none waits twice.
        let mut stack = Vec::new();
        stack.extend(Some(root).filter(|root| seen.add((*root).into())));
        while let Some(number) = stack.pop() {
            let number = u64::from(number);
            let page = self.page(number)?;
            let children = page::children(&page, number).into_iter().rev();
            stack.extend(children.filter(|child| seen.add((*child).into())));
            for cell in page::cells(&page, number, &self.header) {
                if cell.kind == Kind::Table {
                    tables.add(cell.local(&page), self.header.encoding);
                }
                if self.deliver(name, number, (&page, &cell), false, opening)? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::Continue)
    }

    /// Hands over a row that goes on in other pages. At least one of them must be its own: what is
    /// made of a database is then at most twice as long.
    fn deliver(
        &mut self,
        name: &str,
        number: u64,
        (page, cell): (&[u8], &Cell),
        is_free: bool,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        let Some(first) = cell.overflow else { return Ok(Flow::Continue) };
        if u64::from(first) > self.pages || self.used.holds(first.into()) {
            self.broken(number, is_free);
            return Ok(Flow::Continue);
        }
        let what = match cell.rowid {
            Some(rowid) if !is_free => format!("{name}/{rowid}"),
            Some(_) | None => format!("{name}/{number}.{}", cell.index),
        };
        let local = cell.local(page).to_vec();
        let member = opening.name(what.as_bytes());
        let payload =
            Payload::new(&self.extent, &self.header, &mut self.used, local, cell, self.pages);
        let mut body = super::packed::Metered::new(payload, opening.budget, false);
        let flow = opening.member(Member {
            name: member,
            kind: MemberKind::File,
            size: None,
            mtime: None,
            body: Body::Stream(super::stream::Stream::new(&mut body)),
        })?;
        body.drain();
        match body.fault {
            None => {}
            Some(Cause::Truncated { .. } | Cause::Malformed { .. }) => {
                self.broken(number, is_free);
            }
            Some(cause) => return Err(cause),
        }
        Ok(flow)
    }

    /// Counts a row whose chain does not hold; in a free page that is no wonder.
    fn broken(&mut self, number: u64, is_free: bool) {
        if !is_free {
            self.broken = self.broken.saturating_add(1);
            let at = number.saturating_sub(1).saturating_mul(self.header.page_size);
            self.first_broken.get_or_insert(at);
        }
    }

    fn page(&self, number: u64) -> Result<Vec<u8>, Cause> {
        let size = self.header.page_size;
        let mut page = vec![0; usize::try_from(size).unwrap_or_default()];
        let at = number.saturating_sub(1).saturating_mul(size);
        let found = read(&self.extent, at, &mut page)?;
        page.truncate(found);
        Ok(page)
    }
}

/// Fills `out` as far as the file goes.
fn read(extent: &Extent, at: u64, out: &mut [u8]) -> Result<usize, Cause> {
    let mut found = 0_usize;
    while let Some(rest @ [_, ..]) = out.get_mut(found..) {
        let from = at.saturating_add(u64::try_from(found).unwrap_or(u64::MAX));
        match extent.read_at(from, rest).map_err(Cause::Io)? {
            0 => break,
            n => found = found.saturating_add(n),
        }
    }
    Ok(found)
}
