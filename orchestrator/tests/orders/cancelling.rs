//! Cancelling: before the pivot and after it, too early and too late, twice, and against the courier.

use futures::future::join_all;
use serde_json::json;
use service::token::Role;
use testkit::{Answer, eventually};
use uuid::Uuid;

use crate::shop::{Customer, Participant, Shop, WITHIN, header, items, order_id, price};

const NO_WAIT: [(&str, &str); 1] = [("prefer", "wait=0")];

/// Cancelled: nothing of the order stands, and its letter is written once.
async fn is_cancelled(shop: &Shop, customer: &Customer, order_id: Uuid, money: i64) {
    assert_eq!(customer.see(order_id).await["status"], "cancelled");
    assert_eq!(shop.money(customer).await, (money, 0));
    let letters = shop.letters(customer, order_id).await;
    let of_cancelling = letters.iter().filter(|kind| *kind == "order_cancelled").count();
    assert_eq!(of_cancelling, 1, "{letters:?}");
}

async fn confirmed(shop: &Shop, customer: &Customer, tea: Uuid) -> Uuid {
    let answer = customer.order(&items(&[(tea, 2)])).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let order_id = order_id(&answer);
    customer.sees_saga(order_id, "completed").await;
    assert_eq!(shop.available_when_reserved(tea, 0).await, 8);
    order_id
}

#[tokio::test]
async fn before_the_pivot_everything_is_undone() {
    let mut shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    shop.goes_away(Participant::Billing).await;
    let order_id = order_id(&customer.order_with(&NO_WAIT, &items(&[(tea, 1)])).await);
    eventually(WITHIN, "the stock to be reserved", async || (shop.counts(tea).await == (9, 1)).then_some(()))
        .await;
    let answer = customer.cancel(order_id, 0).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("pending")), "{answer:?}");
    assert_eq!(header(&answer, "retry-after"), Some("1"));
    shop.comes_back(Participant::Billing).await;
    let answer = customer.cancel(order_id, 30).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("cancelled")), "{answer:?}");
    is_cancelled(&shop, &customer, order_id, 10_000).await;
    assert_eq!(shop.counts(tea).await, (10, 0));
    assert_eq!(customer.cancel(order_id, 0).await.status, 200, "repeated");
}

#[tokio::test]
async fn a_confirmed_order_gives_money_and_goods_back_once() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    let order_id = confirmed(&shop, &customer, tea).await;
    let twins = join_all([customer.cancel(order_id, 30), customer.cancel(order_id, 30)]).await;
    let statuses: Vec<u16> = twins.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200], "{twins:?}");
    is_cancelled(&shop, &customer, order_id, 10_000).await;
    assert_eq!(shop.counts(tea).await, (10, 0));
    assert_eq!(shop.courier_says("sent", order_id).await.problem(), (409, "wrong_state"));
    assert_eq!(customer.cancel(order_id, 0).await.status, 200, "repeated");
}

#[tokio::test]
async fn an_order_of_a_price_alone_is_refunded() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let order_id = order_id(&customer.order(&price(4_000)).await);
    customer.sees_saga(order_id, "completed").await;
    let answer = customer.cancel(order_id, 30).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    is_cancelled(&shop, &customer, order_id, 10_000).await;
}

#[tokio::test]
async fn an_order_that_is_not_finished_yet_can_be_cancelled_a_little_later() {
    let mut shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    shop.goes_away(Participant::Notification).await;
    let order_id = order_id(&customer.order(&items(&[(tea, 2)])).await);
    let answer = customer.cancel(order_id, 0).await;
    assert_eq!((answer.problem(), header(&answer, "retry-after")), ((409, "try_again"), Some("1")));
    shop.comes_back(Participant::Notification).await;
    customer.sees_saga(order_id, "completed").await;
    assert_eq!(customer.cancel(order_id, 30).await.status, 200);
    is_cancelled(&shop, &customer, order_id, 10_000).await;
}

#[tokio::test]
async fn what_is_on_its_way_or_rejected_is_too_late() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    let order_id = confirmed(&shop, &customer, tea).await;
    assert_eq!(shop.courier_says("sent", order_id).await.status, 200);
    assert_eq!(customer.cancel(order_id, 30).await.problem(), (409, "too_late"));
    customer.sees(order_id, "sent").await;
    assert_eq!(customer.cancel(order_id, 0).await.problem(), (409, "too_late"));
    assert_eq!(shop.money(&customer).await, (8_000, 0));

    let rejected = customer.order(&price(1_000_000)).await;
    let rejected = rejected.body["order_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(customer.cancel(rejected, 0).await.problem(), (409, "too_late"));
}

#[tokio::test]
async fn nobody_cancels_what_is_not_theirs() {
    let shop = Shop::open().await;
    let (customer, other, tea) =
        (shop.customer_with(10_000).await, shop.customer_with(0).await, shop.position(10).await);
    let order_id = confirmed(&shop, &customer, tea).await;
    assert_eq!(other.cancel(order_id, 0).await.status, 404);
    assert_eq!(customer.cancel(Uuid::now_v7(), 0).await.status, 404);
    assert_eq!(customer.see(order_id).await["status"], "confirmed");
}

#[tokio::test]
async fn who_cancelled_a_confirmed_order_stands_in_the_trail_once() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(100).await);
    let operator_id = Uuid::now_v7();
    let operator = Customer {
        user_id: operator_id,
        client: shop.orchestrator.user(operator_id, &[Role::User, Role::Operator]),
    };
    for (canceller, actor, reason) in [
        (&customer, format!("user {}", customer.user_id), "cancelled by its user"),
        (&operator, format!("operator {operator_id}"), "cancelled by an operator, for its user"),
    ] {
        let order_id = order_id(&customer.order(&items(&[(tea, 2)])).await);
        customer.sees_saga(order_id, "completed").await;
        let twins = join_all([canceller.cancel(order_id, 30), canceller.cancel(order_id, 30)]).await;
        assert!(twins.iter().all(|answer| answer.status == 200), "{twins:?}");
        let path = format!("/internal/api/v1/audit/actions?key={order_id}");
        let trail = shop.orchestrator.operator().get(&path).await.body;
        let row = &trail["items"][0];
        assert_eq!(trail["items"].as_array().unwrap().len(), 1, "{trail}");
        assert_eq!(
            (&row["action"], &row["actor"], &row["reason"]),
            (&json!("cancel"), &json!(actor), &json!(reason))
        );
        assert_ne!(row["saga_id"], json!(order_id), "it is the cancellation's");
        assert_eq!((&row["before"], &row["after"]["status"]), (&json!(null), &json!("running")), "{row}");
    }
}

#[tokio::test]
async fn either_the_courier_or_the_cancel_is_first() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(100_000).await, shop.position(100).await);
    let mut money = 100_000;
    for _ in 0..8 {
        let order_id = order_id(&customer.order(&items(&[(tea, 1)])).await);
        customer.sees_saga(order_id, "completed").await;
        let (cancelled, sent) =
            tokio::join!(customer.cancel(order_id, 30), shop.courier_says("sent", order_id));
        match (cancelled.status, sent.status) {
            (200, 409) => is_cancelled(&shop, &customer, order_id, money).await,
            (409, 200) => {
                assert_eq!(cancelled.problem(), (409, "too_late"));
                money -= crate::shop::PRICE;
                customer.sees(order_id, "sent").await;
                assert_eq!(shop.money(&customer).await, (money, 0));
            }
            other => panic!("both or neither: {other:?}, {cancelled:?}, {sent:?}"),
        }
    }
    shop.is_quiet().await;
}

#[tokio::test]
async fn either_the_pivot_or_the_cancel_is_first() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(100_000).await, shop.position(100).await);
    let one = async || -> (Uuid, Answer) {
        let order_id = order_id(&customer.order_with(&NO_WAIT, &items(&[(tea, 1)])).await);
        (order_id, customer.cancel(order_id, 30).await)
    };
    let answers = join_all((0..16).map(|_| one())).await;
    shop.is_quiet().await;
    let mut confirmed = 0;
    for (order_id, answer) in answers {
        let status = customer.see(order_id).await["status"].as_str().unwrap().to_owned();
        match answer.status {
            200 => assert_eq!(status, "cancelled"),
            _ => {
                assert_eq!((answer.problem(), status.as_str()), ((409, "try_again"), "confirmed"));
                confirmed += 1;
            }
        }
    }
    let left = 100 - confirmed;
    assert_eq!(shop.available_when_reserved(tea, 0).await, left);
    assert_eq!(shop.money(&customer).await, (left * crate::shop::PRICE, 0));
}
