//! A TIFF writer that writes any tag in either byte order, its directory before its data.

pub struct Writer {
    big_endian: bool,
    /// tag, type, number of values, the values' bytes
    entries: Vec<(u16, u16, u32, Vec<u8>)>,
}

pub mod tag {
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const STRIPS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILES: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const ICC: u16 = 34_675;
}

impl Writer {
    pub fn new(big_endian: bool) -> Self {
        Self { big_endian, entries: Vec::new() }
    }

    pub fn u16(&self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(&self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub fn short(&mut self, tag: u16, values: &[u16]) {
        let bytes = values.iter().flat_map(|value| self.u16(*value)).collect();
        self.entries.push((tag, 3, values.len() as u32, bytes));
    }

    pub fn long(&mut self, tag: u16, values: &[u32]) {
        let bytes = values.iter().flat_map(|value| self.u32(*value)).collect();
        self.entries.push((tag, 4, values.len() as u32, bytes));
    }

    pub fn bytes(&mut self, tag: u16, bytes: &[u8]) {
        self.entries.push((tag, 7, bytes.len() as u32, bytes.to_vec()));
    }

    /// A value that is claimed to be there, somewhere, many times.
    pub fn claim(&mut self, tag: u16, kind: u16, count: u32) {
        self.entries.push((tag, kind, count, Vec::new()));
    }

    /// The file; `chunks` are the strips or tiles, whose tags are added here.
    pub fn finish(mut self, chunks: &[Vec<u8>]) -> Vec<u8> {
        if !chunks.is_empty() {
            let tiled = self.entries.iter().any(|(tag, ..)| *tag == tag::TILE_WIDTH);
            let (offsets, sizes) =
                if tiled { (tag::TILES, tag::TILE_BYTES) } else { (tag::STRIPS, tag::STRIP_BYTES) };
            self.long(sizes, &chunks.iter().map(|chunk| chunk.len() as u32).collect::<Vec<_>>());
            // The offsets depend on the length of everything before the data, and that not on them.
            self.long(offsets, &vec![0; chunks.len()]);
            let mut at = self.directory().len() as u32;
            let places: Vec<u32> = chunks
                .iter()
                .map(|chunk| {
                    at += chunk.len() as u32;
                    at - chunk.len() as u32
                })
                .collect();
            self.entries.retain(|(tag, ..)| *tag != offsets);
            self.long(offsets, &places);
        }
        [self.directory(), chunks.concat()].concat()
    }

    fn directory(&mut self) -> Vec<u8> {
        self.entries.sort_by_key(|(tag, ..)| *tag);
        let mut file = if self.big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        file.extend(self.u32(8));
        file.extend(self.u16(self.entries.len() as u16));
        let mut values: Vec<u8> = Vec::new();
        let values_at = 8 + 2 + self.entries.len() * 12 + 4;
        for (tag, kind, count, bytes) in &self.entries {
            file.extend(self.u16(*tag));
            file.extend(self.u16(*kind));
            file.extend(self.u32(*count));
            if bytes.len() <= 4 {
                file.extend(bytes.iter().copied().chain([0; 4]).take(4));
            } else {
                file.extend(self.u32((values_at + values.len()) as u32));
                values.extend(bytes);
            }
        }
        file.extend([0; 4]);
        file.extend(values);
        file
    }
}

/// What the strips or tiles are packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    None,
    Lzw,
    Deflate,
    PackBits,
}

impl Packing {
    pub fn number(self) -> u16 {
        match self {
            Self::None => 1,
            Self::Lzw => 5,
            Self::Deflate => 8,
            Self::PackBits => 32_773,
        }
    }

    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Lzw => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
                .encode(bytes)
                .expect("LZW"),
            Self::Deflate => super::png::deflate(bytes),
            // Literal runs of up to 128 bytes.
            Self::PackBits => bytes
                .chunks(128)
                .flat_map(|run| std::iter::once(run.len() as u8 - 1).chain(run.iter().copied()))
                .collect(),
        }
    }
}

/// What the tests vary; everything else follows from the samples.
#[derive(Clone)]
pub struct Tiff<'a> {
    pub big_endian: bool,
    pub width: u32,
    pub height: u32,
    pub depth: u8,
    pub samples_per_pixel: u16,
    /// 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK
    pub photometric: u16,
    pub packing: Packing,
    pub predictor: bool,
    pub planar: bool,
    /// px; width and height of tiles instead of strips of 5 rows
    pub tiles: Option<(u32, u32)>,
    /// 0 unspecified, 1 associated, 2 unassociated
    pub extra: Option<u16>,
    pub samples: &'a [u16],
    pub color_map: &'a [u16],
    pub icc: &'a [u8],
    pub orientation: u16,
}

const ROWS_PER_STRIP: u32 = 5;

impl<'a> Tiff<'a> {
    pub fn new(width: u32, height: u32, depth: u8, photometric: u16, samples: &'a [u16]) -> Self {
        Self {
            big_endian: false,
            width,
            height,
            depth,
            samples_per_pixel: (samples.len() / (width * height) as usize) as u16,
            photometric,
            packing: Packing::None,
            predictor: false,
            planar: false,
            tiles: None,
            extra: None,
            samples,
            color_map: &[],
            icc: &[],
            orientation: 1,
        }
    }

    pub fn file(&self) -> Vec<u8> {
        let mut writer = Writer::new(self.big_endian);
        writer.long(tag::WIDTH, &[self.width]);
        writer.long(tag::HEIGHT, &[self.height]);
        writer.short(tag::BITS, &vec![self.depth.into(); self.samples_per_pixel.into()]);
        writer.short(tag::COMPRESSION, &[self.packing.number()]);
        writer.short(tag::PHOTOMETRIC, &[self.photometric]);
        writer.short(tag::SAMPLES, &[self.samples_per_pixel]);
        writer.short(tag::PLANAR, &[if self.planar { 2 } else { 1 }]);
        writer.short(tag::ORIENTATION, &[self.orientation]);
        if let Some(extra) = self.extra {
            writer.short(tag::EXTRA_SAMPLES, &[extra]);
        }
        if self.predictor {
            writer.short(tag::PREDICTOR, &[2]);
        }
        if !self.color_map.is_empty() {
            writer.short(tag::COLOR_MAP, self.color_map);
        }
        if !self.icc.is_empty() {
            writer.bytes(tag::ICC, self.icc);
        }
        match self.tiles {
            Some((width, height)) => {
                writer.long(tag::TILE_WIDTH, &[width]);
                writer.long(tag::TILE_HEIGHT, &[height]);
            }
            None => writer.long(tag::ROWS_PER_STRIP, &[ROWS_PER_STRIP]),
        }
        let chunks = self.chunks(&writer);
        writer.finish(&chunks)
    }

    fn chunks(&self, writer: &Writer) -> Vec<Vec<u8>> {
        let channels = usize::from(self.samples_per_pixel);
        let planes = if self.planar { channels } else { 1 };
        let (width, height) = self.tiles.unwrap_or((self.width, ROWS_PER_STRIP));
        let mut chunks = Vec::new();
        for plane in 0..planes {
            for top in (0..self.height).step_by(height as usize) {
                for left in (0..self.width).step_by(width as usize) {
                    // Strips end with the image, tiles are padded.
                    let rows = if self.tiles.is_some() { height } else { height.min(self.height - top) };
                    let mut bytes = Vec::new();
                    for y in top..top + rows {
                        let mut row = Vec::new();
                        for x in left..left + width {
                            let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
                            let at = (y * self.width + x) as usize * channels;
                            let pixel = &self.samples[at..at + channels];
                            row.extend_from_slice(if self.planar { &pixel[plane..=plane] } else { pixel });
                        }
                        bytes.extend(self.row(&row, channels / planes, writer));
                    }
                    chunks.push(self.packing.pack(&bytes));
                }
            }
        }
        chunks
    }

    fn row(&self, row: &[u16], channels: usize, writer: &Writer) -> Vec<u8> {
        let mut row = row.to_vec();
        if self.predictor {
            for at in (channels..row.len()).rev() {
                row[at] = row[at].wrapping_sub(row[at - channels]);
            }
        }
        match self.depth {
            16 => row.iter().flat_map(|sample| writer.u16(*sample)).collect(),
            8 => row.iter().map(|sample| *sample as u8).collect(),
            depth => super::png::packed(row.into_iter(), depth),
        }
    }
}
