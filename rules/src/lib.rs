//! The built-in rules, embedded: one file per family, in the dialect of `docs/rules.md`.

/// Rules for secrets: name of the file, and its text.
pub const SECRETS: &[(&str, &str)] = &[
    ("ai.toml", include_str!("../secrets/ai.toml")),
    ("alibaba.toml", include_str!("../secrets/alibaba.toml")),
    ("assignments.toml", include_str!("../secrets/assignments.toml")),
    ("attacks.toml", include_str!("../secrets/attacks.toml")),
    ("aws.toml", include_str!("../secrets/aws.toml")),
    ("azure.toml", include_str!("../secrets/azure.toml")),
    ("bitbucket.toml", include_str!("../secrets/bitbucket.toml")),
    ("ci.toml", include_str!("../secrets/ci.toml")),
    ("cloudflare.toml", include_str!("../secrets/cloudflare.toml")),
    ("clouds.toml", include_str!("../secrets/clouds.toml")),
    ("databases.toml", include_str!("../secrets/databases.toml")),
    ("digitalocean.toml", include_str!("../secrets/digitalocean.toml")),
    ("frameworks.toml", include_str!("../secrets/frameworks.toml")),
    ("gcp.toml", include_str!("../secrets/gcp.toml")),
    ("gitea.toml", include_str!("../secrets/gitea.toml")),
    ("github.toml", include_str!("../secrets/github.toml")),
    ("gitlab.toml", include_str!("../secrets/gitlab.toml")),
    ("hosting.toml", include_str!("../secrets/hosting.toml")),
    ("http.toml", include_str!("../secrets/http.toml")),
    ("indicators.toml", include_str!("../secrets/indicators.toml")),
    ("jenkins.toml", include_str!("../secrets/jenkins.toml")),
    ("jfrog.toml", include_str!("../secrets/jfrog.toml")),
    ("jwt.toml", include_str!("../secrets/jwt.toml")),
    ("keys.toml", include_str!("../secrets/keys.toml")),
    ("keystores.toml", include_str!("../secrets/keystores.toml")),
    ("kubernetes.toml", include_str!("../secrets/kubernetes.toml")),
    ("networks.toml", include_str!("../secrets/networks.toml")),
    ("npm.toml", include_str!("../secrets/npm.toml")),
    ("packages.toml", include_str!("../secrets/packages.toml")),
    ("private-clouds.toml", include_str!("../secrets/private-clouds.toml")),
    ("pypi.toml", include_str!("../secrets/pypi.toml")),
    ("registries.toml", include_str!("../secrets/registries.toml")),
    ("shadow.toml", include_str!("../secrets/shadow.toml")),
    ("slack.toml", include_str!("../secrets/slack.toml")),
    ("stripe.toml", include_str!("../secrets/stripe.toml")),
    ("vault.toml", include_str!("../secrets/vault.toml")),
];

/// YARA rules (`--yara builtin`): name of the file, and its text.
pub const YARA: &[(&str, &str)] = &[
    ("implants.yar", include_str!("../yara/implants.yar")),
    ("miners.yar", include_str!("../yara/miners.yar")),
    ("reverse-shells.yar", include_str!("../yara/reverse-shells.yar")),
    ("webshells.yar", include_str!("../yara/webshells.yar")),
];
