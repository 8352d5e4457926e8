use std::fmt::{Display, Write};

use kv_types::HistogramSnapshot;

/// The Prometheus text format, version 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct Text {
    text: String,
}

/// What a number means over time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Text {
    pub(crate) fn into_string(self) -> String {
        self.text
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            // Writing to a string does not fail.
            let _ = write!(self.text, "{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Opens a family of numbers with labels.
    pub(crate) fn family<'a>(&'a mut self, kind: Type, name: &'a str, help: &str) -> Family<'a> {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
        };
        self.head(name, kind, help);
        Family { text: self, name }
    }

    /// A number that only grows.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(Type::Counter, name, help).add(&[], value);
    }

    /// A number that goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(Type::Gauge, name, help).add(&[], value);
    }

    /// Durations in seconds, by buckets.
    pub(crate) fn histogram(&mut self, name: &str, help: &str, histogram: &HistogramSnapshot) {
        self.head(name, "histogram", help);
        let mut total = 0;
        for (bound, count) in &histogram.buckets {
            total += count;
            self.line(&format!("{name}_bucket"), &[("le", &bound.to_string())], total);
        }
        total += histogram.above;
        self.line(&format!("{name}_bucket"), &[("le", "+Inf")], total);
        self.line(&format!("{name}_sum"), &[], histogram.sum_seconds);
        self.line(&format!("{name}_count"), &[], total);
    }
}

/// Numbers under one name, told apart by labels.
pub(crate) struct Family<'a> {
    text: &'a mut Text,
    name: &'a str,
}

impl Family<'_> {
    pub(crate) fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.line(self.name, labels, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut text = Text::default();
        text.counter("a_total", "As.", 3);
        let mut family = text.family(Type::Gauge, "b", "Bs.");
        family.add(&[("x", "1"), ("y", "q\"\\\n")], 0.5);
        let histogram = HistogramSnapshot {
            buckets: vec![(0.001, 2), (0.002, 0)],
            above: 1,
            sum_seconds: 0.25,
        };
        text.histogram("c_seconds", "Cs.", &histogram);
        let expected = "\
# HELP a_total As.
# TYPE a_total counter
a_total 3
# HELP b Bs.
# TYPE b gauge
b{x=\"1\",y=\"q\\\"\\\\\\n\"} 0.5
# HELP c_seconds Cs.
# TYPE c_seconds histogram
c_seconds_bucket{le=\"0.001\"} 2
c_seconds_bucket{le=\"0.002\"} 2
c_seconds_bucket{le=\"+Inf\"} 3
c_seconds_sum 0.25
c_seconds_count 3
";
        assert_eq!(text.into_string(), expected);
    }
}
