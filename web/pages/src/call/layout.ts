/** Where the tiles of a call go. Pure: numbers in, numbers out, all in CSS pixels. */

export type Size = { width: number; height: number }
export type Box = Size & { x: number; y: number }
export type Layout = {
  /** One box for each tile, in the order given. */
  boxes: Box[]
  /** Height of the whole; more than the area's when it has to scroll. */
  height: number
}

const GAP = 10
/** Tiles have at least this width; when they would be smaller the area scrolls. Lower: more faces, none of them readable. */
const MIN_TILE_WIDTH = 150
/** The strip beside what is large: widest tile, and most columns before it scrolls. */
const MAX_STRIP_WIDTH = 260
const MAX_STRIP_COLUMNS = 3
/** Shapes that a tile may take, width over height. Pictures are cropped to fill them. */
const WIDEST = 16 / 9
const NARROWEST = { landscape: 4 / 3, portrait: 3 / 4 }

/** `count` tiles of one size, as large as fits; the last row is centred. */
export function grid(count: number, area: Size, gap = GAP): Layout {
  if (count <= 0 || area.width <= 0 || area.height <= 0)
    return { boxes: [], height: Math.max(0, area.height) }
  const narrowest = area.width >= area.height ? NARROWEST.landscape : NARROWEST.portrait
  let best: { columns: number; tile: Size } | undefined
  for (let columns = 1; columns <= count; columns += 1) {
    const tile = tileFor(columns, Math.ceil(count / columns), area, gap, narrowest)
    if (tile.width < MIN_TILE_WIDTH && columns > 1) continue
    if (best === undefined || tile.width * tile.height > best.tile.width * best.tile.height)
      best = { columns, tile }
  }
  const fits = best !== undefined && best.tile.width >= Math.min(MIN_TILE_WIDTH, area.width)
  const { columns, tile } = fits && best !== undefined ? best : scrolling(count, area, gap, narrowest)
  return place(count, columns, tile, area, gap)
}

/** The first `large` tiles share most of the area; the others form a strip beside or below them. */
export function spotlight(large: number, small: number, area: Size, gap = GAP): Layout {
  if (small === 0) return grid(large, area, gap)
  const strip = area.width >= area.height ? sideStrip(small, area, gap) : bottomStrip(small, area, gap)
  const stage = grid(large, strip.stage, gap)
  const boxes = [...stage.boxes]
  for (let index = 0; index < small; index += 1) boxes.push(strip.box(index))
  const bottom = Math.max(...boxes.map((box) => box.y + box.height))
  return { boxes, height: Math.max(area.height, bottom) }
}

function tileFor(columns: number, rows: number, area: Size, gap: number, narrowest: number): Size {
  const width = (area.width - gap * (columns - 1)) / columns
  const height = (area.height - gap * (rows - 1)) / rows
  if (width <= 0 || height <= 0) return { width: 0, height: 0 }
  const shape = width / height
  if (shape > WIDEST) return { width: height * WIDEST, height }
  if (shape < narrowest) return { width, height: width / narrowest }
  return { width, height }
}

/** As many columns of the least width as there is room for, and as many rows as it takes. */
function scrolling(
  count: number,
  area: Size,
  gap: number,
  narrowest: number,
): { columns: number; tile: Size } {
  const columns = Math.max(1, Math.min(count, Math.floor((area.width + gap) / (MIN_TILE_WIDTH + gap))))
  const width = (area.width - gap * (columns - 1)) / columns
  return { columns, tile: { width, height: width / Math.max(1, narrowest) } }
}

function place(count: number, columns: number, tile: Size, area: Size, gap: number): Layout {
  const rows = Math.ceil(count / columns)
  const total = rows * tile.height + gap * (rows - 1)
  const top = Math.max(0, (area.height - total) / 2)
  const boxes = Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns)
    const inRow = row === rows - 1 ? count - row * columns : columns
    const left = (area.width - inRow * tile.width - gap * (inRow - 1)) / 2
    return {
      x: left + (index - row * columns) * (tile.width + gap),
      y: top + row * (tile.height + gap),
      ...tile,
    }
  })
  return { boxes, height: Math.max(area.height, total) }
}

type Strip = { stage: Size; box: (index: number) => Box }

/** Columns on the right, so narrow that all fit where that is possible. */
function sideStrip(count: number, area: Size, gap: number): Strip {
  const inColumn = Math.max(1, Math.floor((area.height + gap) / (MIN_TILE_WIDTH / WIDEST + gap)))
  const columns = Math.min(MAX_STRIP_COLUMNS, Math.ceil(count / inColumn))
  const rows = Math.ceil(count / columns)
  const fitting = ((area.height - gap * (rows - 1)) / rows) * WIDEST
  const width = Math.max(MIN_TILE_WIDTH, Math.min(MAX_STRIP_WIDTH, area.width * 0.2, fitting))
  const height = width / WIDEST
  const stage = { width: Math.max(0, area.width - columns * (width + gap)), height: area.height }
  const top = Math.max(0, (area.height - rows * height - (rows - 1) * gap) / 2)
  return {
    stage,
    box: (index) => ({
      x: stage.width + gap + (index % columns) * (width + gap),
      y: top + Math.floor(index / columns) * (height + gap),
      width,
      height,
    }),
  }
}

/** Rows at the bottom; what is beyond two of them takes scrolling. */
function bottomStrip(count: number, area: Size, gap: number): Strip {
  const columns = Math.max(2, Math.floor((area.width + gap) / (MIN_TILE_WIDTH + gap)))
  const width = (area.width - gap * (columns - 1)) / columns
  const height = width / NARROWEST.landscape
  const rows = Math.min(2, Math.ceil(count / columns))
  const stage = {
    width: area.width,
    height: Math.max(area.height * 0.45, area.height - rows * (height + gap)),
  }
  return {
    stage,
    box: (index) => {
      const row = Math.floor(index / columns)
      const inRow = Math.min(columns, count - row * columns)
      const left = (area.width - inRow * width - gap * (inRow - 1)) / 2
      return {
        x: left + (index % columns) * (width + gap),
        y: stage.height + gap + row * (height + gap),
        width,
        height,
      }
    },
  }
}
