import { counterAt, FPS, grain, HEIGHT, paint, WIDTH } from './picture.js'

onmessage = ({ data: { writable, sender, scale, hard } }) => {
  const canvas = new OffscreenCanvas(WIDTH * scale, HEIGHT * scale)
  const context = canvas.getContext('2d')
  const cover = hard ? grain(context) : () => {}
  const writer = writable.getWriter()
  setInterval(() => {
    paint(context, sender, counterAt(Date.now()))
    cover()
    // Never waits: a frame that is not taken is lost, as with a camera.
    if (writer.desiredSize > 0) writer.write(new VideoFrame(canvas, { timestamp: performance.now() * 1000 }))
  }, 1000 / FPS)
  postMessage('begun')
}
