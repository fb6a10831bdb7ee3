//! Mistakes that others have made, seeded one at a time: in what a participant keeps and answers, or in how a
//! reply is handed to the saga. The product's own code is never changed; each is to be found.

/// One mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// An undo that finds nothing leaves nothing, so the action that it overtook is done afterwards.
    NoTombstone,
    /// A refusal leaves no row, so a repeat of the command is decided anew.
    RefusalWithoutRow,
    /// A repeated reservation is not recognised, and made again.
    RepeatIsDoneAgain,
    /// A repeated command is recognised and dropped: nobody hears the answer again.
    RepeatIsNotAnswered,
    /// Turning back leaves out the step of unknown outcome.
    OnlyCompletedIsUndone,
    /// A reply to an earlier asking is dropped.
    RepliesByAttempt,
    /// A reply is taken for one to the step's other direction.
    RepliesByStepAlone,
    /// A saga that has ended and is asked to begin once more begins anew.
    BegunAnew,
}

impl Mistake {
    const ALL: [Self; 8] = [
        Self::NoTombstone,
        Self::RefusalWithoutRow,
        Self::RepeatIsDoneAgain,
        Self::RepeatIsNotAnswered,
        Self::OnlyCompletedIsUndone,
        Self::RepliesByAttempt,
        Self::RepliesByStepAlone,
        Self::BegunAnew,
    ];
}

mod tests {
    use std::collections::BTreeSet;

    use stateright::Expectation;

    use super::Mistake;
    use crate::check::{check_until, say};
    use crate::model::Bounds;
    use crate::properties::{
        ALL_OR_NOTHING, DECIDED_STAYS, FINAL_ABSORBS, HEARD_RIGHTLY, NO_MEANS_NO, NOTHING_GOES_BACK,
        NOTHING_TWICE, NOTHING_WITHOUT_SAGA, SUMS_AGREE, UNDONE_IN_REVERSE, WHAT_IS_OPEN_GOES_ON, all,
    };

    /// Money for one of the two orders, pieces for both.
    const BOUNDS: Bounds = Bounds { money: &[20], pieces: &[3], faults: false, cancels: true, pauses: false };

    /// What each mistake breaks, first what it is about.
    const fn broken_by(mistake: Mistake) -> &'static [&'static str] {
        match mistake {
            Mistake::NoTombstone | Mistake::RefusalWithoutRow => {
                &[NO_MEANS_NO, NOTHING_WITHOUT_SAGA, ALL_OR_NOTHING, UNDONE_IN_REVERSE]
            }
            Mistake::RepeatIsDoneAgain => {
                &[NOTHING_TWICE, SUMS_AGREE, NO_MEANS_NO, NOTHING_WITHOUT_SAGA, ALL_OR_NOTHING]
            }
            Mistake::RepeatIsNotAnswered => &[WHAT_IS_OPEN_GOES_ON],
            Mistake::OnlyCompletedIsUndone => &[NOTHING_WITHOUT_SAGA, ALL_OR_NOTHING, UNDONE_IN_REVERSE],
            Mistake::RepliesByAttempt => &[WHAT_IS_OPEN_GOES_ON, HEARD_RIGHTLY],
            Mistake::RepliesByStepAlone => {
                &[UNDONE_IN_REVERSE, HEARD_RIGHTLY, NOTHING_WITHOUT_SAGA, ALL_OR_NOTHING]
            }
            Mistake::BegunAnew => &[FINAL_ABSORBS, DECIDED_STAYS, NOTHING_GOES_BACK],
        }
    }

    /// The checker finds all that the mistake breaks, and shows a way there.
    fn is_found(mistake: Mistake) {
        let expected = broken_by(mistake);
        let found = check_until(BOUNDS, mistake, expected).broken;
        for property in expected {
            assert!(found.contains_key(property), "{mistake:?} breaks {:?}", found.keys());
        }
        let way = found[expected[0]].join("\n    ");
        say(&format!("model: {mistake:?}: \"{}\" does not hold:\n    {way}", expected[0]));
    }

    #[test]
    fn an_undo_without_a_tombstone_is_found() {
        is_found(Mistake::NoTombstone);
    }

    #[test]
    fn a_refusal_that_leaves_no_row_is_found() {
        is_found(Mistake::RefusalWithoutRow);
    }

    #[test]
    fn a_repeat_that_is_done_again_is_found() {
        is_found(Mistake::RepeatIsDoneAgain);
    }

    #[test]
    fn a_repeat_that_is_not_answered_is_found() {
        is_found(Mistake::RepeatIsNotAnswered);
    }

    #[test]
    fn undoing_only_completed_steps_is_found() {
        is_found(Mistake::OnlyCompletedIsUndone);
    }

    #[test]
    fn replies_matched_by_attempt_are_found() {
        is_found(Mistake::RepliesByAttempt);
    }

    #[test]
    fn replies_matched_by_step_alone_are_found() {
        is_found(Mistake::RepliesByStepAlone);
    }

    #[test]
    fn a_saga_that_is_begun_anew_is_found() {
        is_found(Mistake::BegunAnew);
    }

    /// So none of the properties holds only because it says nothing.
    #[test]
    fn every_property_is_broken_by_one_of_the_mistakes() {
        let broken: BTreeSet<_> = Mistake::ALL.into_iter().flat_map(broken_by).copied().collect();
        let properties = all().into_iter().filter(|one| one.expectation == Expectation::Always);
        assert_eq!(broken, properties.map(|one| one.name).collect());
    }
}
