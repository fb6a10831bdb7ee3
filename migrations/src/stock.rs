//! Stock's tables: positions and the reservations of orders.
//!
//! The CHECKs are a second line: the rules in `stock` never come near them, and a row that would break
//! one fails its batch instead of being believed.

use crate::shared::{DEAD_LETTER_ACTIONS, DEAD_LETTERS, SMALL_STATISTICS, migrations};

/// `available` can be ordered, `reserved` is promised to orders; together they are on hand. What is sold
/// is in neither. Hot: a sale changes one row for every order, so nearly empty pages keep the updates HOT,
/// and no index covers what changes.
const POSITIONS: &str = "
CREATE TABLE positions (
    position_id  uuid PRIMARY KEY,
    name         text NOT NULL,
    price        bigint NOT NULL CHECK (price BETWEEN 1 AND 1000000000000),
    available    bigint NOT NULL CHECK (available >= 0),
    reserved     bigint NOT NULL CHECK (reserved >= 0),
    CHECK (available + reserved <= 9000000000000000)
) WITH (fillfactor = 30);
";

/// One row an order, also where nothing is reserved: `state` is one enum (JSON as text) that holds everything its
/// reply needs, and the request by which a repeat is told from another one. `position_ids` are the
/// parents to lock before the row may change; empty where it never changes. The view shows the lines of
/// what was granted and what became of them (`state`: reserved, sold or released): by position, the
/// quantities of the reserved ones sum to `positions.reserved`.
const RESERVATIONS: &str = "
CREATE TABLE reservations (
    order_id      uuid PRIMARY KEY,
    position_ids  uuid[] NOT NULL,
    state         text NOT NULL
) WITH (fillfactor = 60);

CREATE VIEW reservation_lines AS
    SELECT order_id,
           state::json->>'state' AS state,
           (line->>'position_id')::uuid AS position_id,
           (line->>'quantity')::bigint AS quantity,
           (line->>'price')::bigint AS price
    FROM reservations, json_array_elements(state::json->'lines') AS line;
";

migrations!(
    "stock",
    POSITIONS,
    RESERVATIONS,
    DEAD_LETTERS;
    "m0002_stock_dead_letter_actions" => DEAD_LETTER_ACTIONS;
    "m0003_stock_small_statistics" => SMALL_STATISTICS
);
