//! Messages that nobody can process.

use serde_json::{Value, json};
use uuid::Uuid;

use super::fault::Poison;

/// Stands in each of them, so that they are known among the dead letters.
pub(super) const MARK: &str = "poison of the chaos run";

/// A message for a subject.
pub(super) fn message(subject: &str, poison: Poison) -> Vec<u8> {
    let item = |data: Value| {
        json!({
            "specversion": "1.0",
            "id": Uuid::now_v7(),
            "type": subject,
            "source": MARK,
            "subject": Uuid::now_v7(),
            "time": "2026-01-01T00:00:00Z",
            "step": "chaos",
            "direction": "do",
            "attempt": 1,
            "data": data,
        })
    };
    match poison {
        Poison::Nul => {
            let mut item = item(Value::Null);
            item["type"] = "\u{0}".into();
            json!([item]).to_string().into_bytes()
        }
        Poison::Garbage => format!("{MARK}: \u{0}[{{").into_bytes(),
        Poison::BadItem => json!([{ "specversion": MARK }, item(json!(MARK))]).to_string().into_bytes(),
        Poison::WrongData => {
            json!([item(json!({ "order_id": MARK, "amount": -1 }))]).to_string().into_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_poison_is_known_by_its_mark() {
        for poison in [Poison::Garbage, Poison::BadItem, Poison::WrongData, Poison::Nul] {
            let payload = message("reply.order.v1", poison);
            let found = payload.windows(MARK.len()).any(|words| words == MARK.as_bytes());
            assert!(found, "{poison:?}");
        }
    }
}
