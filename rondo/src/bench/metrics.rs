//! The system's own metrics, read from its internal listeners in the Prometheus text format.

use anyhow::Context;
use reqwest::Client;

/// Every sample of one scrape of all processes: name, labels as text, value.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics(Vec<(String, String, f64)>);

impl Metrics {
    /// Scrapes every process once.
    pub(super) async fn scrape(client: &Client, internal_urls: &[String]) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for url in internal_urls {
            let answer = client.get(format!("{url}/metrics")).send().await.context("the metrics")?;
            all.0.extend(Self::parse(&answer.error_for_status()?.text().await?).0);
        }
        Ok(all)
    }

    fn parse(text: &str) -> Self {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name.to_owned(), labels.trim_end_matches('}').to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum over all labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|(_, value)| value).sum()
    }

    /// The sum of those with a label.
    pub(super) fn sum_where(&self, name: &str, label: &str, wanted: &str) -> f64 {
        let label = format!("{label}=\"{wanted}\"");
        self.of(name)
            .filter(|(labels, _)| labels.split(',').any(|one| one == label))
            .map(|(_, value)| value)
            .sum()
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter(move |sample| sample.0 == name).map(|sample| (sample.1.as_str(), sample.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_name_and_label() {
        let text = "# TYPE a counter\na{service=\"x\",kind=\"k\"} 2\na{service=\"y\"} 3.5\n\nab 7\n";
        let metrics = Metrics::parse(text);
        assert!((metrics.sum("a") - 5.5).abs() < f64::EPSILON);
        assert!((metrics.sum_where("a", "service", "x") - 2.0).abs() < f64::EPSILON);
        assert!((metrics.sum("ab") - 7.0).abs() < f64::EPSILON);
        assert!(metrics.sum("b").abs() < f64::EPSILON);
    }
}
