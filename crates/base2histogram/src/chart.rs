use std::fmt;

use crate::Histogram;

/// The longest bar, in characters.
const BAR_WIDTH: u128 = 40;

/// Named histograms to be shown one below the other.
#[derive(Clone, Debug, Default)]
pub struct AsciiChart {
    series: Vec<(String, Histogram)>,
}

impl AsciiChart {
    /// A chart without histograms.
    pub fn new() -> Self {
        Self::default()
    }

    /// The chart with one more histogram below the others.
    #[must_use]
    pub fn add(mut self, name: &str, histogram: Histogram) -> Self {
        self.series.push((name.to_owned(), histogram));
        self
    }

    /// The chart as text, with a line for each bucket in use.
    pub fn detailed(&self) -> DetailedChart<'_> {
        DetailedChart { chart: self }
    }
}

/// Shows an [`AsciiChart`]: each histogram's name and total, then its buckets, lowest first, with their
/// counts and a bar that compares them within the histogram.
#[derive(Debug)]
pub struct DetailedChart<'a> {
    chart: &'a AsciiChart,
}

impl fmt::Display for DetailedChart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, histogram) in &self.chart.series {
            writeln!(f, "{name}: {}", histogram.total())?;
            let most = histogram.buckets().map(|(_, count)| count).max();
            for (values, count) in histogram.buckets() {
                let range = format!("{}..={}", values.start(), values.end());
                let bar = bar(count, most.unwrap_or(count));
                writeln!(f, "  {range:>24} {count:>10} {bar}")?;
            }
        }
        Ok(())
    }
}

/// A bar for `count`, full when it is `most`; never empty, so that a rare value is seen.
fn bar(count: u64, most: u64) -> String {
    let length = (u128::from(count) * BAR_WIDTH).div_ceil(u128::from(most));
    (0..length).map(|_| '█').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_shows_each_bucket_in_use_below_its_name() {
        let mut batches = Histogram::new();
        batches.record_n(1, 80);
        batches.record_n(9, 1);
        let chart = AsciiChart::new()
            .add("batches", batches)
            .add("nothing", Histogram::new());

        let text = chart.detailed().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "batches: 81");
        assert!(lines[1].ends_with(&format!("1..=1         80 {}", "█".repeat(40))));
        assert!(lines[2].ends_with("8..=9          1 █"));
        assert_eq!(lines[3], "nothing: 0");
    }

    #[test]
    fn a_chart_without_histograms_is_empty() {
        assert_eq!(AsciiChart::new().detailed().to_string(), "");
    }
}
