/// The middle of some figures, and how far the outer ones are from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let last = figures.len() - 1;
        let median = (figures[last / 2] + figures[last.div_ceil(2)]) / 2.0;
        Self {
            min: figures[0],
            median,
            max: figures[last],
        }
    }
}

/// A number as a person reads it.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 1e9 => format!("{:.2}G", number / 1e9),
        n if n >= 1e6 => format!("{:.2}M", number / 1e6),
        n if n >= 1e4 => format!("{:.1}k", number / 1e3),
        n if n >= 100.0 => format!("{number:.0}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((Spread::of(vec![3.0, 1.0, 2.0]).median - 2.0).abs() < 1e-9);
        assert!((Spread::of(vec![4.0, 1.0, 2.0, 3.0]).median - 2.5).abs() < 1e-9);
        assert_eq!(
            (
                short(1.5e6).as_str(),
                short(12_345.0).as_str(),
                short(2.25).as_str()
            ),
            ("1.50M", "12.3k", "2.25")
        );
    }
}
