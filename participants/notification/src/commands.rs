//! What notification does about a command or an event, a file each; pure and total.

pub(crate) mod learn_profile;
pub(crate) mod notify;
pub(crate) mod tell_of_delivery;
pub(crate) mod welcome;
