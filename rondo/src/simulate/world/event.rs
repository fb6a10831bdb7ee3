//! What can happen in the world, each at its time.

use uuid::Uuid;

use crate::simulate::service::{Committed, Lane};

/// What will happen.
#[derive(Debug)]
pub(in crate::simulate) enum Event {
    /// A parcel reaches its consumer.
    Arrive {
        parcel: usize,
    },
    /// Was it not acknowledged since that delivery, it comes again.
    AckWait {
        parcel: usize,
        delivery: u32,
    },
    /// A loop looks whether there is something for it.
    Look(Running),
    /// A loop goes on with its batch.
    GoOn(Running),
    /// What a loop committed is published, and its inputs are acknowledged.
    Publish(Running, Box<Committed>),
    /// A process of the orchestrator reads the pauses and sweeps.
    Sweep {
        process: usize,
        life: u32,
    },
    /// A process looks through its service's outbox.
    Relay {
        service: usize,
        process: usize,
        life: u32,
    },
    Restart {
        house: usize,
        process: usize,
    },
    Weather,
    /// From now on nothing goes wrong.
    Calm,
    /// A customer asks for an order.
    Place {
        number: u64,
        asking: u64,
    },
    /// A customer wants it cancelled.
    Cancel {
        number: u64,
        asking: u64,
    },
    /// A courier comes.
    Courier {
        number: u64,
        visit: u64,
    },
    /// An operator looks at the sagas of an order.
    Operate {
        number: u64,
        act: u64,
    },
    /// An operator lets a saga go on that was paused.
    ResumeSaga(Uuid),
    /// An operator looks after a saga of which he skipped a step.
    LookAfter(Uuid),
    EndPause(Uuid),
}

impl Event {
    /// Whether it is somebody who comes.
    pub(super) const fn is_somebodys(&self) -> bool {
        use Event::{Cancel, Courier, EndPause, LookAfter, Operate, Place, ResumeSaga};
        matches!(
            self,
            Place { .. }
                | Cancel { .. }
                | Courier { .. }
                | Operate { .. }
                | ResumeSaga(_)
                | LookAfter(_)
                | EndPause(_)
        )
    }
}

/// A loop of a service, in one life of its process.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulate) struct Running {
    pub(super) service: usize,
    pub(super) lane: Lane,
    pub(super) life: u32,
}
