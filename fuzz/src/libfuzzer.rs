//! The targets for libFuzzer: the environment's `CRYOSCAN_FUZZ_TARGET` names the one to run.
#![no_main]

use std::sync::LazyLock;

use cryoscan_fuzz::Target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("CRYOSCAN_FUZZ_TARGET").unwrap_or_default();
    cryoscan_fuzz::target(&name).expect("CRYOSCAN_FUZZ_TARGET names a target")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
