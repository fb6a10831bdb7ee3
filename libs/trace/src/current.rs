//! What is being handled just now: a request by its task, an input of a batch by its thread. Log lines name it
//! without anybody passing it on.

use std::cell::RefCell;
use std::future::Future;

use uuid::Uuid;

use crate::TraceContext;

tokio::task_local! {
    static REQUEST: TraceContext;
}

thread_local! {
    static INPUT: RefCell<Input> = const { RefCell::new(Input::NONE) };
}

/// Handles a request that belongs to this place in a trace.
pub fn as_request<F: Future>(context: TraceContext, handled: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(context, handled)
}

/// The context of the request that this task handles; none outside of requests.
pub fn current() -> Option<TraceContext> {
    REQUEST.try_with(|context| *context).ok()
}

/// What an input of a batch is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// The saga, or what an event is about.
    pub saga: Option<Uuid>,
    /// The saga's step.
    pub step: Option<&'a str>,
    /// The `traceparent` with which it came as a message.
    pub traceparent: Option<&'a str>,
    /// The request that it came from.
    pub request: Option<TraceContext>,
}

impl About<'_> {
    /// The place in a trace that it comes from.
    pub fn context(&self) -> Option<TraceContext> {
        self.request.or_else(|| self.traceparent.and_then(TraceContext::parse))
    }

    /// The `traceparent` for what follows of it.
    pub fn to_traceparent(&self) -> Option<String> {
        self.traceparent.map(str::to_owned).or_else(|| self.request.map(|context| context.to_string()))
    }
}

/// An input of a batch, while it is decided. The texts keep their space, for this happens at every input.
struct Input {
    saga: Option<Uuid>,
    step: String,
    traceparent: String,
    request: Option<TraceContext>,
}

impl Input {
    const NONE: Self = Self { saga: None, step: String::new(), traceparent: String::new(), request: None };

    fn set(&mut self, about: About<'_>) {
        self.saga = about.saga;
        self.step.clear();
        self.step.push_str(about.step.unwrap_or_default());
        self.traceparent.clear();
        self.traceparent.push_str(about.traceparent.unwrap_or_default());
        self.request = about.request;
    }
}

/// Decides one input of a batch. What is logged meanwhile on this thread is logged of it.
pub fn handle<T>(about: About<'_>, decide: impl FnOnce() -> T) -> T {
    /// Also after a panic.
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            INPUT.with_borrow_mut(|input| input.set(About::default()));
        }
    }
    INPUT.with_borrow_mut(|input| input.set(about));
    let _over = Over;
    decide()
}

/// What a log line says of what is being handled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handled {
    /// The saga, or what an event is about.
    pub saga: Option<Uuid>,
    /// The saga's step.
    pub step: Option<String>,
    /// The trace: 32 hexadecimal digits.
    pub trace_id: Option<String>,
}

/// What is being handled just now on this thread, or else by this task.
pub fn handled() -> Handled {
    let input = INPUT.try_with(|input| {
        let input = input.try_borrow().ok()?;
        let step = Some(input.step.clone()).filter(|step| !step.is_empty());
        let context = input.request.or_else(|| TraceContext::parse(&input.traceparent));
        Some(Handled { saga: input.saga, step, trace_id: context.map(|context| context.trace_id()) })
    });
    let mut handled = input.ok().flatten().unwrap_or_default();
    handled.trace_id = handled.trace_id.or_else(|| current().map(|context| context.trace_id()));
    handled
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn an_input_is_known_while_it_is_decided_and_not_after_a_panic() {
        let saga = Some(Uuid::from_u128(7));
        let step = Some("reserve_stock");
        let about = About { saga, step, traceparent: Some(TRACEPARENT), request: None };
        let during = handle(about, handled);
        let trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        assert_eq!(during, Handled { saga, step: Some("reserve_stock".to_owned()), trace_id });
        let panicking = || handle(about, || panic!("on purpose"));
        assert!(std::panic::catch_unwind(panicking).is_err());
        assert_eq!(handled(), Handled::default());
    }

    #[tokio::test]
    async fn a_request_is_known_to_its_own_task_alone() {
        let context = TraceContext::begin();
        let (inside, other) = as_request(context, async {
            (handled().trace_id, tokio::spawn(async { handled().trace_id }).await.unwrap())
        })
        .await;
        assert_eq!((inside, other), (Some(context.trace_id()), None));
    }
}
