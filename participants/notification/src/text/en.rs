//! English.

use super::{Text, Words};

pub(super) const WORDS: Words = Words { greeting, welcome, confirmed, rejected, cancelled, sent, received };

fn greeting(name: Option<&str>) -> String {
    name.map_or_else(|| "Hello!".to_owned(), |name| format!("Hello, {name}!"))
}

fn welcome() -> Text {
    Text {
        subject: "Welcome to Rondo".to_owned(),
        body: "Your account is ready. Put money on it, and order.".to_owned(),
    }
}

fn confirmed(order: &str, total: Option<&str>) -> Text {
    let paid = total.map_or_else(String::new, |total| format!(" {total} has been taken from your account."));
    Text {
        subject: "Your order is confirmed".to_owned(),
        body: format!("Good news: your order {order} is confirmed.{paid} Thank you!"),
    }
}

fn rejected(order: &str, reason: Option<&str>) -> Text {
    let because = why(reason);
    Text {
        subject: "Your order could not be fulfilled".to_owned(),
        body: format!(
            "We are sorry: we could not fulfil your order {order}, because {because}. Nothing was taken from your \
             account."
        ),
    }
}

fn cancelled(order: &str) -> Text {
    Text {
        subject: "Your order is cancelled".to_owned(),
        body: format!("Your order {order} is cancelled. All of its money is yours again."),
    }
}

fn sent(order: &str) -> Text {
    Text {
        subject: "Your order is on its way".to_owned(),
        body: format!("Your order {order} is with the courier and on its way to you."),
    }
}

fn received(order: &str) -> Text {
    Text {
        subject: "Your order has been delivered".to_owned(),
        body: format!("Your order {order} has been handed over to you. Thank you for ordering with us!"),
    }
}

fn why(reason: Option<&str>) -> &'static str {
    match reason {
        Some("insufficient_funds") => "there is not enough money on your account",
        Some("out_of_stock") => "something you ordered is not in stock",
        Some("unknown_position") => "something you ordered is no longer sold",
        Some("price_changed") => "the price has changed meanwhile",
        Some("total_too_large") => "it costs more than one order may",
        Some("slot_taken") => "the delivery slot has been taken",
        Some("timed_out") => "it could not be processed in time",
        Some("cancelled") => "it was cancelled",
        _ => "something went wrong on our side",
    }
}
