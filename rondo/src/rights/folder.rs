//! A folder of keys, file by file: whoever makes keys is given those that are missing, and is told which these were; whoever
//! only reads them is refused a folder in which one is missing, for a new key in its place is nobody's.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use messaging::nkey;
use secrecy::{ExposeSecret, SecretString};

use crate::kept::{found, new_password, put};

/// What a file's mode says of others than its owner: nothing.
const OF_OTHERS: u32 = 0o077;

/// The folder, and what was found out while it was gone through.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// The command that makes what is missing, for who only reads.
    made_by: Option<&'static str>,
    /// All of it, by the name of its file.
    secrets: Vec<(String, SecretString)>,
    /// Files that were not there, or not as they have to be.
    missing: Vec<String>,
    /// Files that others may read or write.
    exposed: Vec<String>,
}

impl Folder {
    /// In it is made what is missing, and the folder itself.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn to_make(dir: &Path) -> anyhow::Result<Self> {
        for folder in ["nats", "postgres"].map(|name| dir.join(name)) {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.with_context(|| folder.display().to_string())?;
        }
        Ok(Self::new(dir, None))
    }

    /// In it nothing is made: `rondo <made_by> <dir>` does.
    ///
    /// # Errors
    /// It is no such folder.
    pub(crate) fn to_read(dir: &Path, made_by: &'static str) -> anyhow::Result<Self> {
        let shown = dir.display();
        ensure!(
            dir.join("nats").is_dir(),
            "{shown} is no folder of keys; `rondo {made_by} {shown}` makes one"
        );
        Ok(Self::new(dir, Some(made_by)))
    }

    fn new(dir: &Path, made_by: Option<&'static str>) -> Self {
        let (secrets, missing, exposed) = (Vec::new(), Vec::new(), Vec::new());
        Self { dir: dir.to_owned(), made_by, secrets, missing, exposed }
    }

    /// The secret in one of its files; none: it is missing, and nothing is made.
    ///
    /// # Errors
    /// The file cannot be read or made, or another one has the same secret.
    pub(crate) fn secret(
        &mut self,
        name: &str,
        make: impl FnOnce() -> SecretString,
    ) -> anyhow::Result<Option<SecretString>> {
        let path = self.dir.join(name);
        let secret = match found(&path)? {
            Some(secret) => {
                let about = std::fs::metadata(&path).with_context(|| path.display().to_string())?;
                if about.permissions().mode() & OF_OTHERS != 0 {
                    self.exposed.push(name.to_owned());
                }
                secret
            }
            None => {
                self.missing.push(name.to_owned());
                if self.made_by.is_some() {
                    return Ok(None);
                }
                put(&path, make())?
            }
        };
        let same = |known: &&(String, SecretString)| known.1.expose_secret() == secret.expose_secret();
        if let Some((other, _)) = self.secrets.iter().find(same) {
            let dir = self.dir.display();
            bail!("{other} and {name} in {dir} are the same: whoever is given one has the other");
        }
        self.secrets.push((name.to_owned(), secret.clone()));
        Ok(Some(secret))
    }

    /// The same for a password: it has to come through addresses, the environment and scripts as it is.
    ///
    /// # Errors
    /// As [`Folder::secret`], or it cannot.
    pub(crate) fn password(&mut self, name: &str) -> anyhow::Result<Option<SecretString>> {
        let password = self.secret(name, new_password)?;
        let is_well = |text: &str| text.trim() == text && !text.contains(char::is_control);
        ensure!(
            password.as_ref().is_none_or(|password| is_well(password.expose_secret())),
            "the password in {} begins or ends with white space, or has a control character",
            self.dir.join(name).display()
        );
        Ok(password)
    }

    /// The seed of a user of NATS, beside which its public half is kept for people.
    ///
    /// # Errors
    /// As [`Folder::secret`], or it is none, or the other file has the half of another.
    pub(super) fn seed(&mut self, user: &str) -> anyhow::Result<Option<SecretString>> {
        let [name, half] = ["seed", "public"].map(|kind| format!("nats/{user}.{kind}"));
        let Some(seed) = self.secret(&name, nkey::new_seed)? else { return Ok(None) };
        let (path, half_path) = (self.dir.join(&name), self.dir.join(&half));
        let public = nkey::public_key(&seed).with_context(|| path.display().to_string())?;
        let kept = found(&half_path)?;
        if kept.as_ref().is_some_and(|kept| kept.expose_secret() == public) {
            return Ok(Some(seed));
        }
        if self.made_by.is_some() {
            let dir = self.dir.display();
            ensure!(kept.is_none(), "{half} in {dir} is not the public half of {name}");
        } else {
            if kept.is_some() {
                std::fs::remove_file(&half_path).with_context(|| half_path.display().to_string())?;
            }
            put(&half_path, public.into())?;
        }
        self.missing.push(half);
        Ok(Some(seed))
    }

    /// What is to be told of it, now that all of it was asked for.
    ///
    /// # Errors
    /// Something is missing that is not made here; says what, and what makes it.
    pub(crate) fn done(self) -> anyhow::Result<Vec<String>> {
        let (dir, missing) = (self.dir.display(), self.missing.join(", "));
        if let Some(made_by) = self.made_by {
            ensure!(
                missing.is_empty(),
                "{dir} lacks {missing}; if they are not lost, put them back, else `rondo {made_by} {dir}` makes new ones"
            );
        }
        let mut told = Vec::new();
        let some_were_there = self.secrets.iter().any(|(name, _)| !self.missing.contains(name));
        match (missing.is_empty(), some_were_there) {
            (true, _) => {}
            (false, true) => told.push(format!("made in {dir}, for they were missing or wrong: {missing}")),
            (false, false) => told.push(format!("keys and passwords made in {dir}")),
        }
        if !self.exposed.is_empty() {
            let exposed = self.exposed.join(", ");
            told.push(format!("others may read or write {exposed}: chmod -R go= {dir}"));
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a folder of two passwords and a user of NATS.
    fn gone_through(mut folder: Folder) -> anyhow::Result<Vec<String>> {
        folder.password("postgres/one.password")?;
        folder.password("postgres/other.password")?;
        folder.seed("user")?;
        folder.done()
    }

    fn made(dir: &Path) -> anyhow::Result<Vec<String>> {
        gone_through(Folder::to_make(dir)?)
    }

    fn read(dir: &Path) -> anyhow::Result<Vec<String>> {
        gone_through(Folder::to_read(dir, "rights keys")?)
    }

    fn refused(done: anyhow::Result<Vec<String>>) -> String {
        format!("{:#}", done.unwrap_err())
    }

    #[test]
    fn what_is_missing_is_made_and_told_or_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(made(dir).unwrap(), [format!("keys and passwords made in {}", dir.display())]);
        assert_eq!((made(dir).unwrap(), read(dir).unwrap()), (Vec::new(), Vec::new()));
        for name in ["postgres/other.password", "nats/user.public"] {
            std::fs::remove_file(dir.join(name)).unwrap();
        }
        let lacks = format!("{} lacks postgres/other.password, nats/user.public; if", dir.display());
        assert!(refused(read(dir)).starts_with(&lacks));
        let told = "for they were missing or wrong: postgres/other.password, nats/user.public";
        assert!(made(dir).unwrap()[0].ends_with(told));
        assert_eq!(read(dir).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_key_of_two_and_what_is_no_key_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        made(dir).unwrap();
        let password = dir.join("postgres/other.password");
        std::fs::copy(dir.join("postgres/one.password"), &password).unwrap();
        for refused in [refused(read(dir)), refused(made(dir))] {
            assert!(refused.contains("postgres/one.password and postgres/other.password"), "{refused}");
        }
        for (wrong, why) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("secret \n", "white space"),
            ("secret\r\n", "white space"),
            ("sec\tret\n", "control character"),
            ("sec\nret\n", "control character"),
        ] {
            std::fs::write(&password, wrong).unwrap();
            let refused = refused(read(dir));
            assert!(refused.contains(why) && refused.contains("other.password"), "{wrong:?}: {refused}");
        }
        std::fs::write(&password, [0xff, 0xfe]).unwrap();
        assert!(refused(read(dir)).contains("other.password"));
        std::fs::remove_file(&password).unwrap();
        std::fs::create_dir(&password).unwrap();
        assert!(refused(made(dir)).contains("other.password"));
    }

    #[test]
    fn the_halves_of_a_key_belong_together() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        made(dir).unwrap();
        std::fs::write(dir.join("nats/user.seed"), nkey::new_seed().expose_secret()).unwrap();
        let is_not = "nats/user.public in";
        assert!(refused(read(dir)).contains(is_not));
        // The public half says nothing that the seed does not.
        assert!(made(dir).unwrap()[0].ends_with("missing or wrong: nats/user.public"));
        assert_eq!(read(dir).unwrap(), Vec::<String>::new());
        let account = "SAAFK7GSV6GEBRAW6E3AWSL32T4SX2HUBTSY4WWA6CHEWKM4P3S46YEQ74";
        std::fs::write(dir.join("nats/user.seed"), account).unwrap();
        let refused = refused(read(dir));
        assert!(refused.contains("user.seed") && refused.contains("no seed of a NATS user"), "{refused}");
        assert!(!refused.contains(account));
    }

    #[test]
    fn what_others_may_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path()).unwrap();
        let file = dir.path().join("postgres/one.password");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            read(dir.path()).unwrap()[0].starts_with("others may read or write postgres/one.password: chmod")
        );
    }
}
