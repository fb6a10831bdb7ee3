// What the dashboards show. A panel: title, description, unit, queries with their legends. What a metric is:
// docs/metrics.md. Figures that are read from NATS or a database come from every replica: `max`, not `sum`.

const window = "$__rate_interval";
// Of what is looked at every 15 s only: in a short window the rate would jump with each look.
const slow = "5m";
const rate = (series, by) => `sum by (${by}) (rate(${series}[${window}]))`;
const mean = (histogram, by) => `${rate(`${histogram}_sum`, by)} / ${rate(`${histogram}_count`, by)}`;
const quantile = (part, histogram, by, where = "") =>
    `histogram_quantile(${part}, ${rate(`${histogram}_bucket${where}`, by ? `le, ${by}` : "le")})`;
const quantiles = (histogram, where = "") =>
    [0.5, 0.95, 0.99].map((part) => [quantile(part, histogram, "", where), `p${part * 100}`]);
const latest = (gauge, by) => `max by (${by}) (${gauge})`;

const http = "rondo_http_request_duration_seconds";
const chosen = '{service=~"$service"}';
// A probe that says that its process is not ready does what it is for.
const asked = '{service=~"$service",route!~"/livez|/readyz"}';
const failed = '{service=~"$service",route!~"/livez|/readyz",status=~"5.."}';
// A service without errors has an error share of 0, not none.
const errorShare = (by) =>
    `(${rate(`${http}_count${failed}`, by)} or 0 * ${rate(`${http}_count${asked}`, by)})` +
    ` / ${rate(`${http}_count${asked}`, by)}`;

const sagas = {
    name: "sagas",
    title: "Sagas",
    description: "How many sagas there are, how they end, how long they take and where that time goes.",
    panels: [
        {
            title: "Stuck",
            type: "stat",
            bad: 1,
            description: "Sagas that wait for people: a step that has to succeed does not. Runbook: SagaStuck.",
            unit: "short",
            queries: [[latest("rondo_sagas_stuck", "workflow"), "{{workflow}}"]],
        },
        {
            title: "Oldest open",
            type: "stat",
            bad: 900,
            description: "Age of the oldest saga that has not ended and is not paused. A saga may go forward for 10 minutes.",
            unit: "s",
            queries: [[latest("rondo_sagas_oldest_open_seconds", "workflow"), "{{workflow}}"]],
        },
        {
            title: "Rejected share",
            type: "stat",
            description: "Of the sagas whose fate was decided, how many turned back.",
            unit: "percentunit",
            queries: [[`${rate("rondo_sagas_turned_back_total", "workflow")} / ${rate("rondo_sagas_decided_total", "workflow")}`, "{{workflow}}"]],
        },
        {
            title: "Started",
            description: "Sagas begun.",
            unit: "ops",
            queries: [[rate("rondo_sagas_started_total", "workflow"), "{{workflow}}"]],
        },
        {
            title: "Finished",
            description: "Sagas ended, by outcome.",
            unit: "ops",
            stack: true,
            queries: [[rate("rondo_sagas_finished_total", "workflow, outcome"), "{{workflow}} {{outcome}}"]],
        },
        {
            title: "Turned back",
            description: "Sagas that turned back, by the reason.",
            unit: "ops",
            stack: true,
            queries: [[rate("rondo_sagas_turned_back_total", "workflow, reason"), "{{workflow}} {{reason}}"]],
        },
        {
            title: "Open by phase",
            description: "Sagas that have not ended, by what they do.",
            unit: "short",
            stack: true,
            queries: [[latest("rondo_sagas_in_phase", "workflow, phase"), "{{workflow}} {{phase}}"]],
        },
        {
            title: "Open, and how many may be",
            description: "Open sagas, paused ones, those that are not decided yet, and the bound of these above which new ones are refused.",
            unit: "short",
            queries: [
                ["max(rondo_sagas_open)", "open"],
                ["max(rondo_sagas_undecided)", "undecided"],
                ["min(rondo_sagas_undecided_bound)", "bound of the undecided"],
                ["max(rondo_sagas_paused)", "paused"],
            ],
        },
        {
            title: "Not admitted",
            description: "New orders that were answered 503 because too many are open.",
            unit: "reqps",
            queries: [[`sum(rate(rondo_sagas_not_admitted_total[${window}]))`, "refused"]],
        },
        {
            title: "Compensations",
            description: "Undos that were asked for, by the step that is undone.",
            unit: "ops",
            queries: [[rate("rondo_compensations_total", "workflow, step"), "{{workflow}} {{step}}"]],
        },
        {
            title: "Asked again",
            description: "Commands sent again because no answer came in time.",
            unit: "ops",
            queries: [[rate("rondo_commands_asked_again_total", "workflow, step"), "{{workflow}} {{step}}"]],
        },
        {
            title: "Became stuck",
            description: "Steps that became stuck. They are asked on, and heal when they are answered.",
            unit: "ops",
            queries: [[rate("rondo_sagas_stuck_total", "workflow, step"), "{{workflow}} {{step}}"]],
        },
        {
            title: "Until decided",
            description: "Time from a saga's beginning until its fate is decided: what a customer waits for.",
            unit: "s",
            queries: quantiles("rondo_saga_decided_seconds", '{workflow="order"}'),
        },
        {
            title: "Duration",
            type: "heatmap",
            width: 16,
            description: "Time from the beginning to the end of order sagas, by how many took so long.",
            unit: "short",
            queries: [[`sum by (le) (increase(rondo_saga_duration_seconds_bucket{workflow="order"}[${window}]))`, "{{le}}"]],
        },
        {
            title: "Whom to blame: the parts of a step's way",
            width: 12,
            stack: true,
            description: "Mean time of an asking in each part: publish (until the stream has the command), stream (until its participant has it), handler (until the stream has the reply), back (until the saga is moved).",
            unit: "s",
            queries: [[mean("rondo_step_seconds", "part"), "{{part}}"]],
        },
        {
            title: "Whom to blame: steps",
            width: 12,
            description: "Mean time of every step in every part of its way; the longest is the one to look at.",
            unit: "s",
            queries: [[mean("rondo_step_seconds", "workflow, step, direction, part"), "{{workflow}} {{direction}} {{step}}: {{part}}"]],
        },
    ],
};

const services = {
    name: "services",
    title: "Services",
    description: "Rate, errors and duration of requests by service and route; connections, pools, builds.",
    variables: [["service", "Service", `${http}_count`]],
    panels: [
        {
            title: "Rate by service",
            description: "Requests answered.",
            unit: "reqps",
            queries: [[rate(`${http}_count${chosen}`, "service"), "{{service}}"]],
        },
        {
            title: "Errors by service",
            description: "Share of requests answered with a status of 500 or above; a full system's 503 included.",
            unit: "percentunit",
            queries: [[errorShare("service"), "{{service}}"]],
        },
        {
            title: "Duration by service",
            description: "The time within which 99 % of the requests were answered. An order waits for its decision.",
            unit: "s",
            queries: [[quantile(0.99, http, "service", chosen), "{{service}}"]],
        },
        {
            title: "Rate by route",
            description: "Requests answered, by route.",
            unit: "reqps",
            queries: [[rate(`${http}_count${chosen}`, "service, method, route"), "{{service}} {{method}} {{route}}"]],
        },
        {
            title: "Errors by route",
            description: "Share of requests answered with a status of 500 or above, by route.",
            unit: "percentunit",
            queries: [[errorShare("service, method, route"), "{{service}} {{method}} {{route}}"]],
        },
        {
            title: "Duration by route",
            description: "The time within which 99 % of the requests were answered, by route.",
            unit: "s",
            queries: [[quantile(0.99, http, "service, method, route", chosen), "{{service}} {{method}} {{route}}"]],
        },
        {
            title: "Statuses",
            description: "Requests by the status of their answer.",
            unit: "reqps",
            stack: true,
            queries: [[rate(`${http}_count${chosen}`, "status"), "{{status}}"]],
        },
        {
            title: "Pools",
            description: "Used connections of each pool as a share of what it may have.",
            unit: "percentunit",
            queries: [[`${latest('rondo_pool_connections{state="used"}', "service, pool, instance")} / ${latest("rondo_pool_connections_max", "service, pool, instance")}`, "{{service}} {{pool}}"]],
        },
        {
            title: "Open connections",
            description: "Clients' connections, by listener.",
            unit: "short",
            queries: [["sum by (listener) (rondo_http_connections_open)", "{{listener}}"]],
        },
        {
            title: "Panics",
            description: "Handlers that panicked. Each is a defect; the log has it.",
            unit: "ops",
            queries: [[`sum(rate(rondo_http_panics_total[${window}]))`, "panics"]],
        },
        {
            title: "Behind the gateway",
            description: "Requests that a service behind the gateway did not answer: away, broken, timeout.",
            unit: "reqps",
            queries: [[rate("rondo_gateway_failures_total", "service, kind"), "{{service}} {{kind}}"]],
        },
        {
            title: "Sign-ins",
            description: "Logins refused unseen, and refresh tokens brought twice: somebody tries passwords, or has a stolen token.",
            unit: "ops",
            queries: [
                [`sum(rate(rondo_auth_logins_throttled_total[${window}]))`, "throttled"],
                [`sum(rate(rondo_auth_refresh_tokens_reused_total[${window}]))`, "reused"],
            ],
        },
        {
            title: "Revocations known",
            description: "Sessions and roles that each process refuses tokens for; the same everywhere.",
            unit: "short",
            queries: [["max by (instance) (rondo_revocations_known)", "{{instance}}"]],
        },
        {
            title: "Processes",
            description: "How many processes run each service.",
            unit: "short",
            queries: [["count by (service) (rondo_service_info)", "{{service}}"]],
        },
        {
            title: "Builds",
            description: "How many processes run each version.",
            unit: "short",
            queries: [["count by (version) (rondo_build_info)", "{{version}}"]],
        },
        {
            title: "Running for",
            description: "How long each process has been running. One that falls again and again: runbook ProcessRestarts.",
            unit: "s",
            queries: [["time() - max by (instance) (rondo_process_start_time_seconds)", "{{instance}}"]],
        },
        {
            title: "Spans",
            description: "Spans by what became of them: sent, lost with a receiver that is away, dropped because too many waited. Runbook: SpansLost.",
            unit: "ops",
            queries: [[rate("rondo_spans_total", "result"), "{{result}}"]],
        },
    ],
};

const messages = {
    name: "messages",
    title: "Messages",
    description: "What waits on the road, what comes again, what was put aside, and what the loops do with their time.",
    panels: [
        {
            title: "Pending",
            description: "Messages that were not delivered yet, by consumer. Each holds up to 256 items.",
            unit: "short",
            queries: [[latest("rondo_consumer_pending", "stream, consumer"), "{{stream}} {{consumer}}"]],
        },
        {
            title: "Not acknowledged",
            description: "Messages that were delivered and are being worked on.",
            unit: "short",
            queries: [[latest("rondo_consumer_ack_pending", "stream, consumer"), "{{stream}} {{consumer}}"]],
        },
        {
            title: "Dead letters",
            description: "Items that could not be processed and that nobody has redriven or discarded. Runbook: DeadLetters.",
            unit: "short",
            queries: [[latest("rondo_dead_letters_waiting", "service"), "{{service}}"]],
        },
        {
            title: "Received",
            description: "Messages received, by service.",
            unit: "ops",
            queries: [[rate("rondo_received_messages_total", "service, stream"), "{{service}} {{stream}}"]],
        },
        {
            title: "Redelivered",
            description: "Messages that JetStream had delivered before: somebody died, or was slower than 30 s.",
            unit: "ops",
            queries: [[rate("rondo_redelivered_messages_total", "service, stream"), "{{service}} {{stream}}"]],
        },
        {
            title: "Re-asked",
            description: "Commands sent again by their saga, and those of them that arrived as repeats.",
            unit: "ops",
            queries: [
                [`sum(rate(rondo_commands_asked_again_total[${window}]))`, "asked again"],
                [rate("rondo_repeated_commands_total", "service"), "repeats at {{service}}"],
            ],
        },
        {
            title: "Ignored",
            description: "Inputs that changed nothing: replies that came twice or too late.",
            unit: "ops",
            queries: [[rate("rondo_saga_inputs_ignored_total", "workflow, why"), "{{workflow}} {{why}}"]],
        },
        {
            title: "Put aside",
            description: "Items that became dead letters; and of commands and replies, which are asked again, those that were not kept because a thousand with the same error are.",
            unit: "ops",
            queries: [
                [rate("rondo_dead_letters_total", "service"), "{{service}}"],
                [rate("rondo_dead_letters_not_kept_total", "service"), "{{service}}, not kept"],
            ],
        },
        {
            title: "Failed batches",
            description: "Batches that were tried again (conflict, transient), put aside for a while (lock_timeout) or split (poison).",
            unit: "ops",
            queries: [[rate("rondo_loop_batch_failures_total", "service, kind"), "{{service}} {{kind}}"]],
        },
        {
            title: "Loop stages",
            width: 12,
            stack: true,
            description: "Mean time of a batch in each stage. `begin` waits for a connection, `load` for rows that others hold, `commit` for the disk.",
            unit: "s",
            queries: [[mean("rondo_loop_stage_seconds", "service, stage"), "{{service}} {{stage}}"]],
        },
        {
            title: "Batch time",
            width: 12,
            description: "The time within which 99 % of the batches were committed.",
            unit: "s",
            queries: [[quantile(0.99, "rondo_loop_batch_seconds", "service, loop"), "{{service}} {{loop}}"]],
        },
        {
            title: "Batch size",
            description: "Mean number of inputs in a batch. It grows with the load, up to 256.",
            unit: "short",
            queries: [[mean("rondo_loop_batch_size", "service, loop"), "{{service}} {{loop}}"]],
        },
        {
            title: "Published",
            description: "Items published, and in how many messages they travelled.",
            unit: "ops",
            queries: [
                [rate("rondo_published_items_total", "service"), "{{service}} items"],
                [rate("rondo_published_messages_total", "service"), "{{service}} messages"],
            ],
        },
        {
            title: "Publishing takes",
            description: "The time within which 99 % of what was decided is with the streams.",
            unit: "s",
            queries: [[quantile(0.99, "rondo_publish_seconds", "service"), "{{service}}"]],
        },
        {
            title: "Not published",
            description: "Publishes that failed and were tried again; items dropped because the queue was full, which are asked again.",
            unit: "ops",
            queries: [
                [rate("rondo_publish_failures_total", "service"), "{{service}} failed"],
                [rate("rondo_publish_skipped_total", "service"), "{{service}} skipped"],
            ],
        },
        {
            title: "Outbox: unsent",
            description: "Rows whose events are not known to be with the stream. Runbook: OutboxNotEmptying.",
            unit: "short",
            queries: [[latest("rondo_outbox_unsent", "service"), "{{service}}"]],
        },
        {
            title: "Outbox: oldest unsent",
            description: "Age of the oldest of them.",
            unit: "s",
            queries: [[latest("rondo_outbox_oldest_seconds", "service"), "{{service}}"]],
        },
        {
            title: "Outbox: sent again",
            description: "Rows sent again, and times that the stream had lost what it had acknowledged.",
            unit: "ops",
            queries: [
                [rate("rondo_outbox_resent_total", "service"), "{{service}} again"],
                [rate("rondo_events_lost_total", "service"), "{{service}} lost"],
            ],
        },
    ],
};

const business = {
    name: "business",
    title: "Business",
    description: "Orders, revenue, refusals by reason, and whether the books agree.",
    panels: [
        {
            title: "Orders",
            description: "Orders placed, confirmed, and cancelled after they were confirmed, per minute.",
            unit: "opm",
            queries: [
                [`60 * sum(rate(rondo_sagas_started_total{workflow="order"}[${window}]))`, "placed"],
                [`60 * sum(rate(rondo_sagas_decided_total{workflow="order",decision="confirmed"}[${window}]))`, "confirmed"],
                [`60 * sum(rate(rondo_sagas_decided_total{workflow="order_cancellation",decision="confirmed"}[${window}]))`, "cancelled"],
            ],
        },
        {
            title: "Confirmed share",
            type: "stat",
            description: "Of the orders that were decided, how many were confirmed.",
            unit: "percentunit",
            queries: [[`sum(rate(rondo_sagas_decided_total{workflow="order",decision="confirmed"}[${window}])) / sum(rate(rondo_sagas_decided_total{workflow="order"}[${window}]))`, "confirmed"]],
        },
        {
            title: "Orders since the processes started",
            type: "stat",
            description: "Orders by their outcome.",
            unit: "short",
            queries: [['sum by (outcome) (rondo_sagas_finished_total{workflow="order"})', "{{outcome}}"]],
        },
        {
            title: "Revenue",
            description: "What confirmed orders pay and what cancelled ones get back, in units of the currency per minute.",
            unit: "short",
            queries: [
                [`60 * sum(rate(rondo_orders_money_minor_units_total{workflow="order"}[${window}])) / 100`, "paid"],
                [`60 * sum(rate(rondo_orders_money_minor_units_total{workflow="order_cancellation"}[${window}])) / 100`, "paid back"],
            ],
        },
        {
            title: "Value of an order",
            description: "Mean value of a confirmed order, in units of the currency.",
            unit: "short",
            queries: [[`sum(rate(rondo_orders_money_minor_units_total{workflow="order"}[${window}])) / sum(rate(rondo_sagas_decided_total{workflow="order",decision="confirmed"}[${window}])) / 100`, "mean"]],
        },
        {
            title: "Refusals",
            stack: true,
            description: "Orders that turned back, by the reason, per minute.",
            unit: "opm",
            queries: [[`60 * sum by (reason) (rate(rondo_sagas_turned_back_total{workflow="order"}[${window}]))`, "{{reason}}"]],
        },
        {
            title: "A customer waits",
            description: "Time until an order is confirmed or rejected.",
            unit: "s",
            queries: quantiles("rondo_saga_decided_seconds", '{workflow="order"}'),
        },
        {
            title: "Nothing sold",
            description: "Confirmed orders of which nothing could be sold: no_items and released are usual, the others are defects.",
            unit: "ops",
            queries: [[rate("rondo_stock_nothing_sold_total", "reason"), "{{reason}}"]],
        },
        {
            title: "Money that nobody asked for",
            description: "Holds that ended by their time.",
            unit: "ops",
            queries: [[`sum(rate(rondo_billing_holds_expired_total[${window}]))`, "holds expired"]],
        },
        {
            title: "Contradictions",
            type: "stat",
            bad: 1,
            description: "Commands that contradict the books. Each is a defect somewhere. Runbook: Contradiction.",
            unit: "short",
            queries: [["sum by (command) (rondo_billing_contradictions_total)", "{{command}}"]],
        },
        {
            title: "Audit: differences",
            type: "stat",
            bad: 1,
            description: "What the last audit found: rules that do not hold, orders that the services disagree on. Runbook: AuditDifference.",
            unit: "short",
            queries: [[latest("rondo_audit_differences", "what"), "{{what}}"]],
        },
        {
            title: "Audit: how long ago",
            type: "stat",
            bad: 10800,
            description: "Time since an audit came to its end, and how many did.",
            unit: "s",
            queries: [
                ["time() - max(rondo_audit_timestamp_seconds)", "last"],
            ],
        },
        {
            title: "Audits",
            description: "Audits by their result since the process started.",
            unit: "short",
            queries: [["sum by (result) (rondo_audits_total)", "{{result}}"]],
        },
    ],
};

const servers = {
    name: "servers",
    title: "PostgreSQL and NATS",
    description: "The truth and the road, as the services see them.",
    panels: [
        {
            title: "Databases that answer",
            description: "1: the database answered when it was looked at last.",
            unit: "short",
            queries: [["min by (service) (rondo_database_up)", "{{service}}"]],
        },
        {
            title: "Transactions",
            description: "Transactions by how they ended.",
            unit: "ops",
            queries: [[`max by (service, ended) (rate(rondo_database_transactions_total[${slow}]))`, "{{service}} {{ended}}"]],
        },
        {
            title: "Oldest transaction",
            description: "Transactions since the oldest one (or the oldest snapshot) that is open. Beyond some thousands somebody keeps every old version of rows alive, and everything is slower by the second.",
            unit: "short",
            queries: [[latest("rondo_database_oldest_transaction_age", "service"), "{{service}}"]],
        },
        {
            title: "Sessions",
            description: "Sessions in each database, whoever has them.",
            unit: "short",
            queries: [[latest("rondo_database_sessions", "service"), "{{service}}"]],
        },
        {
            title: "Updates in place",
            description: "Share of updates that touched no index (HOT). It falls when hot tables have no room on their pages.",
            unit: "percentunit",
            queries: [[`max by (service) (rate(rondo_database_updates_total{how="hot"}[${slow}])) / ignoring(how) sum by (service) (max by (service, how) (rate(rondo_database_updates_total[${slow}])))`, "{{service}}"]],
        },
        {
            title: "Dead rows",
            description: "Rows that nobody sees any more and no vacuum has removed.",
            unit: "short",
            queries: [[latest("rondo_database_dead_rows", "service"), "{{service}}"]],
        },
        {
            title: "Found in the cache",
            description: "Share of the pages that were wanted and found in PostgreSQL's cache.",
            unit: "percentunit",
            queries: [[`max by (service) (rate(rondo_database_pages_total{found="cache"}[${slow}])) / ignoring(found) sum by (service) (max by (service, found) (rate(rondo_database_pages_total[${slow}])))`, "{{service}}"]],
        },
        {
            title: "Size",
            description: "Size of each database on disk.",
            unit: "bytes",
            queries: [[latest("rondo_database_size_bytes", "service"), "{{service}}"]],
        },
        {
            title: "Deadlocks",
            description: "Deadlocks; rows are locked in one order everywhere, so there should be none.",
            unit: "ops",
            queries: [[`max by (service) (rate(rondo_database_deadlocks_total[${slow}]))`, "{{service}}"]],
        },
        {
            title: "Pools",
            description: "Connections of each pool by what they do.",
            unit: "short",
            queries: [["sum by (service, pool, state) (rondo_pool_connections)", "{{service}} {{pool}} {{state}}"]],
        },
        {
            title: "Connected to NATS",
            description: "1: the process is connected.",
            unit: "short",
            queries: [["min by (instance) (rondo_nats_connected)", "{{instance}}"]],
        },
        {
            title: "Connections made to NATS",
            description: "How often each process had to connect, the first time included.",
            unit: "short",
            queries: [["max by (instance) (rondo_nats_connects_total)", "{{instance}}"]],
        },
        {
            title: "Traffic with NATS",
            description: "Bytes sent and received by all processes.",
            unit: "Bps",
            queries: [
                [`sum(rate(rondo_nats_sent_bytes_total[${window}]))`, "sent"],
                [`sum(rate(rondo_nats_received_bytes_total[${window}]))`, "received"],
            ],
        },
        {
            title: "Messages in streams",
            description: "Commands and replies stay for 10 minutes, events for 7 days.",
            unit: "short",
            queries: [[latest("rondo_stream_messages", "stream"), "{{stream}}"]],
        },
        {
            title: "Size of streams",
            description: "Above its bound a stream drops its oldest messages.",
            unit: "bytes",
            queries: [
                [latest("rondo_stream_bytes", "stream"), "{{stream}}"],
                ["max(rondo_jetstream_storage_bytes)", "all"],
            ],
        },
        {
            title: "Streams made",
            description: "Streams and consumers made, at first or because they were gone, and looks at ones whose settings are not ours.",
            unit: "short",
            queries: [
                ["sum by (service) (rondo_topology_healed_total)", "{{service}} made"],
                ["sum by (service) (rondo_topology_mismatch_total)", "{{service}} differ"],
            ],
        },
    ],
};

export const dashboards = [sagas, services, messages, business, servers];
