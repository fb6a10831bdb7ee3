//! The names of the orchestrator's metrics.

/// Sagas begun, by `workflow`.
pub const SAGAS_STARTED: &str = "rondo_sagas_started_total";
/// Sagas ended, by `workflow` and `outcome`.
pub const SAGAS_FINISHED: &str = "rondo_sagas_finished_total";
/// Sagas that are open and not stuck.
pub const SAGAS_OPEN: &str = "rondo_sagas_open";
/// Open sagas above which new ones are refused now.
pub const SAGAS_OPEN_BOUND: &str = "rondo_sagas_open_bound";
/// Sagas that are paused.
pub const SAGAS_PAUSED: &str = "rondo_sagas_paused";
/// Steps that became stuck, by `workflow` and `step`.
pub const SAGAS_STUCK: &str = "rondo_sagas_stuck_total";
/// Inputs that changed nothing, by `workflow` and `why`.
pub const INPUTS_IGNORED: &str = "rondo_saga_inputs_ignored_total";
/// Commands sent again, by `workflow` and `step`.
pub const COMMANDS_ASKED_AGAIN: &str = "rondo_commands_asked_again_total";
/// Finished sagas that left because of their age.
pub const SAGAS_REMOVED: &str = "rondo_sagas_removed_total";
