//! A line for everything that happens to a saga, for those who ask for it (`sagas=debug`): its history as the
//! commit wrote it. What was answered stays in the history, for it may tell of people.

use messaging::rows::Rows;
use saga::{Definition, HistoryView, tell};
use tracing::Level;

use super::saga_row::{HistoryRow, SagaRow};

/// Tells what a committed batch decided.
pub(super) fn happened<D>(definitions: &[Definition<D>], sagas: &Rows<SagaRow>, history: &Rows<HistoryRow>) {
    if !tracing::enabled!(target: "sagas", Level::DEBUG) {
        return;
    }
    for row in history.iter() {
        let Some(saga) = sagas.get(row.saga_id) else { continue };
        let version = saga.definition_version();
        let definition = definitions.iter().find(|definition| definition.version() == version);
        let Some(definition) = definition else { continue };
        let lines = row.clone().records().flat_map(|record| tell(definition, &record));
        lines.for_each(|line| log(saga, &line));
    }
}

fn log(saga: &SagaRow, line: &HistoryView) {
    tracing::debug!(
        target: "sagas",
        saga = %saga.saga_id,
        workflow = saga.workflow,
        seq = line.seq,
        event = line.event,
        step = line.step,
        attempt = line.attempt,
        detail = line.detail,
        trace_id = saga.trace_id(),
        "happened"
    );
}
