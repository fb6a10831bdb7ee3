//! Waiting for a condition with a deadline, instead of sleeping and hoping.

use std::{panic::Location, time::Duration};

use tokio::time::{sleep, timeout};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Asks until the answer is `Some`, and returns it. `what` completes the sentence "waited in vain for ...".
///
/// # Panics
/// When there is no answer within the time, also because a question itself hangs.
#[track_caller]
pub fn eventually<T>(
    within: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let answer = timeout(within, async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                sleep(POLL_INTERVAL).await;
            }
        });
        answer.await.unwrap_or_else(|_| panic!("{caller}: waited {within:?} in vain for {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_the_first_answer() {
        let mut asked = 0;
        let answer = eventually(Duration::from_secs(1), "the third question", async || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(answer.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "waited 50ms in vain for an answer")]
    async fn says_what_was_awaited_when_the_time_is_over() {
        eventually(Duration::from_millis(50), "an answer", async || None::<()>).await;
    }

    #[tokio::test]
    #[should_panic(expected = "waited 50ms in vain for an end")]
    async fn a_question_that_hangs_counts_as_no_answer() {
        eventually(Duration::from_millis(50), "an end", async || std::future::pending::<Option<()>>().await)
            .await;
    }
}
