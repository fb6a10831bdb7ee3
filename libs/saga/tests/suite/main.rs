//! The tests of sagas: the transition table, random sequences, every trouble at every step, and
//! what must not compile.

mod order;
mod troubles;
