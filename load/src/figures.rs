//! What a list of measurements comes to.

use std::time::Duration;

/// Median, least, most; nothing when there are none.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<[f64; 3]> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (middle, end) = (values.len() / 2, values.len().checked_sub(1)?);
    Some([(values[middle] + values[end - middle]) / 2.0, values[0], values[end]])
}

/// The value below which this share of the sorted values is; 0 when there are none.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_values_are_values() {
        let values: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 0.5), Duration::from_millis(51));
        assert_eq!(percentile(&values, 0.999), Duration::from_millis(100));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(spread([4.0, 1.0, 2.0, 3.0]), Some([2.5, 1.0, 4.0]));
        assert_eq!(spread([3.0, 1.0, 2.0]), Some([2.0, 1.0, 3.0]));
        assert_eq!(spread([]), None);
    }
}
