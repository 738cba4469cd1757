// What a person sees: on each animation frame the topmost visible picture of every watched tile is read.
import { BLANK, COLUMNS, read, ROWS } from './picture.js'

/** An animation frame later than this is noted: the eye was shut. */
const LATE_MS = 100

const canvas = Object.assign(document.createElement('canvas'), { width: COLUMNS, height: ROWS * 16 })
const context = canvas.getContext('2d', { willReadFrequently: true })
context.imageSmoothingEnabled = false

/** Tiles by any key: { element, sender, over(), runs, paths }. */
export const tiles = new Map()
/** [when, ms] of late animation frames. */
export const late = []
/** What each blank sample was: { at, key, picture?: { width, height, readyState }, pixels }. */
export const blanks = []

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

/**
 * Chromium's canvas scales a video that has just changed its size as if it still had the old one: a picture twice as large
 * covers a quarter. There the frame itself is drawn.
 */
const takesFrames = navigator.userAgent.includes('Chrome')

function draw(picture, row) {
  if (!takesFrames || !(picture instanceof HTMLVideoElement)) {
    context.drawImage(picture, 0, row, COLUMNS, ROWS)
  } else if (picture.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
    const frame = new VideoFrame(picture)
    context.drawImage(frame, 0, row, COLUMNS, ROWS)
    frame.close()
  }
}

const describe = picture =>
  picture && { width: picture.videoWidth, height: picture.videoHeight, readyState: picture.readyState }

let last
function look(now) {
  const at = performance.timeOrigin + now
  if (last !== undefined && now - last > LATE_MS) late.push([at, now - last])
  last = now
  context.clearRect(0, 0, canvas.width, canvas.height)
  let row = 0
  const pictures = []
  for (const { element } of tiles.values()) {
    const picture = seen(element)
    pictures.push(picture)
    if (picture) draw(picture, row)
    row += ROWS
  }
  if (row > 0) {
    const pixels = context.getImageData(0, 0, COLUMNS, row).data
    const size = COLUMNS * ROWS * 4
    let index = 0
    for (const [key, tile] of tiles) {
      const cells = pixels.subarray(index * size, (index + 1) * size)
      const what = read(cells, tile.sender, at)
      if (what === BLANK) blanks.push({ at, key, picture: describe(pictures[index]), pixels: [...cells] })
      index++
      if (tile.runs.at(-1)?.[1] !== what) tile.runs.push([at, what])
      const carrier = tile.over()
      if (tile.paths.at(-1)?.[1] !== carrier) tile.paths.push([at, carrier])
      if (sounding(tile.element) > 1) tile.doubled++
    }
  }
  requestAnimationFrame(look)
}
requestAnimationFrame(look)
