//! That tables in memory behave as those of PostgreSQL.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::record;
use crate::rows::{Changes, Known, Rows, Transaction};

record! {
    #[derive(PartialEq)]
    struct Sample in "samples" {
        sample_id: Uuid,
        fixed { size: i64 }
        changing { note: String }
    }
}

const KEY: Uuid = Uuid::from_u128(1);

fn sample(size: i64, note: &str) -> Sample {
    Sample { sample_id: KEY, size, note: note.to_owned() }
}

/// What comes of it at once; nothing where it waits.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn save(tx: &mut Transaction, rows: &Rows<Sample>) {
    let mut changes = Changes::of(tx);
    changes.save(rows);
    at_once(changes.run(tx)).unwrap().unwrap();
}

fn commit(tx: Transaction) -> Result<(), BatchError> {
    at_once(tx.commit()).unwrap()
}

fn insert(database: &Database, row: Sample) -> Transaction {
    let mut tx = Transaction::Memory(database.begin(None));
    let mut rows = Rows::default();
    rows.insert(row);
    save(&mut tx, &rows);
    tx
}

fn locked(tx: &mut Transaction) -> Option<Rows<Sample>> {
    at_once(Rows::load(tx, &[KEY], Hold::Locked)).map(Result::unwrap)
}

fn stored(database: &Database) -> Option<Sample> {
    database.look(|tables| tables.get(KEY).cloned())
}

#[test]
fn nothing_is_seen_before_the_commit_nor_without_one() {
    let database = Database::default();
    let tx = insert(&database, sample(1, "a"));
    assert_eq!(stored(&database), None);
    drop(tx);
    assert_eq!(stored(&database), None);
    commit(insert(&database, sample(1, "a"))).unwrap();
    assert_eq!(stored(&database), Some(sample(1, "a")));
}

#[test]
fn of_two_inserts_under_one_key_the_second_is_decided_again() {
    let database = Database::default();
    let [first, second] = ["a", "b"].map(|note| insert(&database, sample(1, note)));
    commit(first).unwrap();
    assert_eq!(commit(second).unwrap_err().kind(), crate::FailureKind::Conflict);
    assert_eq!(stored(&database), Some(sample(1, "a")));
}

#[test]
fn a_locked_row_is_waited_for_and_read_as_its_holder_left_it() {
    let database = Database::default();
    commit(insert(&database, sample(1, "a"))).unwrap();
    let mut holder = Transaction::Memory(database.begin(None));
    let mut rows = locked(&mut holder).unwrap();
    let mut other = Transaction::Memory(database.begin(None));
    assert!(locked(&mut other).is_none());
    assert_eq!(
        at_once(Rows::load(&mut other, &[KEY], Hold::Unlocked)).unwrap().unwrap().get(KEY),
        Some(&sample(1, "a"))
    );
    rows.get_mut(KEY).unwrap().note = "b".to_owned();
    save(&mut holder, &rows);
    commit(holder).unwrap();
    assert_eq!(locked(&mut other).unwrap().get(KEY), Some(&sample(1, "b")));
}

fn optimistic(database: &Database) -> (Transaction, Rows<Sample>) {
    let mut tx = Transaction::Memory(database.begin_optimistic(None));
    let rows = locked(&mut tx).expect("nothing is waited for");
    (tx, rows)
}

#[test]
fn without_locks_nobody_is_waited_for_until_the_row_is_written() {
    let database = Database::default();
    commit(insert(&database, sample(1, "a"))).unwrap();
    let mut holder = Transaction::Memory(database.begin(None));
    locked(&mut holder).unwrap();
    let (mut tx, mut rows) = optimistic(&database);
    rows.get_mut(KEY).unwrap().note = "b".to_owned();
    save(&mut tx, &rows);
    let mut committing = pin!(tx.commit());
    let mut context = Context::from_waker(Waker::noop());
    assert!(committing.as_mut().poll(&mut context).is_pending());
    drop(holder);
    assert!(matches!(committing.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    assert_eq!(stored(&database), Some(sample(1, "b")));
}

#[test]
fn of_two_without_locks_the_second_is_decided_again() {
    let database = Database::default();
    commit(insert(&database, sample(1, "a"))).unwrap();
    let [first, second] = ["b", "c"].map(|note| {
        let (mut tx, mut rows) = optimistic(&database);
        rows.get_mut(KEY).unwrap().note = note.to_owned();
        save(&mut tx, &rows);
        tx
    });
    commit(first).unwrap();
    assert_eq!(commit(second).unwrap_err().kind(), crate::FailureKind::Conflict);
    assert_eq!(stored(&database), Some(sample(1, "b")));
}

#[test]
fn what_is_known_is_not_read_and_written_only_while_it_is_true() {
    let database = Database::default();
    let known = Known::new(8);
    let load = |tx: &mut Transaction| at_once(known.load(tx, &[KEY])).unwrap().unwrap();
    let noted = |tx: &mut Transaction, mut rows: Rows<Sample>, note: &str| {
        rows.get_mut(KEY).unwrap().note = note.to_owned();
        let mut changes = Changes::of(tx);
        changes.save(&rows);
        let version = at_once(changes.run(tx)).unwrap().unwrap().unwrap();
        (rows, version)
    };
    commit(insert(&database, sample(1, "a"))).unwrap();
    let (mut tx, rows) = optimistic(&database);
    let (rows, version) = noted(&mut tx, rows, "b");
    commit(tx).unwrap();
    let before = rows.clone();
    known.keep(rows, version, |_| true);

    let mut other = Transaction::Memory(database.begin(None));
    let rows = locked(&mut other).unwrap();
    noted(&mut other, rows, "c");
    commit(other).unwrap();

    let mut tx = Transaction::Memory(database.begin_optimistic(None));
    let rows = load(&mut tx);
    assert_eq!(rows.get(KEY), Some(&sample(1, "b")), "what was committed here");
    noted(&mut tx, rows, "d");
    assert_eq!(commit(tx).unwrap_err().kind(), crate::FailureKind::Conflict);

    known.keep(before, version, |_| true);
    let mut tx = Transaction::Memory(database.begin_optimistic(None));
    let rows = load(&mut tx);
    save(&mut tx, &rows);
    assert_eq!(commit(tx).unwrap_err().kind(), crate::FailureKind::Conflict, "nor is it left as it is");
    let mut tx = Transaction::Memory(database.begin_optimistic(None));
    assert_eq!(load(&mut tx).get(KEY), Some(&sample(1, "c")), "what failed is forgotten");
}

#[test]
fn with_locks_what_is_known_is_read_all_the_same() {
    let database = Database::default();
    commit(insert(&database, sample(1, "a"))).unwrap();
    let known = Known::new(8);
    let (_, rows) = optimistic(&database);
    known.keep(rows, Version(7), |_| true);
    let mut other = Transaction::Memory(database.begin(None));
    let mut rows = locked(&mut other).unwrap();
    rows.get_mut(KEY).unwrap().note = "b".to_owned();
    save(&mut other, &rows);
    commit(other).unwrap();
    let mut tx = Transaction::Memory(database.begin(None));
    let rows = at_once(known.load(&mut tx, &[KEY])).unwrap().unwrap();
    assert_eq!(rows.get(KEY), Some(&sample(1, "b")));
}

#[test]
fn an_update_writes_what_may_change_and_no_more() {
    let database = Database::default();
    commit(insert(&database, sample(1, "a"))).unwrap();
    let mut tx = Transaction::Memory(database.begin(None));
    let mut rows = Rows::default();
    rows.put(sample(2, "b"));
    save(&mut tx, &rows);
    commit(tx).unwrap();
    assert_eq!(stored(&database), Some(sample(1, "b")));
}

#[test]
fn an_update_of_a_row_that_is_not_there_is_decided_again() {
    let database = Database::default();
    let mut tx = Transaction::Memory(database.begin(None));
    let mut rows = Rows::default();
    rows.put(sample(2, "b"));
    save(&mut tx, &rows);
    assert_eq!(commit(tx).unwrap_err().kind(), crate::FailureKind::Conflict);
}

#[test]
fn a_turn_is_given_once() {
    let database = Database::default();
    let mut tx = Transaction::Memory(database.begin(Some(0)));
    let mut load = pin!(Rows::<Sample>::load(&mut tx, &[KEY], Hold::Unlocked));
    let mut context = Context::from_waker(Waker::noop());
    assert!(load.as_mut().poll(&mut context).is_pending());
    assert!(load.as_mut().poll(&mut context).is_ready());
}
