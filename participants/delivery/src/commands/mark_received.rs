//! The order arrived: said by a courier, or by the user whose it is. Asked again it is answered the same;
//! from any other state than sent it is refused.

use contracts::Timestamp;
use contracts::delivery::OrderReceived;
use uuid::Uuid;

use crate::decider::{MoveRefusal, Set};
use crate::delivery::{Delivery, State};

/// Who says that an order arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkReceived {
    /// The order.
    pub order_id: Uuid,
    /// Who.
    pub by: By,
}

/// Who may move a delivery on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Any courier, any order.
    Courier,
    /// A user, only orders of one's own.
    User(Uuid),
}

pub(crate) fn decide(set: &mut Set, request: &MarkReceived, now: Timestamp) -> Result<Delivery, MoveRefusal> {
    let order_id = request.order_id;
    let delivery = set.deliveries.get(order_id).ok_or(MoveRefusal::Unknown)?;
    let parcel = delivery.parcel().ok_or(MoveRefusal::Unknown)?;
    if let By::User(user_id) = request.by
        && user_id != parcel.user_id
    {
        return Err(MoveRefusal::Unknown);
    }
    match &delivery.state {
        State::Sent(_) => {}
        State::Received(_) => return Ok(delivery.clone()),
        _ => return Err(MoveRefusal::WrongState(delivery.status())),
    }
    let received = Delivery { order_id, state: State::Received(parcel.clone()), updated_at: now };
    set.tell(OrderReceived { order_id, user_id: parcel.user_id });
    if let Some(delivery) = set.deliveries.get_mut(order_id) {
        *delivery = received.clone();
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use contracts::Event;
    use contracts::delivery::CancelDelivery;

    use super::*;
    use crate::commands::sample::{ANN, BOB, ORDER, city, later, now, schedule, told};
    use crate::commands::{cancel_delivery, mark_sent, schedule_delivery};

    fn by(by: By) -> MarkReceived {
        MarkReceived { order_id: ORDER, by }
    }

    fn sent() -> Set {
        let mut set = city(1);
        schedule_delivery::decide(&mut set, &schedule(), now());
        mark_sent::decide(&mut set, ORDER, now()).unwrap();
        told(&mut set);
        set
    }

    #[test]
    fn what_is_sent_is_received_once_and_everybody_is_told_once() {
        for who in [By::Courier, By::User(ANN)] {
            let mut set = sent();
            let received = decide(&mut set, &by(who), later()).unwrap();
            assert_eq!((received.status(), received.updated_at), ("received", later()));
            let event = OrderReceived { order_id: ORDER, user_id: ANN };
            assert_eq!(told(&mut set), [(OrderReceived::TYPE, serde_json::to_string(&event).unwrap())]);
            for again in [By::Courier, By::User(ANN)] {
                assert_eq!(decide(&mut set, &by(again), now()).as_ref(), Ok(&received));
            }
            assert_eq!(told(&mut set), []);
        }
    }

    #[test]
    fn another_users_order_is_unknown_in_every_state() {
        let mut set = sent();
        assert_eq!(decide(&mut set, &by(By::User(BOB)), now()), Err(MoveRefusal::Unknown));
        decide(&mut set, &by(By::User(ANN)), now()).unwrap();
        assert_eq!(decide(&mut set, &by(By::User(BOB)), now()), Err(MoveRefusal::Unknown));
        let mut set = city(1);
        schedule_delivery::decide(&mut set, &schedule(), now());
        assert_eq!(decide(&mut set, &by(By::User(BOB)), now()), Err(MoveRefusal::Unknown));
    }

    #[test]
    fn what_is_unknown_not_sent_or_cancelled_is_not_received() {
        let mut set = city(1);
        assert_eq!(decide(&mut set, &by(By::Courier), now()), Err(MoveRefusal::Unknown));
        schedule_delivery::decide(&mut set, &schedule(), now());
        assert_eq!(decide(&mut set, &by(By::Courier), now()), Err(MoveRefusal::WrongState("scheduled")));
        cancel_delivery::decide(&mut set, &CancelDelivery { order_id: ORDER }, now());
        told(&mut set);
        assert_eq!(decide(&mut set, &by(By::Courier), now()), Err(MoveRefusal::WrongState("cancelled")));
        assert_eq!(told(&mut set), []);
        let mut set = city(1);
        cancel_delivery::decide(&mut set, &CancelDelivery { order_id: ORDER }, now());
        assert_eq!(decide(&mut set, &by(By::Courier), now()), Err(MoveRefusal::Unknown));
    }
}
