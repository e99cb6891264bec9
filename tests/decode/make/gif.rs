use gif::{Encoder, Frame};

/// A GIF of one frame; `indices` into `palette` (RGB), row by row.
pub struct Gif<'a> {
    /// px
    pub canvas: (u16, u16),
    /// px; left, top, width, height
    pub frame: [u16; 4],
    pub palette: &'a [u8],
    pub indices: &'a [u8],
    pub transparent: Option<u8>,
    pub interlaced: bool,
}

impl Gif<'_> {
    pub fn file(&self) -> Vec<u8> {
        let [left, top, width, height] = self.frame;
        let rows: Vec<&[u8]> = self.indices.chunks_exact(usize::from(width)).collect();
        // Every 8th row from 0, every 8th from 4, every 4th from 2, every 2nd from 1.
        let order: Vec<usize> = if self.interlaced {
            [(0, 8), (4, 8), (2, 4), (1, 2)]
                .iter()
                .flat_map(|&(at, by)| (at..rows.len()).step_by(by))
                .collect()
        } else {
            (0..rows.len()).collect()
        };
        let frame = Frame {
            left,
            top,
            width,
            height,
            interlaced: self.interlaced,
            transparent: self.transparent,
            palette: Some(self.palette.to_vec()),
            buffer: order.into_iter().flat_map(|row| rows[row]).copied().collect(),
            ..Frame::default()
        };
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.canvas.0, self.canvas.1, &[]).expect("GIF");
        encoder.write_frame(&frame).expect("frame");
        drop(encoder);
        file
    }
}

/// Sixteen colors.
pub fn palette() -> Vec<u8> {
    (0..16).flat_map(|i: u8| [i * 17, 255 - i * 17, i * 5]).collect()
}

/// Indices into [`palette`].
pub fn indices(width: u16, height: u16) -> Vec<u8> {
    super::gray(width.into(), height.into()).into_iter().map(|level| level >> 4).collect()
}

/// What [`indices`] look like: RGBA, or nothing where `transparent`.
pub fn shown(indices: &[u8], transparent: Option<u8>) -> Vec<u8> {
    let palette = palette();
    let color = |index: u8| {
        let at = usize::from(index) * 3;
        if transparent == Some(index) {
            return [0; 4];
        }
        [palette[at], palette[at + 1], palette[at + 2], 255]
    };
    indices.iter().flat_map(|index| color(*index)).collect()
}
