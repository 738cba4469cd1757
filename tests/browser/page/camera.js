// Camera and microphone of a participant in the lab.
import { counterAt, FPS, grain, HEIGHT, paint, WIDTH } from './picture.js'

/**
 * A video track of the counted picture, `scale` times larger than usual, and with `hard` one that takes all the bits that an encoder
 * has. Chromium paints in a worker, which goes on in a hidden tab as a real camera does.
 */
export async function camera(sender, { scale = 1, hard = false } = {}) {
  if (!('MediaStreamTrackGenerator' in window)) return canvasCamera(sender, scale, hard)
  const track = new MediaStreamTrackGenerator({ kind: 'video' })
  const worker = new Worker('/lab/camera-worker.js', { type: 'module' })
  worker.postMessage({ writable: track.writable, sender, scale, hard }, [track.writable])
  await new Promise(begun => worker.addEventListener('message', begun, { once: true }))
  return { track, stop: () => (worker.terminate(), track.stop()) }
}

function canvasCamera(sender, scale, hard) {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH * scale, height: HEIGHT * scale })
  const context = canvas.getContext('2d')
  const cover = hard ? grain(context) : () => {}
  const draw = () => {
    paint(context, sender, counterAt(Date.now()))
    cover()
  }
  draw()
  const timer = setInterval(draw, 1000 / FPS)
  const [track] = canvas.captureStream(FPS).getVideoTracks()
  return { track, stop: () => (clearInterval(timer), track.stop()) }
}

/** An audio track with one tone. Multiples of 200 Hz do not leak into each other in windows of 5 ms. */
export async function microphone(hertz) {
  const context = new AudioContext({ sampleRate: 48000 })
  await context.resume()
  const oscillator = new OscillatorNode(context, { frequency: hertz })
  const level = new GainNode(context, { gain: 0.1 })
  const out = new MediaStreamAudioDestinationNode(context)
  oscillator.connect(level).connect(out)
  oscillator.start()
  const [track] = out.stream.getAudioTracks()
  return { track, stop: () => (track.stop(), context.close()) }
}
