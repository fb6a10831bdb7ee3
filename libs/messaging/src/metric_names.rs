//! The names of the metrics of this crate.

/// Inputs in one batch, by `service`.
pub const BATCH_SIZE: &str = "rondo_loop_batch_size";
/// Seconds of one batch from begin to commit, by `service`.
pub const BATCH_SECONDS: &str = "rondo_loop_batch_seconds";
/// Batches that failed, by `service` and `kind`.
pub const BATCH_FAILURES: &str = "rondo_loop_batch_failures_total";
/// Items put aside as dead letters, by `service`.
pub const DEAD_LETTERS: &str = "rondo_dead_letters_total";
/// NATS messages published, by `service`.
pub const PUBLISHED_MESSAGES: &str = "rondo_published_messages_total";
/// Items published, by `service`.
pub const PUBLISHED_ITEMS: &str = "rondo_published_items_total";
/// Publishes that failed, by `service`.
pub const PUBLISH_FAILURES: &str = "rondo_publish_failures_total";
/// Outputs not published because NATS was away or slow; they are asked again, by `service`.
pub const PUBLISH_SKIPPED: &str = "rondo_publish_skipped_total";
/// Outbox rows sent again, by `service`.
pub const OUTBOX_RESENT: &str = "rondo_outbox_resent_total";
/// How often the stream of events had lost some of what it had acknowledged, by `service`.
pub const EVENTS_LOST: &str = "rondo_events_lost_total";
/// Streams or consumers made or made again, by `service`.
pub const TOPOLOGY_HEALED: &str = "rondo_topology_healed_total";
/// Streams or consumers whose settings differ from ours, by `service`.
pub const TOPOLOGY_MISMATCH: &str = "rondo_topology_mismatch_total";
