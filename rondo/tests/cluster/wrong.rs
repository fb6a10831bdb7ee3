//! Each comparison finds what is wrong.

use super::manifests::Manifests;
use super::{monitoring, network, programs, secrets};

type Check = fn(&Manifests) -> Vec<String>;

/// Whom the policy of the gateway is about.
const GATEWAY_POLICY: &str = r#""podSelector":{"matchLabels":{"app.kubernetes.io/component":"gateway","app.kubernetes.io/name":"rondo"}},"policyTypes""#;

/// A comparison, what is changed in the manifests, and what is said of it.
const WRONG: [(Check, &str, &str, &str); 38] = [
    (
        programs::arguments_and_settings,
        r#"["serve","billing"]"#,
        r#"["serve","biling"]"#,
        "invalid value 'biling'",
    ),
    (
        programs::arguments_and_settings,
        r#"["migrate","all"]"#,
        r#"["migrates","all"]"#,
        "unrecognized subcommand",
    ),
    (programs::arguments_and_settings, "\"LOG_FORMAT\"", "\"LOG_FORMATS\"", "LOG_FORMATS is no setting"),
    (
        programs::arguments_and_settings,
        "BILLING_NATS_NKEY_SEED_FILE",
        "BILLING_NATS_SEED_FILE",
        "billing: BILLING_NATS_SEED_FILE",
    ),
    (programs::everybody_is_there, r#"["serve","stock"]"#, r#"["serve","auth"]"#, "stock serves another"),
    (programs::everybody_is_there, r#"["migrate","all"]"#, r#"["migrate","auth"]"#, "nobody migrates"),
    (programs::everybody_is_there, "migrate-release-", "migrate-", "is not named after this release"),
    (programs::release, "nats:2.", "nats:1.", "nats: the image nats:1."),
    (programs::release, concat!("rondo:", env!("CARGO_PKG_VERSION")), "rondo:latest", "the image"),
    (
        programs::ends,
        "\"terminationGracePeriodSeconds\":45",
        "\"terminationGracePeriodSeconds\":36",
        "is killed after 36 s",
    ),
    (programs::ends, "\"value\":\"35\"", "\"value\":\"30\"", "cuts off who waits"),
    (programs::ends, r#""DRAIN_SECONDS":"5""#, r#""DRAIN_SECONDS":"3""#, "about to use"),
    (programs::copies, r#""NATS_REPLICAS":"3""#, r#""NATS_REPLICAS":"5""#, "wants 5 copies on 3 servers"),
    (
        secrets::are_there,
        r#""secretName":"billing""#,
        r#""secretName":"bills""#,
        "nobody makes  of the Secret bills",
    ),
    (
        secrets::are_there,
        r#""key":"ca.crt""#,
        r#""key":"ca.pem""#,
        "nobody makes ca.pem of the Secret nats-tls",
    ),
    (secrets::are_there, r#""secretName":"stock""#, r#""secretName":"keys""#, "stock is given all keys"),
    (
        secrets::files_are_mounted,
        "/run/secrets/rondo/signing-key",
        "/run/secrets/rondo/key",
        "AUTH_SIGNING_KEY_FILE is at",
    ),
    (secrets::files_are_mounted, "/run/tls/nats/ca.crt", "/run/tls/ca.crt", "NATS_CA_FILE is at"),
    (
        secrets::are_their_own,
        r#""secretName":"billing""#,
        r#""secretName":"auth""#,
        "billing is given the Secret auth",
    ),
    (network::listeners_and_probes, "0.0.0.0:8081", "0.0.0.0:8082", "INTERNAL_ADDR is not its port"),
    (network::listeners_and_probes, "/livez", "/readyz", "livenessProbe asks"),
    (network::services, r#""targetPort":"internal""#, r#""targetPort":"inner""#, "has no port \"inner\""),
    (network::addresses, "http://auth:8080", "http://auth:8088", "AUTH_PUBLIC_URL leads nowhere"),
    (network::addresses, "tls://nats:4222", "tls://bus:4222", "NATS_URL leads nowhere"),
    (network::ways_in, r#""host":"arch.homework""#, r#""host":"example.org""#, "a way in for"),
    (
        network::ways_in,
        r#"{"name":"gateway","port":{"name":"public"}}"#,
        r#"{"name":"auth","port":{"name":"internal"}}"#,
        "a way in leads to",
    ),
    (
        network::policies,
        r#""values":["auth","user","billing","stock""#,
        r#""values":["auth","user","billing""#,
        "does not come to stock",
    ),
    (
        network::policies,
        GATEWAY_POLICY,
        r#""podSelector":{},"policyTypes""#,
        r#"{"gateway-system", "ingress-nginx"} may come to stock at public, not {}"#,
    ),
    (
        network::policies,
        r#""from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"ingress-nginx"}}},{"#,
        r#""from":[{"namespaceSelector":{}},{"#,
        "{\"gateway-system\", \"{\\\"namespaceSelector\\\":{}}\"} may come to gateway at public",
    ),
    (
        network::policies,
        r#""from":[{"namespace"#,
        r#""form":[{"namespace"#,
        "{\"anybody\"} may come to gateway",
    ),
    (network::believed, "10.244.0.0/16", "10.0.0.0/8", "gateway believes 10.0.0.0/8"),
    (network::policies, r#""name":"default-deny""#, r#""name":"some-deny""#, "is not denied"),
    (
        monitoring::scaled,
        r#""consumer":"notification""#,
        r#""consumer":"letters""#,
        "the lag of (\"notification\", \"CMD_NOTIFICATION\", \"letters\")",
    ),
    (monitoring::scaled, "nats-peers.rondo.svc.cluster.local:8222", "nats-peers:8222", "the lag is not told"),
    (monitoring::measured, r#""path":"/metrics""#, r#""path":"/metric""#, "metrics are not at"),
    (
        monitoring::measured,
        r#""jobLabel":"app.kubernetes.io/part-of""#,
        r#""jobLabel":"app.kubernetes.io/component""#,
        "of billing are not read",
    ),
    (
        monitoring::missed,
        r#"absent(rondo_service_info{service=\"stock\"})"#,
        r#"absent(rondo_service_info{service=\"shop\"})"#,
        "nobody misses stock",
    ),
    (monitoring::shown, "rondo_sagas_stuck", "rondo_sagas_stucks", "the alerts are not those"),
];

#[test]
fn whatever_is_wrong_is_found() {
    let production = Manifests::of("production");
    for (check, from, to, words) in WRONG {
        let problems = check(&production.with(from, to));
        assert!(problems.iter().any(|problem| problem.contains(words)), "{from} as {to}: {problems:?}");
    }
}
