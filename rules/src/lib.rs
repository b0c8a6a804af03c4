//! The built-in rules, embedded: one file per family, in the dialect of `docs/rules.md`.

pub mod facts;

/// The same as [`SECRETS`] without examples, made when this is built: lines of JSON by id of the rule, each with the
/// name of its file, the rule, and the [`Facts`](facts::Facts) of its patterns, or `null` if one of them is wrong.
pub const SECRETS_JSON: &str = include_str!(concat!(env!("OUT_DIR"), "/secrets.jsonl"));

/// Rules for secrets: name of the file, and its text.
pub const SECRETS: &[(&str, &str)] = &[
    ("age.toml", include_str!("../secrets/age.toml")),
    ("ai.toml", include_str!("../secrets/ai.toml")),
    ("alibaba.toml", include_str!("../secrets/alibaba.toml")),
    ("assigned.toml", include_str!("../secrets/assigned.toml")),
    ("assignments.toml", include_str!("../secrets/assignments.toml")),
    ("attacks.toml", include_str!("../secrets/attacks.toml")),
    ("aws.toml", include_str!("../secrets/aws.toml")),
    ("azure.toml", include_str!("../secrets/azure.toml")),
    ("bitbucket.toml", include_str!("../secrets/bitbucket.toml")),
    ("brokers.toml", include_str!("../secrets/brokers.toml")),
    ("ci.toml", include_str!("../secrets/ci.toml")),
    ("cloudflare.toml", include_str!("../secrets/cloudflare.toml")),
    ("clouds.toml", include_str!("../secrets/clouds.toml")),
    ("credential-files.toml", include_str!("../secrets/credential-files.toml")),
    ("databases.toml", include_str!("../secrets/databases.toml")),
    ("datastores.toml", include_str!("../secrets/datastores.toml")),
    ("digitalocean.toml", include_str!("../secrets/digitalocean.toml")),
    ("frameworks.toml", include_str!("../secrets/frameworks.toml")),
    ("gcp.toml", include_str!("../secrets/gcp.toml")),
    ("gitea.toml", include_str!("../secrets/gitea.toml")),
    ("github.toml", include_str!("../secrets/github.toml")),
    ("gitlab.toml", include_str!("../secrets/gitlab.toml")),
    ("hashicorp.toml", include_str!("../secrets/hashicorp.toml")),
    ("hosting.toml", include_str!("../secrets/hosting.toml")),
    ("http.toml", include_str!("../secrets/http.toml")),
    ("identity.toml", include_str!("../secrets/identity.toml")),
    ("indicators.toml", include_str!("../secrets/indicators.toml")),
    ("jenkins.toml", include_str!("../secrets/jenkins.toml")),
    ("jfrog.toml", include_str!("../secrets/jfrog.toml")),
    ("jwt.toml", include_str!("../secrets/jwt.toml")),
    ("keys.toml", include_str!("../secrets/keys.toml")),
    ("keystores.toml", include_str!("../secrets/keystores.toml")),
    ("kubernetes.toml", include_str!("../secrets/kubernetes.toml")),
    ("mail.toml", include_str!("../secrets/mail.toml")),
    ("messaging.toml", include_str!("../secrets/messaging.toml")),
    ("monitoring.toml", include_str!("../secrets/monitoring.toml")),
    ("networks.toml", include_str!("../secrets/networks.toml")),
    ("npm.toml", include_str!("../secrets/npm.toml")),
    ("onepassword.toml", include_str!("../secrets/onepassword.toml")),
    ("packages.toml", include_str!("../secrets/packages.toml")),
    ("password-hashes.toml", include_str!("../secrets/password-hashes.toml")),
    ("payments.toml", include_str!("../secrets/payments.toml")),
    ("pgp.toml", include_str!("../secrets/pgp.toml")),
    ("private-clouds.toml", include_str!("../secrets/private-clouds.toml")),
    ("productivity.toml", include_str!("../secrets/productivity.toml")),
    ("pypi.toml", include_str!("../secrets/pypi.toml")),
    ("registries.toml", include_str!("../secrets/registries.toml")),
    ("sealed.toml", include_str!("../secrets/sealed.toml")),
    ("sessions.toml", include_str!("../secrets/sessions.toml")),
    ("shadow.toml", include_str!("../secrets/shadow.toml")),
    ("slack.toml", include_str!("../secrets/slack.toml")),
    ("ssh.toml", include_str!("../secrets/ssh.toml")),
    ("stripe.toml", include_str!("../secrets/stripe.toml")),
    ("tls.toml", include_str!("../secrets/tls.toml")),
    ("tor.toml", include_str!("../secrets/tor.toml")),
    ("vault.toml", include_str!("../secrets/vault.toml")),
    ("verifiers.toml", include_str!("../secrets/verifiers.toml")),
    ("vpn.toml", include_str!("../secrets/vpn.toml")),
    ("wallets.toml", include_str!("../secrets/wallets.toml")),
    ("web.toml", include_str!("../secrets/web.toml")),
];

/// YARA rules (`--yara builtin`): name of the file, and its text.
pub const YARA: &[(&str, &str)] = &[
    ("implants.yar", include_str!("../yara/implants.yar")),
    ("miners.yar", include_str!("../yara/miners.yar")),
    ("reverse-shells.yar", include_str!("../yara/reverse-shells.yar")),
    ("webshells.yar", include_str!("../yara/webshells.yar")),
];
