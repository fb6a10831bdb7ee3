//! Customers who do one thing after the other through one address, and write down what they were told. Whatever they
//! would call a failure is one: an error of the server, an answer that breaks off, a connection that is reset, silence.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audit::Told;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use service::token::Role;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::orders::{DEPOSIT, PRICE};

/// Longer than anybody waits for a decision.
const PATIENCE: Duration = Duration::from_secs(30);
/// As whoever stands before a gateway should be set: shorter than a process that is to end serves the connections that
/// it has.
const KEEPS_UNUSED: Duration = Duration::from_secs(2);
const PAUSE_MS: std::ops::Range<u64> = 5..30;
/// A timeline that says nothing for so long has been heard.
const LISTENS: Duration = Duration::from_secs(4);

/// Everybody, at work until they are told to go home.
pub(crate) struct Crowd {
    pub(crate) book: Arc<Mutex<Book>>,
    stop: CancellationToken,
    lives: JoinSet<()>,
}

/// What everybody was told.
#[derive(Default)]
pub(crate) struct Book {
    /// Orders, and what was said of them last.
    pub(crate) told: HashMap<Uuid, Told>,
    /// Put on accounts besides what was there at first.
    pub(crate) deposited: BTreeMap<Uuid, i64>,
    /// How often each answer came.
    pub(crate) answers: BTreeMap<String, u64>,
    /// What must not be.
    pub(crate) failures: Vec<String>,
    /// Orders whose decision was told: when it was asked for, and when told.
    pub(crate) decided: Vec<(Instant, Instant)>,
}

impl Crowd {
    /// Lets these customers live, a newcomer now and then, and somebody who watches an order.
    pub(crate) fn gather(base: &str, customers: &[Uuid], positions: &[Uuid]) -> Self {
        let (book, stop) = (Arc::<Mutex<Book>>::default(), CancellationToken::new());
        let somebody = |user_id| Somebody {
            user_id,
            client: Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .pool_idle_timeout(KEEPS_UNUSED)
                .build()
                .unwrap(),
            base: base.to_owned(),
            token: testkit::token(user_id, &[Role::User]),
            positions: positions.to_vec(),
            book: Arc::clone(&book),
        };
        let mut lives = JoinSet::new();
        let (watcher, customers) = customers.split_last().unwrap();
        for customer in customers {
            lives.spawn(somebody(*customer).shop(stop.clone()));
        }
        lives.spawn(somebody(*watcher).watch(stop.clone()));
        lives.spawn(somebody(Uuid::now_v7()).come_and_go(stop.clone()));
        Self { book, stop, lives }
    }

    /// Sends everybody home; their book, when the last one has gone.
    pub(crate) async fn disperse(mut self) -> Book {
        self.stop.cancel();
        while let Some(life) = self.lives.join_next().await {
            life.unwrap();
        }
        std::mem::take(&mut *self.book.lock().unwrap())
    }

    /// Orders whose decision was asked for after this moment, and told.
    pub(crate) fn decided_since(&self, moment: Instant) -> usize {
        self.book.lock().unwrap().decided.iter().filter(|(asked, _)| *asked > moment).count()
    }
}

impl Book {
    /// Says what was seen; none of it may have failed.
    #[expect(clippy::print_stderr, reason = "the figures are what a long run is read for")]
    pub(crate) fn tell(&self) {
        let [half, most, all] = self.decided_after_ms();
        eprintln!("{:#?}", self.answers);
        let count = self.decided.len();
        eprintln!("{count} orders, decided after {half} ms (p50), {most} ms (p99), {all} ms (all)");
        assert_eq!(self.failures, Vec::<String>::new(), "requests failed");
    }

    /// After how many milliseconds orders were decided: half of them, 99 of 100, all.
    fn decided_after_ms(&self) -> [u128; 3] {
        let mut all: Vec<_> = self.decided.iter().map(|(asked, told)| (*told - *asked).as_millis()).collect();
        all.sort_unstable();
        let at = |percent: usize| all[(all.len() - 1) * percent / 100];
        [at(50), at(99), at(100)]
    }

    /// The longest time in which nobody was told a decision, between these moments.
    pub(crate) fn longest_silence(&self, from: Instant, to: Instant) -> Duration {
        let mut told: Vec<_> = self.decided.iter().map(|(_, told)| *told).collect();
        told.retain(|told| (from..to).contains(told));
        told.extend([from, to]);
        told.sort_unstable();
        told.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }
}

struct Somebody {
    user_id: Uuid,
    client: Client,
    base: String,
    token: String,
    positions: Vec<Uuid>,
    book: Arc<Mutex<Book>>,
}

impl Somebody {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Asks, and writes down what came; the body of an answer that may be. `what` names it without ids.
    async fn ask(&self, what: &str, may_be: &[u16], request: RequestBuilder) -> Option<(u16, Value)> {
        let began = Instant::now();
        let answer = read(request).await;
        let mut book = self.book.lock().unwrap();
        let told = match &answer {
            Ok((status, _)) => format!("{what}: {status}"),
            Err(_) => format!("{what}: none"),
        };
        *book.answers.entry(told).or_default() += 1;
        match answer {
            Ok((status, body)) if may_be.contains(&status) => Some((status, body)),
            Ok((status, body)) => {
                book.failures.push(format!("{what}: {status} {body} after {:?}", began.elapsed()));
                None
            }
            Err(error) => {
                book.failures.push(format!("{what}: {error:?} after {:?}", began.elapsed()));
                None
            }
        }
    }

    /// One order of the `turn`-th kind, with the default patience.
    async fn order(&self, turn: usize) -> Option<Uuid> {
        let position = self.positions[turn % self.positions.len()];
        let too_expensive = turn % 9 == 8;
        let quantity = if too_expensive { 2 * DEPOSIT / PRICE } else { 1 };
        let mut body = json!({ "items": [{ "position_id": position, "quantity": quantity }] });
        if turn.is_multiple_of(4) {
            let day = chrono::Utc::now().date_naive() + chrono::Days::new(rand::random_range(2..25));
            body["delivery"] = json!({ "slot": format!("{day}T{:02}:00:00Z", rand::random_range(8..20)) });
        }
        let asked = Instant::now();
        let request = self.request(Method::POST, "/api/v1/order").json(&body);
        let (status, answer) = self.ask("order", &[201, 202, 402, 409], request).await?;
        let order = answer["order_id"].as_str()?.parse().ok()?;
        let told = match status {
            201 => Told::Confirmed,
            202 => Told::Accepted,
            _ => Told::Rejected,
        };
        let mut book = self.book.lock().unwrap();
        book.told.insert(order, told);
        if told != Told::Accepted {
            book.decided.push((asked, Instant::now()));
        }
        (told == Told::Confirmed).then_some(order)
    }

    async fn shop(self, stop: CancellationToken) {
        let mut before = None;
        for turn in 0.. {
            if stop.is_cancelled() {
                return;
            }
            // A confirmed order can be cancelled when its last steps are done: a moment later.
            let ripe = std::mem::replace(&mut before, self.order(turn).await);
            if turn % 4 == 1 {
                let request = self.request(Method::POST, "/api/v1/account").json(&json!({ "amount": 1_000 }));
                self.ask("deposit", &[200], request).await;
                *self.book.lock().unwrap().deposited.entry(self.user_id).or_default() += 1_000;
            }
            let looks = ["account", "orders", "stock/positions", "notifications"];
            let look = looks[turn % looks.len()];
            self.ask(look, &[200], self.request(Method::GET, &format!("/api/v1/{look}"))).await;
            if let Some(order) = ripe.filter(|_| turn % 10 == 7) {
                let request = self.request(Method::POST, &format!("/api/v1/order/{order}/cancel"));
                let cancelled = self.ask("cancel", &[200, 202, 409], request).await;
                if cancelled.is_none_or(|(status, _)| status != 409) {
                    self.book.lock().unwrap().told.insert(order, Told::Accepted);
                }
            }
            pause().await;
        }
    }

    /// Orders, and hears what becomes of it for as long as that is told; what ends is resumed.
    async fn watch(self, stop: CancellationToken) {
        for turn in 0.. {
            let Some(order) = self.order(2 * turn + 1).await else { continue };
            let mut last = String::new();
            let until = Instant::now() + 4 * LISTENS;
            while Instant::now() < until {
                if stop.is_cancelled() {
                    return;
                }
                let request = self.request(Method::GET, &format!("/api/v1/order/{order}/events"));
                let heard = hear(request.header("last-event-id", &last), &mut last, &stop).await;
                let mut book = self.book.lock().unwrap();
                match heard {
                    Ok(end) => *book.answers.entry(format!("timeline: {end}")).or_default() += 1,
                    Err(error) => book.failures.push(format!("timeline: {error}")),
                }
            }
        }
    }

    /// Registers, logs in, takes new tokens, logs out; and once more.
    async fn come_and_go(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let who =
                json!({ "email": format!("{}@example.com", Uuid::now_v7()), "password": "correct horse" });
            let post = |path: &str, body: &Value| self.request(Method::POST, path).json(body);
            self.ask("register", &[201], post("/api/v1/register", &who)).await;
            let Some((_, session)) = self.ask("login", &[200], post("/api/v1/login", &who)).await else {
                continue;
            };
            let refresh = json!({ "refresh_token": session["refresh_token"] });
            let refreshed = self.ask("refresh", &[200], post("/api/v1/token/refresh", &refresh)).await;
            let Some((_, session)) = refreshed else { continue };
            self.token = session["access_token"].as_str().unwrap_or_default().to_owned();
            self.ask("profile", &[200], self.request(Method::GET, "/api/v1/user/profile")).await;
            self.ask("logout", &[200, 204], self.request(Method::POST, "/api/v1/logout")).await;
            pause().await;
        }
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(rand::random_range(PAUSE_MS))).await;
}

async fn read(request: RequestBuilder) -> Result<(u16, Value), reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}

/// Hears a timeline to its end, or as long as somebody wants to; how it ended.
async fn hear(
    request: RequestBuilder,
    last: &mut String,
    stop: &CancellationToken,
) -> Result<&'static str, String> {
    let mut response: Response = request.send().await.map_err(|error| format!("{error:?}"))?;
    if !response.status().is_success() {
        return Err(format!("{}", response.status()));
    }
    let until = tokio::time::Instant::now() + LISTENS;
    loop {
        let chunk = tokio::select! {
            chunk = response.chunk() => chunk,
            () = tokio::time::sleep_until(until) => return Ok("heard enough"),
            () = stop.cancelled() => return Ok("heard enough"),
        };
        match chunk.map_err(|error| format!("{error:?}"))? {
            None => return Ok("ended"),
            Some(events) => {
                let text = String::from_utf8_lossy(&events);
                if let Some(id) = text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back() {
                    id.clone_into(last);
                }
            }
        }
    }
}
