//! What a batch hands to the publisher, by how soon it has to go out, and what may wait for more of its kind.

use std::time::Duration;

use contracts::Timestamp;
use tokio::time::Instant;

use crate::decider::OutgoingCommand;
use crate::outbox::StoredEvents;
use crate::outgoing::Outgoing;

/// How long what can wait gathers more of its kind. A message costs NATS a sync of its store, whatever it holds; and
/// those who read it gather for as long themselves.
const GATHERED_WITHIN: Duration = Duration::from_millis(50);

/// What one batch leaves behind, by how soon it has to go out. Each input is whole in one of them, so that what it
/// led to is with the streams when its receipt is.
pub(crate) struct HandedOver {
    pub(crate) prompt: Outgoing,
    /// It may gather others for a moment.
    pub(crate) patient: Outgoing,
    may_wait: bool,
}

impl HandedOver {
    /// Events can always wait: who listens to them is not waited for. Unless nothing may.
    pub(crate) fn new(now: Timestamp, stored: Option<StoredEvents>, may_wait: bool) -> Self {
        let (patient, prompt) = if may_wait { (stored, None) } else { (None, stored) };
        Self { prompt: Outgoing::new(now, prompt), patient: Outgoing::new(now, patient), may_wait }
    }

    /// Where an input goes that led to these commands.
    pub(crate) fn with(&mut self, commands: &[OutgoingCommand]) -> &mut Outgoing {
        let can_wait = !commands.is_empty() && commands.iter().all(|command| command.can_wait);
        if can_wait && self.may_wait { &mut self.patient } else { &mut self.prompt }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.prompt.is_empty() && self.patient.is_empty()
    }

    pub(crate) fn items_count(&self) -> usize {
        self.prompt.items_count() + self.patient.items_count()
    }
}

/// What can wait, since its first came.
#[derive(Default)]
pub(crate) struct Gathered {
    batches: Vec<Outgoing>,
    due: Option<Instant>,
}

impl Gathered {
    /// Keeps what can wait of this, and gives back what has to go out now.
    pub(crate) fn add(&mut self, HandedOver { prompt, patient, .. }: HandedOver) -> Vec<Outgoing> {
        if !patient.is_empty() {
            self.due.get_or_insert_with(|| Instant::now() + GATHERED_WITHIN);
            self.batches.push(patient);
        }
        let mut now =
            if self.due.is_some_and(|due| due <= Instant::now()) { self.take() } else { Vec::new() };
        if !prompt.is_empty() {
            now.push(prompt);
        }
        now
    }

    /// Resolves when all of it has to go out.
    pub(crate) async fn due(&mut self) -> Vec<Outgoing> {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        self.take()
    }

    pub(crate) fn take(&mut self) -> Vec<Outgoing> {
        self.due = None;
        std::mem::take(&mut self.batches)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use contracts::Direction;
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;

    fn command(can_wait: bool) -> OutgoingCommand {
        OutgoingCommand {
            command_id: Uuid::nil(),
            command_type: "cmd.test.do_it",
            saga: Uuid::nil(),
            step: "do_it",
            direction: Direction::Do,
            attempt: 1,
            reply_to: "reply.test".into(),
            traceparent: None,
            can_wait,
            data: RawValue::from_string("{}".to_owned()).unwrap(),
        }
    }

    /// With inputs that led to these commands, each said to be able to wait or not.
    fn handed_over(inputs: &[&[bool]], may_wait: bool) -> HandedOver {
        let mut handed_over = HandedOver::new(Timestamp::default(), None, may_wait);
        for can_wait in inputs {
            let commands: Vec<_> = can_wait.iter().map(|can_wait| command(*can_wait)).collect();
            handed_over.with(&commands).commands.extend(commands);
        }
        handed_over
    }

    fn items(batches: &[Outgoing]) -> Vec<usize> {
        batches.iter().map(Outgoing::items_count).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_wait_gathers_for_a_while_and_keeps_nothing_else_back() {
        let mut gathered = Gathered::default();
        let began = Instant::now();
        assert_eq!(items(&gathered.add(handed_over(&[&[false], &[true, true]], true))), [1]);
        assert!(gathered.add(handed_over(&[&[true]], true)).is_empty());
        assert_eq!(items(&gathered.due().await), [2, 1]);
        assert_eq!(began.elapsed(), GATHERED_WITHIN);
        assert!(futures::poll!(pin!(gathered.due())).is_pending(), "nothing is left");

        assert!(gathered.add(handed_over(&[&[true]], true)).is_empty());
        tokio::time::advance(GATHERED_WITHIN).await;
        assert_eq!(items(&gathered.add(handed_over(&[&[false, false]], true))), [1, 2], "they go together");
    }

    #[test]
    fn an_input_goes_as_a_whole_and_waits_only_if_all_of_it_can() {
        let mixed = handed_over(&[&[true, false], &[], &[true]], true);
        assert_eq!((mixed.prompt.commands.len(), mixed.patient.commands.len()), (2, 1));
        let hurried = handed_over(&[&[true]], false);
        assert_eq!((hurried.prompt.commands.len(), hurried.patient.commands.len()), (1, 0));
    }
}
