//! `rondo cluster-secrets`: the Secrets that the manifests of k8s/ refer to, all made of one folder of keys, so that the
//! halves of a key and both ends of a password agree.

mod api;
mod keys;
mod secrets;

use std::path::PathBuf;

use clap::{Args, Subcommand};
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
    #[arg(long, global = true, default_value = "postgres", value_name = "HOST")]
    postgres: String,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Print them, for `kubectl apply -f -`, as made of the keys of a folder; keys that are missing there are made.
    Print {
        /// The folder: what `rondo rights keys` makes, and the keys that are no rights.
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

/// Prints or creates.
pub(crate) async fn run(arguments: &ClusterArguments) -> anyhow::Result<()> {
    match &arguments.command {
        ClusterCommand::Print { dir } => {
            let keys = KeyFolder::made(dir)?;
            print(&secrets::of(&keys, &arguments.postgres)?)?;
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
