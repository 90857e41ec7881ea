//! Plots of the last hours as inline SVG. Their labels are HTML around them, since the drawing is stretched.

use std::fmt::Write;

use crate::limits::HISTORY_MINUTES_MAX;

const WIDTH: f64 = HISTORY_MINUTES_MAX as f64;
const HEIGHT: f64 = 100.0;

/// Values by the minute, the last at the right edge; `None` where there was none.
pub struct Curve<'a> {
    /// The class by which it has its colour.
    pub colour: &'static str,
    pub filled: bool,
    pub values: &'a [Option<f64>],
}

/// A round number that no value exceeds, and no less than `least`.
pub fn top(curves: &[Curve<'_>], least: f64) -> f64 {
    let values = curves.iter().flat_map(|curve| curve.values).flatten();
    let most = values.fold(0.0_f64, |most, value| most.max(*value));
    let most = most.max(least);
    let mut step = 0.1;
    while step * 10.0 < most {
        step *= 10.0;
    }
    let rounds = [1.0, 2.0, 4.0, 5.0, 10.0];
    let fits = rounds.iter().map(|it| it * step).find(|it| *it >= most);
    fits.unwrap_or(most)
}

/// The drawing, up to the value `top`. `label`: for those who do not see it; it must be escaped.
pub fn svg(curves: &[Curve<'_>], top: f64, label: &str) -> String {
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\">"
    );
    for y in [0.0, HEIGHT / 2.0, HEIGHT] {
        let _ = write!(svg, "<path class=\"rule\" d=\"M0 {y}H{WIDTH}\"/>");
    }
    for curve in curves {
        let colour = curve.colour;
        for run in runs(curve.values) {
            let line = line(&run, top);
            if curve.filled
                && let (Some(first), Some(last)) = (run.first(), run.last())
            {
                let (first, last) = (first.0, last.0 + 1.0);
                let _ = write!(
                    svg,
                    "<path class=\"area {colour}\" d=\"M{first} {HEIGHT}L{line}V{HEIGHT}H{last}Z\"/>"
                );
            }
            let _ = write!(svg, "<path class=\"line {colour}\" d=\"M{line}\"/>");
        }
    }
    svg + "</svg>"
}

/// Points without a gap, each with its place from the left.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let left = HISTORY_MINUTES_MAX.saturating_sub(values.len());
    let mut goes_on = false;
    for (at, value) in values.iter().enumerate() {
        if let Some(value) = value {
            let point = ((left + at) as f64, *value);
            match runs.last_mut().filter(|_| goes_on) {
                Some(run) => run.push(point),
                None => runs.push(vec![point]),
            }
        }
        goes_on = value.is_some();
    }
    runs
}

/// A minute is as wide as one unit; points of the same height are one line.
fn line(run: &[(f64, f64)], top: f64) -> String {
    let mut text = String::new();
    for (nth, (x, value)) in run.iter().enumerate() {
        let (_, before) = run[nth.saturating_sub(1)];
        let after = run.get(nth + 1).map(|it| it.1);
        if nth > 0 && before == *value && after == Some(*value) {
            continue;
        }
        let y = (HEIGHT - value / top * HEIGHT).clamp(0.0, HEIGHT);
        let _ = write!(text, "{}{x} {:.1}", if nth > 0 { "L" } else { "" }, y);
    }
    let end = run.last().map_or(0.0, |it| it.0 + 1.0);
    text + &format!("H{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[Option<f64>]) -> Curve<'_> {
        Curve {
            colour: "blue",
            filled: false,
            values,
        }
    }

    #[test]
    fn the_top_is_round_and_above_all() {
        for (most, round) in [
            (0.0, 1.0),
            (0.3, 1.0),
            (1.0, 1.0),
            (3.0, 4.0),
            (12.0, 20.0),
            (50.0, 50.0),
            (51.0, 100.0),
            (1e9, 1e9),
        ] {
            assert_eq!(top(&[curve(&[Some(most), None])], 1.0), round, "{most}");
        }
        assert_eq!(top(&[curve(&[Some(0.07)])], 0.1), 0.1);
    }

    #[test]
    fn lines_end_at_the_right_and_gaps_are_none() {
        let values = [Some(1.0), None, Some(2.0), Some(2.0), Some(2.0), Some(0.0)];
        let svg = svg(&[curve(&values)], 2.0, "x");
        assert!(svg.contains("d=\"M354 50.0H355\""), "{svg}");
        assert!(
            svg.contains("d=\"M356 0.0L358 0.0L359 100.0H360\""),
            "{svg}"
        );
        assert_eq!(svg.matches("class=\"line").count(), 2);
        assert_eq!(runs(&[]).len(), 0);
    }
}
