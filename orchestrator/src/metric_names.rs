//! The orchestrator's metrics. What is counted in the database is exported the same by every replica: take the largest,
//! not the sum.

messaging::metric_names! {
    /// Sagas begun.
    Counter SAGAS_STARTED = "rondo_sagas_started_total", Count, ["workflow"];
    /// Sagas whose fate was decided: confirmed (the pivot was passed) or turned_back.
    Counter SAGAS_DECIDED = "rondo_sagas_decided_total", Count, ["workflow", "decision"];
    /// Sagas that turned back by the reason: a refusal's code, timed_out or cancelled.
    Counter SAGAS_TURNED_BACK = "rondo_sagas_turned_back_total", Count, ["workflow", "reason"];
    /// Sagas ended by their outcome.
    Counter SAGAS_FINISHED = "rondo_sagas_finished_total", Count, ["workflow", "outcome"];
    /// Time from a saga's beginning until its fate was decided, without the time it was paused: as long as its customer
    /// waits.
    Histogram SAGA_DECIDED_SECONDS = "rondo_saga_decided_seconds", Seconds, ["workflow"];
    /// Time from a saga's beginning to its end, without the time it was paused.
    Histogram SAGA_SECONDS = "rondo_saga_duration_seconds", Seconds, ["workflow", "outcome"];
    /// Undos that were asked for, each once.
    Counter COMPENSATIONS = "rondo_compensations_total", Count, ["workflow", "step"];
    /// Money of sagas that passed their pivot, in minor units: of `order` what is paid, of `order_cancellation` what is
    /// paid back.
    Counter MONEY = "rondo_orders_money_minor_units_total", Count, ["workflow"];
    /// Sagas that are open, neither stuck nor paused.
    Gauge SAGAS_OPEN = "rondo_sagas_open", Count, [];
    /// Open sagas whose fate is not decided.
    Gauge SAGAS_UNDECIDED = "rondo_sagas_undecided", Count, [];
    /// Undecided sagas above which new ones are refused now.
    Gauge SAGAS_UNDECIDED_BOUND = "rondo_sagas_undecided_bound", Count, [];
    /// Requests for new sagas that were refused because too many are open or undecided.
    Counter SAGAS_NOT_ADMITTED = "rondo_sagas_not_admitted_total", Count, [];
    /// Sagas that are paused.
    Gauge SAGAS_PAUSED = "rondo_sagas_paused", Count, [];
    /// Open sagas by what they do: running, compensating, tail.
    Gauge SAGAS_IN_PHASE = "rondo_sagas_in_phase", Count, ["workflow", "phase"];
    /// Sagas that wait for people, because a step that has to succeed does not.
    Gauge SAGAS_STUCK_NOW = "rondo_sagas_stuck", Count, ["workflow"];
    /// Age of the oldest open saga that is not paused; 0 without any.
    Gauge SAGAS_OLDEST_SECONDS = "rondo_sagas_oldest_open_seconds", Seconds, ["workflow"];
    /// Steps that became stuck.
    Counter SAGAS_STUCK = "rondo_sagas_stuck_total", Count, ["workflow", "step"];
    /// Inputs that changed nothing: replies that came twice or too late, mostly.
    Counter INPUTS_IGNORED = "rondo_saga_inputs_ignored_total", Count, ["workflow", "why"];
    /// Commands sent again.
    Counter COMMANDS_ASKED_AGAIN = "rondo_commands_asked_again_total", Count, ["workflow", "step"];
    /// Finished sagas that left because of their age.
    Counter SAGAS_REMOVED = "rondo_sagas_removed_total", Count, [];
}
