//! Model checking: the real saga rule and the real participants' rules, on a road on which anything happens
//! to messages, exhaustively. All of it is in `tests/model/`; docs/reliability.md tells what is proven.
