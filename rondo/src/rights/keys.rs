//! The keys and passwords of one system, in a folder for their owner alone: `nats/<user>.seed` and `.public`,
//! `postgres/<role>.password`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use messaging::nkey;
use messaging::rights::{UserKey, Work};
use migrations::rights::{AUDITOR, MIGRATOR, Owner, Step, role_of, steps};
use secrecy::{ExposeSecret, SecretString};
use service::config::NatsConfig;

use super::folder::Folder;
use super::{OPERATOR, REPLICAS_LOCAL, areas, authorization, works};
use crate::services::Service;

/// What makes keys.
const MADE_BY: &str = "rights keys";

/// Who is who.
#[derive(Debug)]
pub(crate) struct Keys {
    /// By user.
    seeds: BTreeMap<&'static str, SecretString>,
    /// By role.
    passwords: BTreeMap<String, SecretString>,
}

impl Keys {
    /// Those of a folder of a local run; what is missing is made.
    pub(crate) fn made(dir: &Path) -> anyhow::Result<Self> {
        let mut folder = Folder::to_make(dir)?;
        let keys = Self::of(&mut folder)?;
        // On one machine both ends are told of a new key at the next start.
        drop(folder.done()?);
        Ok(keys)
    }

    /// Those of a folder in which nothing is made.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let mut folder = Folder::to_read(dir, MADE_BY)?;
        let keys = Self::of(&mut folder)?;
        folder.done()?.iter().for_each(|line| crate::tell(line));
        Ok(keys)
    }

    /// Those of a folder, which says at its end whether that is all.
    pub(crate) fn of(folder: &mut Folder) -> anyhow::Result<Self> {
        let mut keys = Self { seeds: BTreeMap::new(), passwords: BTreeMap::new() };
        for user in works().iter().map(Work::user).chain([OPERATOR]) {
            keys.seeds.extend(folder.seed(user)?.map(|seed| (user, seed)));
        }
        let services = Service::ALL.map(|service| role_of(service.name()));
        for role in services.into_iter().chain([MIGRATOR, AUDITOR].map(str::to_owned)) {
            let password = folder.password(&format!("postgres/{role}.password"))?;
            keys.passwords.extend(password.map(|password| (role, password)));
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
