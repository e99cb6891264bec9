//! Chroma of half the size to the whole, as libjpeg does it: each sample is three parts of the nearest one and one part
//! of the next, in either direction ("fancy upsampling").

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

/// Puts the samples that [`horizontally`] wants on either side of the row in `row[1..=width]`.
pub(super) fn extend(row: &mut [u16], width: usize) {
    row[0] = row[1];
    row[width + 1] = row[width];
}
