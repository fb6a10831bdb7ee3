//! Delivery: the couriers' hours, and who is booked in them.

use crate::report::Report;
use crate::{AuditError, Books};

/// A rule, and what breaks it. An hour leaves some time after it is over, its bookings stay.
const RULES: [(&str, &str); 1] = [(
    "the couriers that are busy in an hour are those that are booked in it, each once",
    "SELECT format('hour %s: busy %s, booked %s', begins_at, busy, booked) \
     FROM (SELECT slot_id, begins_at, \
                  ARRAY(SELECT value::integer FROM jsonb_array_elements_text(busy::jsonb) ORDER BY 1) AS busy \
           FROM slots) AS hour \
     FULL JOIN (SELECT slot_id, begins_at, array_agg(courier ORDER BY courier) AS booked \
                FROM bookings WHERE state = 'booked' GROUP BY slot_id, begins_at) AS booking \
     USING (slot_id, begins_at) \
     WHERE coalesce(busy, '{}') <> coalesce(booked, '{}') \
     AND (busy IS NOT NULL OR begins_at > now() - interval '1 day')",
)];

pub(crate) async fn check(delivery: &Books, report: &mut Report) -> Result<(), AuditError> {
    delivery.rules(&RULES, report).await
}
