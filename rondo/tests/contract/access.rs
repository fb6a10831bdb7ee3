//! Who may do what: every operation of both documents, asked by everybody. An operation that is not listed
//! here fails the test.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use service::token::Role;
use testkit::Client;
use uuid::Uuid;

use crate::document::{document, operations};
use crate::processes::System;
use crate::{ALL, whole_system};

/// Who asks: nobody, a user, a courier, an operator, and the user whose order it is.
const CALLERS: [&str; 5] = ["nobody", "another user", "courier", "operator", "owner"];

/// By operation, what each caller is answered: 401, 403, 404, or `in` for whoever is let in, whatever is
/// then said of the rest of the request.
const PUBLIC: [(&str, &str); 25] = [
    ("POST /api/v1/register", "in in in in in"),
    ("POST /api/v1/login", "in in in in in"),
    ("POST /api/v1/token/refresh", "in in in in in"),
    ("POST /api/v1/logout", "401 in in in in"),
    ("GET /.well-known/jwks.json", "in in in in in"),
    ("GET /api/v1/user/profile", "401 in in in in"),
    ("POST /api/v1/user/profile", "401 in in in in"),
    ("GET /api/v1/account", "401 in in in in"),
    ("POST /api/v1/account", "401 in in in in"),
    ("POST /api/v1/account/withdraw", "401 in in in in"),
    ("GET /api/v1/account/entries", "401 in in in in"),
    ("GET /api/v1/stock/positions", "401 in in in in"),
    ("GET /api/v1/stock/position/{id}/count", "401 in in in in"),
    ("POST /api/v1/stock/position/{id}/reserve", "401 403 403 in 403"),
    ("POST /api/v1/order", "401 in in in in"),
    ("GET /api/v1/orders", "401 in in in in"),
    ("GET /api/v1/order/{id}", "401 404 404 in in"),
    ("GET /api/v1/order/{id}/saga", "401 404 404 in in"),
    ("GET /api/v1/order/{id}/events", "401 404 404 in in"),
    ("GET /api/v1/order/{id}/delivery", "401 404 in in in"),
    ("POST /api/v1/order/{id}/cancel", "401 404 404 in in"),
    ("POST /api/v1/order/sent", "401 403 in 403 403"),
    ("POST /api/v1/order/received", "401 404 in 404 in"),
    ("POST /api/v1/order/recieved", "401 404 in 404 in"),
    ("GET /api/v1/notifications", "401 in in in in"),
];

const OPERATORS: &str = "401 403 403 in 403";

const INTERNAL: [(&str, &str); 21] = [
    // The user service alone.
    ("POST /internal/api/v1/register", "401 403 403 403 403"),
    // For gateways, which ask with their users' tokens.
    ("GET /internal/api/v1/auth", "401 in in in in"),
    ("GET /internal/api/v1/user/{id}/profile", OPERATORS),
    ("PUT /internal/api/v1/user/{id}/roles", OPERATORS),
    ("POST /internal/api/v1/payment", OPERATORS),
    ("PUT /internal/api/v1/stock/position/{id}", OPERATORS),
    ("GET /internal/api/v1/sagas", OPERATORS),
    ("GET /internal/api/v1/sagas/{id}", OPERATORS),
    ("POST /internal/api/v1/sagas/{id}/{action}", OPERATORS),
    ("POST /internal/api/v1/sagas/bulk", OPERATORS),
    ("GET /internal/api/v1/pauses", OPERATORS),
    ("POST /internal/api/v1/pauses", OPERATORS),
    ("POST /internal/api/v1/pauses/resume", OPERATORS),
    ("GET /internal/api/v1/audit/actions", OPERATORS),
    ("GET /internal/api/v1/audit/money", OPERATORS),
    ("GET /internal/api/v1/audit/dead-letters", OPERATORS),
    ("GET /internal/api/v1/dead-letters", OPERATORS),
    ("GET /internal/api/v1/dead-letters/groups/{id}", OPERATORS),
    ("GET /internal/api/v1/dead-letters/{id}", OPERATORS),
    ("POST /internal/api/v1/dead-letters/redrive", OPERATORS),
    ("POST /internal/api/v1/dead-letters/discard", OPERATORS),
];

/// A system with somebody of each kind, and an order of one of them.
struct Town {
    system: System,
    people: BTreeMap<&'static str, (Uuid, Vec<Role>)>,
    order: String,
    position: String,
}

impl Town {
    async fn found() -> Self {
        let system = whole_system().await;
        let anybody = system.public_client(ALL, None);
        let mut people = BTreeMap::new();
        for who in &CALLERS[1..] {
            let email = format!("{}@example.com", who.replace(' ', "-"));
            let body = json!({ "email": email, "password": "correct horse" });
            let registered = anybody.post("/api/v1/register", &body).await;
            assert_eq!(registered.status, 201, "{registered:?}");
            let user_id: Uuid = registered.body["user_id"].as_str().unwrap().parse().unwrap();
            let more = match *who {
                "courier" => Some(Role::Courier),
                "operator" => Some(Role::Operator),
                _ => None,
            };
            people.insert(*who, (user_id, [Role::User].into_iter().chain(more).collect()));
        }
        let position = Uuid::now_v7().to_string();
        let mut town = Self { system, people, order: String::new(), position };
        let path = format!("/internal/api/v1/stock/position/{}", town.position);
        let tea = json!({ "name": "tea", "price": 5, "available": 10 });
        assert_eq!(town.system.operator(ALL).put(&path, &tea).await.status, 200);
        let owner = town.client("owner", false);
        assert_eq!(owner.post("/api/v1/account", &json!({ "amount": 100 })).await.status, 200);
        let items = json!({ "items": [{ "position_id": town.position, "quantity": 1 }] });
        let order = owner.post("/api/v1/order", &items).await;
        assert_eq!(order.status, 201, "{order:?}");
        town.order = order.body["order_id"].as_str().unwrap().to_owned();
        town.is_scheduled().await;
        town
    }

    async fn is_scheduled(&self) {
        let (owner, path) = (self.client("owner", false), format!("/api/v1/order/{}/delivery", self.order));
        let known = async || (owner.get(&path).await.status == 200).then_some(());
        testkit::eventually(std::time::Duration::from_secs(20), "the delivery to be known", known).await;
    }

    /// Somebody with a session of their own, which a logout may end.
    fn client(&self, who: &str, is_inside: bool) -> Client {
        let token = self.people.get(who).map(|(user_id, roles)| testkit::token(*user_id, roles));
        if is_inside {
            self.system.internal_client(ALL, token)
        } else {
            self.system.public_client(ALL, token)
        }
    }

    /// What somebody is answered, as a word of the table.
    async fn answer(&self, who: &str, is_inside: bool, operation: &str) -> String {
        let (method, path) = operation.split_once(' ').unwrap();
        let id = if path.contains("/stock/") {
            self.position.clone()
        } else if path.contains("/user/") {
            self.people["owner"].0.to_string()
        } else {
            self.order.clone()
        };
        let address = path.replace("{id}", &id).replace("{action}", "retry");
        // Good where who asks is looked at after the body.
        let body = match path {
            "/internal/api/v1/register" => {
                json!({ "user_id": Uuid::now_v7(), "email": "bob@example.com", "password": "correct horse" })
            }
            "/api/v1/stock/position/{id}/reserve" => json!({ "order_id": Uuid::now_v7(), "quantity": 1 }),
            "/api/v1/order/sent" | "/api/v1/order/received" | "/api/v1/order/recieved" => {
                json!({ "order_id": self.order })
            }
            _ => json!({}),
        };
        let mut request = self.client(who, is_inside).request(method.parse::<Method>().unwrap(), &address);
        if method != "GET" {
            request = request.json(&body);
        }
        // The body of a stream never ends: the status is enough.
        let status = request.send().await.unwrap().status().as_u16();
        let is_missing = status == 404 && !is_inside;
        if [401, 403].contains(&status) || is_missing { status.to_string() } else { "in".to_owned() }
    }

    async fn holds(&self, is_inside: bool, document: &Value, table: &[(&str, &str)]) {
        let served: BTreeSet<String> = operations(document).into_keys().collect();
        let listed: BTreeSet<String> = table.iter().map(|(operation, _)| (*operation).to_owned()).collect();
        assert_eq!(served, listed, "every operation is listed with who may do it");
        for (operation, expected) in table {
            for (who, expected) in CALLERS.iter().zip(expected.split(' ')) {
                let answer = self.answer(who, is_inside, operation).await;
                assert_eq!(answer, expected, "{operation} by {who}");
            }
        }
    }
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let town = Town::found().await;
    let inside = document(&town.system.operator(ALL)).await;
    town.holds(true, &inside, &INTERNAL).await;
    let outside = document(&town.client("owner", false)).await;
    town.holds(false, &outside, &PUBLIC).await;
}
