//! What a service hands over to the house.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use utoipa_axum::router::OpenApiRouter;

/// A service as the house sees it. The routers have their state already.
pub struct Part {
    /// The service's name.
    pub name: &'static str,
    /// What clients reach.
    pub public: OpenApiRouter,
    /// What operators and other services reach; the house lets in nobody else.
    pub internal: OpenApiRouter,
    /// What must be well for the service to be useful.
    pub ready: Vec<ReadyCheck>,
}

impl Part {
    /// A part without routes and checks.
    pub fn new(name: &'static str) -> Self {
        Self { name, public: OpenApiRouter::default(), internal: OpenApiRouter::default(), ready: Vec::new() }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("name", &self.name).field("ready", &self.ready).finish_non_exhaustive()
    }
}

type Check = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// Something that must be well, by name, for `/readyz`.
#[derive(Clone)]
pub struct ReadyCheck {
    pub(crate) name: &'static str,
    check: Arc<Check>,
}

impl ReadyCheck {
    /// A check; what is wrong is told in a few words. It is asked every few seconds and has 2 s.
    pub fn new<F>(name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, check: Arc::new(move || check().boxed()) }
    }

    pub(crate) async fn ask(&self) -> Result<(), String> {
        let asked = tokio::time::timeout(std::time::Duration::from_secs(2), (self.check)());
        asked.await.unwrap_or_else(|_| Err("no answer".to_owned()))
    }
}

impl fmt::Debug for ReadyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadyCheck").field(&self.name).finish()
    }
}
