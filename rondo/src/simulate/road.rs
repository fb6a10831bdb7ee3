//! The road: streams with durable consumers, as far as they can be seen from the services. A message stays
//! until it is acknowledged, and comes again where it is not.

use std::collections::HashMap;
use std::rc::Rc;

use messaging::Source;
use messaging::simulation::Message;
use messaging::topology::EVENTS;

use super::dice::{digest, mix};

/// A service's consumer.
#[derive(Debug)]
struct Consumer {
    /// By its place in the world.
    service: usize,
    source: Source,
}

/// A message on its way to one consumer.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) message: Rc<Message>,
    pub(super) service: usize,
    pub(super) is_event: bool,
    /// Stays the same wherever and whenever the same is sent.
    pub(super) about: u64,
    pub(super) deliveries: u32,
    /// Acknowledged, or gone with its stream.
    pub(super) is_over: bool,
    /// It came and nobody was there.
    waits: bool,
}

/// One delivery of a parcel: acknowledged when all its items are done.
#[derive(Debug)]
struct Receipt {
    parcel: usize,
    items_open: usize,
    comes_again: bool,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Other items of it are not done.
    NotYet,
    /// This parcel can be acknowledged.
    Acknowledges(usize),
    /// This parcel is left to another process.
    ComesAgain(usize),
}

#[derive(Debug, Default)]
pub(super) struct Road {
    consumers: Vec<Consumer>,
    routes: HashMap<String, Rc<[usize]>>,
    pub(super) parcels: Vec<Parcel>,
    receipts: Vec<Receipt>,
    open: usize,
    /// How many wait for a service that is away.
    waiting: HashMap<usize, usize>,
}

impl Road {
    pub(super) fn add(&mut self, service: usize, sources: Vec<Source>) {
        self.consumers.extend(sources.into_iter().map(|source| Consumer { service, source }));
    }

    /// Who reads this subject.
    pub(super) fn readers(&mut self, subject: &str) -> Rc<[usize]> {
        if let Some(readers) = self.routes.get(subject) {
            return Rc::clone(readers);
        }
        let reads = |(_, consumer): &(usize, &Consumer)| consumer.source.takes(subject);
        let readers: Rc<[usize]> =
            self.consumers.iter().enumerate().filter(reads).map(|(index, _)| index).collect();
        self.routes.insert(subject.to_owned(), Rc::clone(&readers));
        readers
    }

    /// A parcel for one of the readers.
    pub(super) fn send(&mut self, message: &Rc<Message>, reader: usize) -> usize {
        let Consumer { service, source } = &self.consumers[reader];
        self.parcels.push(Parcel {
            message: Rc::clone(message),
            service: *service,
            is_event: source.consumer.stream == EVENTS,
            about: mix(identity(message), reader as u64),
            deliveries: 0,
            is_over: false,
            waits: false,
        });
        self.open += 1;
        self.parcels.len() - 1
    }

    pub(super) fn receipt(&mut self, parcel: usize, items: usize) -> usize {
        self.receipts.push(Receipt { parcel, items_open: items, comes_again: false });
        self.receipts.len() - 1
    }

    pub(super) fn item_done(&mut self, receipt: usize, is_left: bool) -> Done {
        let Receipt { parcel, items_open, comes_again } = &mut self.receipts[receipt];
        *comes_again |= is_left;
        *items_open -= 1;
        match (*items_open, *comes_again) {
            (0, true) => Done::ComesAgain(*parcel),
            (0, false) => Done::Acknowledges(*parcel),
            _ => Done::NotYet,
        }
    }

    pub(super) fn end(&mut self, parcel: usize) {
        let one = &mut self.parcels[parcel];
        if !std::mem::replace(&mut one.is_over, true) {
            self.open -= 1;
            let waited = std::mem::replace(&mut one.waits, false);
            self.count_waiting(parcel, waited);
        }
    }

    /// The stream of events loses its store.
    pub(super) fn lose_events(&mut self) {
        for index in 0..self.parcels.len() {
            if self.parcels[index].is_event {
                self.end(index);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// It came, and somebody was there or not.
    pub(super) fn came(&mut self, parcel: usize, was_taken: bool) {
        let one = &mut self.parcels[parcel];
        one.deliveries += u32::from(was_taken);
        let waited = std::mem::replace(&mut one.waits, !was_taken);
        self.count_waiting(parcel, waited);
    }

    fn count_waiting(&mut self, parcel: usize, waited: bool) {
        let Parcel { service, waits, .. } = self.parcels[parcel];
        let waiting = self.waiting.entry(service).or_default();
        *waiting = *waiting + usize::from(waits) - usize::from(waited);
    }

    /// Whether messages wait that this service could not take.
    pub(super) fn has_backlog(&self, service: usize) -> bool {
        self.waiting.get(&service).is_some_and(|count| *count > 0)
    }
}

/// Of the subject, the number of items, and the id of the first: not of times and attempts.
fn identity(message: &Message) -> u64 {
    const ID: &[u8] = b"\"id\":\"";
    let payload = &message.payload[..message.payload.len().min(256)];
    let id = payload.windows(ID.len()).position(|window| window == ID).unwrap_or(0);
    let id = &payload[id..payload.len().min(id + ID.len() + 36)];
    mix(digest(message.subject.as_bytes()), mix(digest(id), message.items))
}
