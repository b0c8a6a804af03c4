//! Whether a rule can hold on memory, from its syntax tree.
//!
//! In blocks yara-x has no file: `filesize`, `uint32()` and the modules are undefined there, an
//! undefined part makes its comparison false, and offsets are virtual addresses. A rule whose
//! condition cannot come true without a file runs on files only, and says so; one that merely
//! allows for a file (`filesize < 1MB or …`) runs on both.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a syntax tree of 50 kinds, of which few matter"
)]

use std::collections::{BTreeMap, BTreeSet};

use yara_x_parser::ast::{
    BinaryExpr, Expr, HexSubPattern, HexToken, Iterable, MatchAnchor, OfItems, Pattern, Quantifier,
    Range, Rule,
};

/// Virtual addresses below this are never mapped (`vm.mmap_min_addr`): such an offset is one of a
/// file.
const LOWEST_ADDRESS: i64 = 0x1_0000;

/// The widest gap between two parts of one string: what is found in memory lies in one block.
const WIDEST_GAP: u64 = 16 << 10;

/// Conditions nested deeper are not looked into.
const DEEPEST: u32 = 150;

/// What a condition may name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Variables that describe a file; they are empty for memory.
    pub externals: BTreeSet<&'static str>,
    /// Modules that the file imports.
    pub modules: BTreeSet<String>,
    /// The rules before this one, and why they run on files only.
    pub rules: BTreeMap<String, Option<String>>,
}

/// Why a rule can hold on files only; `None` if it can hold on memory too.
pub(super) fn files_only(rule: &Rule<'_>, names: &Names) -> Option<String> {
    let mut patterns = rule.patterns.iter().flatten();
    names.expr(&rule.condition, DEEPEST).or_else(|| {
        let wide = patterns.find(|pattern| has_wide_gap(pattern))?;
        Some(format!("gap in {}", wide.identifier().name))
    })
}

/// Whether a condition depends on how many hits there are.
pub(super) fn counts(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::PatternCount(_) | Expr::PatternOffset(_) | Expr::PatternLength(_) => true,
        Expr::ForIn(_) | Expr::ForOf(_) => true,
        Expr::PatternMatch(found) => found.anchor.is_some(),
        Expr::Of(of) => of.anchor.is_some() || matches!(&of.items, OfItems::BoolExprTuple(_)),
        other => other.children().any(counts),
    }
}

impl Names {
    /// Why an expression is never true, or has no value, where there is no file.
    fn expr(&self, expr: &Expr<'_>, deep: u32) -> Option<String> {
        let Some(deep) = deep.checked_sub(1) else { return Some("nesting".to_owned()) };
        let of = |expr: &Expr<'_>| self.expr(expr, deep);
        match expr {
            Expr::Filesize { .. } => Some("filesize".to_owned()),
            Expr::Entrypoint { .. } => Some("entrypoint".to_owned()),
            Expr::True { .. }
            | Expr::False { .. }
            | Expr::LiteralString(_)
            | Expr::LiteralInteger(_)
            | Expr::LiteralFloat(_)
            | Expr::Regexp(_) => None,
            Expr::Ident(name) => self.ident(name.name),
            // What is not known to hold does not, and its denial does.
            Expr::Not(_) => None,
            Expr::Or(all) => all_of(all.operands().map(of)),
            Expr::And(all)
            | Expr::Add(all)
            | Expr::Sub(all)
            | Expr::Mul(all)
            | Expr::Div(all)
            | Expr::Mod(all) => all.operands().find_map(of),
            Expr::FieldAccess(path) => path.operands().next().and_then(of),
            Expr::Defined(one) | Expr::Minus(one) | Expr::BitwiseNot(one) => of(&one.operand),
            Expr::Lt(two) | Expr::Le(two) | Expr::Eq(two) => {
                self.binary(two, deep).or_else(|| small_offset(two))
            }
            Expr::Contains(two)
            | Expr::IContains(two)
            | Expr::StartsWith(two)
            | Expr::IStartsWith(two)
            | Expr::EndsWith(two)
            | Expr::IEndsWith(two)
            | Expr::IEquals(two)
            | Expr::Matches(two) => self.binary(two, deep),
            Expr::Ne(two)
            | Expr::Gt(two)
            | Expr::Ge(two)
            | Expr::Shl(two)
            | Expr::Shr(two)
            | Expr::BitwiseAnd(two)
            | Expr::BitwiseOr(two)
            | Expr::BitwiseXor(two) => of(&two.lhs).or_else(|| of(&two.rhs)),
            Expr::PatternMatch(found) => self.anchor(found.anchor.as_ref(), deep),
            Expr::PatternCount(count) => {
                count.range.as_ref().and_then(|range| self.range(range, deep))
            }
            Expr::PatternOffset(item) | Expr::PatternLength(item) => {
                item.index.as_ref().and_then(of)
            }
            Expr::Lookup(lookup) => of(&lookup.primary).or_else(|| of(&lookup.index)),
            Expr::FuncCall(call) => {
                let name = call.identifier.name;
                let args = || call.args.iter().find_map(of);
                match &call.object {
                    None if is_read(name) => Some(format!("{name}()")),
                    None => args(),
                    Some(Expr::Ident(module)) if is_pure(module.name, name) => args(),
                    Some(object) => of(object).or_else(args),
                }
            }
            Expr::Of(it) => {
                let items = match &it.items {
                    OfItems::PatternSet(_) => None,
                    OfItems::BoolExprTuple(all) => match &it.quantifier {
                        Quantifier::All { .. } => all.iter().find_map(of),
                        _ => all_of(all.iter().map(of)),
                    },
                };
                self.quantified(&it.quantifier, deep, || {
                    self.anchor(it.anchor.as_ref(), deep).or(items)
                })
            }
            Expr::ForOf(it) => self.quantified(&it.quantifier, deep, || of(&it.body)),
            Expr::ForIn(it) => self.quantified(&it.quantifier, deep, || {
                let over = match &it.iterable {
                    Iterable::Range(range) => self.range(range, deep),
                    Iterable::ExprTuple(all) => all.iter().find_map(of),
                    Iterable::Expr(expr) => of(expr),
                };
                over.or_else(|| of(&it.body))
            }),
            Expr::With(it) => {
                let declared = it.declarations.iter().find_map(|one| of(&one.expression));
                declared.or_else(|| of(&it.body))
            }
        }
    }

    fn ident(&self, name: &str) -> Option<String> {
        if self.modules.contains(name) {
            return Some(format!("module {name}"));
        }
        self.rules.get(name)?.as_ref().map(|_| format!("rule {name}"))
    }

    /// A comparison that must come true: what describes a file is empty for memory.
    fn binary(&self, two: &BinaryExpr<'_>, deep: u32) -> Option<String> {
        let external = |expr: &Expr<'_>| match expr {
            Expr::Ident(name) => self.externals.get(name.name).map(|name| (*name).to_owned()),
            _ => None,
        };
        let is_empty =
            |expr: &Expr<'_>| matches!(expr, Expr::LiteralString(text) if text.value.is_empty());
        let sides = [(&two.lhs, &two.rhs), (&two.rhs, &two.lhs)];
        let named =
            sides.into_iter().find_map(|(one, other)| external(one).filter(|_| !is_empty(other)));
        named.or_else(|| self.expr(&two.lhs, deep)).or_else(|| self.expr(&two.rhs, deep))
    }

    fn anchor(&self, anchor: Option<&MatchAnchor<'_>>, deep: u32) -> Option<String> {
        match anchor? {
            MatchAnchor::At(at) => self.expr(&at.expr, deep).or_else(|| {
                literal(&at.expr).filter(|at| is_small(*at)).map(|at| format!("offset {at}"))
            }),
            MatchAnchor::In(within) => self.range(&within.range, deep),
        }
    }

    fn range(&self, range: &Range<'_>, deep: u32) -> Option<String> {
        let bound = |expr: &Expr<'_>| self.expr(expr, deep);
        bound(&range.lower_bound).or_else(|| bound(&range.upper_bound)).or_else(|| {
            let upper = literal(&range.upper_bound).filter(|at| is_small(*at))?;
            Some(format!("offsets up to {upper}"))
        })
    }

    fn quantified(
        &self,
        quantifier: &Quantifier<'_>,
        deep: u32,
        body: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        match quantifier {
            Quantifier::None { .. } => None,
            Quantifier::All { .. } | Quantifier::Any { .. } => body(),
            Quantifier::Percentage(expr) | Quantifier::Expr(expr) => {
                self.expr(expr, deep).or_else(body)
            }
        }
    }
}

/// Why none of several ways is open: the first reason, if each has one.
fn all_of(mut reasons: impl Iterator<Item = Option<String>>) -> Option<String> {
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then_some(first)
}

/// `@a < 100`: an offset in a file.
fn small_offset(two: &BinaryExpr<'_>) -> Option<String> {
    let at = literal(&two.rhs).filter(|at| is_small(*at))?;
    matches!(&two.lhs, Expr::PatternOffset(_)).then(|| format!("offset {at}"))
}

fn literal(expr: &Expr<'_>) -> Option<i64> {
    match expr {
        Expr::LiteralInteger(number) if !number.is_unsigned => Some(number.value),
        _ => None,
    }
}

fn is_small(at: i64) -> bool {
    (0..LOWEST_ADDRESS).contains(&at)
}

/// `uint8` … `int32be`: they read the file.
fn is_read(name: &str) -> bool {
    let plain = name.strip_suffix("be").unwrap_or(name);
    matches!(
        plain,
        "int8"
            | "int16"
            | "int32"
            | "int64"
            | "uint8"
            | "uint16"
            | "uint32"
            | "uint64"
            | "float32"
            | "float64"
    )
}

/// Functions of modules that look at their arguments only.
fn is_pure(module: &str, function: &str) -> bool {
    match module {
        "console" | "string" => true,
        "time" => function == "now",
        "math" => {
            matches!(function, "abs" | "max" | "min" | "to_number" | "to_string" | "in_range")
        }
        _ => false,
    }
}

/// Whether a string may be wider than what is certain to lie in one block.
fn has_wide_gap(pattern: &Pattern<'_>) -> bool {
    match pattern {
        Pattern::Text(_) => false,
        Pattern::Hex(hex) => width(&hex.sub_patterns) > WIDEST_GAP,
        Pattern::Regexp(regexp) => {
            // Where the dot takes line feeds too, yara-x looks for the two sides apart.
            let literal = regexp.regexp.literal;
            let open = [".*", ".+", ",}"].iter().any(|part| literal.contains(part));
            regexp.regexp.dot_matches_new_line && open
        }
    }
}

/// Bytes of all gaps of a hexadecimal string.
fn width(parts: &HexSubPattern) -> u64 {
    let each = parts.iter().map(|token| match token {
        HexToken::Byte(_) | HexToken::NotByte(_) => 0,
        HexToken::Jump(jump) => jump.end.map_or(u64::MAX, u64::from),
        HexToken::Alternative(either) => {
            either.as_ref().alternatives.iter().map(width).max().unwrap_or_default()
        }
    });
    each.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use yara_x_parser::ast::AST;

    use super::*;

    const STRINGS: &str = r#"$a = "one" $b = "two" $c = { 01 02 [1-9] 03 }"#;

    fn why_in(names: &Names, strings: &str, condition: &str) -> Option<String> {
        let text = format!("rule r {{ strings: {strings} condition: {condition} }}");
        let ast = AST::from(text.as_str());
        assert!(ast.errors().is_empty(), "{text}: {:?}", ast.errors());
        files_only(ast.rules().next().unwrap(), names)
    }

    fn why(condition: &str) -> Option<String> {
        let names = Names {
            externals: BTreeSet::from(["filename", "extension"]),
            modules: ["elf", "math", "time", "console"].map(str::to_owned).into(),
            rules: BTreeMap::from([
                ("is_elf".to_owned(), Some("uint32()".to_owned())),
                ("has_text".to_owned(), None),
            ]),
        };
        why_in(&names, STRINGS, condition)
    }

    #[test]
    fn what_asks_for_a_file_runs_on_files_only() {
        for (condition, reason) in [
            ("filesize < 1MB and $a", "filesize"),
            ("$a and uint32(0) == 0x464c457f", "uint32()"),
            ("uint16be(@a[1] + 4) == 3", "uint16be()"),
            ("$a at 0", "offset 0"),
            ("any of them in (0..1024)", "offsets up to 1024"),
            ("#a in (0..filesize) > 2", "filesize"),
            ("@a < 100", "offset 100"),
            ("$a at entrypoint", "entrypoint"),
            ("elf.type == elf.ET_EXEC and $a", "module elf"),
            ("for any s in elf.sections : (s.name == \".upx\")", "module elf"),
            ("math.entropy(0, filesize) > 7.0", "module math"),
            ("is_elf and $a", "rule is_elf"),
            ("(filesize > 3 or uint8(0) == 1) and all of them", "filesize"),
            ("for all of them : ($ at elf.entry_point)", "module elf"),
            ("any of (is_elf, filesize < 7)", "rule is_elf"),
            ("all of (is_elf, $a)", "rule is_elf"),
            ("with size = filesize : ($a and size < 7)", "filesize"),
            ("defined elf.type", "module elf"),
            ("filename == \"sshd\" and $a", "filename"),
            ("extension matches /php/", "extension"),
        ] {
            assert_eq!(why(condition).as_deref(), Some(reason), "{condition}");
        }
    }

    #[test]
    fn what_merely_allows_for_a_file_runs_on_memory_too() {
        for condition in [
            "$a",
            "all of them",
            "2 of ($a, $b)",
            "filesize < 1MB or $a",
            "$a and not uint16(0) == 0x5a4d",
            "not is_elf and $a",
            "$a at 0x400000",
            "$a in (@b..@b + 100)",
            "#a > 3 and @a[2] > @a[1]",
            "for any i in (1..#a) : (@a[i] < @b)",
            "any of ($a, is_elf)",
            "none of (is_elf, $a)",
            "has_text and $a",
            "$a and not filename contains \"yara\"",
            "$a and filename == \"\"",
            "$a and filename != \"sshd\"",
            "console.log(\"seen\") and time.now() > 3 and math.max(1, 2) > 0",
        ] {
            assert_eq!(why(condition), None, "{condition}");
        }
    }

    #[test]
    fn strings_wider_than_a_block_are_for_files() {
        for (strings, reason) in [
            ("$a = { 01 [-] 02 }", Some("gap in $a")),
            ("$a = { 01 [5-] 02 }", Some("gap in $a")),
            ("$a = { 01 ( 02 | 03 [0-99999] 04 ) }", Some("gap in $a")),
            ("$a = { 01 [0-9000] 02 [0-9000] 03 }", Some("gap in $a")),
            ("$a = { 01 [0-9000] 02 }", None),
            ("$a = /eval.*base64/s", Some("gap in $a")),
            ("$a = /eval.*base64/", None),
        ] {
            let found = why_in(&Names::default(), strings, "$a");
            assert_eq!(found.as_deref(), reason, "{strings}");
        }
    }

    #[test]
    fn a_condition_as_deep_as_a_source_may_be_is_judged() {
        let deep = format!("{}$a{}", "(not ".repeat(32), ")".repeat(32));
        assert_eq!(why_in(&Names::default(), "$a = \"one\"", &deep), None);
        let deep = format!("{}filesize{} == 1 and $a", "-(".repeat(32), ")".repeat(32));
        let found = why_in(&Names::default(), "$a = \"one\"", &deep);
        assert_eq!(found.as_deref(), Some("filesize"));
    }
}
