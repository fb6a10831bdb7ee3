//! `rondo bench --scale-out`: 1, 2 and 4 processes of every service on this one machine, one after the other on one
//! system. Cores stay the same, so it shows no speed-up but what sharing the work costs: smaller batches, rows that two
//! want, more connections. Each figure is a ratio to one of every service, of runs some minutes apart.

use super::figure::Bound::{AtLeast, AtMost};
use super::figure::Figure;
use super::run::Bench;
use super::scene::{Mix, Scene, Setup, TOGETHER};

const COUNTS: [u32; 3] = [1, 2, 4];

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let arguments = bench.arguments;
    let spread = arguments.closed(arguments.clients_max());
    let (mut figures, mut one) = (Vec::new(), None);
    for count in COUNTS {
        bench.serve(Setup { replicas: Some(count), ..TOGETHER }).await?;
        let run = bench.run(&spread).await?;
        let seen = (run.sagas_per_second, run.cpu_seconds_per_1000_sagas());
        let Some((sagas, cpu)) = one else {
            one = Some(seen);
            continue;
        };
        let percent = |of: f64, one: f64| 100.0 * of / one.max(f64::MIN_POSITIVE);
        figures.push(Figure::new(
            format!("{count} of every service, sagas/s"),
            "% of one",
            AtLeast(50.0),
            percent(seen.0, sagas),
        ));
        figures.push(Figure::new(
            format!("{count} of every service, CPU per saga of all but the load"),
            "% of one",
            AtMost(200.0),
            percent(seen.1, cpu),
        ));
        // The worst case of replicas: all of them want the same row.
        let mix = Mix { hot_account_percent: 100, ..spread.mix };
        let hot = bench.run(&Scene { mix, ..spread.clone() }).await?.sagas_per_second;
        figures.push(Figure::new(
            format!("{count} of every service, one hot account, sagas/s"),
            "% of the same without",
            AtLeast(50.0),
            percent(hot, seen.0),
        ));
    }
    Ok(figures)
}
