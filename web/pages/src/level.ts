/** How loud a microphone is, for meters. */

const QUIET_DB = -60
const LOUD_DB = -12

/** A level from 0 (silence) to 1 (loud) for samples in [-1, 1], even to the ear: decibels, not amplitude. */
export function levelOf(samples: Float32Array): number {
  let sum = 0
  for (const sample of samples) sum += sample * sample
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-12)
  return Math.min(1, Math.max(0, (decibels - QUIET_DB) / (LOUD_DB - QUIET_DB)))
}

/** Calls `show` with the level of a track on each animation frame. */
export class LevelMeter {
  #context: AudioContext | undefined
  #source: MediaStreamAudioSourceNode | undefined
  #frame = 0

  constructor(private readonly show: (level: number) => void) {}

  listen(track: MediaStreamTrack | undefined): void {
    this.stop()
    if (track === undefined) return
    const context = (this.#context ??= new AudioContext())
    // Before the first click or key the browser keeps it asleep.
    void context.resume()
    const analyser = context.createAnalyser()
    analyser.fftSize = 1024
    this.#source = context.createMediaStreamSource(new MediaStream([track]))
    this.#source.connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    let shown = 0
    const draw = () => {
      analyser.getFloatTimeDomainData(samples)
      // Up at once, down slowly: a meter that can be read.
      shown = Math.max(levelOf(samples), shown * 0.9)
      this.show(shown)
      this.#frame = requestAnimationFrame(draw)
    }
    draw()
  }

  /** After a click or a key, where the browser waited for one. */
  wake(): void {
    void this.#context?.resume()
  }

  stop(): void {
    cancelAnimationFrame(this.#frame)
    this.#source?.disconnect()
    this.#source = undefined
    this.show(0)
  }

  close(): void {
    this.stop()
    void this.#context?.close()
    this.#context = undefined
  }
}
