//! What a system costs that nobody uses: CPU, memory, and whether tables grow.

use std::time::Duration;

use super::figure::Bound::AtMost;
use super::figure::Figure;
use super::run::Bench;

/// Caches are warm then, and what starts once has started.
const AT_REST_AFTER: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(15);
const MIB: f64 = 1024.0 * 1024.0;

/// Starts the services anew and leaves them alone.
pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    bench.serve_anew().await?;
    let step = bench.progress.step("looking on while nothing happens");
    tokio::time::sleep(AT_REST_AFTER).await;
    let before = bench.settled().await?;
    let used = bench.system.cpu_seconds();
    tokio::time::sleep(WATCHED).await;
    let share = |(name, after): (&str, f64)| (after - used[name]) * 100.0 / WATCHED.as_secs_f64();
    let all = bench.system.cpu_seconds();
    let cpu_percent: f64 = all.into_iter().filter(|(name, _)| *name != "load").map(share).sum();
    let memory_bytes = bench.system.memory_bytes().get("services").copied().unwrap_or_default();
    let done = bench.settled().await?.since(&before)?;
    step.done();
    // What one table loses does not make up for another's growth. The sum of nothing is -0.
    let grown = 0.0 + done.rows.values().map(|rows| (rows.inserted - rows.deleted).max(0.0)).sum::<f64>();
    Ok(vec![
        Figure::new("idle, CPU of everything", "% of a core", AtMost(2.0), cpu_percent),
        Figure::new("idle, tables grow", "rows", AtMost(0.0), grown),
        Figure::new("rondo at rest", "MiB", AtMost(60.0), memory_bytes as f64 / MIB),
    ])
}
