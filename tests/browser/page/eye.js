// What a person sees: on each animation frame the topmost visible picture of every watched tile is read.
import { COLUMNS, read, ROWS } from './picture.js'

/** An animation frame later than this is noted: the eye was shut. */
const LATE_MS = 100

const canvas = Object.assign(document.createElement('canvas'), { width: COLUMNS, height: ROWS * 16 })
const context = canvas.getContext('2d', { willReadFrequently: true })
context.imageSmoothingEnabled = false

/** Tiles by any key: { element, sender, over(), runs, paths }. */
export const tiles = new Map()
/** [when, ms] of late animation frames. */
export const late = []

/** Watches the tile `element` for pictures of `sender`. `over` says which carrier is shown, for the record. */
export function watch(key, element, sender, over) {
  // runs: [first seen, what] at each change of what is seen; paths: [when, carrier] at each change of path.
  tiles.set(key, { element, sender, over, runs: [], paths: [], doubled: 0 })
}

function seen(tile) {
  const { left, top, width, height } = tile.getBoundingClientRect()
  for (const element of document.elementsFromPoint(left + width / 2, top + height / 2)) {
    const picture = element instanceof HTMLVideoElement || element instanceof HTMLCanvasElement
    if (picture && tile.contains(element) && opaque(element, tile)) return element
  }
  return undefined
}

function opaque(element, tile) {
  for (let at = element; at && at !== tile.parentElement; at = at.parentElement) {
    const style = getComputedStyle(at)
    if (Number(style.opacity) < 0.5 || style.visibility !== 'visible' || style.display === 'none') return false
  }
  return true
}

/** Elements that sound at this moment; two for one track would be heard twice. */
function sounding(tile) {
  return [...tile.querySelectorAll('audio, video')].filter(
    e => !e.muted && !e.paused && e.srcObject?.getAudioTracks().some(t => t.readyState === 'live'),
  ).length
}

let last
function look(now) {
  const at = performance.timeOrigin + now
  if (last !== undefined && now - last > LATE_MS) late.push([at, now - last])
  last = now
  context.clearRect(0, 0, canvas.width, canvas.height)
  let row = 0
  for (const { element } of tiles.values()) {
    const picture = seen(element)
    if (picture) context.drawImage(picture, 0, row, COLUMNS, ROWS)
    row += ROWS
  }
  if (row > 0) {
    const pixels = context.getImageData(0, 0, COLUMNS, row).data
    const size = COLUMNS * ROWS * 4
    let index = 0
    for (const tile of tiles.values()) {
      const what = read(pixels.subarray(index * size, ++index * size), tile.sender)
      if (tile.runs.at(-1)?.[1] !== what) tile.runs.push([at, what])
      const carrier = tile.over()
      if (tile.paths.at(-1)?.[1] !== carrier) tile.paths.push([at, carrier])
      if (sounding(tile.element) > 1) tile.doubled++
    }
  }
  requestAnimationFrame(look)
}
requestAnimationFrame(look)
