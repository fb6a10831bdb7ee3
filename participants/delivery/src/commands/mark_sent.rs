//! A courier took the order along. Asked again it is answered the same; from any other state than
//! scheduled it is refused.

use contracts::Timestamp;
use contracts::delivery::OrderSent;
use uuid::Uuid;

use crate::decider::{MoveRefusal, Set};
use crate::delivery::{Delivery, State};

pub(crate) fn decide(set: &mut Set, order_id: Uuid, now: Timestamp) -> Result<Delivery, MoveRefusal> {
    let delivery = set.deliveries.get(order_id).ok_or(MoveRefusal::Unknown)?;
    let parcel = match &delivery.state {
        State::Scheduled(parcel) => parcel.clone(),
        State::Sent(_) => return Ok(delivery.clone()),
        State::NeverScheduled => return Err(MoveRefusal::Unknown),
        State::Received(_) | State::Cancelled(_) => return Err(MoveRefusal::WrongState(delivery.status())),
    };
    set.tell(OrderSent { order_id, user_id: parcel.user_id });
    let sent = Delivery { order_id, state: State::Sent(parcel), updated_at: now };
    if let Some(delivery) = set.deliveries.get_mut(order_id) {
        *delivery = sent.clone();
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use contracts::Event;
    use contracts::delivery::CancelDelivery;

    use super::*;
    use crate::commands::mark_received::{self, By, MarkReceived};
    use crate::commands::sample::{ANN, ORDER, city, later, now, schedule, told};
    use crate::commands::{cancel_delivery, schedule_delivery};

    #[test]
    fn what_is_scheduled_is_sent_once_and_everybody_is_told_once() {
        let mut set = city(1);
        schedule_delivery::decide(&mut set, &schedule(), now());
        let sent = decide(&mut set, ORDER, later()).unwrap();
        assert_eq!((sent.status(), sent.updated_at), ("sent", later()));
        let event = OrderSent { order_id: ORDER, user_id: ANN };
        assert_eq!(told(&mut set), [(OrderSent::TYPE, serde_json::to_string(&event).unwrap())]);
        assert_eq!(decide(&mut set, ORDER, later() + chrono::TimeDelta::days(1)), Ok(sent));
        assert_eq!(told(&mut set), []);
    }

    #[test]
    fn what_is_unknown_received_or_cancelled_is_not_sent() {
        let mut set = city(1);
        assert_eq!(decide(&mut set, ORDER, now()), Err(MoveRefusal::Unknown));
        schedule_delivery::decide(&mut set, &schedule(), now());
        decide(&mut set, ORDER, now()).unwrap();
        let request = MarkReceived { order_id: ORDER, by: By::Courier };
        mark_received::decide(&mut set, &request, now()).unwrap();
        assert_eq!(decide(&mut set, ORDER, now()), Err(MoveRefusal::WrongState("received")));

        let mut set = city(1);
        schedule_delivery::decide(&mut set, &schedule(), now());
        cancel_delivery::decide(&mut set, &CancelDelivery { order_id: ORDER }, now());
        told(&mut set);
        assert_eq!(decide(&mut set, ORDER, now()), Err(MoveRefusal::WrongState("cancelled")));
        assert_eq!(told(&mut set), []);
    }
}
