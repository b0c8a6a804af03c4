//! Fingerprints: names of values that survive the next dump of the same process.

use std::borrow::Cow;

use super::{Context, Value, place};
use crate::region::RegionKind;
use crate::rule::Rule;
use crate::tally::Part;

/// How values are named across reports.
#[derive(Debug, Clone)]
pub struct Fingerprints {
    /// The key of all hashes.
    pub key: [u8; 32],
    /// Name of the key.
    pub key_name: String,
    /// Whether the key is the user's own: then even a value that could be guessed may enter.
    pub is_private: bool,
}

impl Fingerprints {
    /// Fingerprint and place fingerprint of a value.
    ///
    /// Under the key that everybody has, a value that could be guessed (a password) never enters:
    /// its hash could be tried out. Its context names it instead.
    pub(super) fn of(
        &self,
        value: &Value<'_>,
        rule: &Rule,
        context: &Context<'_>,
    ) -> (String, String) {
        let contexts: Vec<(&Part, Cow<'_, str>)> = value
            .found
            .parts
            .iter()
            .map(|part| (*part, place::owner(part.holder, part.tally.best.1, context)))
            .collect();
        let container = &context.checkpoint.container;
        let name = container.name.as_deref().unwrap_or_default();
        let image = container.image.as_deref().map(plain_image).unwrap_or_default();
        let mut rules = value.found.parts.iter().flat_map(|part| &part.tally.rules);
        let guessable = rules.any(|id| context.rules.get(*id).guessable);
        let digits = if guessable && !self.is_private {
            let of = |(part, owner): &(&Part, Cow<'_, str>)| (variable(part), owner.to_string());
            match contexts.iter().map(of).min() {
                Some((variable, owner)) => {
                    self.hash(&[&rule.family, &variable, name, image, &owner])
                }
                None => self.hash(&[""; 5]),
            }
        } else {
            data_encoding::HEXLOWER.encode(&value.key.0)
        };
        let fingerprint = self.named(&digits);
        // The name of a kind is made where two have the same owner, and of the lowest.
        let lowest = contexts.iter().min_by(|(a, of_a), (b, of_b)| {
            let by_kind = || region_name(a.kind).cmp(&region_name(b.kind));
            of_a.cmp(of_b).then_with(by_kind)
        });
        let digits = match lowest {
            Some((part, owner)) => {
                self.hash(&[&fingerprint, name, image, owner, &region_name(part.kind)])
            }
            None => self.hash(&[&fingerprint, "", "", "", ""]),
        };
        (fingerprint, self.named(&digits))
    }

    /// A hash with what tells the key of it.
    fn named(&self, digits: &str) -> String {
        ["v1:", &self.key_name, ":", digits].concat()
    }

    /// Fingerprint and place fingerprint of a rule that holds, by its id and by the owner and kind
    /// of region of each place.
    pub(super) fn of_rule(
        &self,
        id: &str,
        places: impl Iterator<Item = (String, RegionKind)>,
        context: &Context<'_>,
    ) -> (String, String) {
        let container = &context.checkpoint.container;
        let name = container.name.clone().unwrap_or_default();
        let image = container.image.as_deref().map(plain_image).unwrap_or_default();
        let fingerprint = self.named(&self.hash(&["yara", id]));
        let lowest = places.map(|(owner, kind)| (owner, region_name(kind))).min();
        let (owner, region) = lowest.unwrap_or_default();
        let digits = self.hash(&[&fingerprint, &name, image, &owner, &region]);
        (fingerprint, self.named(&digits))
    }

    fn hash(&self, parts: &[&str]) -> String {
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            // Lengths keep the parts apart.
            text.extend((part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let hash = blake3::keyed_hash(&self.key, &text);
        data_encoding::HEXLOWER.encode(hash.as_bytes().get(..16).unwrap_or_default())
    }
}

/// What names a value beside its owner: a variable, or what a connection URI shows beside its password.
fn variable(part: &Part) -> String {
    let grounds = &part.tally.best.0.grounds;
    grounds.name.clone().unwrap_or_else(|| {
        let shown = grounds.attributes.iter().filter(|(name, _)| name.starts_with("uri."));
        shown.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ")
    })
}

fn region_name(kind: RegionKind) -> String {
    format!("{kind:?}")
}

/// An image reference without tag and digest.
fn plain_image(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::plain_image;

    #[test]
    fn an_image_loses_tag_and_digest_and_keeps_a_port() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        for (image, plain) in [
            ("docker.io/library/nginx:1.27".to_owned(), "docker.io/library/nginx"),
            (format!("reg:5000/app:1{digest}"), "reg:5000/app"),
            ("reg:5000/app".to_owned(), "reg:5000/app"),
        ] {
            assert_eq!(plain_image(&image), plain);
        }
    }
}
