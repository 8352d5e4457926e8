use std::fmt;

/// Percentiles of a [`Histogram`](crate::Histogram), in the unit of what was recorded; all 0 if nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentileStats {
    /// How many values were recorded.
    pub samples: u64,
    /// One value in a thousand is no greater.
    pub p0_1: u64,
    /// One value in a hundred is no greater.
    pub p1: u64,
    /// One value in twenty is no greater.
    pub p5: u64,
    /// One value in ten is no greater.
    pub p10: u64,
    /// The median.
    pub p50: u64,
    /// One value in ten is no less.
    pub p90: u64,
    /// One value in a hundred is no less.
    pub p99: u64,
    /// One value in a thousand is no less.
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[samples: {}", self.samples)?;
        for (name, value) in [
            ("P0.1", self.p0_1),
            ("P1", self.p1),
            ("P5", self.p5),
            ("P10", self.p10),
            ("P50", self.p50),
            ("P90", self.p90),
            ("P99", self.p99),
            ("P99.9", self.p99_9),
        ] {
            write!(f, ", {name}: {value}")?;
        }
        f.write_str("]")
    }
}
