//! Pictures in memory: planar Y'CbCr 4:2:0 of 8 bits, as GStreamer lays out `I420` of a width that is a multiple of 8: three planes
//! without gaps.

/// Luma of a dark and of a black area, in the limited range of ITU-R BT.709.
pub(super) const DARK: u8 = 40;
pub(super) const BLACK: u8 = 16;
/// Chroma of what has no colour.
const GREY: u8 = 128;

/// Width and height in pixels: multiples of 8 and of 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

/// A part of a picture; all numbers are even, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) size: Size,
}

impl Size {
    pub(super) fn bytes(self) -> usize {
        self.width * self.height * 3 / 2
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) size: Size,
    pub(super) data: Vec<u8>,
}

impl Image {
    pub(super) fn flat(size: Size, luma: u8) -> Self {
        let mut data = vec![GREY; size.bytes()];
        data[..size.width * size.height].fill(luma);
        Self { size, data }
    }

    /// None where there is not as much data as that.
    pub(super) fn new(size: Size, data: Vec<u8>) -> Option<Self> {
        (data.len() == size.bytes()).then_some(Self { size, data })
    }

    /// Paints `image` into the middle of `place`, which lies within this one; what is larger is cut off.
    pub(super) fn paint(&mut self, image: &Image, place: Place) {
        let size =
            Size { width: image.size.width.min(place.size.width), height: image.size.height.min(place.size.height) };
        let middle = |whole: usize, part: usize| ((whole - part) / 2) & !1;
        let to = (place.x + middle(place.size.width, size.width), place.y + middle(place.size.height, size.height));
        let from = (middle(image.size.width, size.width), middle(image.size.height, size.height));
        let mut plane = |offset: (usize, usize), half: usize| {
            let (width, source_width) = (self.size.width / half, image.size.width / half);
            for row in 0..size.height / half {
                let into = offset.0 + (to.1 / half + row) * width + to.0 / half;
                let out_of = offset.1 + (from.1 / half + row) * source_width + from.0 / half;
                let length = size.width / half;
                self.data[into..into + length].copy_from_slice(&image.data[out_of..out_of + length]);
            }
        };
        let luma = (self.size.width * self.size.height, image.size.width * image.size.height);
        plane((0, 0), 1);
        plane(luma, 2);
        plane((luma.0 + luma.0 / 4, luma.1 + luma.1 / 4), 2);
    }
}
