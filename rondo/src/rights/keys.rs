//! The keys and passwords of one system, in a folder for their owner alone: `nats/<user>.seed` and `.public`,
//! `postgres/<role>.password`.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use messaging::nkey;
use messaging::rights::{UserKey, Work};
use migrations::rights::{AUDITOR, MIGRATOR, Owner, Step, role_of, steps};
use secrecy::{ExposeSecret, SecretString};
use service::config::NatsConfig;

use super::{OPERATOR, REPLICAS_LOCAL, areas, authorization, works};
use crate::kept::{kept, new_password};
use crate::services::Service;

/// Who is who.
#[derive(Debug)]
pub(crate) struct Keys {
    /// By user.
    seeds: BTreeMap<&'static str, SecretString>,
    /// By role.
    passwords: BTreeMap<String, SecretString>,
}

impl Keys {
    /// Those of a folder; what is missing is made.
    pub(crate) fn made(dir: &Path) -> anyhow::Result<Self> {
        let (nats, postgres) = (dir.join("nats"), dir.join("postgres"));
        for folder in [&nats, &postgres] {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| folder.display().to_string())?;
        }
        let mut keys = Self { seeds: BTreeMap::new(), passwords: BTreeMap::new() };
        for user in works().iter().map(Work::user).chain([OPERATOR]) {
            let seed = kept(&nats.join(format!("{user}.seed")), nkey::new_seed)?;
            let public = nkey::public_key(&seed).with_context(|| format!("{user} in {}", nats.display()))?;
            kept(&nats.join(format!("{user}.public")), || public.into())?;
            keys.seeds.insert(user, seed);
        }
        let services = Service::ALL.map(|service| role_of(service.name()));
        for role in services.into_iter().chain([MIGRATOR, AUDITOR].map(str::to_owned)) {
            let password = kept(&postgres.join(format!("{role}.password")), new_password)?;
            keys.passwords.insert(role, password);
        }
        Ok(keys)
    }

    /// What the configuration of a NATS server says of these users.
    pub(crate) fn authorization(&self) -> anyhow::Result<String> {
        authorization(|user| Ok(UserKey::Public(self.public_key(user)?)))
    }

    /// The same, and who says nothing of who he is, is the operator: for systems that are made to be disturbed.
    pub(crate) fn authorization_for_trials(&self) -> anyhow::Result<String> {
        Ok(format!("{}no_auth_user: {}\n", self.authorization()?, self.public_key(OPERATOR)?))
    }

    fn public_key(&self, user: &str) -> anyhow::Result<String> {
        nkey::public_key(&self.seeds[user]).with_context(|| user.to_owned())
    }

    /// Tells the services of a process who they are at NATS.
    pub(crate) fn tell(&self, nats: &mut NatsConfig) {
        for (user, seed) in &self.seeds {
            nats.seeds.set(user, seed.clone());
        }
    }

    /// The same by the environment of a process of these users.
    pub(crate) fn environment(&self, users: &[&str]) -> Vec<(String, String)> {
        let known = users.iter().filter_map(|user| Some((user, self.seeds.get(user)?)));
        let variable = |user: &str| format!("{}_NATS_NKEY_SEED", user.to_uppercase());
        known.map(|(user, seed)| (variable(user), seed.expose_secret().to_owned())).collect()
    }

    /// The password of a role.
    pub(crate) fn password(&self, role: &str) -> &str {
        self.passwords.get(role).map_or("", ExposeSecret::expose_secret)
    }

    /// The statements that make roles, databases and rights of a local system.
    pub(crate) fn steps(&self, owner: Owner<'_>) -> Vec<Step> {
        let quoted = |password: &str| format!("'{}'", password.replace('\'', "''"));
        steps(owner, &areas(REPLICAS_LOCAL), &|role| Some(quoted(self.password(role))))
    }
}

/// For who only reads the keys: a mistyped name would give new ones for everything.
///
/// # Errors
/// It is no such folder; says what makes one.
pub(crate) fn must_be_there(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    anyhow::ensure!(
        dir.join("nats").is_dir(),
        "{shown} is no folder of keys; `rondo rights keys {shown}` makes one"
    );
    Ok(())
}
