//! Every key and password of one system, in a folder, as `rondo rights keys` makes it; and as the entries of a Secret.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use service::token::SigningKey;

use crate::rights::{Folder, Keys};

/// Auth's signing key.
const SIGNING_KEY: &str = "signing-key.pem";
/// The password of PostgreSQL's superuser.
const SUPERUSER: &str = "postgres/postgres.password";
/// What makes all of it.
const MADE_BY: &str = "cluster-secrets keys";
/// Between folder and file in an entry's name, which takes no slash.
const FOLDER_END: &str = "_";

/// The folder. It cannot be shown: a log is no place for it.
pub(super) struct KeyFolder(BTreeMap<String, String>);

impl KeyFolder {
    /// Reads it, after making what is missing, which is told.
    pub(super) fn made(dir: &Path) -> anyhow::Result<Self> {
        Self::of(dir, Folder::to_make(dir)?)
    }

    /// Reads it, if nothing is missing.
    pub(super) fn read(dir: &Path) -> anyhow::Result<Self> {
        Self::of(dir, Folder::to_read(dir, MADE_BY)?)
    }

    fn of(dir: &Path, mut folder: Folder) -> anyhow::Result<Self> {
        drop(Keys::of(&mut folder)?);
        if let Some(key) = folder.secret(SIGNING_KEY, auth::keys::generate)? {
            SigningKey::from_pem(&key).with_context(|| dir.join(SIGNING_KEY).display().to_string())?;
        }
        drop(folder.password(SUPERUSER)?);
        folder.done()?.iter().for_each(|line| crate::tell(line));
        let mut files = BTreeMap::new();
        for folder in ["", "nats", "postgres"] {
            for file in files_of(&dir.join(folder))? {
                let name = Path::new(folder).join(file.file_name().unwrap_or_default());
                let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                files.insert(name.to_string_lossy().into_owned(), text.trim_end_matches('\n').to_owned());
            }
        }
        Ok(Self(files))
    }

    /// Puts the entries of a Secret into a folder.
    pub(super) fn put(dir: &Path, entries: &BTreeMap<String, String>) -> anyhow::Result<()> {
        for (name, text) in entries {
            let path = dir.join(name.replacen(FOLDER_END, "/", 1));
            let folder = path.parent().unwrap_or(dir);
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| folder.display().to_string())?;
            let file =
                std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
            let mut file = file.with_context(|| path.display().to_string())?;
            std::io::Write::write_all(&mut file, text.as_bytes())
                .with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// As the entries of a Secret.
    pub(super) fn entries(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(name, text)| (name.replacen('/', FOLDER_END, 1), text.clone())).collect()
    }

    /// The seed of a user of NATS.
    pub(super) fn seed(&self, user: &str) -> anyhow::Result<&str> {
        self.get(&format!("nats/{user}.seed"))
    }

    /// The users of NATS, each with the public half of its key.
    pub(super) fn nats_users(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, key)| {
            let user = name.strip_prefix("nats/")?.strip_suffix(".public")?;
            Some((user, key.as_str()))
        })
    }

    /// The password of a role of PostgreSQL.
    pub(super) fn password(&self, role: &str) -> anyhow::Result<&str> {
        self.get(&format!("postgres/{role}.password"))
    }

    /// The roles of PostgreSQL, each with its password.
    pub(super) fn roles(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, password)| {
            let role = name.strip_prefix("postgres/")?.strip_suffix(".password")?;
            Some((role, password.as_str()))
        })
    }

    /// Auth's signing key, PEM.
    pub(super) fn signing_key(&self) -> anyhow::Result<&str> {
        self.get(SIGNING_KEY)
    }

    fn get(&self, name: &str) -> anyhow::Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("there is no {name}"))
    }
}

fn files_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
        Ok(entries.iter().map(std::fs::DirEntry::path).filter(|path| path.is_file()).collect())
    };
    read().with_context(|| folder.display().to_string())
}
