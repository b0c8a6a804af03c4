//! Facts that a check reads off a value.

/// Facts that a check reads off a value, in the order of their names: `jwt.alg` → `RS256`. Never secret.
///
/// There are a handful at most, and a report may hold those of fifty thousand values: a tree would take twice the
/// room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Vec<(&'static str, String)>);

impl Attributes {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets a fact, in the place of one of that name.
    pub fn insert(&mut self, name: &'static str, text: String) {
        match self.find(name) {
            Ok(index) => {
                if let Some(fact) = self.0.get_mut(index) {
                    fact.1 = text;
                }
            }
            Err(index) => {
                // No room for others, which mostly do not come.
                self.0.reserve_exact(1);
                self.0.insert(index, (name, text));
            }
        }
    }

    /// The fact of that name.
    pub fn get(&self, name: &str) -> Option<&String> {
        let index = self.find(name).ok()?;
        self.0.get(index).map(|(_, text)| text)
    }

    /// Whether there is a fact of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Names and facts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &String)> {
        self.0.iter().map(|(name, text)| (*name, text))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(of, _)| (*of).cmp(name))
    }
}

#[cfg(test)]
impl std::ops::Index<&str> for Attributes {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        self.get(name).expect("a fact of that name")
    }
}

impl Extend<(&'static str, String)> for Attributes {
    fn extend<I: IntoIterator<Item = (&'static str, String)>>(&mut self, facts: I) {
        facts.into_iter().for_each(|(name, text)| self.insert(name, text));
    }
}

impl FromIterator<(&'static str, String)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(facts: I) -> Self {
        let mut all = Self::new();
        all.extend(facts);
        all
    }
}

impl<const N: usize> From<[(&'static str, String); N]> for Attributes {
    fn from(facts: [(&'static str, String); N]) -> Self {
        facts.into_iter().collect()
    }
}

impl IntoIterator for Attributes {
    type Item = (&'static str, String);
    type IntoIter = std::vec::IntoIter<(&'static str, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
