//! How messages go between processes: they come, are published, acknowledged, and get into trouble on the road.

use std::rc::Rc;

use contracts::ReplyData;
use messaging::Item;
use messaging::simulation::Message;

use super::{Event, Running, World};
use crate::simulate::clock::{MILLISECOND, SECOND};
use crate::simulate::dice::{digest, mix};
use crate::simulate::faults::Fault;
use crate::simulate::invariants::Broken;
use crate::simulate::road::Done;
use crate::simulate::service::{Committed, Heard, Origin};

/// An unacknowledged message comes again after this, as `topology.rs` says.
const ACK_WAIT: i64 = 30 * SECOND;
/// A message left to another process comes again after this.
const AGAIN_AFTER: i64 = 500 * MILLISECOND;

impl World {
    /// A message comes to one of its service's processes, if any is there.
    pub(super) fn arrive(&mut self, parcel: usize) -> Result<(), Broken> {
        let (service, about) = match &mut self.road.parcels[parcel] {
            one if one.is_over => return Ok(()),
            one => (one.service, mix(one.about, one.deliveries.into())),
        };
        let Some(process) = self.somebody(service, about) else {
            self.road.came(parcel, false);
            self.plan(AGAIN_AFTER, Event::Arrive { parcel });
            return Ok(());
        };
        self.road.came(parcel, true);
        let one = &self.road.parcels[parcel];
        let (delivery, message) = (one.deliveries, Rc::clone(&one.message));
        self.note(mix(about, process as u64));
        let items = usize::try_from(message.items).unwrap_or(usize::MAX);
        let receipt = self.road.receipt(parcel, items);
        let taken = self.services[service].take_in(process, receipt, &message.payload);
        if taken.as_ref() != Ok(&items) {
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            return Err(Broken::new(
                "every message is understood",
                format!("{taken:?} of {}: {text}", message.subject),
            ));
        }
        #[cfg(test)]
        if self.services[service].acknowledges_early() {
            self.road.end(parcel);
        }
        self.plan(ACK_WAIT, Event::AckWait { parcel, delivery });
        self.wake(service, process);
        Ok(())
    }

    /// What was committed goes out; then the inputs are acknowledged.
    pub(super) fn publish(&mut self, running: Running, committed: Committed) -> Result<(), Broken> {
        self.publishing -= 1;
        let process = self.houses[self.outside[running.service].house].processes[running.lane.process];
        if process.life != running.life || process.is_down {
            return Ok(());
        }
        let thaws_in = process.frozen_until - self.clock.elapsed();
        if thaws_in > 0 {
            self.publishing += 1;
            self.plan(thaws_in, Event::Publish(running, Box::new(committed)));
            return Ok(());
        }
        for (caller, heard) in committed.answers {
            if heard == Heard::Done {
                self.is_told(caller);
            }
        }
        for message in committed.messages {
            self.put_on_road(&Rc::new(message));
        }
        let house = self.outside[running.service].house;
        let (now, name) = (self.clock.elapsed(), self.houses[house].name);
        let what = || format!("process {} of {name}", running.lane.process);
        if let Some(down_for) = self.faults.lasts(Fault::CrashBeforeAck, committed.about, now, 20, what) {
            self.kill(house, running.lane.process, down_for);
            return Ok(());
        }
        if let Some(row_id) = committed.outbox_row {
            self.arrived_in.insert(row_id, self.events_stream);
        }
        for (origin, is_left) in committed.done {
            self.acknowledge(origin, is_left);
        }
        Ok(())
    }

    fn acknowledge(&mut self, origin: Origin, is_left: bool) {
        let Origin::Message { receipt } = origin else { return };
        match self.road.item_done(receipt, is_left) {
            Done::NotYet => {}
            Done::ComesAgain(parcel) => self.plan(AGAIN_AFTER, Event::Arrive { parcel }),
            Done::Acknowledges(parcel) => {
                let (now, about) = (self.clock.elapsed(), self.road.parcels[parcel].about);
                let subject = &self.road.parcels[parcel].message.subject;
                if self.faults.strikes(Fault::AckLost, about, now, || subject.clone()).is_none() {
                    self.road.end(parcel);
                }
            }
        }
    }

    /// A message sets out to everybody who reads its subject.
    pub(super) fn put_on_road(&mut self, message: &Rc<Message>) {
        self.sight.messages += 1;
        self.note(digest(&message.payload));
        for reader in self.road.readers(&message.subject).iter() {
            let parcel = self.road.send(message, *reader);
            let about = self.road.parcels[parcel].about;
            let (now, is_event) = (self.clock.elapsed(), self.road.parcels[parcel].is_event);
            let what = || format!("{} ({} items)", message.subject, message.items);
            if !is_event && self.faults.strikes(Fault::Lost, about, now, what).is_some() {
                self.road.end(parcel);
                continue;
            }
            let is_command = message.subject.starts_with("cmd.");
            if is_command && self.faults.strikes(Fault::Failing, about, now, what).is_some() {
                self.road.end(parcel);
                failures(message).into_iter().for_each(|failure| self.put_on_road(&Rc::new(failure)));
                continue;
            }
            let late = self.faults.lasts(Fault::Late, about, now, 90, what).unwrap_or(0);
            let way = self.between(300, 8 * MILLISECOND, "way", about);
            self.plan(way + late, Event::Arrive { parcel });
            if let Some(later) = self.faults.lasts(Fault::Doubled, about, now, 90, what) {
                let twin = self.road.send(message, *reader);
                self.plan(way + later, Event::Arrive { parcel: twin });
            }
        }
    }
}

/// What a participant answers that cannot do anything now.
fn failures(message: &Message) -> Vec<Message> {
    let Ok(items) = serde_json::from_slice::<Vec<Item<'_>>>(&message.payload) else { return Vec::new() };
    let failed = ReplyData::fault("the disk is full");
    let failure = |item: Item<'_>| {
        let subject = item.replyto.clone()?.into_owned();
        let reply = Item {
            item_type: subject.clone().into(),
            replyto: None,
            commandid: Some(item.id),
            specversion: item.specversion,
            id: item.id,
            source: item.source,
            subject: item.subject,
            time: item.time,
            traceparent: item.traceparent,
            step: item.step,
            direction: item.direction,
            attempt: item.attempt,
            data: &failed,
        };
        let payload = serde_json::to_vec(&[reply]).ok()?;
        Some(Message { subject, payload: payload.into(), items: 1 })
    };
    items.into_iter().filter_map(failure).collect()
}
