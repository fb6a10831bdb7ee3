//! The metrics of this crate. Some are read from NATS or a database: every replica exports the same, so take the
//! largest and not the sum.

crate::metric_names! {
    /// Inputs in one committed batch of a loop.
    Histogram BATCH_SIZE = "rondo_loop_batch_size", Count, ["service", "loop"];
    /// Time of one batch from begin to commit.
    Histogram BATCH_SECONDS = "rondo_loop_batch_seconds", Seconds, ["service", "loop"];
    /// Time of one stage of a batch: begin, load, decide, save, commit.
    Histogram STAGE_SECONDS = "rondo_loop_stage_seconds", Seconds, ["service", "loop", "stage"];
    /// Batches that failed and were tried again, split or put aside.
    Counter BATCH_FAILURES = "rondo_loop_batch_failures_total", Count, ["service", "kind"];
    /// Time from taking what batches decided until the streams have all of it.
    Histogram PUBLISH_SECONDS = "rondo_publish_seconds", Seconds, ["service"];
    /// NATS messages published.
    Counter PUBLISHED_MESSAGES = "rondo_published_messages_total", Count, ["service"];
    /// Items published: commands, replies, events.
    Counter PUBLISHED_ITEMS = "rondo_published_items_total", Count, ["service"];
    /// Publishes that failed and were tried again.
    Counter PUBLISH_FAILURES = "rondo_publish_failures_total", Count, ["service"];
    /// Items that were not published because NATS was away or slow: they are asked again.
    Counter PUBLISH_SKIPPED = "rondo_publish_skipped_total", Count, ["service"];
    /// Time that an asking of a step spends in each part of its way: publish (from the decision until the stream has
    /// the command), stream (until its participant has it), handler (until the stream has the reply), back (until the
    /// saga is moved). A value for each message and step.
    Histogram STEP_SECONDS = "rondo_step_seconds", Seconds, ["workflow", "step", "direction", "part"];
    /// Messages received, deliveries of the same one included.
    Counter RECEIVED_MESSAGES = "rondo_received_messages_total", Count, ["service", "stream"];
    /// Messages that JetStream had delivered before, because nobody acknowledged them in time.
    Counter REDELIVERED_MESSAGES = "rondo_redelivered_messages_total", Count, ["service", "stream"];
    /// Commands received that their saga had sent before: they are answered as the first time.
    Counter REPEATED_COMMANDS = "rondo_repeated_commands_total", Count, ["service"];
    /// Items put aside because they could not be processed.
    Counter DEAD_LETTERS = "rondo_dead_letters_total", Count, ["service"];
    /// Of them, commands and replies that were counted only, because a thousand with the same error are kept: they are
    /// asked again.
    Counter DEAD_LETTERS_NOT_KEPT = "rondo_dead_letters_not_kept_total", Count, ["service"];
    /// Dead letters that nobody has redriven or discarded.
    Gauge DEAD_LETTERS_WAITING = "rondo_dead_letters_waiting", Count, ["service"];
    /// Messages of a consumer that were not delivered yet.
    Gauge CONSUMER_PENDING = "rondo_consumer_pending", Count, ["stream", "consumer"];
    /// Messages of a consumer that were delivered and not acknowledged yet.
    Gauge CONSUMER_ACK_PENDING = "rondo_consumer_ack_pending", Count, ["stream", "consumer"];
    /// Messages in a stream.
    Gauge STREAM_MESSAGES = "rondo_stream_messages", Count, ["stream"];
    /// Size of a stream.
    Gauge STREAM_BYTES = "rondo_stream_bytes", Bytes, ["stream"];
    /// Rows of the outbox whose events are not known to be with the stream.
    Gauge OUTBOX_UNSENT = "rondo_outbox_unsent", Count, ["service"];
    /// Age of the oldest of them; 0 without any.
    Gauge OUTBOX_OLDEST_SECONDS = "rondo_outbox_oldest_seconds", Seconds, ["service"];
    /// Rows of the outbox sent again.
    Counter OUTBOX_RESENT = "rondo_outbox_resent_total", Count, ["service"];
    /// Times that the stream of events had lost some of what it had acknowledged.
    Counter EVENTS_LOST = "rondo_events_lost_total", Count, ["service"];
    /// Streams and consumers made, at first or again.
    Counter TOPOLOGY_HEALED = "rondo_topology_healed_total", Count, ["service"];
    /// Looks at streams whose settings differ from ours.
    Counter TOPOLOGY_MISMATCH = "rondo_topology_mismatch_total", Count, ["service"];
    /// Whether every service of this process is connected to NATS: 1 or 0.
    Gauge NATS_CONNECTED = "rondo_nats_connected", Count, [];
    /// Connections made to NATS by this process, the first of each service included.
    Counter NATS_CONNECTS = "rondo_nats_connects_total", Count, [];
    /// Bytes sent to NATS by this process.
    Counter NATS_SENT_BYTES = "rondo_nats_sent_bytes_total", Bytes, [];
    /// Bytes received from NATS by this process.
    Counter NATS_RECEIVED_BYTES = "rondo_nats_received_bytes_total", Bytes, [];
    /// Storage that JetStream uses on disk.
    Gauge JETSTREAM_STORAGE_BYTES = "rondo_jetstream_storage_bytes", Bytes, [];
}
