//! The tests of sagas: the transition table, random sequences, every trouble at every step, and
//! what must not compile.

mod declarations;
mod history;
mod order;
mod sequences;
mod story;
mod transitions;
mod troubles;
