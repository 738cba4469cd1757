// The counted picture: what the camera of a participant in the lab sees. A grid of cells, each black or white, that says who
// sent it and when it was painted, and that survives any codec at any size it is scaled to.

export const WIDTH = 160
export const HEIGHT = 120
export const FPS = 15
export const COLUMNS = 6
export const ROWS = 4

// Cells: 0 white, 1 black, 2–5 sender, 6–21 counter, 22 parity of both, 23 white.
const CELLS = COLUMNS * ROWS
const SENDER = 2
const COUNTER = 6
const PARITY = 22
const COUNTERS = 1 << 16

/** The counter of this moment: it goes up by one a frame, so it is a clock as well. */
export function counterAt(epochMs) {
  return Math.floor((epochMs * FPS) / 1000) % COUNTERS
}

/** How old a counter is at this moment, in ms, exact to a frame. */
export function ageOf(counter, epochMs) {
  return ((((counterAt(epochMs) - counter) % COUNTERS) + COUNTERS) % COUNTERS) * (1000 / FPS)
}

/** How many counters b is ahead of a; negative when it is behind. */
export function steps(a, b) {
  return ((b - a + COUNTERS + COUNTERS / 2) % COUNTERS) - COUNTERS / 2
}

export function paint(context, sender, counter) {
  const { width, height } = context.canvas
  const word = sender | (counter << 4)
  let ones = 0
  for (let cell = 0; cell < CELLS; cell++) {
    let lit = cell === 0 || cell === CELLS - 1
    if (cell >= SENDER && cell < PARITY) {
      lit = ((word >> (cell - SENDER)) & 1) === 1
      ones += lit
    }
    if (cell === PARITY) lit = ones % 2 === 1
    context.fillStyle = lit ? '#fff' : '#000'
    const [column, row] = [cell % COLUMNS, Math.floor(cell / COLUMNS)]
    context.fillRect((column * width) / COLUMNS, (row * height) / ROWS, width / COLUMNS, height / ROWS)
  }
}

/** Pixels across a grain in the largest picture, and how much of the light below it shows. */
const GRAIN = 12
const COVERS = 0.12

/**
 * Gives a function that lays grain over a picture, other grain each time, in which no encoder finds again what it has sent. Black
 * cells stay dark and white ones light.
 */
export function grain(context) {
  const { width, height } = context.canvas
  const noise = new OffscreenCanvas(2 * width, 2 * height)
  const painter = noise.getContext('2d')
  for (let y = 0; y < noise.height; y += GRAIN) {
    for (let x = 0; x < noise.width; x += GRAIN) {
      painter.fillStyle = `rgb(${[0, 0, 0].map(() => Math.random() * 255).join(' ')})`
      painter.fillRect(x, y, GRAIN, GRAIN)
    }
  }
  return () => {
    context.globalAlpha = COVERS
    context.drawImage(noise, -Math.random() * width, -Math.random() * height)
    context.globalAlpha = 1
  }
}

/** Counters by themselves would be hard to tell from what went wrong, so those are negative. */
export const BLANK = -1
export const TORN = -2
export const STRANGER = -3

/** Clocks of two pages may differ by this many frames. */
const AHEAD = 2

/**
 * Reads pixels of one picture that is seen at this moment, one pixel a cell, rgba: the counter, BLANK when nothing was painted there,
 * TORN when it cannot be read, STRANGER when it is another sender's. A counter that is yet to come cannot be read either: where two
 * pictures are blended, cells that differ may be taken from both, and parity sees but every second mistake.
 */
export function read(pixels, sender, epochMs) {
  const light = cell => Math.min(pixels[cell * 4], pixels[cell * 4 + 1], pixels[cell * 4 + 2])
  const lit = cell => light(cell) > 127
  if (pixels[3] < 255 || !lit(0) || !lit(CELLS - 1) || lit(1)) return BLANK
  let word = 0
  let ones = 0
  for (let cell = SENDER; cell < PARITY; cell++) {
    if (!lit(cell)) continue
    word |= 1 << (cell - SENDER)
    ones++
  }
  if ((ones % 2 === 1) !== lit(PARITY)) return TORN
  if ((word & 15) !== sender) return STRANGER
  const counter = word >> (COUNTER - SENDER)
  return steps(counterAt(epochMs), counter) > AHEAD ? TORN : counter
}
