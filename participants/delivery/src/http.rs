//! Delivery's routes: a file each, and what they all answer with.

mod received;
mod sent;
mod show;

use std::sync::Arc;

use contracts::Timestamp;
use messaging::Handle;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use service::http::{FieldErrors, Problem, Validate};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::decider::{Deliveries, MoveRefusal};
use crate::delivery::Delivery;
use crate::slot::Hour;

/// What the handlers share.
pub(crate) struct Desk {
    /// The way into the loop: everything that changes a delivery.
    pub(crate) deliveries: Handle<Deliveries>,
    /// For everything that only looks.
    pub(crate) reader: DatabaseConnection,
}

type Shared = Arc<Desk>;

/// What clients reach.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(show::show))
        .routes(routes!(sent::sent))
        .routes(routes!(received::received))
        .routes(routes!(received::recieved))
}

/// Which order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderIn {
    /// The order.
    order_id: Uuid,
}

impl Validate for OrderIn {
    fn validate(&self, _: &mut FieldErrors) {}
}

/// A delivery.
#[derive(Serialize, ToSchema)]
struct DeliveryOut {
    /// The order.
    order_id: Uuid,
    /// `scheduled`, `sent`, `received` or `cancelled`.
    #[schema(example = "scheduled")]
    status: &'static str,
    /// Where to: the order's address, else the one of the user's profile.
    #[schema(required)]
    address: Option<String>,
    /// When the slot begins for which a courier is reserved.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    slot: Option<Timestamp>,
    /// When it came into this status.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The delivery as clients see it; `None` where none was ever scheduled.
fn shown(delivery: &Delivery) -> Option<DeliveryOut> {
    let parcel = delivery.parcel()?;
    Some(DeliveryOut {
        order_id: delivery.order_id,
        status: delivery.status(),
        address: parcel.destination.address().map(str::to_owned),
        slot: parcel.slot.map(Hour::begins_at),
        updated_at: delivery.updated_at,
    })
}

impl From<MoveRefusal> for Problem {
    fn from(refusal: MoveRefusal) -> Self {
        match refusal {
            MoveRefusal::Unknown => Self::not_found(),
            MoveRefusal::WrongState(state) => {
                Self::conflict("wrong_state", format!("the delivery is {state}"))
            }
        }
    }
}
