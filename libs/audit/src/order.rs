//! What must be true of one order over all services. Pure.

use serde::Deserialize;
use uuid::Uuid;

use crate::{Accepted, Told};

/// An order as the orchestrator has it.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) user_id: Uuid,
    pub(crate) status: String,
    pub(crate) total: Option<i64>,
    pub(crate) items: Vec<Line>,
}

/// So many of a position, at a price where that is known.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    pub(crate) position_id: Uuid,
    pub(crate) quantity: i64,
    #[serde(default)]
    pub(crate) price: i64,
}

/// What stock has of an order.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) lines: Vec<Line>,
}

/// What billing has of an order.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) state: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) amount: Option<i64>,
}

/// What was written about an order.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) kind: String,
    pub(crate) user_id: Uuid,
}

/// Everything that the services have of one order id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces {
    pub(crate) order: Option<Order>,
    pub(crate) hold: Option<Hold>,
    /// The amounts of its captures.
    pub(crate) captures: Vec<i64>,
    /// The amounts that were given back of them.
    pub(crate) refunds: Vec<i64>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) letters: Vec<Letter>,
    /// What an operator answers for.
    pub(crate) accepted: Vec<Accepted>,
    /// What its client was told.
    pub(crate) told: Option<Told>,
}

impl Traces {
    /// The rules that it breaks.
    pub(crate) fn broken_rules(&self) -> Vec<&'static str> {
        let mut broken = Vec::new();
        let mut check = |holds: bool, rule| {
            if !holds {
                broken.push(rule);
            }
        };
        let Some(order) = &self.order else {
            check(self.told.is_none(), "every order that a client knows of is kept");
            check(
                self.told.is_some() || !self.has_effects(),
                "nothing is done for an order that nobody placed",
            );
            return broken;
        };
        check(self.told_rightly(order), "a client is told what its order came to");
        check(self.letters_are_right(order), "an order has one letter, of its outcome, to its user");
        match order.status.as_str() {
            "confirmed" | "sent" | "received" => {
                check(self.is_paid(order), "a confirmed order's total is captured once, from its user");
                check(
                    self.is_reserved(order),
                    "a confirmed order's items are reserved or sold at the prices of its total",
                );
            }
            "rejected" => {
                check(self.is_unpaid(), "an order that was turned back holds and takes no money");
                check(self.has_nothing(), "an order that was turned back has nothing reserved or sold");
            }
            "cancelled" => {
                check(
                    self.is_unpaid() || self.is_refunded(order),
                    "a cancelled order holds no money, and what it took it has given back",
                );
                check(self.has_nothing(), "an order that was turned back has nothing reserved or sold");
            }
            _ => check(false, "every order has reached its end"),
        }
        broken
    }

    /// Whether there is a reservation and nothing else, not even an order.
    pub(crate) fn may_be_by_hand(&self) -> bool {
        let mut besides = self.clone();
        besides.reservation = None;
        self.order.is_none() && self.told.is_none() && self.reservation.is_some() && !besides.has_effects()
    }

    fn has_effects(&self) -> bool {
        self.hold.is_some()
            || !self.captures.is_empty()
            || !self.refunds.is_empty()
            || self.reservation.is_some()
            || !self.letters.is_empty()
    }

    fn told_rightly(&self, order: &Order) -> bool {
        match self.told {
            None | Some(Told::Accepted) => true,
            Some(Told::Confirmed) => !matches!(order.status.as_str(), "pending" | "rejected"),
            Some(Told::Rejected) => matches!(order.status.as_str(), "rejected" | "cancelled"),
        }
    }

    /// Letters on the way to the customer (sent, received) come on top. Of an order that was cancelled after
    /// it was confirmed, both were told.
    fn letters_are_right(&self, order: &Order) -> bool {
        let expected: &[&str] = match order.status.as_str() {
            "rejected" => &["order_rejected"],
            "cancelled" if self.was_confirmed() => &["order_cancelled", "order_confirmed"],
            "cancelled" => &["order_cancelled"],
            _ => &["order_confirmed"],
        };
        let outcomes: Vec<&Letter> = self.letters.iter().filter(|letter| letter.is_of_outcome()).collect();
        let mut kinds: Vec<&str> = outcomes.iter().map(|letter| letter.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds == expected && outcomes.iter().all(|letter| letter.user_id == order.user_id)
    }

    /// Whether it went past its pivot: money is taken there and nowhere else.
    pub(crate) fn was_confirmed(&self) -> bool {
        !self.captures.is_empty()
    }

    fn is_paid(&self, order: &Order) -> bool {
        let captured = |hold: &Hold| {
            hold.state == "captured" && hold.user_id == Some(order.user_id) && hold.amount == order.total
        };
        self.hold.as_ref().is_some_and(captured)
            && order.total.is_some_and(|total| self.captures == [total])
            && self.refunds.is_empty()
    }

    fn is_refunded(&self, order: &Order) -> bool {
        let refunded = |hold: &Hold| {
            hold.state == "refunded" && hold.user_id == Some(order.user_id) && hold.amount == order.total
        };
        self.hold.as_ref().is_some_and(refunded)
            && order.total.is_some_and(|total| self.captures == [total] && self.refunds == [total])
    }

    fn is_unpaid(&self) -> bool {
        let ended =
            |hold: &Hold| matches!(hold.state.as_str(), "released" | "expired" | "refused" | "cancelled");
        self.captures.is_empty() && self.refunds.is_empty() && self.hold.as_ref().is_none_or(ended)
    }

    fn is_reserved(&self, order: &Order) -> bool {
        let Some(reservation) = &self.reservation else { return order.items.is_empty() };
        let mut reserved: Vec<_> =
            reservation.lines.iter().map(|line| (line.position_id, line.quantity)).collect();
        let mut ordered: Vec<_> = order.items.iter().map(|item| (item.position_id, item.quantity)).collect();
        reserved.sort_unstable();
        ordered.sort_unstable();
        let cost: i64 = reservation.lines.iter().map(|line| line.quantity.saturating_mul(line.price)).sum();
        // Stock hears later of the confirmation.
        matches!(reservation.state.as_str(), "reserved" | "sold")
            && reserved == ordered
            && order.total == Some(cost)
    }

    fn has_nothing(&self) -> bool {
        let ended = |reservation: &Reservation| {
            matches!(reservation.state.as_str(), "released" | "refused" | "cancelled")
        };
        self.reservation.as_ref().is_none_or(ended)
    }
}

impl Letter {
    /// Whether it tells what an order came to.
    pub(crate) fn is_of_outcome(&self) -> bool {
        matches!(self.kind.as_str(), "order_confirmed" | "order_rejected" | "order_cancelled")
    }
}

#[cfg(test)]
mod tests {
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
            refunds: Vec::new(),
            reservation: Some(Reservation { state: "reserved".into(), lines: vec![line(3)] }),
            letters: vec![Letter { kind: "order_confirmed".into(), user_id: USER }],
            accepted: Vec::new(),
            told: Some(Told::Confirmed),
        }
    }

    fn rejected() -> Traces {
        let mut traces = confirmed();
        traces.captures.clear();
        traces.told = Some(Told::Rejected);
        traces.letters[0].kind = "order_rejected".into();
        traces.order.as_mut().unwrap().status = "rejected".into();
        traces.hold.as_mut().unwrap().state = "refused".into();
        traces.reservation.as_mut().unwrap().state = "released".into();
        traces
    }

    /// Cancelled by its user after it was confirmed.
    fn cancelled() -> Traces {
        let mut traces = confirmed();
        traces.refunds.push(150);
        traces.order.as_mut().unwrap().status = "cancelled".into();
        traces.hold.as_mut().unwrap().state = "refunded".into();
        traces.reservation.as_mut().unwrap().state = "released".into();
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
        assert!(Traces::default().broken_rules().is_empty());
    }

    #[test]
    fn every_trace_of_a_confirmed_order_matters() {
        let paid = ["a confirmed order's total is captured once, from its user"];
        assert_eq!(breaks(confirmed(), |t| t.captures.push(150)), paid);
        assert_eq!(breaks(confirmed(), |t| t.captures[0] = 149), paid);
        assert_eq!(breaks(confirmed(), |t| t.hold = None), paid);
        assert_eq!(breaks(confirmed(), |t| t.hold.as_mut().unwrap().user_id = Some(TEA)), paid);
        assert_eq!(breaks(confirmed(), |t| t.refunds.push(150)), paid);
        let reserved = ["a confirmed order's items are reserved or sold at the prices of its total"];
        assert_eq!(breaks(confirmed(), |t| t.reservation.as_mut().unwrap().state = "sold".into()), [""; 0]);
        assert_eq!(
            breaks(confirmed(), |t| t.reservation.as_mut().unwrap().state = "released".into()),
            reserved
        );
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
        let unpaid = ["an order that was turned back holds and takes no money"];
        assert_eq!(breaks(rejected(), |t| t.hold.as_mut().unwrap().state = "held".into()), unpaid);
        assert_eq!(breaks(rejected(), |t| t.captures.push(1)), unpaid);
        let nothing = ["an order that was turned back has nothing reserved or sold"];
        for state in ["reserved", "sold"] {
            assert_eq!(breaks(rejected(), |t| t.reservation.as_mut().unwrap().state = state.into()), nothing);
        }
    }

    #[test]
    fn what_a_cancelled_order_took_it_has_given_back() {
        let refunded = ["a cancelled order holds no money, and what it took it has given back"];
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
}
