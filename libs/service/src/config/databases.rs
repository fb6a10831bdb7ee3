//! `<SERVICE>_DATABASE_URL` and `<SERVICE>_DATABASE_URL_FILE`.

use super::of_services::of_services;

/// The services that own a database.
pub const SERVICES: [&str; 7] =
    ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator"];

of_services! {
    /// Where the services' databases are.
    pub struct Databases as "URL" in NAMES:
    "-database-url", "_DATABASE_URL", "Database of",
    "auth" "AUTH",
    "user" "USER",
    "billing" "BILLING",
    "stock" "STOCK",
    "delivery" "DELIVERY",
    "notification" "NOTIFICATION",
    "orchestrator" "ORCHESTRATOR",
}
