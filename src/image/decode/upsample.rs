//! Chroma of half the size to the whole, as libjpeg and libwebp do it: each sample is three parts of the nearest one and one part
//! of the next, in either direction ("fancy upsampling").

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

/// Two rows of chroma between which a row of the image lies, mixed; samples are in quarters.
#[inline(always)]
pub(super) fn between(near: &[u8], far: &[u8], out: &mut [u16]) {
    for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
        *out = 3 * u16::from(near) + u16::from(far);
    }
}

/// A row of chroma as it is.
#[inline(always)]
pub(super) fn widen(row: &[u8], out: &mut [u16]) {
    for (out, &sample) in out.iter_mut().zip(row) {
        *out = u16::from(sample);
    }
}

/// A row of the image from rows of chroma as large, the lower of the two pixels between them if `lower`.
#[inline(always)]
pub(super) fn vertically(near: &[u8], far: &[u8], lower: bool, out: &mut [u8]) {
    let rounding = if lower { 2 } else { 1 };
    for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
        *out = ((3 * u16::from(near) + u16::from(far) + rounding) >> 2) as u8;
    }
}

/// A row of the image from a row of chroma of half its size. `row` holds one sample more on either side, equal to its
/// neighbour. Samples are in whole levels, or in quarters if `QUARTERS`.
#[inline(always)]
pub(super) fn horizontally<const QUARTERS: bool>(row: &[u16], out: &mut [u8]) {
    let (shift, left, right) = if QUARTERS { (4, 8, 7) } else { (2, 1, 2) };
    // An odd pixel at the end stays as it is: rows are padded.
    let (pixels, _) = out.as_chunks_mut::<2>();
    let (before, here, after) = (row, &row[1..], &row[2..]);
    for (((pair, &before), &here), &after) in pixels.iter_mut().zip(before).zip(here).zip(after) {
        *pair = [((3 * here + before + left) >> shift) as u8, ((3 * here + after + right) >> shift) as u8];
    }
}

/// The same where a row is too short for that: every sample twice.
pub(super) fn doubled(row: &[u8], out: &mut [u8]) {
    for (pair, &sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(row) {
        *pair = [sample; 2];
    }
}

/// Puts the samples that [`horizontally`] wants on either side of a row that lies between them.
#[inline(always)]
pub(super) fn extend(row: &mut [u16]) {
    if let [left, inner @ .., right] = row
        && let (Some(first), Some(last)) = (inner.first(), inner.last())
    {
        (*left, *right) = (*first, *last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_interpolated_at_quarters_and_three_quarters() {
        let mut row = [0, 10, 50, 90, 0];
        extend(&mut row);
        assert_eq!(row, [10, 10, 50, 90, 90]);
        let mut out = [0; 6];
        horizontally::<false>(&row, &mut out);
        assert_eq!(out, [10, 20, 40, 60, 80, 90]);
        let mut odd = [7; 5];
        horizontally::<false>(&row, &mut odd);
        assert_eq!(odd, [10, 20, 40, 60, 7]);
    }

    #[test]
    fn rounding_goes_down_on_the_left_and_up_on_the_right() {
        // 2.5 and 0.5 in whole levels; in quarters 2.5 is 10 of 4 and 0.5 is 2 of 4.
        let mut out = [0; 4];
        horizontally::<false>(&[1, 1, 3, 3], &mut out);
        assert_eq!(out, [1, 2, 2, 3]);
        horizontally::<false>(&[0, 0, 2, 2], &mut out);
        assert_eq!(out, [0, 1, 1, 2]);
        horizontally::<true>(&[0, 0, 8, 8], &mut out);
        assert_eq!(out, [0, 0, 2, 2]);
    }

    #[test]
    fn rows_are_mixed_three_to_one() {
        let mut mixed = [0; 2];
        between(&[255, 1], &[255, 5], &mut mixed);
        assert_eq!(mixed, [1020, 8]);
        let mut out = [0; 3];
        vertically(&[255, 1, 10], &[255, 2, 20], false, &mut out);
        assert_eq!(out, [255, 1, 12]);
        vertically(&[255, 1, 10], &[255, 2, 20], true, &mut out);
        assert_eq!(out, [255, 1, 13]);
        let mut twice = [0; 4];
        doubled(&[3, 9], &mut twice);
        assert_eq!(twice, [3, 3, 9, 9]);
    }
}
