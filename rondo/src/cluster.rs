//! `rondo cluster-secrets`: the Secrets that the manifests of k8s/ refer to, all made of one folder of keys, so that the
//! halves of a key and both ends of a password agree.

mod api;
mod keys;
mod secrets;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use hyper::http::uri::Authority;
use serde_json::json;

use api::{Api, Outcome};
use keys::KeyFolder;
use secrets::{KEYS, Secret};

/// What to do with them.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    #[command(subcommand)]
    command: ClusterCommand,
    /// Where PostgreSQL is, as host or host:port.
    #[arg(long, global = true, default_value = "postgres", value_name = "HOST", value_parser = host)]
    postgres: String,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Make what is missing in a folder, and say what that was: what `rondo rights keys` makes, auth's signing key, and a
    /// password for the superuser of a PostgreSQL in the cluster.
    Keys {
        /// The folder.
        dir: PathBuf,
    },
    /// Print them, for `kubectl apply -f -`, as made of the keys of a folder. Nothing may be missing there.
    Print {
        /// The folder.
        dir: PathBuf,
    },
    /// Make them in the cluster where this runs. Keys that are there stay as they are.
    Create {
        /// A folder of the pod's memory.
        #[arg(long, default_value = "/keys", value_name = "DIR")]
        dir: PathBuf,
        /// Where the cluster is asked.
        #[arg(long, default_value = "https://kubernetes.default.svc", value_name = "URL")]
        api: String,
        /// The folder with `token`, `namespace` and `ca.crt`: as whom it is asked, and who answers.
        #[arg(long, default_value = "/run/cluster", value_name = "DIR")]
        identity: PathBuf,
    },
}

/// What stands in addresses has to be one host, with a port if there is one, and nothing else.
fn host(text: &str) -> Result<String, String> {
    let authority: Result<Authority, _> = text.parse();
    let is_host = authority.is_ok_and(|authority| {
        let host = authority.host();
        let port = authority.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        is_name_or_address(host) && authority.port_u16() != Some(0) && text == format!("{host}{port}")
    });
    if is_host { Ok(text.to_owned()) } else { Err("a host or host:port is wanted".to_owned()) }
}

fn is_name_or_address(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let is_inner = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
        !label.is_empty() && label.chars().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    // What ends with a number is an address, or means to be one.
    let is_number = |label: &str| label.chars().all(|one| one.is_ascii_digit());
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_name = name.split('.').all(is_label) && !name.rsplit('.').next().is_some_and(is_number);
    is_name || host.parse::<Ipv4Addr>().is_ok()
}

/// Prints or creates.
pub(crate) async fn run(arguments: &ClusterArguments) -> anyhow::Result<()> {
    match &arguments.command {
        ClusterCommand::Keys { dir } => drop(KeyFolder::made(dir)?),
        ClusterCommand::Print { dir } => {
            print(&secrets::of(&KeyFolder::read(dir)?, &arguments.postgres)?)?;
        }
        ClusterCommand::Create { dir, api, identity } => {
            let api = Api::new(api, identity)?;
            create(&api, dir, &arguments.postgres).await?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what is printed is what was asked for")]
fn print(secrets: &[Secret]) -> anyhow::Result<()> {
    let items: Vec<_> = secrets.iter().map(Secret::manifest).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    println!("{}", serde_json::to_string_pretty(&list)?);
    Ok(())
}

/// All keys come first and in one piece: whoever is cut off after that goes on with the same ones.
async fn create(api: &Api, dir: &std::path::Path, postgres: &str) -> anyhow::Result<()> {
    let before = api.secret(KEYS).await?;
    if let Some(kept) = &before {
        KeyFolder::put(dir, kept)?;
    }
    let keys = KeyFolder::made(dir)?;
    let all = Secret { name: KEYS.to_owned(), entries: keys.entries() };
    match before {
        // Two that begin together: one of them begins again.
        None if api.create(&all).await? == Outcome::Exists => {
            anyhow::bail!("somebody else has just made keys")
        }
        None => crate::tell("keys made"),
        Some(before) if before == all.entries => crate::tell("the keys stay as they are"),
        // A release with another service.
        Some(_) => {
            api.apply(&all).await?;
            crate::tell("keys added");
        }
    }
    for secret in secrets::of(&keys, postgres)? {
        api.apply(&secret).await?;
        crate::tell(&format!("Secret {}", secret.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn only_a_host_and_its_port_come_into_addresses() {
        for good in
            ["postgres", "db.example.com", "db:5432", "10.0.0.1:5432", "[2001:db8::1]:5432", "my_db-1."]
        {
            assert_eq!(host(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            " ",
            "db example",
            "db/evil",
            "postgres://a:b@db/x",
            "a@db",
            "2001:db8::1",
            "db:99999",
            "db:",
            "db:0",
            "db:05432",
            "db,db2",
            "db:5432,db2:5432",
            "db;x",
            "db'",
            "*",
            "db..example",
            "-db",
            "10.0.0.256",
            "10.0.0",
            "[::1",
            "[db]",
            "db?sslmode=disable",
            "db#x",
            "db%2fx",
            "dätabase",
        ] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
    }
}
