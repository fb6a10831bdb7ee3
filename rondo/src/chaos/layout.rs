//! Which processes there are, and which of them a fault may meet. Names only.

/// A kind of process, and the services in it. Two of each are started.
pub(super) const TWICE: [(&str, &[&str]); 6] = [
    ("front", &["auth", "user"]),
    ("billing", &["billing"]),
    ("stock", &["stock"]),
    ("delivery", &["delivery"]),
    ("notification", &["notification"]),
    ("orchestrator", &["orchestrator"]),
];
/// The one that clients come through.
pub(super) const GATEWAY: &str = "gateway";
/// Kinds whose state changes through the loop, where a process can be made to die at a point.
pub(super) const LOOPED: [&str; 5] = ["orchestrator", "billing", "stock", "delivery", "notification"];
/// Kinds that answer commands.
pub(super) const PARTICIPANTS: [&str; 4] = ["billing", "stock", "delivery", "notification"];
/// In every hour: so few that now and then one is taken.
pub(super) const COURIERS: usize = 2;
/// Streams, and who reads them: workflows, and services.
pub(super) const READ: [(&str, &str); 9] = [
    ("CMD_BILLING", "billing"),
    ("CMD_STOCK", "stock"),
    ("CMD_DELIVERY", "delivery"),
    ("CMD_NOTIFICATION", "notification"),
    ("REPLIES", "order"),
    ("REPLIES", "order_cancellation"),
    ("EVENTS", "notification"),
    ("EVENTS", "stock"),
    ("EVENTS", "order"),
];
/// Services with an outbox.
pub(super) const WITH_OUTBOX: [&str; 3] = ["user", "delivery", "orchestrator"];

/// The two processes of a kind.
pub(super) fn replicas(kind: &str) -> [String; 2] {
    [format!("{kind}-1"), format!("{kind}-2")]
}

/// Every process with its services, the gateway last: it needs the others' addresses.
pub(super) fn processes() -> Vec<(String, &'static [&'static str])> {
    let twice = TWICE.iter().flat_map(|(kind, services)| replicas(kind).map(|name| (name, *services)));
    twice.chain([(GATEWAY.to_owned(), &[GATEWAY][..])]).collect()
}
