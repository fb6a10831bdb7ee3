//! NATS as three servers and every stream three times: the server that leads is killed under load, twice. The two that
//! are left choose another, and nothing that was accepted is lost or done twice.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures::TryStreamExt;
use serde_json::Value;
use testkit::eventually;

use super::crowd::Crowd;
use super::orders::Shop;
use super::processes::{GATEWAY, SEPARATE, System};

const WITHIN: Duration = Duration::from_secs(60);
const CUSTOMERS: usize = 12;
const CALM: Duration = Duration::from_secs(4);
/// Decisions asked for after a death: orders flow again.
const FLOWING: usize = 30;
/// The two that are left notice after 4 to 9 s that nobody leads, a loop that its pull request is gone after 10 s, a
/// step is asked again after 5 s, a message comes again after 30 s.
const FLOWS_WITHIN: Duration = Duration::from_secs(45);

/// What a stream or consumer says of its copies.
struct Copies {
    name: String,
    leader: Option<String>,
    /// Those that lag behind, each with why.
    behind: Vec<String>,
    messages: u64,
}

impl Copies {
    fn of(name: String, cluster: Option<&jetstream::stream::ClusterInfo>, messages: u64) -> Self {
        let Some(cluster) = cluster else { panic!("{name} is not in a cluster") };
        let is_behind = |peer: &&jetstream::stream::PeerInfo| {
            !peer.current || peer.offline || peer.lag.is_some_and(|lag| lag > 0)
        };
        let behind = cluster.replicas.iter().filter(is_behind).map(|peer| format!("{name}: {peer:?}"));
        let mut behind: Vec<String> = behind.collect();
        if cluster.replicas.len() < 2 && !name.contains("SESSIONS/") {
            behind.push(format!("{name} has {} other copies", cluster.replicas.len()));
        }
        Self { leader: cluster.leader.clone(), behind, messages, name }
    }
}

/// Every stream, and its consumers.
async fn copies(jetstream: &jetstream::Context) -> Option<Vec<Copies>> {
    let mut all = Vec::new();
    let streams: Vec<_> = jetstream.streams().try_collect().await.ok()?;
    for info in streams {
        let name = info.config.name.clone();
        let stream = jetstream.get_stream(&name).await.ok()?;
        let consumers: Vec<_> = stream.consumers().try_collect().await.ok()?;
        all.push(Copies::of(name.clone(), info.cluster.as_ref(), info.state.last_sequence));
        for consumer in consumers {
            let name = format!("{name}/{}", consumer.name);
            all.push(Copies::of(name, consumer.cluster.as_ref(), 0));
        }
    }
    Some(all)
}

/// Waits until every copy of everything is there and as it should be.
async fn in_step(jetstream: &jetstream::Context) -> Duration {
    let began = Instant::now();
    eventually(WITHIN, "three copies of everything, in step", async || {
        let all = copies(jetstream).await?;
        let right = |copies: &Copies| copies.leader.is_some() && copies.behind.is_empty();
        (!all.is_empty() && all.iter().all(right)).then_some(())
    })
    .await;
    began.elapsed()
}

/// The stream with the most messages, and who leads it.
async fn busiest(jetstream: &jetstream::Context) -> (String, String) {
    eventually(WITHIN, "a leader of the busiest stream", async || {
        let all = copies(jetstream).await?;
        let busiest = all.into_iter().max_by_key(|copies| copies.messages)?;
        Some((busiest.name, busiest.leader?))
    })
    .await
}

/// Who leads the servers themselves, as one of them tells.
async fn meta_leader(system: &System) -> String {
    eventually(WITHIN, "a leader of the servers", async || {
        for server in system.nats_servers() {
            let url = format!("{}/jsz", server.monitor_url()?);
            let Ok(answer) = reqwest::get(url).await else { continue };
            let told: Value = answer.json().await.ok()?;
            let meta = &told["meta_cluster"];
            let leader = meta["leader"].as_str().unwrap_or_default();
            if meta["cluster_size"] == 3 && !leader.is_empty() {
                return Some(leader.to_owned());
            }
        }
        None
    })
    .await
}

/// Has a server lead a stream.
async fn hand_over(client: &async_nats::Client, jetstream: &jetstream::Context, stream: &str, to: &str) {
    eventually(WITHIN, "the stream to be led by the leader of the servers", async || {
        if jetstream.get_stream(stream).await.ok()?.cached_info().cluster.as_ref()?.leader.as_deref()
            == Some(to)
        {
            return Some(());
        }
        let wish = serde_json::json!({ "placement": { "preferred": to } }).to_string();
        let _ = client.request(format!("$JS.API.STREAM.LEADER.STEPDOWN.{stream}"), wish.into()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        None
    })
    .await;
}

#[tokio::test]
#[ignore = "long: make proof"]
#[expect(clippy::print_stderr, reason = "how long nothing was decided is what somebody wants to know")]
async fn the_leader_of_three_nats_servers_dies_twice_and_nothing_is_lost() {
    let mut system = System::start_on_a_cluster(&[]).await;
    meta_leader(&system).await;
    for (name, services) in SEPARATE {
        system.launch(name, services, &[]);
    }
    for (name, _) in SEPARATE {
        system.ready(name).await;
    }
    system.put_gateway_in_front().await;
    let client = async_nats::connect(system.nats_url()).await.unwrap();
    let jetstream = jetstream::new(client.clone());
    in_step(&jetstream).await;

    let shop = Shop::open(&system, CUSTOMERS, 3).await;
    let crowd =
        Crowd::gather(&format!("http://{}", system.public_addr(GATEWAY)), &shop.customers, &shop.positions);
    let mut deaths = Vec::new();
    for with_the_servers_leader in [false, true] {
        tokio::time::sleep(CALM).await;
        let (stream, mut leader) = busiest(&jetstream).await;
        if with_the_servers_leader {
            leader = meta_leader(&system).await;
            hand_over(&client, &jetstream, &stream, &leader).await;
        }
        let died = Instant::now();
        system.nats_server(&leader).kill().await.unwrap();
        eventually(FLOWS_WITHIN, "orders to flow again", async || {
            (crowd.decided_since(died) >= FLOWING).then_some(())
        })
        .await;
        let flowing = Instant::now();
        tokio::time::sleep(CALM).await;
        system.nats_server(&leader).restart().await.unwrap();
        let caught_up = in_step(&jetstream).await;
        let also = if with_the_servers_leader { ", and the servers" } else { "" };
        eprintln!(
            "{leader}, which led {stream}{also}, was killed: {FLOWING} orders were decided {:.1} s later; started again, it had caught up after {:.1} s",
            (flowing - died).as_secs_f64(),
            caught_up.as_secs_f64()
        );
        deaths.push((died, Instant::now()));
    }
    tokio::time::sleep(CALM).await;
    let book = crowd.disperse().await;
    for (died, over) in deaths {
        eprintln!("nobody was told a decision for {:.1} s", book.longest_silence(died, over).as_secs_f64());
    }
    book.tell();
    let asked = Instant::now();
    shop.agrees_with(&system, &book).await;
    eprintln!("the books agreed {:.1} s after the last order", asked.elapsed().as_secs_f64());
}
