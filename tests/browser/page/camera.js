// Camera and microphone of a participant in the lab.
import { counterAt, FPS, HEIGHT, paint, WIDTH } from './picture.js'

/** A video track of the counted picture. Chromium paints in a worker, which goes on in a hidden tab as a real camera does. */
export async function camera(sender) {
  if (!('MediaStreamTrackGenerator' in window)) return canvasCamera(sender)
  const track = new MediaStreamTrackGenerator({ kind: 'video' })
  const worker = new Worker('/lab/camera-worker.js', { type: 'module' })
  worker.postMessage({ writable: track.writable, sender }, [track.writable])
  await new Promise(begun => worker.addEventListener('message', begun, { once: true }))
  return { track, stop: () => (worker.terminate(), track.stop()) }
}

function canvasCamera(sender) {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT })
  const context = canvas.getContext('2d')
  const draw = () => paint(context, sender, counterAt(Date.now()))
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
