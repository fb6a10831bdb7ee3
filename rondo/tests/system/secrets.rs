//! What must not be seen from outside is not: after a run with everything that usually makes programs talk (bad
//! requests, bad messages, lost servers, a log of everything), all that left the processes is searched for secrets and for
//! what tells of people, in the clear and in base64.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use futures::StreamExt;
use reqwest::Method;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::{Client, Road, eventually};
use uuid::Uuid;

use super::orders::{END_WITHIN, Shop};
use super::processes::{SEPARATE, SERVICES, System, database};
use super::receiver::Receiver;

const DATABASE_PASSWORD: &str = "canary-database-password";
const NATS_PASSWORD: &str = "canary-nats-password";
const PASSWORD: &str = "canary correct horse";
const WRONG_PASSWORD: &str = "canary wrong horse";
const FORGED_TOKEN: &str = "canary.forged.token";
const EMAIL: &str = "canary.mail@example.com";
const NAME: &str = "Kanarius Vogel";
const PHONE: &str = "+7 900 555-35-35";
const ADDRESS: &str = "Canary Street 1";
const DELIVERY_ADDRESS: &str = "Canary Row 2";

/// What messages carry because others need it, by the message contract: nothing else may.
const ALLOWED: [(&str, &str); 5] = [
    ("user.user_registered.v1", EMAIL),
    ("user.user_registered.v1", NAME),
    ("user.profile_changed.v1", ADDRESS),
    ("cmd.delivery.schedule_delivery.v1", ADDRESS),
    ("cmd.delivery.schedule_delivery.v1", DELIVERY_ADDRESS),
];

const SAGA_HISTORY: &str = "SELECT inputs FROM saga_history";
const DEAD_LETTERS: &str = "SELECT subject, error, encode(payload, 'escape') FROM dead_letters";

/// Where something was found, and what was searched there.
struct Searched {
    place: String,
    text: String,
}

fn searched(place: impl Into<String>, text: impl Into<String>) -> Searched {
    Searched { place: place.into(), text: text.into() }
}

/// Processes whose addresses of servers carry passwords, who say all they can.
async fn talkative_system(receiver: &Receiver) -> System {
    let mut system = System::start(&[]).await;
    system.log = Some(system.nats.home().join("processes.log"));
    for (name, services) in SEPARATE {
        launch(&mut system, receiver, name, services);
    }
    for (name, _) in SEPARATE {
        system.ready(name).await;
    }
    system
}

fn launch(system: &mut System, receiver: &Receiver, name: &str, services: &[&str]) {
    let with_password = |url: &str, user: &str, password: &str| {
        let (scheme, rest) = url.split_once("://").unwrap();
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{user}:{password}@{host}")
    };
    let mut environment = vec![
        ("LOG".to_owned(), "trace".to_owned()),
        ("LOG_FORMAT".to_owned(), if name == "billing" { "text" } else { "json" }.to_owned()),
        ("NATS_URL".to_owned(), with_password(&system.nats.url(), "rondo", NATS_PASSWORD)),
        ("SERVICE_TOKEN".to_owned(), testkit::service_token("user")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), receiver.endpoint.clone()),
    ];
    for service in SERVICES {
        let (url, user) = (system.postgres.url(&database(service)), database(service));
        let url = with_password(&url, &user, DATABASE_PASSWORD);
        environment.push((format!("{}_DATABASE_URL", service.to_uppercase()), url));
    }
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    system.launch(name, services, &environment);
}

/// Everything that is said on the road, from now on.
async fn overhear(system: &System) -> Arc<Mutex<Vec<Searched>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let client = async_nats::connect(system.nats.url()).await.unwrap();
    let mut everything = client.subscribe(">").await.unwrap();
    client.flush().await.unwrap();
    let keep = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(message) = everything.next().await {
            let text = format!("{:?} {}", message.headers, String::from_utf8_lossy(&message.payload));
            keep.lock().unwrap().push(searched(message.subject.as_str(), text));
        }
    });
    heard
}

#[tokio::test]
async fn nothing_that_leaves_the_processes_tells_secrets_or_of_people() {
    let receiver = Receiver::start().await;
    let mut system = talkative_system(&receiver).await;
    let road = overhear(&system).await;
    let shop = Shop::open(&system, 1, 1).await;

    let person = sign_in(&system).await;
    order(&system, &person, shop.positions[0]).await;
    ask_badly(&system, &person).await;
    send_badly(&system).await;
    lose_servers(&mut system, &person).await;
    order(&system, &person, shop.positions[0]).await;

    let mut all = vec![searched("log", std::fs::read_to_string(system.log.as_ref().unwrap()).unwrap())];
    for (name, _) in SEPARATE {
        let request = reqwest::get(format!("http://{}/metrics", system.internal_addr(name))).await.unwrap();
        all.push(searched(format!("metrics of {name}"), request.text().await.unwrap()));
    }
    eventually(END_WITHIN, "spans", async || (receiver.raw().len() > 3).then_some(())).await;
    all.extend(receiver.raw().iter().map(|bytes| searched("traces", String::from_utf8_lossy(bytes))));
    all.append(&mut dead_letters(&system).await);
    all.append(&mut saga_history(&system).await);
    all.append(&mut road.lock().unwrap());
    was_seen(&all);
    is_well_formed(&all[0].text);
    let found = search(&all, &person.tokens);
    assert!(found.is_empty(), "{} finds:\n{}", found.len(), found.join("\n"));
}

/// A user with all that tells of one: the token, and every token that was given; and the keys of the services.
struct Person {
    token: String,
    tokens: Vec<String>,
}

impl Person {
    fn at(&self, system: &System, process: &str) -> Client {
        system.public_client(process, Some(self.token.clone()))
    }
}

async fn sign_in(system: &System) -> Person {
    let anybody = system.public_client("front", None);
    let registered = json!({ "email": EMAIL, "password": PASSWORD, "name": NAME });
    assert_eq!(anybody.post("/api/v1/register", &registered).await.status, 201);
    assert_eq!(anybody.post("/api/v1/register", &registered).await.status, 409);
    let wrong = json!({ "email": EMAIL, "password": WRONG_PASSWORD });
    assert_eq!(anybody.post("/api/v1/login", &wrong).await.status, 401);
    let mut tokens = vec![testkit::service_token("user")];
    tokens.extend(SERVICES.map(|service| system.seeds.of(service).unwrap().expose_secret().to_owned()));
    let mut keep = |body: &Value| {
        tokens.extend(["access_token", "refresh_token"].map(|name| body[name].as_str().unwrap().to_owned()));
    };
    let login = json!({ "email": EMAIL, "password": PASSWORD });
    let first = anybody.post("/api/v1/login", &login).await.body;
    keep(&first);
    let refresh = json!({ "refresh_token": first["refresh_token"] });
    keep(&anybody.post("/api/v1/token/refresh", &refresh).await.body);
    // A second time: its session is ended, and everybody is told.
    assert_eq!(anybody.post("/api/v1/token/refresh", &refresh).await.status, 401);
    let last = anybody.post("/api/v1/login", &login).await.body;
    keep(&last);
    let person = Person { token: last["access_token"].as_str().unwrap().to_owned(), tokens };
    let profile = json!({ "name": NAME, "phone": PHONE, "address": ADDRESS });
    assert_eq!(person.at(system, "front").post("/api/v1/user/profile", &profile).await.status, 200);
    person
}

/// Orders to either address: without money, and with.
async fn order(system: &System, person: &Person, position: Uuid) {
    let items = json!([{ "position_id": position, "quantity": 1 }]);
    let day = chrono::Utc::now().date_naive() + chrono::Days::new(2);
    for (hour, amount) in [(9, 0), (10, 1_000), (11, 1_000)] {
        if amount > 0 {
            let deposit = json!({ "amount": amount });
            let answer = person.at(system, "billing").post("/api/v1/account", &deposit).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let mut delivery = json!({ "slot": format!("{day}T{hour:02}:00:00Z") });
        if hour == 10 {
            delivery["address"] = DELIVERY_ADDRESS.into();
        }
        let body = json!({ "items": items, "delivery": delivery });
        let answer = person.at(system, "orchestrator").post("/api/v1/order", &body).await;
        assert!(matches!(answer.status, 201 | 202 | 402), "{answer:?}");
    }
    eventually(END_WITHIN, "every order's end", async || {
        let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
        (system.number("orchestrator", open).await == 0).then_some(())
    })
    .await;
}

/// Requests that nobody can answer well, with what must not be repeated.
async fn ask_badly(system: &System, person: &Person) {
    let front = person.at(system, "front");
    for body in [
        json!({ "email": [EMAIL], "password": PASSWORD, "name": NAME }).to_string(),
        json!({ "email": EMAIL, "password": PASSWORD, EMAIL: NAME }).to_string(),
        format!("{{\"email\": \"{EMAIL}\", \"password\": \"{PASSWORD}\", {NAME}"),
    ] {
        for path in ["/api/v1/register", "/api/v1/login", "/api/v1/user/profile"] {
            let request = front.request(Method::POST, path).header("content-type", "application/json");
            assert!(front.send(request.body(body.clone())).await.status >= 400, "{path} {body}");
        }
    }
    let orders = person.at(system, "orchestrator");
    let encoded = EMAIL.replace('@', "%40");
    for path in [format!("/api/v1/orders?email={encoded}"), format!("/api/v1/order/{encoded}")] {
        assert!(orders.get(&path).await.status >= 400, "{path}");
    }
    let delivery = json!({ "address": [DELIVERY_ADDRESS], "slot": DELIVERY_ADDRESS });
    let body = json!({ "items": [{ "position_id": NAME, "quantity": 1 }], "delivery": delivery });
    assert_eq!(orders.post("/api/v1/order", &body).await.status, 422);
    for (process, path) in [("orchestrator", "/api/v1/orders"), ("front", "/api/v1/user/profile")] {
        let forger = system.public_client(process, Some(FORGED_TOKEN.to_owned()));
        assert_eq!(forger.get(path).await.status, 401);
    }
}

/// Messages that nobody can read.
async fn send_badly(system: &System) {
    let road = Road::connect(&system.nats.url()).await;
    let item = |item_type: &str, data: Value| {
        json!({ "specversion": "1.0", "id": Uuid::now_v7(), "type": item_type, "source": "test",
                "subject": Uuid::now_v7(), "time": chrono::Utc::now(), "data": data })
    };
    let user_id = Uuid::now_v7();
    let (registered, schedule) = ("user.user_registered.v1", "cmd.delivery.schedule_delivery.v1");
    for data in [
        json!({ "user_id": user_id, "email": EMAIL, "name": NAME, "locale": EMAIL }),
        json!({ "user_id": EMAIL, "email": EMAIL, "name": NAME, "locale": "ru" }),
        json!(EMAIL),
    ] {
        road.send(registered, &[item(registered, data)]).await;
    }
    for data in [
        json!({ "order_id": user_id, "user_id": user_id, "address": ADDRESS, "slot": ADDRESS }),
        json!(ADDRESS),
    ] {
        road.send(schedule, &[item(schedule, data)]).await;
    }
    road.send(schedule, &[json!({ "id": ADDRESS, "data": ADDRESS })]).await;
    road.send(registered, &[json!(NAME)]).await;
    eventually(END_WITHIN, "letters", async || (system.dead_letters().await >= 7).then_some(())).await;
}

/// Servers that go away while requests come.
async fn lose_servers(system: &mut System, person: &Person) {
    system.nats.stop().await.unwrap();
    system.postgres.stop().await.unwrap();
    for (process, path) in [("orchestrator", "/api/v1/orders"), ("front", "/api/v1/user/profile")] {
        assert_eq!(person.at(system, process).get(path).await.status, 503);
    }
    system.postgres.restart().await.unwrap();
    system.nats.restart().await.unwrap();
    for (name, _) in SEPARATE {
        system.ready(name).await;
    }
}

async fn dead_letters(system: &System) -> Vec<Searched> {
    let mut all = Vec::new();
    for service in ["billing", "stock", "delivery", "notification", "orchestrator"] {
        let statement = Statement::from_string(DatabaseBackend::Postgres, DEAD_LETTERS);
        for row in system.look(service).await.query_all_raw(statement).await.unwrap() {
            let text = |index| row.try_get_by_index::<String>(index).unwrap();
            all.push(searched(text(0), text(2)));
            all.push(searched(format!("error of a letter in {service}"), text(1)));
        }
    }
    all
}

/// What operators are shown of sagas by `rondo saga show`.
async fn saga_history(system: &System) -> Vec<Searched> {
    let statement = Statement::from_string(DatabaseBackend::Postgres, SAGA_HISTORY);
    let rows = system.look("orchestrator").await.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| searched("saga history", row.try_get_by_index::<String>(0).unwrap())).collect()
}

/// One line an event, and each says of which saga, step and trace it is.
fn is_well_formed(log: &str) {
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |target: &'static str| lines.iter().filter(move |line| line["target"] == target);
    for line in of("sagas").chain(of("messages")) {
        assert!(line["saga"].is_string() && line["trace_id"].is_string(), "{line}");
    }
    let asks = |line: &&Value| line["item_type"].as_str().is_some_and(|what| !what.contains("user."));
    let steps = of("messages").filter(asks).filter(|line| line["item_type"] != "order.order_confirmed.v1");
    assert!(steps.inspect(|line| assert!(line["step"].is_string(), "{line}")).count() > 10);
    // The servers were away, and the runbooks send people to the log for that.
    let said = |words: &str| {
        lines.iter().any(|line| line["message"].as_str().is_some_and(|said| said.contains(words)))
    };
    assert!(said("NATS is away") && said("connected to NATS"));
}

/// Otherwise nothing would have been searched.
fn was_seen(all: &[Searched]) {
    let log = &all[0].text;
    for line in [
        "put aside as a dead letter",
        "\"event\":\"finished\"",
        "the database cannot answer now",
        "\"processed\"",
    ] {
        assert!(log.contains(line), "{line} is not in the log");
    }
    for place in [
        "traces",
        "saga history",
        "metrics of billing",
        "reply.order.v1",
        "order.order_confirmed.v1",
        "auth.session_revoked.v1",
    ] {
        // Replies come on the subject of the process that asked, a token below.
        let is_of = |one: &Searched| {
            one.place.strip_prefix(place).is_some_and(|below| below.is_empty() || below.starts_with('.'))
        };
        assert!(all.iter().any(is_of), "nothing of {place}");
    }
    for (place, what) in ALLOWED {
        let is_there = all.iter().any(|one| one.place == place && one.text.contains(what));
        assert!(is_there, "{what} is not in {place}: it needs not be allowed");
    }
}

/// What stands where it must not.
fn search(all: &[Searched], tokens: &[String]) -> Vec<String> {
    // Of the key the part behind what all such keys begin with; of a token the signature.
    let key = testkit::SIGNING_KEY.lines().nth(1).unwrap();
    let tokens = tokens.iter().map(|token| token.rsplit('.').next().unwrap());
    let wanted =
        [DATABASE_PASSWORD, NATS_PASSWORD, PASSWORD, WRONG_PASSWORD, FORGED_TOKEN, EMAIL, NAME, PHONE];
    let wanted: Vec<&str> =
        wanted.into_iter().chain([ADDRESS, DELIVERY_ADDRESS, key]).chain(tokens).collect();
    let mut found = Vec::new();
    for what in wanted {
        let encoded = in_base64(what);
        for Searched { place, text } in all.iter().filter(|one| !ALLOWED.contains(&(&one.place, what))) {
            // Answers of the server to the one who asked it for a message carry that in base64.
            let also_encoded = !place.starts_with("_INBOX.");
            let forms = encoded.iter().map(String::as_str).filter(|_| also_encoded).chain([what]);
            for form in forms {
                for line in text.lines().filter(|line| line.contains(form)) {
                    let at = line.find(form).unwrap_or_default();
                    let around =
                        line.char_indices().filter(|(index, _)| index + 200 > at && *index < at + 100);
                    let around: String = around.map(|(_, one)| one).collect();
                    found.push(format!("{what} in {place}: {around}"));
                }
            }
        }
    }
    found
}

/// What is to be seen of a text in the base64 of anything that contains it: there it begins at one of the three places of a
/// group, and its first and last characters are mixed with their neighbours.
fn in_base64(what: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let encoded = STANDARD_NO_PAD.encode([&vec![0; before], what.as_bytes()].concat());
        let mixed_at_the_end = usize::from(!(before + what.len()).is_multiple_of(3));
        let mixed_before = if before == 0 { 0 } else { before + 1 };
        encoded[mixed_before..encoded.len() - mixed_at_the_end].to_owned()
    })
}

#[test]
fn what_is_encoded_is_found_wherever_it_begins() {
    for before in ["", "a", "ab", "abc"] {
        for behind in ["", "x", "xy", "xyz"] {
            let log = vec![searched("log", STANDARD.encode(format!("{before}{EMAIL}{behind}")))];
            assert!(!search(&log, &[]).is_empty(), "{before}{EMAIL}{behind}");
            let other =
                vec![searched("log", STANDARD.encode(format!("{before}{}{behind}", EMAIL.to_uppercase())))];
            assert!(search(&other, &[]).is_empty(), "{before}{behind}");
        }
    }
}
