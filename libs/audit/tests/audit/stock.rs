//! Stock that was changed, and what was reserved by hand.

use audit::{audit, audit_quiet};
use uuid::Uuid;

use crate::shop::{LONG_AGO, Shop, change};

#[tokio::test]
async fn stock_that_was_changed_is_found() {
    let shop = Shop::open().await;
    let stock = &shop.urls.stock;
    assert_eq!(
        shop.found_after(stock, "UPDATE positions SET reserved = 2", "UPDATE positions SET reserved = 3")
            .await,
        ["what is reserved of a position is the sum of the reservations that stand"]
    );
    let released = r#"UPDATE reservations SET state = replace(state, '"reserved"', '"released"')
                      WHERE order_id = '00000000-0000-0000-0000-000000001001'"#;
    let back = r#"UPDATE reservations SET state = replace(state, '"released"', '"reserved"')
                  WHERE order_id = '00000000-0000-0000-0000-000000001001'"#;
    assert_eq!(
        shop.found_after(stock, released, back).await,
        [
            "a confirmed order's items are reserved or sold at the prices of its total",
            "what is reserved of a position is the sum of the reservations that stand",
        ]
    );
    let state = |from: &str, to: &str| {
        format!(
            r#"UPDATE reservations SET state = replace(state, '"{from}"', '"{to}"')
               WHERE order_id = '00000000-0000-0000-0000-000000001004'"#
        )
    };
    assert_eq!(
        shop.found_after(stock, &state("sold", "reserved"), &state("reserved", "sold")).await,
        ["what is reserved of a position is the sum of the reservations that stand"]
    );
    assert_eq!(
        shop.found_after(stock, &state("sold", "released"), &state("released", "sold")).await,
        ["a confirmed order's items are reserved or sold at the prices of its total"]
    );
}

#[tokio::test]
async fn what_was_reserved_by_hand_is_named_and_is_no_finding_at_work() {
    let shop = Shop::open().await;
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let by_hand = r#"UPDATE positions SET reserved = reserved + 2, available = available - 2;
        INSERT INTO reservations VALUES
        ('00000000-0000-0000-0000-000000001009', '{00000000-0000-0000-0000-00000000000b}',
         '{"state":"reserved","total":100,"lines":[{"position_id":"00000000-0000-0000-0000-00000000000b","name":"Tea","quantity":2,"price":50}]}')"#;
    change(&shop.urls.stock, by_hand).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.reserved_by_hand.into_iter().collect::<Vec<_>>(), [Uuid::from_u128(0x1009)]);
    assert!(!audit(&shop.urls).await.unwrap().is_clean(), "where nobody reserves by hand it is one");
    let hold = "INSERT INTO holds VALUES ('00000000-0000-0000-0000-000000001009', 'refused', \
                '00000000-0000-0000-0000-00000000000a', 7, NULL, 0)";
    change(&shop.urls.billing, hold).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert_eq!(report.orders.into_iter().collect::<Vec<_>>(), [Uuid::from_u128(0x1009)]);
}
