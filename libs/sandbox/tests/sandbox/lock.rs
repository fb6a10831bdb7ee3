//! One process per folder.

use sandbox::{Error, Lock};

use crate::fresh_dir;

#[test]
fn a_second_lock_names_the_process_that_has_the_first() {
    let dir = fresh_dir("lock_twice");
    let _held = Lock::take(&dir).unwrap();
    let error = Lock::take(&dir).unwrap_err();
    assert!(
        matches!(error, Error::AlreadyRunning { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains("already running"), "{error}");
}

#[test]
fn a_dropped_lock_can_be_taken_again() {
    let dir = fresh_dir("lock_again");
    drop(Lock::take(&dir).unwrap());
    Lock::take(&dir).unwrap();
}
