//! Ids that follow from another id, so that every repeat finds the same one without its being stored,
//! and the database's primary key refuses a second effect.

use uuid::Uuid;

/// The id of what there is once for `from`: a UUIDv7 in form, with the time of `from` (so that new rows
/// lie together in their index) and a hash in place of random bits. This never changes: replies that
/// were given would.
pub(crate) fn derived_id(from: Uuid, what: &str) -> Uuid {
    let mut bytes = Uuid::new_v5(&from, what.as_bytes()).into_bytes();
    bytes[..6].copy_from_slice(&from.as_bytes()[..6]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_for_ever() {
        let order = Uuid::from_u128(0x01934a5f_0000_7000_8000_000000000001);
        assert_eq!(derived_id(order, "hold").to_string(), "01934a5f-0000-722c-a6e9-dc4f21e2ccae");
        assert_ne!(derived_id(order, "hold"), derived_id(order, "capture"));
    }

    #[test]
    fn in_the_order_of_what_it_follows_from() {
        let id = derived_id(Uuid::now_v7(), "hold");
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert!(id.get_timestamp().is_some());
    }
}
