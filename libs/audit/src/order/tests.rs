//! Every trace of an order matters.

use sea_orm::prelude::ChronoDateTimeUtc;

use super::*;

const USER: Uuid = Uuid::from_u128(1);
const TEA: Uuid = Uuid::from_u128(2);

fn line(quantity: i64) -> Line {
    Line { position_id: TEA, quantity, price: 50 }
}

fn confirmed() -> Traces {
    Traces {
        order: Some(Order {
            user_id: USER,
            status: "confirmed".into(),
            total: Some(150),
            items: vec![line(3)],
        }),
        hold: Some(Hold { state: "captured".into(), user_id: Some(USER), amount: Some(150) }),
        captures: vec![150],
        reservation: Some(Reservation { state: "reserved".into(), lines: vec![line(3)] }),
        delivery: Some(Delivery { status: "scheduled".into(), user_id: Some(USER), slot: Some(noon()) }),
        booking: Some(Booking { state: "booked".into(), begins_at: Some(noon()) }),
        letters: vec![Letter { kind: "order_confirmed".into(), user_id: USER }],
        told: Some(Told::Confirmed),
        ..Traces::default()
    }
}

fn noon() -> ChronoDateTimeUtc {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// Paid at once, before its saga asked for money.
fn paid_at_once() -> Traces {
    let mut traces = confirmed();
    traces.payments = std::mem::take(&mut traces.captures);
    traces.hold.as_mut().unwrap().state = "paid".into();
    traces
}

fn rejected() -> Traces {
    let mut traces = confirmed();
    traces.captures.clear();
    traces.told = Some(Told::Rejected);
    traces.letters[0].kind = "order_rejected".into();
    traces.order.as_mut().unwrap().status = "rejected".into();
    traces.hold.as_mut().unwrap().state = "refused".into();
    traces.reservation.as_mut().unwrap().state = "released".into();
    traces.delivery = None;
    traces.booking.as_mut().unwrap().state = "released".into();
    traces
}

/// Cancelled by its user after it was confirmed.
fn cancelled() -> Traces {
    let mut traces = confirmed();
    traces.refunds.push(150);
    traces.order.as_mut().unwrap().status = "cancelled".into();
    traces.hold.as_mut().unwrap().state = "refunded".into();
    traces.reservation.as_mut().unwrap().state = "released".into();
    traces.delivery.as_mut().unwrap().status = "cancelled".into();
    traces.booking.as_mut().unwrap().state = "released".into();
    traces.letters.push(Letter { kind: "order_cancelled".into(), user_id: USER });
    traces
}

fn breaks(mut traces: Traces, change: impl FnOnce(&mut Traces)) -> Vec<&'static str> {
    change(&mut traces);
    traces.broken_rules()
}

#[test]
fn what_is_right_breaks_nothing() {
    assert!(confirmed().broken_rules().is_empty());
    assert!(rejected().broken_rules().is_empty());
    assert!(cancelled().broken_rules().is_empty());
    assert!(paid_at_once().broken_rules().is_empty());
    assert!(Traces::default().broken_rules().is_empty());
}

#[test]
fn every_trace_of_a_confirmed_order_matters() {
    let paid = ["a confirmed order's total is taken once, from its user"];
    assert_eq!(breaks(confirmed(), |t| t.captures.push(150)), paid);
    assert_eq!(breaks(confirmed(), |t| t.captures[0] = 149), paid);
    assert_eq!(breaks(confirmed(), |t| t.hold = None), paid);
    assert_eq!(breaks(confirmed(), |t| t.hold.as_mut().unwrap().user_id = Some(TEA)), paid);
    assert_eq!(breaks(confirmed(), |t| t.refunds.push(150)), paid);
    let reserved = ["a confirmed order's items are reserved or sold at the prices of its total"];
    assert_eq!(breaks(confirmed(), |t| t.reservation.as_mut().unwrap().state = "sold".into()), [""; 0]);
    assert_eq!(breaks(confirmed(), |t| t.reservation.as_mut().unwrap().state = "released".into()), reserved);
    assert_eq!(breaks(confirmed(), |t| t.reservation = None), reserved);
    assert_eq!(breaks(confirmed(), |t| t.reservation.as_mut().unwrap().lines[0].quantity = 2), reserved);
    assert_eq!(breaks(confirmed(), |t| t.reservation.as_mut().unwrap().lines[0].price = 49), reserved);
    let letter = ["an order has one letter, of its outcome, to its user"];
    assert_eq!(breaks(confirmed(), |t| t.letters.clear()), letter);
    assert_eq!(breaks(confirmed(), |t| t.letters.push(t.letters[0].clone())), letter);
    assert_eq!(breaks(confirmed(), |t| t.letters[0].user_id = TEA), letter);
    assert_eq!(
        breaks(confirmed(), |t| t.told = Some(Told::Rejected)),
        ["a client is told what its order came to"]
    );
}

#[test]
fn nothing_is_left_of_a_rejected_order() {
    let unpaid = ["an order that was turned back holds no money, and what was taken is given back"];
    assert_eq!(breaks(rejected(), |t| t.hold.as_mut().unwrap().state = "held".into()), unpaid);
    assert_eq!(breaks(rejected(), |t| t.captures.push(1)), unpaid);
    let nothing = ["an order that was turned back has nothing reserved or sold"];
    for state in ["reserved", "sold"] {
        assert_eq!(breaks(rejected(), |t| t.reservation.as_mut().unwrap().state = state.into()), nothing);
    }
}

#[test]
fn what_a_cancelled_order_took_it_has_given_back() {
    let refunded = ["an order that was turned back holds no money, and what was taken is given back"];
    assert_eq!(breaks(cancelled(), |t| t.refunds.clear()), refunded);
    assert_eq!(breaks(cancelled(), |t| t.refunds[0] = 149), refunded);
    assert_eq!(breaks(cancelled(), |t| t.refunds.push(150)), refunded);
    assert_eq!(breaks(cancelled(), |t| t.hold.as_mut().unwrap().state = "captured".into()), refunded);
    assert_eq!(breaks(cancelled(), |t| t.hold.as_mut().unwrap().user_id = Some(TEA)), refunded);
    let nothing = ["an order that was turned back has nothing reserved or sold"];
    assert_eq!(breaks(cancelled(), |t| t.reservation.as_mut().unwrap().state = "sold".into()), nothing);
    let letter = ["an order has one letter, of its outcome, to its user"];
    assert_eq!(breaks(cancelled(), |t| drop(t.letters.pop())), letter);
    assert_eq!(breaks(cancelled(), |t| drop(t.letters.remove(0))), letter);
    let early = |t: &mut Traces| {
        t.captures.clear();
        t.refunds.clear();
        t.hold.as_mut().unwrap().state = "released".into();
    };
    assert_eq!(breaks(cancelled(), early), letter, "before its pivot nobody was told of joy");
    let silent = |t: &mut Traces| {
        early(t);
        t.letters.remove(0);
    };
    assert_eq!(breaks(cancelled(), silent), [""; 0]);
}

#[test]
fn an_order_ends_and_is_not_forgotten() {
    let pending = breaks(confirmed(), |t| t.order.as_mut().unwrap().status = "pending".into());
    assert!(pending.contains(&"every order has reached its end"));
    let lost = Traces { told: Some(Told::Accepted), ..Traces::default() };
    assert_eq!(lost.broken_rules(), ["every order that a client knows of is kept"]);
    let orphan = Traces { order: None, told: None, ..confirmed() };
    assert_eq!(orphan.broken_rules(), ["nothing is done for an order that nobody placed"]);
}

#[test]
fn an_order_is_paid_by_its_saga_or_at_once_and_never_both() {
    let paid = ["a confirmed order's total is taken once, from its user"];
    assert_eq!(breaks(confirmed(), |t| t.payments.push(150)), paid);
    assert_eq!(breaks(paid_at_once(), |t| t.captures.push(150)), paid);
    assert_eq!(breaks(paid_at_once(), |t| t.payments[0] = 149), paid);
    assert_eq!(breaks(paid_at_once(), |t| t.hold.as_mut().unwrap().state = "captured".into()), paid);
    let back = ["an order that was turned back holds no money, and what was taken is given back"];
    let unlucky = |t: &mut Traces| {
        t.hold.as_mut().unwrap().state = "refunded".into();
        t.payments.push(30);
        t.hold.as_mut().unwrap().amount = Some(30);
        t.refunds.push(30);
    };
    assert_eq!(breaks(rejected(), unlucky), [""; 0]);
    assert_eq!(breaks(rejected(), |t| t.payments.push(30)), back);
    let late = |t: &mut Traces| t.payments = std::mem::take(&mut t.captures);
    assert_eq!(breaks(cancelled(), late), [""; 0], "cancelled after it was confirmed");
    let elsewhere = Traces { payments: vec![7], hold: paid_at_once().hold, ..Traces::default() };
    assert!(elsewhere.broken_rules().is_empty(), "an order that only another system knows");
}

#[test]
fn a_confirmed_order_of_items_is_delivered_and_nothing_else_is() {
    let delivered = "a confirmed order of items is delivered once, to its user";
    let courier = "a delivery in an hour has its courier booked, and no other has";
    assert_eq!(breaks(confirmed(), |t| t.delivery = None), [delivered, courier]);
    assert_eq!(breaks(confirmed(), |t| t.delivery.as_mut().unwrap().user_id = Some(TEA)), [delivered]);
    assert_eq!(breaks(confirmed(), |t| t.delivery.as_mut().unwrap().status = "received".into()), [""; 0]);
    assert_eq!(
        breaks(confirmed(), |t| t.delivery.as_mut().unwrap().status = "cancelled".into()),
        [delivered]
    );
    assert_eq!(breaks(confirmed(), |t| t.order.as_mut().unwrap().status = "sent".into()), [delivered]);
    assert_eq!(breaks(confirmed(), |t| t.booking = None), [courier]);
    assert_eq!(breaks(confirmed(), |t| t.booking.as_mut().unwrap().state = "released".into()), [courier]);
    assert_eq!(breaks(confirmed(), |t| t.booking.as_mut().unwrap().begins_at = None), [courier]);
    let without_slot = |t: &mut Traces| {
        t.booking = None;
        t.delivery.as_mut().unwrap().slot = None;
    };
    assert_eq!(breaks(confirmed(), without_slot), [""; 0]);
    assert_eq!(breaks(confirmed(), |t| t.delivery.as_mut().unwrap().slot = None), [courier]);
    let off = ["an order that was turned back is not delivered and has no courier"];
    for turned_back in [rejected, cancelled] {
        assert_eq!(breaks(turned_back(), |t| t.booking.as_mut().unwrap().state = "booked".into()), off);
        assert_eq!(breaks(turned_back(), |t| t.delivery = confirmed().delivery), off);
        assert_eq!(breaks(turned_back(), |t| t.delivery = None), [""; 0]);
    }
}
