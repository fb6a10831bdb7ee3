//! What stands for a cluster's Services where there is none: an address for each kind of process, whose new connections
//! go to those whose `/readyz` is well. Connections that there are stay where they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use sandbox::Proxy;
use tokio::task::JoinHandle;

/// So late a Service knows what has become of a process.
const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// A process that says nothing for so long is not looked at any longer; one look is no reason to take it out.
const SAYS_WITHIN: Duration = Duration::from_secs(1);

/// The Services of all kinds. They end when dropped.
pub(crate) struct Balancer {
    services: Arc<Vec<Service>>,
    looking: JoinHandle<()>,
}

/// Of one kind of process.
struct Service {
    kind: &'static str,
    public: Proxy,
    internal: Proxy,
    members: Mutex<BTreeMap<String, Member>>,
}

#[derive(Clone, Copy)]
struct Member {
    public: SocketAddr,
    internal: SocketAddr,
    is_ready: bool,
}

impl Balancer {
    /// Of these kinds, still without processes.
    pub(crate) async fn start(kinds: &[&'static str]) -> Self {
        let mut services = Vec::new();
        for kind in kinds {
            let public = Proxy::start(Vec::new()).await.unwrap();
            let internal = Proxy::start(Vec::new()).await.unwrap();
            services.push(Service { kind, public, internal, members: Mutex::default() });
        }
        let services = Arc::new(services);
        let looking = tokio::spawn(look(Arc::clone(&services)));
        Self { services, looking }
    }

    fn of(&self, kind: &str) -> &Service {
        self.services.iter().find(|service| service.kind == kind).unwrap()
    }

    /// A process more; it gets connections as soon as it is ready.
    pub(crate) fn add(&self, kind: &str, name: &str, public: SocketAddr, internal: SocketAddr) {
        let member = Member { public, internal, is_ready: false };
        self.of(kind).members.lock().unwrap().insert(name.to_owned(), member);
    }

    /// Where the public listeners of a kind are.
    pub(crate) fn public_url(&self, kind: &str) -> String {
        format!("http://{}", self.of(kind).public.address())
    }

    /// Where the internal listeners of a kind are.
    pub(crate) fn internal_url(&self, kind: &str) -> String {
        format!("http://{}", self.of(kind).internal.address())
    }

    /// Whether a process gets connections.
    pub(crate) fn leads_to(&self, kind: &str, name: &str) -> bool {
        self.of(kind).members.lock().unwrap()[name].is_ready
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

async fn look(services: Arc<Vec<Service>>) {
    // A look has a connection of its own: who keeps one would hear of the end first.
    let client = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(SAYS_WITHIN).build().unwrap();
    loop {
        for service in services.iter() {
            let members = service.members.lock().unwrap().clone();
            for (name, member) in members {
                let answer = client.get(format!("http://{}/readyz", member.internal)).send().await;
                let is_ready = match answer {
                    Ok(answer) => answer.status().is_success(),
                    Err(error) if error.is_timeout() => continue,
                    Err(_) => false,
                };
                service.members.lock().unwrap().get_mut(&name).unwrap().is_ready = is_ready;
            }
            let members = service.members.lock().unwrap();
            let ready = || members.values().filter(|member| member.is_ready);
            service.public.lead_to(ready().map(|member| member.public).collect());
            service.internal.lead_to(ready().map(|member| member.internal).collect());
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
}
