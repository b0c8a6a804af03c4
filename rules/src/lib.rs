//! The built-in rules, embedded: one file per family, in the dialect of `docs/rules.md`.

/// Rules for secrets: name of the file, and its text.
pub const SECRETS: &[(&str, &str)] = &[
    ("ai.toml", include_str!("../secrets/ai.toml")),
    ("assignments.toml", include_str!("../secrets/assignments.toml")),
    ("aws.toml", include_str!("../secrets/aws.toml")),
    ("databases.toml", include_str!("../secrets/databases.toml")),
    ("github.toml", include_str!("../secrets/github.toml")),
    ("http.toml", include_str!("../secrets/http.toml")),
    ("indicators.toml", include_str!("../secrets/indicators.toml")),
    ("jenkins.toml", include_str!("../secrets/jenkins.toml")),
    ("jwt.toml", include_str!("../secrets/jwt.toml")),
    ("keys.toml", include_str!("../secrets/keys.toml")),
    ("kubernetes.toml", include_str!("../secrets/kubernetes.toml")),
    ("npm.toml", include_str!("../secrets/npm.toml")),
    ("pypi.toml", include_str!("../secrets/pypi.toml")),
    ("shadow.toml", include_str!("../secrets/shadow.toml")),
    ("slack.toml", include_str!("../secrets/slack.toml")),
    ("stripe.toml", include_str!("../secrets/stripe.toml")),
];
