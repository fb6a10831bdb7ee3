//! The road between a saga and its participants. A message that was sent may arrive at any later moment, as
//! often as it likes, in any order, or never. So the road is the set of what was ever sent, and only grows;
//! what can make no difference any more is forgotten.

use crate::order::Command;
use crate::running::ASKINGS;
use crate::sagas::SagaTable;

/// The messages of one saga that may arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Road {
    /// A bit for each command and asking.
    commands: u16,
    /// A bit for each letter and asking.
    replies: u64,
}

impl Road {
    pub(crate) fn send(&mut self, command: Command, asking: u32) {
        self.commands |= 1 << (command as u32 * ASKINGS + asking - 1);
    }

    pub(crate) fn answer(&mut self, letter: u8, asking: u32) {
        self.replies |= 1 << (u32::from(letter) * ASKINGS + asking - 1);
    }

    /// Every command that may arrive, and of which asking it is.
    pub(crate) fn commands(self) -> impl Iterator<Item = (Command, u32)> {
        let known = |bit: u32| (Command::ALL[(bit / ASKINGS) as usize], bit % ASKINGS + 1);
        (0..u16::BITS).filter(move |bit| self.commands >> bit & 1 == 1).map(known)
    }

    /// Every reply that may arrive: its letter, and which asking it answers.
    pub(crate) fn replies(self) -> impl Iterator<Item = (u8, u32)> {
        let mut rest = self.replies;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            let letter = u8::try_from(bit / ASKINGS).expect("64 bits are few");
            Some((letter, bit % ASKINGS + 1))
        })
    }

    pub(crate) fn len(self) -> u32 {
        self.commands.count_ones() + self.replies.count_ones()
    }

    /// Forgets what makes no difference any more. A saga never waits again for what it has left, and a reply
    /// that it does not wait for changes nothing: properties of their own. Participants do not look at the
    /// asking of a command, so that of one whose answer nobody waits for does not matter.
    pub(crate) fn forget(&mut self, sagas: &SagaTable, hears: impl Fn(Command) -> bool) {
        let heard = self.replies().filter(|(letter, _)| hears(sagas.letters[usize::from(*letter)].command));
        let mut kept = Self::default();
        for (letter, asking) in heard {
            kept.answer(letter, asking);
        }
        for (command, asking) in self.commands() {
            kept.send(command, if hears(command) { asking } else { 1 });
        }
        *self = kept;
    }
}
