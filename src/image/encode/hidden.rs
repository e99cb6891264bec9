//! Colors that transparency hides, changed into ones that cost little.
//!
//! Behind transparent pixels a resizer leaves black, and next to it noise, where it has divided by an alpha of one or two.
//! An encoder pays for both as if they were seen, most of all for the edge between black and what is drawn. Here they become
//! a smooth continuation of the colors around them, by pull and push (Gortler et al., The Lumigraph, SIGGRAPH 1996): the
//! picture is halved several times, each pixel counting as much as it is seen, and on the way back what is not seen is read
//! off the smaller picture.

/// From this alpha on a color stays as it is; below, it gives way in proportion. Half way there the eye gets three percent
/// of a color that differs a little.
const SEEN: u16 = 16;

/// How often the picture is halved. What is farther away than a pixel of the smallest one is wide gets the mean of all
/// that is seen: with one more libaom takes half as much time again for a cut-out photograph, and a tenth more bytes.
const HALVINGS: usize = 5;

/// What pixels sum up to: red, green, blue, and how much of it is seen, from 0 to 1.
type Sum = [f32; 4];

/// The picture at half of the size, or half of that…
struct Level {
    sums: Vec<Sum>,
    width: usize,
}

/// Changes the colors of pixels with an alpha below [`SEEN`]; alpha itself stays. `rgba` holds rows of `width` pixels.
pub(super) fn smooth(rgba: &mut [u8], width: u32) {
    let (pixels, width) = (rgba.as_chunks_mut::<4>().0, width as usize);
    if pixels.iter().copied().all(is_seen) {
        return;
    }
    let mut larger = Vec::with_capacity(HALVINGS);
    let mut level = Level::of_pixels(pixels, width);
    while larger.len() + 1 < HALVINGS {
        let half = level.halved();
        larger.push(std::mem::replace(&mut level, half));
    }
    let all = level.sums.iter().fold([0.0; 4], |all, sum| add(all, *sum, 1.0));
    // Where nothing is seen at all it stays black.
    let mean = all.map(|part| part / all[3].max(f32::MIN_POSITIVE));
    for sum in &mut level.sums {
        *sum = add(*sum, mean, 1.0 - sum[3]);
    }
    let mut between = Vec::new();
    while let Some(mut next) = larger.pop() {
        for (y, row) in next.sums.chunks_exact_mut(next.width).enumerate() {
            level.row_at(y, &mut between);
            for (x, sum) in row.iter_mut().enumerate().filter(|(_, sum)| sum[3] < 1.0) {
                *sum = add(*sum, column_at(x, &between), 1.0 - sum[3]);
            }
        }
        level = next;
    }
    for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
        level.row_at(y, &mut between);
        for (x, pixel) in row.iter_mut().enumerate().filter(|(_, pixel)| !is_seen(**pixel)) {
            let sum = scaled(weighed(*pixel));
            let color = add(sum, column_at(x, &between), 1.0 - sum[3]);
            let [red, green, blue, _] = color.map(|part| (part + 0.5) as u8);
            *pixel = [red, green, blue, pixel[3]];
        }
    }
}

fn is_seen(pixel: [u8; 4]) -> bool {
    u16::from(pixel[3]) >= SEEN
}

/// A pixel as often as it is seen, from never to [`SEEN`] times.
fn weighed([red, green, blue, alpha]: [u8; 4]) -> [u16; 4] {
    let weight = u16::from(alpha).min(SEEN);
    [red, green, blue, 1].map(|part| u16::from(part) * weight)
}

fn scaled(sum: [u16; 4]) -> Sum {
    sum.map(|part| f32::from(part) / f32::from(SEEN))
}

fn add(to: Sum, sum: Sum, weight: f32) -> Sum {
    std::array::from_fn(|part| to[part] + sum[part] * weight)
}

impl Level {
    /// Half of the picture itself.
    fn of_pixels(pixels: &[[u8; 4]], width: usize) -> Self {
        Self::half_of(pixels, width, |four| {
            // Most of what is transparent is so in whole blocks.
            if four.iter().all(|pixel| pixel[3] == 0) {
                return [0.0; 4];
            }
            let [a, b, c, d] = four.map(weighed);
            scaled(std::array::from_fn(|part| a[part] + b[part] + c[part] + d[part]))
        })
    }

    fn halved(&self) -> Self {
        Self::half_of(&self.sums, self.width, |[a, b, c, d]| {
            std::array::from_fn(|part| a[part] + b[part] + c[part] + d[part])
        })
    }

    /// Each pixel is the `sum` of four. Of an odd number of rows or columns the last counts twice.
    fn half_of<T: Copy>(pixels: &[T], width: usize, sum: impl Fn([T; 4]) -> Sum) -> Self {
        let half_width = width.div_ceil(2);
        let mut sums = Vec::with_capacity(half_width * pixels.len().div_ceil(width).div_ceil(2));
        for rows in pixels.chunks(width * 2) {
            let (first, second) = (&rows[..width], &rows[rows.len() - width..]);
            sums.extend((0..half_width).map(|at| {
                let (left, right) = (at * 2, (at * 2 + 1).min(width - 1));
                let sum = sum([first[left], first[right], second[left], second[right]]);
                // More than one pixel's worth counts as one that is seen whole.
                let worth = sum[3].max(1.0).recip();
                sum.map(|part| part * worth)
            }));
        }
        Self { sums, width: half_width }
    }

    /// Makes `between` the row that lies where row `y` does in a picture of twice the size.
    fn row_at(&self, y: usize, between: &mut Vec<Sum>) {
        let height = self.sums.len() / self.width;
        let [near, far] =
            [y / 2, neighbor(y, height)].map(|row| &self.sums[row * self.width..][..self.width]);
        between.clear();
        between.extend(near.iter().zip(far).map(|(near, far)| mix(near, far)));
    }
}

/// The color where column `x` lies in a row of twice the length.
fn column_at(x: usize, row: &[Sum]) -> Sum {
    mix(&row[x / 2], &row[neighbor(x, row.len())])
}

/// Three quarters of what is nearer.
fn mix(near: &Sum, far: &Sum) -> Sum {
    std::array::from_fn(|part| 0.75 * near[part] + 0.25 * far[part])
}

/// The second nearest to pixel `at` of twice the size, of `count` pixels.
fn neighbor(at: usize, count: usize) -> usize {
    if at % 2 == 1 { (at / 2 + 1).min(count - 1) } else { (at / 2).saturating_sub(1) }
}

#[cfg(test)]
mod tests {
    use super::smooth;

    /// Anything, and the same every time.
    fn noise(at: u32) -> u8 {
        (at.wrapping_mul(2_654_435_761) >> 23) as u8
    }

    #[test]
    fn what_is_seen_and_alpha_stay_as_they_are() {
        for (width, height) in [(1, 1), (1, 7), (9, 1), (13, 6), (16, 16), (100, 67)] {
            let before: Vec<u8> = (0..width * height * 4).map(noise).collect();
            let mut after = before.clone();
            smooth(&mut after, width);
            for (before, after) in before.as_chunks::<4>().0.iter().zip(after.as_chunks::<4>().0) {
                assert_eq!(before[3], after[3]);
                assert!(before[3] < 16 || before == after, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn what_is_hidden_continues_what_is_seen() {
        // One color at the left end, another at the right, and noise that nobody sees between them.
        let pixel = |at: u32| match at % 64 {
            0..4 => [200, 40, 0, 255],
            60.. => [100, 40, 80, 255],
            _ => [noise(at), noise(at + 1), noise(at + 2), 0],
        };
        let mut pixels: Vec<u8> = (0..64 * 8).flat_map(pixel).collect();
        smooth(&mut pixels, 64);
        for row in pixels.as_chunks::<4>().0.chunks_exact(64) {
            for (left, right) in row.iter().zip(&row[1..]) {
                assert!(
                    left[0] >= right[0] && left[0] - right[0] < 16,
                    "red falls evenly: {left:?} {right:?}"
                );
                assert!(
                    left[2] <= right[2] && right[2] - left[2] < 16,
                    "blue rises evenly: {left:?} {right:?}"
                );
                assert_eq!(left[1], 40, "green is the same everywhere");
            }
        }
    }

    #[test]
    fn far_from_what_is_seen_there_is_one_color() {
        let mut pixels: Vec<u8> = (0..512 * 64)
            .flat_map(|at| if at % 512 < 8 { [noise(at), 40, 0, 255] } else { [0; 4] })
            .collect();
        smooth(&mut pixels, 512);
        let row = &pixels.as_chunks::<4>().0[..512];
        assert!(row[100..].iter().all(|pixel| *pixel == row[511]), "{:?} {:?}", row[100], row[511]);
        assert_eq!(row[511][1..], [40, 0, 0]);
    }

    #[test]
    fn what_is_hardly_seen_counts_for_little() {
        let mut pixels = [[90, 90, 90, 255], [255, 0, 255, 1], [0, 255, 0, 0], [90, 90, 90, 255]].concat();
        smooth(&mut pixels, 4);
        for pixel in pixels.as_chunks::<4>().0 {
            assert!(pixel[..3].iter().all(|part| part.abs_diff(90) < 32), "{pixel:?}");
        }
    }

    #[test]
    fn a_picture_of_which_nothing_is_seen_becomes_black() {
        let mut pixels = [77, 1, 200, 0].repeat(15);
        smooth(&mut pixels, 5);
        assert_eq!(pixels, [0; 60]);
    }
}
