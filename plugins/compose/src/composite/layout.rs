//! Where the tiles of a composed picture are.

use super::image::{Place, Size};

/// What a broadcast or a recording shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// One participant, whose picture is passed on as it came where players take it.
    #[default]
    Single,
    /// Everybody, in tiles of one size.
    Grid,
    /// Who speaks, large, and the others in a row below.
    Speaker,
}

/// Of the height, what the large tile of [`Layout::Speaker`] takes: 4 of 5 parts.
const LARGE: (usize, usize) = (4, 5);

/// Most tiles in a row below the large one; more make another row.
const IN_A_ROW: usize = 12;

/// Places for `count` tiles, the first being the one that matters most. They do not overlap, and lie within the canvas.
pub(super) fn places(layout: Layout, canvas: Size, count: usize) -> Vec<Place> {
    let all = Place { x: 0, y: 0, size: canvas };
    match (layout, count) {
        (_, 0) => Vec::new(),
        (_, 1) | (Layout::Single, _) => vec![all],
        (Layout::Grid, _) => {
            // As many columns as rows, or one more: tiles then have the canvas's shape, or nearly.
            let columns = (1..).find(|columns| columns * columns >= count).unwrap_or(1);
            rows(all, count, columns)
        }
        (Layout::Speaker, _) => {
            let height = even(canvas.height * LARGE.0 / LARGE.1);
            let large = Place { size: Size { height, ..canvas }, ..all };
            let row =
                Place { x: 0, y: height, size: Size { width: canvas.width, height: even(canvas.height - height) } };
            // No tile is wider than the shape of the canvas asks for.
            let columns =
                (count - 1).min(IN_A_ROW).max(canvas.width / (row.size.height * canvas.width / canvas.height).max(1));
            let mut places = vec![large];
            places.extend(rows(row, count - 1, columns));
            places
        }
    }
}

/// `count` tiles in rows of `columns`, the last row in the middle.
fn rows(within: Place, count: usize, columns: usize) -> Vec<Place> {
    let size =
        Size { width: (within.size.width / columns) & !7, height: even(within.size.height / count.div_ceil(columns)) };
    let place = |index: usize| {
        let (row, column) = (index / columns, index % columns);
        let in_row = columns.min(count - row * columns);
        let margin = even((within.size.width - in_row * size.width) / 2);
        Place { x: within.x + margin + column * size.width, y: within.y + row * size.height, size }
    };
    (0..count).map(place).collect()
}

fn even(length: usize) -> usize {
    length & !1
}
