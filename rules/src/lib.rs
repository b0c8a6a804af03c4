//! The built-in rules, embedded: one file per family, in the dialect of `docs/rules.md`.

/// Rules for secrets: name of the file, and its text.
pub const SECRETS: &[(&str, &str)] = &[
    ("age.toml", include_str!("../secrets/age.toml")),
    ("ai.toml", include_str!("../secrets/ai.toml")),
    ("assignments.toml", include_str!("../secrets/assignments.toml")),
    ("aws.toml", include_str!("../secrets/aws.toml")),
    ("azure.toml", include_str!("../secrets/azure.toml")),
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
    ("onepassword.toml", include_str!("../secrets/onepassword.toml")),
    ("password-hashes.toml", include_str!("../secrets/password-hashes.toml")),
    ("pgp.toml", include_str!("../secrets/pgp.toml")),
    ("pypi.toml", include_str!("../secrets/pypi.toml")),
    ("registries.toml", include_str!("../secrets/registries.toml")),
    ("sealed.toml", include_str!("../secrets/sealed.toml")),
    ("shadow.toml", include_str!("../secrets/shadow.toml")),
    ("slack.toml", include_str!("../secrets/slack.toml")),
    ("ssh.toml", include_str!("../secrets/ssh.toml")),
    ("stripe.toml", include_str!("../secrets/stripe.toml")),
    ("tls.toml", include_str!("../secrets/tls.toml")),
    ("tor.toml", include_str!("../secrets/tor.toml")),
    ("vault.toml", include_str!("../secrets/vault.toml")),
    ("vpn.toml", include_str!("../secrets/vpn.toml")),
    ("wallets.toml", include_str!("../secrets/wallets.toml")),
];

/// YARA rules (`--yara builtin`): name of the file, and its text.
pub const YARA: &[(&str, &str)] = &[
    ("implants.yar", include_str!("../yara/implants.yar")),
    ("miners.yar", include_str!("../yara/miners.yar")),
    ("reverse-shells.yar", include_str!("../yara/reverse-shells.yar")),
    ("webshells.yar", include_str!("../yara/webshells.yar")),
];
