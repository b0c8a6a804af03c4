//! The language of examples: text with parts in braces, `{class:length}`, that are made anew each time.

/// What a template is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stands for itself, a lone brace too.
    Text(&'a str),
    /// What stands between braces: a class and perhaps a colon and a word.
    Part(&'a str),
}

/// The template taken apart.
///
/// # Examples
/// ```
/// use cryoscan::rule::{Piece, pieces};
/// let parts: Vec<Piece<'_>> = pieces("ghp_{base62:30}{}").collect();
/// assert_eq!(parts, [Piece::Text("ghp_"), Piece::Part("base62:30"), Piece::Text("{}")]);
/// ```
pub fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        if let Some((part, behind)) = inner.filter(|(part, _)| is_part(part)) {
            rest = behind;
            return Some(Piece::Part(part));
        }
        let next = rest.char_indices().skip(1).find(|(_, c)| *c == '{');
        let (text, behind) = rest.split_at_checked(next.map_or(rest.len(), |(at, _)| at))?;
        rest = behind;
        Some(Piece::Text(text))
    })
}

fn is_part(text: &str) -> bool {
    let (class, argument) = text.split_once(':').unwrap_or((text, "0"));
    class.starts_with(|c: char| c.is_ascii_lowercase())
        && class.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !argument.is_empty()
        && argument.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The characters of a class of which a part has so many as its argument says; other classes need keys,
/// sums or structures.
pub fn alphabet(class: &str) -> Option<Vec<u8>> {
    const DIGITS: &str = "0123456789";
    const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
    let parts: &[&str] = match class {
        "base62" => &[DIGITS, UPPER, LOWER],
        "base64" => &[DIGITS, UPPER, LOWER, "+/"],
        "base64url" => &[DIGITS, UPPER, LOWER, "-_"],
        "hex" => &[DIGITS, "abcdef"],
        "digits" => &[DIGITS],
        "word" => &[LOWER],
        "letters" => &[UPPER, LOWER],
        // One that would open a part.
        "brace" => &["{"],
        "aws-id" => &[UPPER, "234567"],
        _ => return None,
    };
    Some(parts.concat().into_bytes())
}
