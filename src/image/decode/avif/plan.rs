//! What has to be decoded for one image item: a single AV1 image, or a grid of them.

use super::av1::{self, Frame};
use super::container::Container;
use super::damaged;
use super::obu::{Sequence, Stream};
use super::property::{Cicp, ItemProperties};
use crate::error::Result;
use crate::image::limits::{Limits, Progress};

/// Tiles of one grid. 512 px tiles, the usual size, give 16384×16384 px with these; the format would allow
/// 65 536, each a decoder run.
pub(super) const MAX_TILES: u32 = 1024;

/// Bytes per pixel that the decoder keeps beside the planes (block modes, filter levels, row buffers), and a
/// fixed part; both measured and rounded up.
const DECODER_BYTES_PER_PIXEL: u64 = 2;
const DECODER_BYTES: u64 = 4 << 20;
/// The decoder rounds widths and heights up to blocks of 128 px.
const BLOCK_PX: u64 = 128;

/// Where a tile goes: its place and the part of it that is inside of the image, px.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// One image item, its sizes checked against the limits.
pub(super) struct Plan<'a> {
    /// px
    pub(super) width: u32,
    /// px
    pub(super) height: u32,
    pub(super) properties: ItemProperties<'a>,
    /// Of the first tile; the others have to agree in depth and chroma.
    pub(super) sequence: Sequence,
    pub(super) cicp: Cicp,
    frames: usize,
    columns: u32,
    tile_size: (u32, u32),
    tiles: Vec<u32>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(container: &Container<'a>, item: u32, limits: &Limits) -> Result<Self> {
        let properties = container.properties(item)?;
        let (width, height) = properties.size.ok_or_else(|| damaged("an image without a size"))?;
        limits.check_pixels(width.into(), height.into())?;
        let (columns, rows, tiles) = match &container.kind(item)? {
            b"av01" => (1, 1, vec![item]),
            b"grid" => {
                let grid = container.grid(item)?;
                if (grid.width, grid.height) != (width, height) {
                    return Err(damaged("a grid of another size than announced"));
                }
                let tiles = container.tiles(item);
                if grid.columns * grid.rows > MAX_TILES {
                    return Err(damaged("a grid of too many tiles"));
                }
                if tiles.len() as u64 != u64::from(grid.columns * grid.rows) {
                    return Err(damaged("a grid with tiles missing or left over"));
                }
                (grid.columns, grid.rows, tiles.to_vec())
            }
            kind => {
                return Err(damaged(&format!("an image of type {}", kind.escape_ascii())));
            }
        };
        let first = container.properties(tiles[0])?;
        let tile_size = first.size.ok_or_else(|| damaged("a tile without a size"))?;
        limits.check_pixels(tile_size.0.into(), tile_size.1.into())?;
        // Tiles cover the image, and the last row and column is needed for that (MIAF, 7.3.11.4.2). This
        // bounds what is decoded, however many tiles there are.
        let covers = |tile: u32, count: u32, full: u32| {
            let (tile, count, full) = (u64::from(tile), u64::from(count), u64::from(full));
            tile * count >= full && tile * (count - 1) < full
        };
        if !covers(tile_size.0, columns, width) || !covers(tile_size.1, rows, height) {
            return Err(damaged("tiles that don't fit their grid"));
        }
        if container.kind(tiles[0])? != *b"av01" {
            return Err(damaged("a tile that is not AV1"));
        }
        let data = container.data(tiles[0])?;
        let Stream { sequence, frames, .. } = Stream::parse(&data, first.operating_point)?;
        let cicp = properties.cicp.or(first.cicp).unwrap_or(sequence.cicp);
        Ok(Self { width, height, properties, sequence, cicp, frames, columns, tile_size, tiles })
    }

    /// Bytes that decoding one tile takes at most: planes of each frame, grain and the decoder's own.
    pub(super) fn decoder_bytes(&self) -> u64 {
        let padded = |px: u32| (u64::from(px) + 1).next_multiple_of(BLOCK_PX);
        let pixels = padded(self.tile_size.0).saturating_mul(padded(self.tile_size.1));
        let chroma = match (self.sequence.mono, self.sequence.half_width, self.sequence.half_height) {
            (true, ..) => 0,
            (_, true, true) => pixels / 2,
            (_, true, false) => pixels,
            _ => pixels * 2,
        };
        let bytes = (pixels + chroma) * if self.sequence.depth > 8 { 2 } else { 1 };
        let copies = self.frames.max(1) as u64 + u64::from(self.sequence.film_grain);
        bytes
            .saturating_mul(copies)
            .saturating_add(pixels * DECODER_BYTES_PER_PIXEL)
            .saturating_add(DECODER_BYTES)
    }

    /// Whether the image is one frame and no grid.
    pub(super) fn is_single(&self) -> bool {
        self.tiles.len() == 1
    }

    /// The first frame; of a single image the only one.
    pub(super) fn decode_single(
        &self,
        container: &Container,
        coarse: bool,
        progress: &Progress,
    ) -> Result<Frame> {
        self.decode_tile(self.tiles[0], container, coarse, progress)
    }

    /// Decodes tile after tile and hands each to `paint` with its place. Only one is in memory at a time.
    pub(super) fn decode(
        &self,
        container: &Container,
        coarse: bool,
        progress: &Progress,
        mut paint: impl FnMut(&Frame, Place) -> Result<()>,
    ) -> Result<()> {
        let (tile_width, tile_height) = self.tile_size;
        for (index, &tile) in (0u32..).zip(&self.tiles) {
            let frame = self.decode_tile(tile, container, coarse, progress)?;
            let (x, y) = (index % self.columns * tile_width, index / self.columns * tile_height);
            let place = Place {
                x,
                y,
                width: tile_width.min(self.width - x),
                height: tile_height.min(self.height - y),
            };
            paint(&frame, place)?;
        }
        Ok(())
    }

    fn decode_tile(
        &self,
        tile: u32,
        container: &Container,
        coarse: bool,
        progress: &Progress,
    ) -> Result<Frame> {
        progress.check()?;
        if container.kind(tile)? != *b"av01" {
            return Err(damaged("a tile that is not AV1"));
        }
        let properties = container.properties(tile)?;
        if properties.size != Some(self.tile_size) {
            return Err(damaged("tiles of different sizes"));
        }
        let data = container.data(tile)?;
        let stream = Stream::parse(&data, properties.operating_point)?;
        if !stream.sequence.same_samples(&self.sequence) {
            return Err(damaged("tiles of different kinds"));
        }
        av1::decode(&stream, self.tile_size, properties.operating_point, coarse, progress)
    }
}
