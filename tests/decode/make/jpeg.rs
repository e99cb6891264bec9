use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// What to make; the pixels come with [`Jpeg::file`].
pub struct Jpeg {
    pub color: ColorType,
    pub sampling: SamplingFactor,
    pub progressive: bool,
    /// MCUs between two restart markers
    pub restart: Option<u16>,
    pub quality: u8,
    pub exif: Vec<u8>,
    pub icc: Vec<u8>,
}

impl Default for Jpeg {
    fn default() -> Self {
        Self {
            color: ColorType::Rgb,
            sampling: SamplingFactor::F_1_1,
            progressive: false,
            restart: None,
            quality: 95,
            exif: Vec::new(),
            icc: Vec::new(),
        }
    }
}

impl Jpeg {
    pub fn file(&self, pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.quality);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_progressive(self.progressive);
        if let Some(interval) = self.restart {
            encoder.set_restart_interval(interval);
        }
        if !self.exif.is_empty() {
            encoder.add_exif_metadata(&self.exif).expect("EXIF");
        }
        if !self.icc.is_empty() {
            encoder.add_icc_profile(&self.icc).expect("profile");
        }
        encoder.encode(pixels, width as u16, height as u16, self.color).expect("JPEG");
        file
    }
}

/// The marker segments up to the first scan: marker, offset of its 0xFF, length with the marker.
pub fn segments(file: &[u8]) -> Vec<(u8, usize, usize)> {
    let mut at = 2;
    let mut found = Vec::new();
    loop {
        let marker = file[at + 1];
        let length = 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        found.push((marker, at, length));
        if marker == 0xda {
            return found;
        }
        at += length;
    }
}

/// The file without its segments of this marker.
pub fn without(file: &[u8], marker: u8) -> Vec<u8> {
    let mut kept = file.to_vec();
    for (_, at, length) in segments(file).into_iter().rev().filter(|(found, ..)| *found == marker) {
        kept.drain(at..at + length);
    }
    kept
}

/// The file with a segment put right after its start.
pub fn with_segment(file: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&file[..2], &[0xff, marker], &length, body, &file[2..]].concat()
}

/// The file with another size in its frame header.
pub fn claiming(file: &[u8], width: u16, height: u16) -> Vec<u8> {
    let (_, at, _) = segments(file)
        .into_iter()
        .find(|(marker, ..)| matches!(marker, 0xc0..=0xc2))
        .expect("a frame header");
    let mut claiming = file.to_vec();
    claiming[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    claiming[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    claiming
}
