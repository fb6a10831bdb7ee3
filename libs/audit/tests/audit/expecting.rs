//! What somebody outside knows of the system.

use audit::{Expected, Told, audit_against};
use uuid::Uuid;

use crate::shop::{CONFIRMED, Shop, TEA, USER, expected};

#[tokio::test]
async fn right_books_are_clean() {
    let shop = Shop::open().await;
    let report = audit_against(&shop.urls, &expected()).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    let sums = report.sums;
    assert_eq!((sums.orders_confirmed, sums.orders_rejected, sums.orders_cancelled), (2, 1, 1));
    assert_eq!((sums.orders_cancelled_confirmed, sums.letters), (1, 5));
    assert_eq!((sums.deposited, sums.captured, sums.refunded, sums.balances), (1000, 450, 100, 650));
    assert_eq!((sums.available, sums.reserved, sums.sold), (1993, 3, 4));
}

#[tokio::test]
async fn what_was_expected_is_missed() {
    let shop = Shop::open().await;
    let lost = Uuid::from_u128(0x1005);
    let expected = Expected {
        orders: [(CONFIRMED, Told::Rejected), (lost, Told::Accepted)].into(),
        put_in_stock: [(TEA, 2001), (lost, 1)].into(),
        deposited: [(USER, 1001)].into(),
    };
    let report = audit_against(&shop.urls, &expected).await.unwrap();
    let mut found: Vec<_> = report.findings.iter().map(|finding| (finding.rule, finding.count)).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("a client is told what its order came to", 1),
            ("every deposit is in the ledger once", 1),
            ("every order that a client knows of is kept", 1),
            ("what is on hand and what is sold are together what was put in stock", 2),
        ]
    );
}
