//! ICC profiles: a small one of a press, and those that moxcms can write.

use moxcms::ColorProfile;

pub fn display_p3() -> Vec<u8> {
    ColorProfile::new_display_p3().encode().expect("profile")
}

pub fn gray_gamma_1() -> Vec<u8> {
    ColorProfile::new_gray_with_gamma(1.0).encode().expect("profile")
}

/// A printer's profile of version 2 (ICC.1:2001-04) with one table, `A2B0`, that knows only full and no ink.
pub fn press() -> Vec<u8> {
    let text = |kind: &[u8; 4], text: &[u8]| [&kind[..], &[0; 4], text].concat();
    let description = [&[0, 0, 0, 4][..], b"ink\0", &[0; 78]].concat();
    let d50: Vec<u8> = [0xf6d6_u32, 0x1_0000, 0xd32d].iter().flat_map(|v| v.to_be_bytes()).collect();
    let tags = [
        (b"desc", text(b"desc", &description)),
        (b"cprt", text(b"text", b"none\0")),
        (b"wtpt", text(b"XYZ ", &d50)),
        (b"A2B0", table()),
    ];
    let mut directory = (tags.len() as u32).to_be_bytes().to_vec();
    let mut body = Vec::new();
    for (name, tag) in tags {
        let at = 128 + 4 + 12 * 4 + body.len() as u32;
        directory.extend_from_slice(name);
        directory.extend(at.to_be_bytes());
        directory.extend((tag.len() as u32).to_be_bytes());
        body.extend(tag);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut header = vec![0; 128];
    header[..4].copy_from_slice(&(128 + directory.len() as u32 + body.len() as u32).to_be_bytes());
    header[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    header[12..24].copy_from_slice(b"prtrCMYKLab ");
    header[24..30].copy_from_slice(&[7, 228, 0, 1, 0, 1]);
    header[36..40].copy_from_slice(b"acsp");
    header[68..80].copy_from_slice(&d50);
    [header, directory, body].concat()
}

/// The color of full inks: L* and, where there is no black, a* and b*.
fn lab(ink: [f64; 4]) -> [u8; 3] {
    let [cyan, magenta, yellow, black] = ink;
    let paper = 100.0 * (1.0 - 0.45 * cyan) * (1.0 - 0.5 * magenta) * (1.0 - 0.1 * yellow);
    let lightness = paper * (1.0 - 0.9 * black);
    let a = (1.0 - black) * (-35.0 * cyan + 70.0 * magenta - 5.0 * yellow);
    let b = (1.0 - black) * (-50.0 * cyan - 5.0 * magenta + 85.0 * yellow);
    [(lightness * 2.55).round() as u8, (a + 128.0) as u8, (b + 128.0) as u8]
}

/// An `mft1`: identity matrix and curves around two levels of each of four inks.
fn table() -> Vec<u8> {
    let mut table = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    let one = 0x1_0000_u32;
    table.extend([one, 0, 0, 0, one, 0, 0, 0, one].iter().flat_map(|value| value.to_be_bytes()));
    let identity: Vec<u8> = (0..=255).collect();
    table.extend(identity.repeat(4));
    for inks in 0..16_u8 {
        let ink = |bit: u8| f64::from(inks >> bit & 1);
        table.extend(lab([ink(3), ink(2), ink(1), ink(0)]));
    }
    table.extend(identity.repeat(3));
    table
}
