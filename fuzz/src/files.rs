//! Several named files in one input: `//NAME` on a line of its own stands before each.

/// Name and content, in order.
pub type Files = Vec<(String, Vec<u8>)>;

const MARK: &[u8] = b"\n//";

/// Bytes of a name at most: what fits into the header of a tar.
pub(crate) const NAME: usize = 80;

/// The files of an input. What stands before the first mark has no name and is left out.
pub fn split(data: &[u8]) -> Files {
    let mut files = Files::new();
    let mut rest = find(data, MARK).and_then(|at| data.get(at + MARK.len()..));
    while let Some(part) = rest {
        let end = find(part, MARK).unwrap_or(part.len());
        let (file, after) = part.split_at(end);
        let line = file.iter().position(|byte| *byte == b'\n').unwrap_or(file.len());
        let name = name_of(&file[..line]);
        files.push((name, file.get(line + 1..).unwrap_or_default().to_vec()));
        rest = after.get(MARK.len()..);
    }
    files
}

/// An input of these files. Content with a mark in it comes back as more files, which is no harm.
pub(crate) fn join<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut data = Vec::new();
    for (name, content) in files {
        data.extend(MARK);
        data.extend(name.as_bytes());
        data.push(b'\n');
        data.extend(content);
    }
    data
}

/// A name of these bytes.
pub(crate) fn name_of(bytes: &[u8]) -> String {
    let name = String::from_utf8_lossy(bytes).replace('\0', "");
    let end = (0..=name.len().min(NAME)).rfind(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

fn find(data: &[u8], mark: &[u8]) -> Option<usize> {
    data.windows(mark.len()).position(|window| window == mark)
}
