//! Every target runs over its seeds, over what was kept, and over mutations; and together they reach
//! everything that decodes.

use std::collections::BTreeSet;

use cryoscan::archive::{CONTAINERS, container_of};
use cryoscan::check::CHECKS;
use cryoscan::criu::{IMAGES, OTHERS, Role, kind_of, role_of};
use cryoscan_fuzz::{TARGETS, drive, seeds, split};

/// The first line of each seed of a target.
fn names(target: &str) -> BTreeSet<String> {
    let first = |seed: &Vec<u8>| {
        let line = seed.split(|byte| *byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    };
    seeds(target).iter().map(first).collect()
}

fn runs(name: &str) {
    let target = cryoscan_fuzz::target(name).unwrap();
    let last = std::env::temp_dir().join(format!("cryoscan-fuzz-test-{name}"));
    let inputs = drive(target, target.rounds, |input| std::fs::write(&last, input).unwrap());
    std::fs::remove_file(last).unwrap();
    assert!(inputs > usize::try_from(target.rounds).unwrap(), "{name} has no seed");
}

macro_rules! each {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            runs(stringify!($name));
        })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

each!(members archive images memory kernel metadata windows checks rules text reports);

#[test]
fn every_target_has_a_test_and_a_name_of_its_own() {
    let listed: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(listed, TESTED);
}

#[test]
fn every_container_is_in_a_seed_of_members() {
    let seeds = seeds("members");
    for container in CONTAINERS {
        let is_it = |seed: &Vec<u8>| container_of(seed).is_some_and(|it| it.name == container.name);
        assert!(seeds.iter().any(is_it), "no seed is a {}", container.name);
    }
}

#[test]
fn every_image_is_in_a_seed_of_images() {
    let names = names("images");
    for kind in IMAGES {
        let is_it = |name: &String| {
            kind_of(name.as_bytes()).is_some_and(|(it, _)| it.pattern == kind.pattern)
        };
        assert!(names.iter().any(is_it), "no seed is a {}", kind.pattern);
    }
}

#[test]
fn every_other_file_of_a_dump_is_in_a_seed_of_kernel() {
    let named: Vec<String> =
        seeds("kernel").iter().flat_map(|seed| split(seed)).map(|(name, _)| name).collect();
    for (pattern, role) in OTHERS {
        let name = pattern.replace("%u", "7").replace("%x", "1f").replace("%s", "x");
        assert_eq!(role_of(name.as_bytes()), *role);
        let with_content = matches!(role, Role::Payload | Role::Text | Role::Archive);
        assert!(!with_content || named.contains(&name), "no seed is a {pattern}");
    }
}

#[test]
fn every_check_is_in_a_seed_of_checks() {
    let names = names("checks");
    for check in CHECKS {
        assert!(names.contains(check.name), "no seed is for {}", check.name);
    }
}
