//! The options that say which memory is looked at.

use std::ops::Range;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::checkpoint::{Filter, VmaKind};

// Which memory is looked at. (No doc comment: clap would print it.)
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters of memory (all that are given must fit)")]
pub(super) struct FilterArgs {
    /// Only the process of this pid; may be given more than once
    #[arg(
        short,
        long,
        value_name = "PID",
        value_delimiter = ',',
        env = "CRYOSCAN_PID",
        hide_env_values = true
    )]
    pid: Vec<u32>,

    /// Only processes of this name, or whose program has it; `*` stands for any characters, `?` for
    /// one; may be given more than once
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        env = "CRYOSCAN_PROCESS",
        hide_env_values = true
    )]
    process: Vec<String>,

    /// Only mappings of this kind; may be given more than once
    #[arg(
        long,
        value_name = "KIND",
        value_delimiter = ',',
        value_parser = kinds(),
        env = "CRYOSCAN_VMA",
        hide_env_values = true
    )]
    vma: Vec<VmaKind>,

    /// Only mappings with all of these letters of /proc/PID/maps, such as `wx`; may be given more than
    /// once
    #[arg(
        long,
        value_name = "LETTERS",
        value_delimiter = ',',
        value_parser = prot,
        env = "CRYOSCAN_PROT",
        hide_env_values = true
    )]
    prot: Vec<String>,

    /// Only these addresses, in hexadecimal, the end not included; may be given more than once
    #[arg(
        long,
        value_name = "START-END",
        value_delimiter = ',',
        value_parser = address,
        env = "CRYOSCAN_ADDRESS",
        hide_env_values = true
    )]
    address: Vec<Range<u64>>,
}

impl FilterArgs {
    /// The filter; empty where no option was given.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            pids: self.pid.clone(),
            names: self.process.clone(),
            kinds: self.vma.clone(),
            prots: self.prot.clone(),
            addresses: self.address.clone(),
        }
    }
}

fn kinds() -> impl TypedValueParser<Value = VmaKind> {
    let names = VmaKind::ALL.iter().map(|kind| {
        let value = PossibleValue::new(kind.name());
        if *kind == VmaKind::Anonymous { value.alias("anon") } else { value }
    });
    PossibleValuesParser::new(names).map(|name| {
        let mut all = VmaKind::ALL.iter().copied();
        // The alias.
        all.find(|kind| kind.name() == name).unwrap_or(VmaKind::Anonymous)
    })
}

fn prot(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.chars().all(|letter| "rwxsp".contains(letter)) {
        return Ok(text.to_owned());
    }
    Err("expected letters of rwx, s (shared) and p (private)".to_owned())
}

fn address(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| {
        u64::from_str_radix(text.trim_start_matches("0x"), 16)
            .map_err(|_| format!("expected a hexadecimal address, found {text:?}"))
    };
    let (start, end) = text.split_once('-').ok_or("expected START-END")?;
    let (start, end) = (number(start)?, number(end)?);
    if start < end { Ok(start..end) } else { Err("the end is not behind the start".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_maps_and_of_reports() {
        assert_eq!(address("7f00-7f10"), Ok(0x7f00..0x7f10));
        assert_eq!(address("0x7f00-0x7f10"), Ok(0x7f00..0x7f10));
        for wrong in ["", "7f00", "10-10", "20-10", "g-h", "1-2-3", "-5"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn protections_are_letters() {
        assert_eq!(prot("wx"), Ok("wx".to_owned()));
        for wrong in ["", "rw-", "z"] {
            assert!(prot(wrong).is_err(), "{wrong}");
        }
    }
}
