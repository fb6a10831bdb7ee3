//! Notification's rules as the loop wants them: which rows the inputs need, and who decides which input.

use std::collections::BTreeSet;

use contracts::delivery::{OrderReceived, OrderSent};
use contracts::notification::Notify;
use contracts::user::{ProfileChanged, UserRegistered};
use contracts::{Command, Event, Timestamp};
use messaging::rows::{Changes, Hold, Rows, Transaction};
use messaging::{BatchError, Decided, Decider, DecodeError, Item};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::commands::{learn_profile, notify, tell_of_delivery, welcome};
use crate::contact::Contact;
use crate::letter::{Letter, LetterRequest};

/// A command, or an event with the time at which it happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// `notify`.
    Notify(LetterRequest),
    /// An order is with its courier or its user.
    Delivery(LetterRequest),
    /// A user is new.
    Registered(UserRegistered, Timestamp),
    /// A user has another language or address.
    ProfileChanged(ProfileChanged, Timestamp),
}

impl Input {
    const fn user_id(&self) -> Uuid {
        match self {
            Self::Notify(request) | Self::Delivery(request) => request.user_id,
            Self::Registered(event, _) => event.user_id,
            Self::ProfileChanged(event, _) => event.user_id,
        }
    }

    fn letter_id(&self) -> Option<Uuid> {
        match self {
            Self::Notify(request) | Self::Delivery(request) => Some(request.letter_id),
            Self::Registered(event, _) => Some(welcome::letter_id(event.user_id)),
            Self::ProfileChanged(..) => None,
        }
    }

    /// Whether it tells something of the user.
    const fn is_about_user(&self) -> bool {
        matches!(self, Self::Registered(..) | Self::ProfileChanged(..))
    }
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub struct Set {
    /// Locked where an event may change them.
    pub contacts: Rows<Contact>,
    /// Written once.
    pub letters: Rows<Letter>,
}

/// The rules.
#[derive(Debug, Clone)]
pub struct Notification {
    /// The deployment's currency, ISO 4217.
    pub currency: String,
}

impl Decider for Notification {
    const SERVICE: &'static str = crate::SERVICE;
    type Input = Input;
    type Answer = ();
    type Set = Set;

    fn decode(&self, item: &Item<'_>) -> Result<Input, DecodeError> {
        match &*item.item_type {
            Notify::TYPE => Ok(Input::Notify(notify::request(data(item)?)?)),
            OrderSent::TYPE => Ok(Input::Delivery(tell_of_delivery::sent(&data(item)?))),
            OrderReceived::TYPE => Ok(Input::Delivery(tell_of_delivery::received(&data(item)?))),
            UserRegistered::TYPE => Ok(Input::Registered(data(item)?, item.written_at()?)),
            ProfileChanged::TYPE => Ok(Input::ProfileChanged(data(item)?, item.written_at()?)),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }

    /// Letters are written after everything else is decided.
    fn can_wait(&self, input: &Input) -> bool {
        matches!(input, Input::Notify(_) | Input::Delivery(_))
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Input]) -> Result<Set, BatchError> {
        let users: BTreeSet<Uuid> = inputs.iter().map(|input| input.user_id()).collect();
        let letters: BTreeSet<Uuid> = inputs.iter().filter_map(|input| input.letter_id()).collect();
        let may_change = inputs.iter().any(|input| input.is_about_user());
        let hold = if may_change { Hold::Locked } else { Hold::Unlocked };
        Ok(Set {
            contacts: Rows::load(tx, &Vec::from_iter(users), hold).await?,
            letters: Rows::load(tx, &Vec::from_iter(letters), Hold::Unlocked).await?,
        })
    }

    fn decide(&self, set: &mut Set, input: &Input, now: Timestamp) -> Decided<()> {
        match input {
            Input::Notify(request) => Decided::reply(notify::decide(set, request, &self.currency, now)),
            Input::Delivery(request) => {
                tell_of_delivery::decide(set, request, &self.currency, now);
                Decided::nothing()
            }
            Input::Registered(event, at) => {
                welcome::decide(set, event, *at, &self.currency, now);
                Decided::nothing()
            }
            Input::ProfileChanged(event, at) => {
                learn_profile::decide(set, event, *at);
                Decided::nothing()
            }
        }
    }

    fn save(&self, set: &Set, changes: &mut Changes) {
        changes.save(&set.contacts);
        changes.save(&set.letters);
    }
}

fn data<T: DeserializeOwned>(item: &Item<'_>) -> Result<T, DecodeError> {
    Ok(serde_json::from_str(item.data.get())?)
}
