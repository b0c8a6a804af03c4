//! Writes `SQLite` databases (sqlite.org/fileformat2.html) of tables with one column of bytes.

/// A database with its pages.
#[derive(Debug, Clone)]
pub struct Database {
    page_size: usize,
    pages: Vec<Vec<u8>>,
    schema: Vec<Vec<u8>>,
}

/// A row of a table: its number and its bytes.
pub type Row = (i64, Vec<u8>);

impl Database {
    /// An empty one. `page_size` is a power of two from 512 on.
    pub fn new(page_size: usize) -> Self {
        Self { page_size, pages: vec![vec![0; page_size]], schema: Vec::new() }
    }

    /// Adds a table.
    #[must_use]
    pub fn table(mut self, name: &str, rows: &[Row]) -> Self {
        let root = self.tree(rows);
        let columns: [&[u8]; 5] = [b"table", name.as_bytes(), name.as_bytes(), &[], b"CREATE"];
        let mut header: Vec<u8> = columns.iter().flat_map(|text| varint(text_type(text))).collect();
        let number = varint(text_type(&[])).len();
        let at = columns[..3].iter().map(|text| varint(text_type(text)).len()).sum::<usize>();
        header.splice(at..at + number, [4]);
        let mut record = vec![u8::try_from(header.len() + 1).unwrap_or(u8::MAX)];
        record.extend(header);
        record.extend(columns[..3].concat());
        record.extend(u32::try_from(root).unwrap_or(u32::MAX).to_be_bytes());
        record.extend(columns[4]);
        let number = i64::try_from(self.schema.len() + 1).unwrap_or(i64::MAX);
        let cell = self.cell(number, &record);
        self.schema.push(cell);
        self
    }

    /// Adds the pages of a table that was dropped: nothing names them any more.
    #[must_use]
    pub fn dropped(mut self, rows: &[Row]) -> Self {
        self.tree(rows);
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut pages = self.pages.clone();
        let mut first = vec![0; 100];
        first[..16].copy_from_slice(b"SQLite format 3\0");
        let size = u16::try_from(self.page_size).unwrap_or(1);
        first[16..18].copy_from_slice(&size.to_be_bytes());
        first[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]);
        let count = u32::try_from(pages.len()).unwrap_or(u32::MAX);
        first[28..32].copy_from_slice(&count.to_be_bytes());
        first[44..48].copy_from_slice(&4u32.to_be_bytes());
        first[56..60].copy_from_slice(&1u32.to_be_bytes());
        pages[0] = leaf(&self.schema, self.page_size, 100);
        pages[0][..100].copy_from_slice(&first);
        pages.concat()
    }

    /// Bytes of a record with one text of so many, and how many of them stay in the page.
    pub fn local(page_size: usize, text: usize) -> (usize, usize) {
        let len = record(&vec![0; text]).len();
        let (most, least) = (page_size - 35, (page_size - 12) * 32 / 255 - 23);
        let kept = least + (len.saturating_sub(least)) % (page_size - 4);
        let here = if kept <= most { kept } else { least };
        (len, if len <= most { len } else { here })
    }

    fn push(&mut self, page: Vec<u8>) -> usize {
        self.pages.push(page);
        self.pages.len()
    }

    fn tree(&mut self, rows: &[Row]) -> usize {
        let root = self.push(vec![0; self.page_size]);
        let mut leaves: Vec<(i64, Vec<Vec<u8>>)> = vec![(0, Vec::new())];
        let mut room = self.page_size - 8;
        for (number, text) in rows {
            let cell = self.cell(*number, &record(text));
            if cell.len() + 2 > room {
                leaves.push((0, Vec::new()));
                room = self.page_size - 8;
            }
            room -= cell.len() + 2;
            if let Some(last) = leaves.last_mut() {
                last.0 = *number;
                last.1.push(cell);
            }
        }
        if let [(_, only)] = leaves.as_slice() {
            self.pages[root - 1] = leaf(only, self.page_size, 0);
            return root;
        }
        let mut cells = Vec::new();
        let mut right = 0;
        let last = leaves.len() - 1;
        for (index, (number, content)) in leaves.into_iter().enumerate() {
            let page = leaf(&content, self.page_size, 0);
            right = u32::try_from(self.push(page)).unwrap_or(u32::MAX);
            if index < last {
                cells.push([&right.to_be_bytes()[..], &varint(number.cast_unsigned())].concat());
            }
        }
        let mut inner = page_of(5, &cells, self.page_size, 0, 12);
        inner[8..12].copy_from_slice(&right.to_be_bytes());
        self.pages[root - 1] = inner;
        root
    }

    fn cell(&mut self, number: i64, record: &[u8]) -> Vec<u8> {
        let least = (self.page_size - 12) * 32 / 255 - 23;
        let most = self.page_size - 35;
        let here = if record.len() <= most {
            record.len()
        } else {
            let kept = least + (record.len() - least) % (self.page_size - 4);
            if kept <= most { kept } else { least }
        };
        let mut cell = varint(record.len() as u64);
        cell.extend(varint(number.cast_unsigned()));
        cell.extend(&record[..here]);
        let chunks: Vec<&[u8]> = record[here..].chunks(self.page_size - 4).collect();
        let first = self.pages.len() + 1;
        let count = chunks.len();
        for (index, chunk) in chunks.into_iter().enumerate() {
            let next = if index + 1 < count { first + index + 1 } else { 0 };
            let mut page = u32::try_from(next).unwrap_or(u32::MAX).to_be_bytes().to_vec();
            page.extend(chunk);
            page.resize(self.page_size, 0);
            self.push(page);
        }
        if count > 0 {
            cell.extend(u32::try_from(first).unwrap_or(u32::MAX).to_be_bytes());
        }
        cell
    }
}

/// A record with one text.
pub fn record(text: &[u8]) -> Vec<u8> {
    let kind = varint(text_type(text));
    let mut record = vec![u8::try_from(kind.len() + 1).unwrap_or(u8::MAX)];
    record.extend(kind);
    record.extend(text);
    record
}

fn text_type(text: &[u8]) -> u64 {
    text.len() as u64 * 2 + 13
}

fn leaf(cells: &[Vec<u8>], size: usize, at: usize) -> Vec<u8> {
    page_of(13, cells, size, at, 8)
}

/// A page whose header begins at `at` and is `header` bytes long.
fn page_of(kind: u8, cells: &[Vec<u8>], size: usize, at: usize, header: usize) -> Vec<u8> {
    let mut page = vec![0; size];
    page[at] = kind;
    let count = u16::try_from(cells.len()).unwrap_or(u16::MAX);
    page[at + 3..at + 5].copy_from_slice(&count.to_be_bytes());
    let mut end = size;
    for (index, cell) in cells.iter().enumerate() {
        end -= cell.len();
        page[end..end + cell.len()].copy_from_slice(cell);
        let pointer = at + header + 2 * index;
        let start = u16::try_from(end).unwrap_or(0).to_be_bytes();
        page[pointer..pointer + 2].copy_from_slice(&start);
    }
    let start = u16::try_from(end).unwrap_or(0).to_be_bytes();
    page[at + 5..at + 7].copy_from_slice(&start);
    page
}

/// Seven bits a byte, the highest first. Numbers of more than 56 bits are not written.
fn varint(number: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut rest = number;
    loop {
        let more = if bytes.is_empty() { 0 } else { 0x80 };
        bytes.push(u8::try_from(rest & 0x7f).unwrap_or_default() | more);
        rest >>= 7;
        if rest == 0 {
            bytes.reverse();
            return bytes;
        }
    }
}
