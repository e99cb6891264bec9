//! The space in which colors are compared.

/// A color as it looks on a page: luma and two differences of color over mid-gray, and last the luma that a
/// white page adds to that and a black one takes away. A squared distance is that on both pages, averaged.
/// Luma is on the scale of samples, 255 from black to white.
pub(super) type Point = [f32; 4];

/// Luma from mid-gray to either page.
pub(super) const HALF: f32 = 127.5;

/// Luma of BT.601, of the gamma-encoded samples.
const RED: f32 = 0.299;
const GREEN: f32 = 0.587;
const BLUE: f32 = 0.114;

/// What blue and red minus luma count against luma: the eye, and SSIMULACRA2, see less of them. Fitted.
const BLUENESS: f32 = 0.6 / (1.0 - BLUE);
const REDNESS: f32 = 0.55 / (1.0 - RED);

/// Farthest from gray that a color can be, along either difference.
pub(super) const MOST_CHROMA: f32 = 0.6 * 255.0;

/// Of red, green, blue and straight alpha.
pub(super) fn point([r, g, b, a]: [u8; 4]) -> Point {
    if a == 255 {
        return premultiplied([r, g, b].map(f32::from), 1.0);
    }
    let alpha = f32::from(a) / 255.0;
    premultiplied([r, g, b].map(|sample| f32::from(sample) * alpha), alpha)
}

/// Of samples 0..=255 times `alpha`, which is 0..=1.
pub(super) fn premultiplied([r, g, b]: [f32; 3], alpha: f32) -> Point {
    let luma = RED * r + GREEN * g + BLUE * b;
    let page = HALF * alpha;
    [luma - page, (b - luma) * BLUENESS, (r - luma) * REDNESS, page]
}

/// The color nearest to a point: red, green, blue, straight alpha.
pub(super) fn color([luma, blueness, redness, page]: Point) -> [u8; 4] {
    let alpha = page / HALF;
    let rounded = (alpha * 255.0).round() as u8;
    if rounded == 0 {
        return [0; 4];
    }
    let luma = luma + page;
    let (r, b) = (luma + redness / REDNESS, luma + blueness / BLUENESS);
    let g = (luma - RED * r - BLUE * b) / GREEN;
    let [r, g, b] = [r, g, b].map(|sample| (sample / alpha).round() as u8);
    [r, g, b, rounded]
}

/// Squared.
pub(super) fn distance(a: Point, b: Point) -> f32 {
    let squares: Point = std::array::from_fn(|axis| (a[axis] - b[axis]) * (a[axis] - b[axis]));
    (squares[0] + squares[1]) + (squares[2] + squares[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_color_comes_back_from_its_point() {
        for r in (0..=255).step_by(51) {
            for g in (0..=255).step_by(51) {
                for b in (0..=255).step_by(51) {
                    assert_eq!(color(point([r, g, b, 255])), [r, g, b, 255]);
                    assert_eq!(color(point([r, g, b, 90])), [r, g, b, 90]);
                }
            }
        }
        assert_eq!(color(point([9, 8, 7, 0])), [0; 4]);
    }

    #[test]
    fn a_squared_distance_is_the_mean_of_that_on_black_and_on_white() {
        let (a, b) = ([200, 200, 200, 80], [30, 30, 30, 190]);
        let luma_on = |page: f32, [gray, _, _, alpha]: [u8; 4]| {
            let alpha = f32::from(alpha) / 255.0;
            f32::from(gray) * alpha + page * (1.0 - alpha)
        };
        let squares = [0.0, 255.0].map(|page| (luma_on(page, a) - luma_on(page, b)).powi(2));
        assert!((distance(point(a), point(b)) - f32::midpoint(squares[0], squares[1])).abs() < 0.5);
    }
}
