//! An ICC profile for colours that are described by code points alone.

use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics};

use super::property::Cicp;

/// The profile that says what `cicp` says, or `None` where that is sRGB or means nothing.
///
/// The transfer curves of BT.601, BT.709 and BT.2020 are shown as sRGB's, as browsers do: what is encoded
/// with them was graded on such a screen. So are PQ and HLG: brought to the screen by their curves alone,
/// without tone mapping, they come out nearly black, and sharp shows them unconverted too. Unspecified parts
/// count as sRGB's.
pub(super) fn icc(cicp: Cicp) -> Option<Vec<u8>> {
    let primaries = match cicp.primaries {
        // BT.601's two sets lie so close to BT.709's that viewers don't tell them apart, and many writers
        // put them there for no reason but their matrix.
        1 | 2 | 5 | 6 | 7 => CicpColorPrimaries::Bt709,
        code => CicpColorPrimaries::try_from(code).ok()?,
    };
    let transfer = match cicp.transfer {
        1 | 2 | 6 | 13..=16 | 18 => TransferCharacteristics::Srgb,
        code => TransferCharacteristics::try_from(code).ok()?,
    };
    if matches!((primaries, transfer), (CicpColorPrimaries::Bt709, TransferCharacteristics::Srgb)) {
        return None;
    }
    let profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: primaries,
        transfer_characteristics: transfer,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    // Code points without colorimetry or curve leave the profile without a curve.
    profile.red_trc.as_ref()?;
    profile.encode().ok()
}
