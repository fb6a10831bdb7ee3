//! What the manifests of k8s/ say of Rondo, compared with Rondo: arguments, settings, ports, paths, secrets, consumers,
//! alerts, dashboards. Each comparison is also shown something wrong, which it has to find. And the local overlay runs,
//! as processes with exactly the arguments, settings, files and probes that its manifests give them.
//!
//! Whether manifests are valid and secure is checked by scripts/check-manifests.sh.

mod created;
mod local;
mod manifests;
mod monitoring;
mod nats;
mod network;
mod programs;
mod secrets;
mod wrong;
