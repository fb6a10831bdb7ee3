//! The long simulation: the very binary, from a seed of its own every time, which a failure names.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

#[test]
#[ignore = "long: make proof"]
fn a_quarter_of_a_million_sagas_get_through_everything() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let arguments = ["simulate", "--seed", &seed.to_string(), "--sagas", "250000", "--seconds", "1500"];
    let output = Command::new(env!("CARGO_BIN_EXE_rondo")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("never sent") && !said.contains("the time was over"), "{said}");
}
