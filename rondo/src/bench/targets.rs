//! `rondo bench --targets`: what is promised, measured one after the other on one system, target and reached
//! side by side. Ratios are of runs beside each other, for a machine drifts.

use super::backlog;
use super::figure::Bound::{AtLeast, AtMost};
use super::figure::Figure;
use super::idle;
use super::run::Bench;
use super::scene::{Mix, Scene, Setup, TOGETHER};

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let arguments = bench.arguments;
    let spread = arguments.closed(256);
    let mut figures = idle::measure(bench).await?;
    let alone = bench.run(&arguments.closed(1)).await?;
    figures.push(
        Figure::new("one order at a time, p50", "ms", AtMost(8.0), alone.decided_after_ms.p50).aiming_at(5.0),
    );
    let few = bench.run(&arguments.closed(64)).await?;
    figures.push(
        Figure::new("64 clients", "sagas/s", AtLeast(2_500.0), few.sagas_per_second).aiming_at(4_000.0),
    );
    let hot_position = bench.run(&hot(&spread, 100, 0)).await?.sagas_per_second;
    let many = bench.run(&spread).await?;
    let (most, cpu) = (many.sagas_per_second, many.cpu_seconds_per_1000_sagas());
    figures.push(Figure::new("256 clients", "sagas/s", AtLeast(5_000.0), most).aiming_at(8_000.0));
    figures.push(
        Figure::new("256 clients, CPU of all but the load", "s per 1,000 sagas", AtMost(0.32), cpu)
            .aiming_at(0.2),
    );
    let hot_account = bench.run(&hot(&spread, 0, 100)).await?.sagas_per_second;
    let share = |rate: f64| 100.0 * rate / most.max(1.0);
    figures.push(Figure::new("one hot position", "% of 256 clients", AtLeast(70.0), share(hot_position)));
    figures.push(Figure::new("one hot account", "% of 256 clients", AtLeast(70.0), share(hot_account)));
    let half = bench.run(&arguments.open(most / 2.0)).await?.decided_after_ms.p99;
    figures.push(Figure::new("half of that rate by a clock, p99", "ms", AtMost(50.0), half));
    bench.serve(Setup { replicas: Some(2), ..TOGETHER }).await?;
    let two = bench.run(&spread).await?.sagas_per_second;
    let two_hot = bench.run(&hot(&spread, 0, 100)).await?.sagas_per_second;
    figures.push(Figure::new("two of every service", "% of 256 clients", AtLeast(65.0), share(two)));
    figures.push(Figure::new(
        "two of every service, one hot account",
        "% of 256 clients",
        AtLeast(65.0),
        share(two_hot),
    ));
    bench.serve(Setup { batching: false, ..TOGETHER }).await?;
    let alone = bench.run(&spread).await?.sagas_per_second;
    figures.push(Figure::new("batching brings", "times", AtLeast(1.0), most / alone.max(1.0)));
    figures.push(backlog::measure(bench, &spread).await?);
    Ok(figures)
}

fn hot(scene: &Scene, hot_position_percent: u8, hot_account_percent: u8) -> Scene {
    Scene { mix: Mix { hot_position_percent, hot_account_percent, ..scene.mix }, ..scene.clone() }
}
