//! Sizes for people.

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A size in SI units: one decimal below ten, none from there on.
pub(crate) fn human(bytes: u64) -> String {
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let unit = bytes.ilog(1000) as usize;
    let one = 1000_u128.pow(bytes.ilog(1000));
    let tenths = (u128::from(bytes) * 10 + one / 2) / one;
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        // Half of a unit goes to the even neighbour.
        let up = tenths % 10 > 5 || (tenths % 10 == 5 && tenths / 10 % 2 == 1);
        format!("{} {}", tenths / 10 + u128::from(up), UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_etcdctl_prints_them() {
        for (bytes, want) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (20_480, "20 kB"),
            (24_500, "24 kB"),
            (25_500, "26 kB"),
            (999_999, "1000 kB"),
            (2_147_483_648, "2.1 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(human(bytes), want, "{bytes}");
        }
    }
}
