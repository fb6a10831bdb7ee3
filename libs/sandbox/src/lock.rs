//! One process per data folder: a lock on `<dir>/lock` that the kernel drops when its holder ends, however it ends.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use crate::error::{Error, while_doing};

/// Holds a folder for this process until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, creating it if needed.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`] with the holder's process id when another process (or another `Lock` in this
    /// one) has it; [`Error::Io`] when the folder cannot be written.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(while_doing(format!("create {}", dir.display())))?;
        let path = dir.join("lock");
        let locking = || format!("lock {}", path.display());
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(while_doing(locking()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::AlreadyRunning { dir: dir.to_path_buf(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { doing: locking(), source }),
        }
        write_own_pid(&mut file).map_err(while_doing(locking()))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_own_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
