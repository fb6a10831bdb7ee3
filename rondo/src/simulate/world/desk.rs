//! What people do: customers ask for orders and cancel them, couriers come, operators act on sagas. The
//! decisions are those of the HTTP handlers; everything goes through the loops.

use std::any::Any;

use contracts::{Outcome, ReplyData};
use delivery::Delivery;
use delivery::commands::mark_received::{By, MarkReceived};
use messaging::idempotency::RememberedRequest;
use orchestrator::order::cancellation::Cancellation;
use orchestrator::order::{Order, OrderRow, OrderStatus};
use orchestrator::simulation::{Act, Actor, Input, NewSaga, SagaRow, Wanted};
use saga::{Action, PausedBy, Status};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Event, World};
use crate::simulate::clock::SECOND;
use crate::simulate::dice::mix;
use crate::simulate::faults::Fault;
use crate::simulate::invariants::Broken;
use crate::simulate::managed::history_of;
use crate::simulate::service::Origin;

/// A customer who was not answered asks again after this.
const ASKED_AGAIN: i64 = 6 * SECOND;
/// How often a customer tries to cancel.
const CANCELS_MAX: u64 = 6;
/// How often operators look at an order.
const ACTS_MAX: u64 = 3;
/// A caller who asks for an order; the number of the order is added.
const CUSTOMER: u64 = 1 << 40;
const NOBODY: u64 = 0;

impl World {
    /// Somebody comes after so many microseconds.
    pub(super) fn expect(&mut self, after: i64, event: Event) {
        self.expected += 1;
        self.plan(after, event);
    }

    /// A caller is answered that it was done.
    pub(super) fn is_told(&mut self, caller: u64) {
        if let Some(number) = caller.checked_sub(CUSTOMER) {
            self.accepted.insert(number);
        }
    }

    /// An order is asked for, again and again until that is answered: with one key, and each time under another
    /// id.
    pub(super) fn place(&mut self, number: u64, asking: u64) -> Result<(), Broken> {
        if self.accepted.contains(&number) {
            return Ok(());
        }
        self.expect(ASKED_AGAIN, Event::Place { number, asking: asking + 1 });
        let now = self.clock.elapsed();
        let what = || format!("order {number}");
        let twice = asking == 0 && self.faults.strikes(Fault::AskedTwice, number, now, what).is_some();
        for time in 0..=u64::from(twice) {
            self.ask_for_order(number, asking * 2 + time);
        }
        if asking == 0 {
            let delay = |what| self.dice.below(20 * SECOND.cast_unsigned(), what, number).cast_signed();
            let (cancels, visits, acts) = (delay("cancels"), delay("visits") + SECOND, delay("acts"));
            if self.faults.strikes(Fault::Cancelled, number, now, what).is_some() {
                self.expect(cancels, Event::Cancel { number, asking: 0 });
            }
            if self.dice.percent(40, "visited", number) {
                self.expect(visits, Event::Courier { number, visit: 0 });
            }
            self.expect(acts, Event::Operate { number, act: 0 });
        }
        Ok(())
    }

    fn ask_for_order(&mut self, number: u64, asking: u64) {
        let wish = &self.wishes[&number];
        let order_id = self.ids.of("order", number * 64 + asking);
        let order = wish.asked(order_id, self.clock.now());
        self.begun_with.insert(order_id, Box::new(order.clone()));
        let new = NewSaga {
            saga_id: order_id,
            data: order,
            traceparent: String::new(),
            idempotency: Some(wish.key.clone()),
            wanted: None,
        };
        let input: Input<Order> = Input::Begin(Box::new(new));
        self.ask("order", Origin::Caller(CUSTOMER + number), mix(number, asking), Box::new(input));
    }

    /// Puts something to a process of the workflow's manager, if any runs.
    fn ask(&mut self, workflow: &str, origin: Origin, about: u64, input: Box<dyn Any>) {
        let service = self.managed.iter().find(|managed| managed.name == workflow);
        let service = service.map_or(0, |managed| managed.service);
        self.put(service, origin, about, input);
    }

    fn put(&mut self, service: usize, origin: Origin, about: u64, input: Box<dyn Any>) {
        if let Some(process) = self.somebody(service, about) {
            self.services[service].put(process, origin, about, input);
            self.wake(service, process);
        }
    }

    /// The order that came of a wish.
    pub(super) fn order_of(&self, number: u64) -> Option<OrderRow> {
        let key = self.wishes[&number].key.key_id;
        self.databases.orchestrator.look(|tables| {
            let remembered = tables.get::<RememberedRequest>(key)?;
            tables.get::<OrderRow>(serde_json::from_str(remembered.response.0.get()).ok()?).cloned()
        })
    }

    fn saga(&self, saga_id: Uuid) -> Option<SagaRow> {
        self.databases.orchestrator.look(|tables| tables.get::<SagaRow>(saga_id).cloned())
    }

    pub(super) fn cancel(&mut self, number: u64, asking: u64) -> Result<(), Broken> {
        let order = self.order_of(number);
        let status = order.as_ref().map(|order| (order.order_id, order.status));
        match status {
            Some((order_id, OrderStatus::Pending)) => {
                let by = Actor::User(self.wishes[&number].user_id());
                self.act(order_id, saga::Input::Cancel, by, mix(number, asking));
            }
            Some((order_id, OrderStatus::Confirmed)) => self.cancel_confirmed(number, asking, order_id),
            None => {}
            Some(_) => return Ok(()),
        }
        if asking < CANCELS_MAX {
            self.expect(4 * SECOND, Event::Cancel { number, asking: asking + 1 });
        }
        Ok(())
    }

    fn cancel_confirmed(&mut self, number: u64, asking: u64, order_id: Uuid) {
        let saga_id = Cancellation::id_for(order_id);
        let own = self.saga(order_id).filter(|saga| saga.state.0.status() == Status::Completed);
        let order = own.and_then(|saga| Some(saga.instance::<Order>().ok()?.data));
        let Some(order) = order.filter(|_| self.saga(saga_id).is_none()) else { return };
        let data = Cancellation(order);
        self.begun_with.insert(saga_id, Box::new(data.clone()));
        let wanted = Wanted {
            action_id: self.ids.of("cancels", mix(number, asking)),
            action: "cancel",
            by: Actor::User(self.wishes[&number].user_id()),
            reason: "cancelled by its user".to_owned(),
        };
        let new =
            NewSaga { saga_id, data, traceparent: String::new(), idempotency: None, wanted: Some(wanted) };
        let input: Input<Cancellation> = Input::Begin(Box::new(new));
        self.ask("order_cancellation", Origin::Caller(NOBODY), mix(number, asking), Box::new(input));
    }

    /// A courier takes the order along, and comes again to say that it arrived.
    pub(super) fn courier(&mut self, number: u64, visit: u64) -> Result<(), Broken> {
        if visit < 4 {
            self.expect(7 * SECOND, Event::Courier { number, visit: visit + 1 });
        }
        let Some(order_id) = self.order_of(number).map(|order| order.order_id) else { return Ok(()) };
        let delivery = self.databases.delivery.look(|tables| tables.get::<Delivery>(order_id).cloned());
        let input = match delivery.map(|delivery| delivery.state) {
            Some(delivery::State::Scheduled(_)) => delivery::Input::MarkSent(order_id),
            Some(delivery::State::Sent(_)) => {
                delivery::Input::MarkReceived(MarkReceived { order_id, by: By::Courier })
            }
            _ => return Ok(()),
        };
        let service = self.service_named("delivery");
        self.put(service, Origin::Own, mix(number, visit), Box::new(input));
        Ok(())
    }

    /// An operator looks at the order's saga, or at that of its cancellation, and may do something.
    pub(super) fn operate(&mut self, number: u64, act: u64) -> Result<(), Broken> {
        if act < ACTS_MAX {
            let after =
                self.dice.below(12 * SECOND.cast_unsigned(), "next act", mix(number, act)).cast_signed();
            self.expect(after, Event::Operate { number, act: act + 1 });
        }
        let Some(order_id) = self.order_of(number).map(|order| order.order_id) else { return Ok(()) };
        let cancellation = self.saga(Cancellation::id_for(order_id));
        let Some(row) = cancellation.or_else(|| self.saga(order_id)) else { return Ok(()) };
        let (now, about) = (self.clock.elapsed(), mix(number, act));
        let what = || format!("saga {} of order {number}", row.saga_id);
        let Some(how) = self.faults.strikes(Fault::Operated, about, now, what) else { return Ok(()) };
        let action = self.action(&row, how);
        self.faults.say(&format!(": {action:?}"));
        if let Action::Pause(_) = action {
            let after = self.dice.below(60 * SECOND.cast_unsigned(), "pause", about).cast_signed();
            self.expect(after, Event::ResumeSaga(row.saga_id));
        }
        if let Action::Skip { .. } = action {
            self.expect(20 * SECOND, Event::LookAfter(row.saga_id));
        }
        self.operator_acts(row.saga_id, action, about);
        Ok(())
    }

    fn action(&self, row: &SagaRow, how: u64) -> Action {
        match how % 10 {
            0..=3 => Action::Retry,
            4..=5 => Action::Cancel,
            6 => Action::Abandon,
            7 => self.skip(row),
            _ => Action::Pause(PausedBy::Saga),
        }
    }

    /// Skips what is waited for first, with what another saga was answered there.
    fn skip(&self, row: &SagaRow) -> Action {
        let Some(step) = row.step.as_deref().map(|step| step.trim_start_matches("undo ").to_owned()) else {
            return Action::Skip { step: None, result: None };
        };
        let result = self.answered_elsewhere(&step);
        Action::Skip { step: Some(step), result }
    }

    fn answered_elsewhere(&self, wanted: &str) -> Option<Box<RawValue>> {
        self.databases.orchestrator.look(|tables| {
            let sagas = tables.all::<SagaRow>().map(|row| row.saga_id);
            let mut inputs = sagas.flat_map(|saga| history_of(tables, saga)).map(|record| record.input);
            inputs.find_map(|input| match input {
                saga::Input::Reply {
                    step, reply: ReplyData { outcome: Outcome::Done, body, .. }, ..
                } if step == wanted => body,
                _ => None,
            })
        })
    }

    pub(super) fn resume_saga(&mut self, saga_id: Uuid) -> Result<(), Broken> {
        self.operator_acts(saga_id, Action::Resume(PausedBy::Saga), 0);
        // The process may have died before it was done.
        let paused = self.saga(saga_id).and_then(|row| row.state.0.paused.clone());
        if paused.is_some_and(|pause| pause.by == PausedBy::Saga) {
            self.expect(3 * SECOND, Event::ResumeSaga(saga_id));
        }
        Ok(())
    }

    /// What nobody did may be missed by a later step, which then is refused for ever: money that nobody holds is not
    /// captured. Whoever skipped the step settles by hand what is stuck.
    pub(super) fn look_after(&mut self, saga_id: Uuid) -> Result<(), Broken> {
        let open = self.saga(saga_id).filter(|row| row.finished_at.is_none());
        let Some(is_stuck) = open.map(|row| row.stuck_since.is_some()) else { return Ok(()) };
        if is_stuck {
            self.operator_acts(saga_id, Action::Abandon, 0);
        }
        self.expect(20 * SECOND, Event::LookAfter(saga_id));
        Ok(())
    }

    fn operator_acts(&mut self, saga_id: Uuid, action: Action, about: u64) {
        let by = Actor::Operator(Uuid::from_u128(0xC000));
        let input = saga::Input::Operator { action, by: by.to_string(), reason: "simulated".to_owned() };
        self.act(saga_id, input, by, about);
    }

    fn act(&mut self, saga_id: Uuid, input: saga::Input, by: Actor, about: u64) {
        let Some(row) = self.saga(saga_id) else { return };
        let Some(managed) = self.managed.iter().find(|managed| managed.name == row.workflow) else { return };
        let (service, act) = (managed.service, managed.act);
        let action_id = self.ids.next();
        let act = act(Act { action_id, saga_id, input, by, reason: "simulated".to_owned() });
        self.put(service, Origin::Caller(NOBODY), about, act);
    }
}
