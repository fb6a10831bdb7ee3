//! What goes wrong, and when: drawn from the seed, or exactly what a list says. A strike is named by its kind
//! and by what it strikes, so that a run with fewer of them is struck by the rest where it was before.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use super::clock::SECOND;
use super::dice::{Dice, mix};

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fault {
    /// A message of commands or replies vanishes after it was acknowledged to its publisher.
    Lost,
    /// A message comes a second time, later.
    Doubled,
    /// A message takes up to 90 s.
    Late,
    /// A process dies with a batch saved and not committed.
    CrashBeforeCommit,
    /// A process dies with a batch committed and nothing of it published.
    CrashAfterCommit,
    /// A process dies with everything published and the inputs not acknowledged.
    CrashBeforeAck,
    /// An acknowledgement is lost: the message comes again.
    AckLost,
    /// A commit's outcome stays unknown: the batch is decided again on what it has done itself.
    Unanswered,
    /// Between two statements of a load others have a turn.
    Interleaved,
    /// A process stands still for up to 40 s, and goes on.
    Frozen,
    /// Both processes of a service are away for up to 100 s: everybody there is silent.
    Outage,
    /// The stream of events loses its store.
    StreamLost,
    /// A participant answers with a technical failure, and nothing is done.
    Failing,
    /// A customer sends the request again, to another process: the answer did not come.
    AskedTwice,
    /// A customer changes the mind.
    Cancelled,
    /// An operator acts on a saga.
    Operated,
    /// An operator pauses a workflow or a participant for up to 60 s.
    Paused,
}

impl Fault {
    /// Every kind, with its name and how often it strikes in 10,000 times that it might.
    pub(super) const ALL: [(Self, &'static str, u64); 17] = [
        (Self::Lost, "lost", 200),
        (Self::Doubled, "doubled", 200),
        (Self::Late, "late", 150),
        (Self::CrashBeforeCommit, "crash_before_commit", 25),
        (Self::CrashAfterCommit, "crash_after_commit", 25),
        (Self::CrashBeforeAck, "crash_before_ack", 25),
        (Self::AckLost, "ack_lost", 100),
        (Self::Unanswered, "unanswered", 100),
        (Self::Interleaved, "interleaved", 2_000),
        (Self::Frozen, "frozen", 100),
        (Self::Outage, "outage", 30),
        (Self::StreamLost, "stream_lost", 200),
        (Self::Failing, "failing", 100),
        (Self::AskedTwice, "asked_twice", 500),
        (Self::Cancelled, "cancelled", 1_500),
        (Self::Operated, "operated", 1_000),
        (Self::Paused, "paused", 300),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// Whether it is what people want, and no fault of the machinery.
    const fn is_wish(self) -> bool {
        matches!(self, Self::Cancelled | Self::AskedTwice)
    }
}

/// One thing that happens, named for a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Strike {
    pub(super) fault: Fault,
    key: u64,
}

/// It does not name a strike.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not <fault>:<hexadecimal number>")]
pub(super) struct UnknownStrike(String);

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:x}", self.fault.name(), self.key)
    }
}

impl FromStr for Strike {
    type Err = UnknownStrike;

    fn from_str(text: &str) -> Result<Self, UnknownStrike> {
        let strike = || {
            let (name, key) = text.split_once(':')?;
            let (fault, ..) = Fault::ALL.into_iter().find(|(_, known, _)| *known == name)?;
            Some(Self { fault, key: u64::from_str_radix(key, 16).ok()? })
        };
        strike().ok_or_else(|| UnknownStrike(text.to_owned()))
    }
}

/// Which strikes there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Strikes {
    /// As the seed draws them.
    Drawn,
    /// These.
    Listed(BTreeSet<Strike>),
}

/// A strike that happened.
#[derive(Debug, Clone)]
pub(super) struct Struck {
    /// Microseconds after the beginning.
    pub(super) at: i64,
    pub(super) strike: Strike,
    /// What was struck, for people.
    pub(super) what: String,
}

/// Says of everything that may go wrong whether it does.
#[derive(Debug)]
pub(super) struct Faults {
    dice: Dice,
    strikes: Strikes,
    /// From then on nothing goes wrong any more.
    end: i64,
    times: HashMap<(Fault, u64), u64>,
    /// In 10,000 times, by kind.
    often: [u64; Fault::ALL.len()],
    struck: Vec<Struck>,
}

impl Faults {
    /// Every seed has a temper of its own: some kinds never strike, and the others more or less often.
    pub(super) fn new(dice: Dice, strikes: Strikes, end: i64) -> Self {
        let intensity = [1, 2, 4, 8][usize::try_from(dice.below(4, "intensity", 0)).unwrap_or(0)];
        let mut often = [0; Fault::ALL.len()];
        for (index, (fault, _, per_10_000)) in (0..).zip(Fault::ALL) {
            let is_off = !fault.is_wish() && dice.percent(30, "left out", index);
            often[fault as usize] = if is_off { 0 } else { per_10_000 * intensity / 4 };
        }
        Self { dice, strikes, end, times: HashMap::new(), often, struck: Vec::new() }
    }

    /// Whether this happens to what `about` stands for, now; and how hard, as a number to make of it what
    /// one likes.
    pub(super) fn strikes(
        &mut self,
        fault: Fault,
        about: u64,
        now: i64,
        what: impl FnOnce() -> String,
    ) -> Option<u64> {
        let often = self.often[fault as usize];
        if now >= self.end || often == 0 {
            return None;
        }
        let times = self.times.entry((fault, about)).or_default();
        *times += 1;
        let key = mix(self.dice.roll(fault.name(), about), *times) >> 32;
        let strike = Strike { fault, key };
        let happens = match &self.strikes {
            Strikes::Drawn => mix(key, 1) % 10_000 < often,
            Strikes::Listed(list) => list.contains(&strike),
        };
        if !happens {
            return None;
        }
        self.struck.push(Struck { at: now, strike, what: what() });
        Some(mix(key, 2))
    }

    /// As [`Faults::strikes`], with how long it lasts: up to so many seconds, short ones more often.
    pub(super) fn lasts(
        &mut self,
        fault: Fault,
        about: u64,
        now: i64,
        seconds_max: i64,
        what: impl FnOnce() -> String,
    ) -> Option<i64> {
        let how = self.strikes(fault, about, now, what)?;
        let longest = (seconds_max * SECOND).cast_unsigned();
        let bound = longest >> (how % 6);
        Some((mix(how, 3) % bound.max(1)).cast_signed())
    }

    /// Says more of the latest strike: what came of it.
    pub(super) fn say(&mut self, more: &str) {
        if let Some(struck) = self.struck.last_mut() {
            struck.what.push_str(more);
        }
    }

    pub(super) fn struck(self) -> Vec<Struck> {
        self.struck
    }

    /// Those of a list that never struck.
    pub(super) fn missed(&self) -> Vec<Strike> {
        let Strikes::Listed(listed) = &self.strikes else { return Vec::new() };
        let struck: BTreeSet<Strike> = self.struck.iter().map(|struck| struck.strike).collect();
        listed.difference(&struck).copied().collect()
    }
}
