//! What must hold in every moment, and what the model must be able to show, or it proves nothing.
//!
//! That everything finishes is proven by two of them. `NOTHING_GOES_BACK`: there is a rank that nothing that
//! can happen lowers, and it has an upper bound. `WHAT_IS_OPEN_GOES_ON`: for every open saga something is
//! possible that no fault is needed for, it stays possible until it happens, and it raises the rank: a reply
//! that has arrived is heard; if there is none, a command that has arrived is executed and answered; if there
//! is none, the saga is woken and sends one. So whatever else happens, and however often, a saga on a road
//! on which not everything is lost for ever ends; a paused one once it is resumed. (stateright's own
//! `eventually` is not used: it forgets what is still to come where paths meet or close a circle, and here
//! nearly all of them do.)

use stateright::Property;

use crate::model::{Action, BEGIN, Moment, Orders, RESUME, WAKE, What, reply};
use crate::order::ORDERS;
use crate::sagas::{End, Facts};

pub(crate) const SUMS_AGREE: &str = "money and stock are conserved and never negative";
pub(crate) const NOTHING_TWICE: &str = "no effect happens twice";
pub(crate) const UNDONE_IN_REVERSE: &str = "undo goes in reverse, and never after the pivot";
pub(crate) const NO_MEANS_NO: &str = "what was refused or undone leaves no trace and is not done late";
pub(crate) const NOTHING_WITHOUT_SAGA: &str =
    "nothing is held, reserved or taken that its saga does not list";
pub(crate) const ALL_OR_NOTHING: &str = "at its end an order has everything or nothing";
pub(crate) const FINAL_ABSORBS: &str = "a saga that has ended ignores everything";
pub(crate) const DECIDED_STAYS: &str = "a saga decides once and stays decided";
pub(crate) const HEARD_RIGHTLY: &str = "replies are matched by step and direction alone";
pub(crate) const NOTHING_GOES_BACK: &str = "nothing goes back";
pub(crate) const WHAT_IS_OPEN_GOES_ON: &str = "what is open goes on as soon as something gets through";

pub(crate) fn all() -> Vec<Property<Orders>> {
    let always = Property::<Orders>::always;
    let sometimes = Property::<Orders>::sometimes;
    vec![
        always(SUMS_AGREE, |model, moment| model.testimonies(moment).iter().all(|one| one.agrees)),
        always(NOTHING_TWICE, |model, moment| model.testimonies(moment).iter().all(|one| !one.is_doubled)),
        always(UNDONE_IN_REVERSE, undone_in_reverse),
        always(NO_MEANS_NO, no_means_no),
        always(NOTHING_WITHOUT_SAGA, nothing_without_saga),
        always(ALL_OR_NOTHING, all_or_nothing),
        always(FINAL_ABSORBS, |model, moment| every_saga(model, moment, |facts| facts.absorbs)),
        always(DECIDED_STAYS, |model, moment| every_saga(model, moment, |facts| facts.keeps_its_decision)),
        always(HEARD_RIGHTLY, |model, moment| every_saga(model, moment, |facts| facts.hears_rightly)),
        always(NOTHING_GOES_BACK, nothing_goes_back),
        always(WHAT_IS_OPEN_GOES_ON, what_is_open_goes_on),
        sometimes("both orders are confirmed and paid", |model, moment| {
            every_saga(model, moment, |facts| facts.ending == Some(End::Completed))
        }),
        sometimes("one order is confirmed and the other one has nothing", |model, moment| {
            ends(model, moment) == [Some(End::Completed), Some(End::TurnedBack)]
        }),
        sometimes("an undo comes where nothing was done", |model, moment| {
            model.testimonies(moment).iter().any(|one| one.of.iter().any(|of| of.was_undone_first))
        }),
        sometimes("a saga turns back from what it does not know to be done", done_unheard),
    ]
}

fn every_saga(model: &Orders, moment: &Moment, holds: impl Fn(&Facts) -> bool) -> bool {
    (0..ORDERS).all(|order| holds(model.facts(moment, order)))
}

fn ends(model: &Orders, moment: &Moment) -> [Option<End>; ORDERS] {
    std::array::from_fn(|order| model.facts(moment, order).ending)
}

/// Sent in reverse, and done in reverse: what is undone first is the later step.
fn undone_in_reverse(model: &Orders, moment: &Moment) -> bool {
    let [stock, billing] = model.testimonies(moment);
    let is_done_in_reverse = |order: usize| !(stock.of[order].was_told_undone && billing.of[order].stands);
    every_saga(model, moment, |facts| facts.undoes_in_reverse) && (0..ORDERS).all(is_done_in_reverse)
}

fn no_means_no(model: &Orders, moment: &Moment) -> bool {
    let all = model.testimonies(moment).into_iter().flat_map(|one| one.of);
    all.into_iter().all(|of| !of.was_told_no || !(of.stands || of.is_taken))
}

fn nothing_without_saga(model: &Orders, moment: &Moment) -> bool {
    let testimonies = model.testimonies(moment);
    (0..ORDERS).all(|order| {
        let facts = model.facts(moment, order);
        testimonies.iter().zip(facts.lists).all(|(testimony, is_listed)| {
            let of = testimony.of[order];
            (is_listed || !of.stands) && (facts.is_confirmed || !of.is_taken)
        })
    })
}

fn all_or_nothing(model: &Orders, moment: &Moment) -> bool {
    let [stock, billing] = model.testimonies(moment);
    (0..ORDERS).all(|order| {
        let (stock, billing) = (stock.of[order], billing.of[order]);
        match model.facts(moment, order).ending {
            None => true,
            Some(End::Completed) => stock.stands && billing.is_taken && !billing.stands,
            Some(End::TurnedBack) => !stock.stands && !billing.stands && !billing.is_taken,
        }
    })
}

/// How far everything has come: the sagas, then the participants, then the road. None where a participant can
/// come back to what it was.
fn rank(model: &Orders, moment: &Moment) -> Option<(u32, u32, u32)> {
    let (mut sagas, mut participants, mut roads) = (0, 0, 0);
    for order in 0..ORDERS {
        let facts = model.facts(moment, order);
        sagas += facts.progress;
        roads += facts.asking + u32::from(facts.is_late) + moment.roads[order].len();
    }
    for (participant, state) in model.participants.iter().zip(moment.participants) {
        participants += participant.heights.as_ref()?[usize::from(state)];
    }
    Some((sagas, participants, roads))
}

fn nothing_goes_back(model: &Orders, moment: &Moment) -> bool {
    let mut actions = Vec::new();
    stateright::Model::actions(model, moment, &mut actions);
    let before = rank(model, moment);
    before.is_some() && actions.iter().all(|action| before <= rank(model, &model.after(moment, *action)))
}

fn what_is_open_goes_on(model: &Orders, moment: &Moment) -> bool {
    (0..ORDERS).all(|order| {
        if model.facts(moment, order).is_paused {
            let what = What::Saga(RESUME);
            return goes_on(model, &model.after(moment, Action { order, what, crashes: false }), order);
        }
        goes_on(model, moment, order)
    })
}

fn goes_on(model: &Orders, moment: &Moment, order: usize) -> bool {
    let before = rank(model, moment);
    let raises = |what| before < rank(model, &model.after(moment, Action { order, what, crashes: false }));
    let (saga, road) = (&model.sagas[order], moment.roads[order]);
    let Facts { waits_for, ending, .. } = *model.facts(moment, order);
    let Some(waited) = waits_for else {
        return ending.is_some() || raises(What::Saga(BEGIN));
    };
    let is_answer = |(letter, _): &(u8, u32)| saga.letters[usize::from(*letter)].command == waited;
    let mut replies = road.replies().filter(is_answer).peekable();
    if replies.peek().is_some() {
        return replies.all(|(letter, asking)| raises(What::Saga(reply(letter, asking))));
    }
    let mut commands = road.commands().filter(|(command, _)| *command == waited).peekable();
    if commands.peek().is_some() {
        return commands.all(|(command, asking)| raises(What::Participant(command, asking)));
    }
    raises(What::Saga(WAKE))
}

/// It undoes a step that stands, and whose answer it never heard.
fn done_unheard(model: &Orders, moment: &Moment) -> bool {
    let [_, billing] = model.testimonies(moment);
    (0..ORDERS).any(|order| {
        let facts = model.facts(moment, order);
        facts.waits_for == Some(crate::order::Command::ReleaseFunds) && billing.of[order].stands
    })
}
