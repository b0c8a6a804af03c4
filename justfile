# The steps of CI by name, and the inner loop. CI itself needs no just.

_list:
    @just --list --unsorted

# All that CI runs
ci:
    .ci/run

# Formatting, spelling, TOML
format:
    .ci/run format

# Clippy in every feature set that we ship
lint:
    .ci/run lint

# The README's test command
test:
    .ci/run test

# Documentation with warnings as errors
docs:
    .ci/run docs

# Files made from the types are up to date
fresh:
    .ci/run fresh

# Licences, bans, sources, and what the features pull in
dependencies:
    .ci/run dependencies

# The README's first command
demo:
    .ci/run demo

# What is found of the values in tests/fixtures
recall:
    .ci/run recall

# 2 GiB within 96 MiB of memory
memory:
    .ci/run memory

# Instructions a byte on the scalar kernel's path, counted by valgrind
instructions:
    .ci/run instructions

# The inner loop: tests of one crate that match a filter, without the command line
quick crate filter="":
    cargo test --package {{ crate }} --no-default-features {{ filter }}

# Rewrite snapshots; read the diff afterwards
snapshots:
    INSTA_UPDATE=always cargo test --workspace --locked

# Rewrite help pages, the table of rules, and docs/generated
pages:
    UPDATE_UI=1 UPDATE=1 cargo test --locked --package cryoscan --test cli --test docs
    cargo run --locked --package cryoscan --features dev -- dev generate

# Speed and memory of a release build on a checkpoint
bench target:
    cargo build --release --locked --package cryoscan --package cryoscan-benches
    target/release/end-to-end --binary target/release/cryoscan {{ target }}

# What all rules cost over forty of them, on a checkpoint and on nothing
bench-rules target:
    cargo build --release --locked --package cryoscan --package cryoscan-benches
    target/release/rule-cost target/release/cryoscan {{ target }}

# The same on corpora from live processes, by kernel and threads, beside other programs; minutes
bench-all record:
    cargo build --release --locked --package cryoscan --package cryoscan-tests --package cryoscan-benches
    benches/corpus/make target/corpora
    benches/compare target/corpora --peers target/peers --record {{ record }}
