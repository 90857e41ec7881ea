//! Plots of braille characters, of which each has two columns and four rows of dots.

/// Draws values from left to right as filled columns, two to a character, in so many rows of characters. `top`: the
/// value of the highest dot.
pub fn plot(values: &[Option<f64>], top: f64, rows: usize) -> Vec<String> {
    let dots = rows * 4;
    let height = |value: Option<f64>| match value {
        Some(value) if value > 0.0 => ((value / top * dots as f64).ceil() as usize).clamp(1, dots),
        _ => 0,
    };
    let heights: Vec<usize> = values.iter().map(|value| height(*value)).collect();
    let row = |row: usize| -> String {
        let below = (rows - 1 - row) * 4;
        let pairs = heights.chunks(2);
        pairs
            .map(|pair| {
                let left = column(pair[0].saturating_sub(below), [0x40, 0x04, 0x02, 0x01]);
                let right = pair.get(1).copied().unwrap_or(0);
                let right = column(right.saturating_sub(below), [0x80, 0x20, 0x10, 0x08]);
                char::from_u32(0x2800 + left + right).unwrap_or(' ')
            })
            .collect()
    };
    (0..rows).map(row).collect()
}

/// The dots of a column up to this height, from the lowest on.
fn column(height: usize, dots: [u32; 4]) -> u32 {
    dots.iter().take(height).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_as_high_as_values() {
        assert_eq!(plot(&[Some(4.0), Some(0.0)], 4.0, 1), ["⡇"]);
        assert_eq!(plot(&[Some(0.1), None, Some(2.0)], 4.0, 1), ["⡀⡄"]);
        assert_eq!(plot(&[Some(8.0), Some(5.0)], 8.0, 2), ["⣇", "⣿"]);
        assert_eq!(plot(&[Some(99.0)], 4.0, 1), ["⡇"]);
        assert_eq!(plot(&[], 1.0, 2), ["", ""]);
    }
}
