//! Replicas on the same rows: a usual case, not a special one.

use contracts::Outcome;
use contracts::stock::ReserveStock;
use uuid::Uuid;

use crate::shelf::{Shelf, counts, promised, release, reserve};

#[tokio::test]
async fn two_replicas_never_oversell_a_hot_position() {
    let shelf = Shelf::start().await;
    let other = shelf.bed.run(stock::start).await;
    let (hot, spare) = (shelf.position(50, 300).await, shelf.position(5, 10_000).await);
    let commands: Vec<ReserveStock> = (0..500).map(|_| reserve(&[(hot, 1), (spare, 2)])).collect();

    // Small messages, so that both replicas get their share.
    let asking = commands.chunks(5).map(|chunk| shelf.bed.road.ask_all(chunk));
    let said: Vec<_> = all(asking).await.into_iter().flatten().collect();

    let done = said.iter().filter(|said| said.outcome == Outcome::Done).count();
    let short = said.iter().filter(|said| said.is_refused("out_of_stock")).count();
    assert_eq!((done, short), (300, 200));
    assert_eq!((shelf.counts(hot).await, shelf.counts(spare).await), ((0, 300), (9_400, 600)));
    assert_eq!((promised(&shelf.bed.db, hot).await, promised(&shelf.bed.db, spare).await), (300, 600));

    // Asked again, every one gets its answer again.
    let again: Vec<_> = all(commands.chunks(64).map(|chunk| shelf.bed.road.ask_all(chunk))).await;
    assert_eq!(again.into_iter().flatten().collect::<Vec<_>>(), said);
    shelf.stock.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn do_and_undo_at_once_on_two_replicas_leave_nothing_reserved() {
    let shelf = Shelf::start().await;
    let other = shelf.bed.run(stock::start).await;
    let positions: Vec<Uuid> = {
        let mut positions = Vec::new();
        for _ in 0..3 {
            positions.push(shelf.position(50, 100_000).await);
        }
        positions
    };
    // Each in an order of its own: locks are taken in the order of keys all the same.
    let commands: Vec<ReserveStock> = (0..240)
        .map(|number| {
            let mut items: Vec<(Uuid, i64)> = positions.iter().map(|position| (*position, 1)).collect();
            items.rotate_left(number % 3);
            reserve(&items)
        })
        .collect();
    let reserving = commands.chunks(4).map(|chunk| shelf.bed.road.ask_all(chunk));
    let releases: Vec<_> = commands.iter().map(release).collect();
    let releasing = releases.chunks(4).map(|chunk| shelf.bed.road.ask_all(chunk));
    let (reserved, released) = tokio::join!(all(reserving), all(releasing));

    assert!(released.iter().flatten().all(|said| said.outcome == Outcome::Done));
    for said in reserved.iter().flatten() {
        assert!(said.outcome == Outcome::Done || said.is_refused("cancelled"), "{said:?}");
    }
    for position_id in positions {
        assert_eq!(counts(&shelf.bed.db, position_id).await, (100_000, 0));
        assert_eq!(promised(&shelf.bed.db, position_id).await, 0);
    }
    shelf.stock.stop().await;
    other.stop().await;
}

/// Runs them all at once, and gives their values in order.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures::future::join_all(futures).await
}
