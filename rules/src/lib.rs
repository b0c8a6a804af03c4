//! The built-in rules, embedded: one file per family, in the dialect of `docs/rules.md`.

/// Rules for secrets: name of the file, and its text.
pub const SECRETS: &[(&str, &str)] = &[
    ("ai.toml", include_str!("../secrets/ai.toml")),
    ("assigned.toml", include_str!("../secrets/assigned.toml")),
    ("assignments.toml", include_str!("../secrets/assignments.toml")),
    ("aws.toml", include_str!("../secrets/aws.toml")),
    ("azure.toml", include_str!("../secrets/azure.toml")),
    ("credential-files.toml", include_str!("../secrets/credential-files.toml")),
    ("databases.toml", include_str!("../secrets/databases.toml")),
    ("frameworks.toml", include_str!("../secrets/frameworks.toml")),
    ("gcp.toml", include_str!("../secrets/gcp.toml")),
    ("github.toml", include_str!("../secrets/github.toml")),
    ("gitlab.toml", include_str!("../secrets/gitlab.toml")),
    ("http.toml", include_str!("../secrets/http.toml")),
    ("indicators.toml", include_str!("../secrets/indicators.toml")),
    ("jenkins.toml", include_str!("../secrets/jenkins.toml")),
    ("jwt.toml", include_str!("../secrets/jwt.toml")),
    ("keys.toml", include_str!("../secrets/keys.toml")),
    ("keystores.toml", include_str!("../secrets/keystores.toml")),
    ("kubernetes.toml", include_str!("../secrets/kubernetes.toml")),
    ("npm.toml", include_str!("../secrets/npm.toml")),
    ("pypi.toml", include_str!("../secrets/pypi.toml")),
    ("registries.toml", include_str!("../secrets/registries.toml")),
    ("shadow.toml", include_str!("../secrets/shadow.toml")),
    ("slack.toml", include_str!("../secrets/slack.toml")),
    ("stripe.toml", include_str!("../secrets/stripe.toml")),
    ("vault.toml", include_str!("../secrets/vault.toml")),
    ("web.toml", include_str!("../secrets/web.toml")),
];

/// YARA rules (`--yara builtin`): name of the file, and its text.
pub const YARA: &[(&str, &str)] = &[
    ("implants.yar", include_str!("../yara/implants.yar")),
    ("miners.yar", include_str!("../yara/miners.yar")),
    ("reverse-shells.yar", include_str!("../yara/reverse-shells.yar")),
    ("webshells.yar", include_str!("../yara/webshells.yar")),
];
