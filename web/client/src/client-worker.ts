// The worker in which frames are sealed and opened: every encoded frame of an encrypted room comes by here, away from the page.
import { Keyring } from './keyring.js'
import { Opener, Sealer, type FrameKind } from './sealed-frame.js'
import type { Bytes } from './sframe.js'

/** What the page tells the worker. */
export interface Keys {
  /** What own frames are sealed with; nothing is sent without. */
  own: Bytes | undefined
  /** What others' frames may have been sealed with. */
  others: Bytes[]
}

/** What a transform is for. */
export interface TransformOptions {
  side: 'seal' | 'open'
  kind: FrameKind
}

/** WebRTC Encoded Transform, section 3; not in the library of types for workers. */
interface EncodedFrame {
  data: ArrayBuffer
}
interface Transformer {
  readonly options: TransformOptions
  readonly readable: ReadableStream<EncodedFrame>
  readonly writable: WritableStream<EncodedFrame>
  sendKeyFrameRequest?(): Promise<unknown>
}

const ring = new Keyring()
let own: Bytes | undefined

addEventListener('message', ({ data }: MessageEvent<Keys>) => {
  own = data.own
  ring.set(data.others)
  postMessage('taken')
})

addEventListener('rtctransform', (event) => {
  const { transformer } = event as Event & { transformer: Transformer }
  const { side, kind } = transformer.options
  const through = side === 'seal' ? sealing(kind) : opening(kind, transformer)
  transformer.readable
    .pipeThrough(through)
    .pipeTo(transformer.writable)
    .catch(() => {})
})

function sealing(kind: FrameKind): TransformStream<EncodedFrame, EncodedFrame> {
  const sealer = new Sealer()
  return new TransformStream({
    async transform(frame, controller) {
      const sealed = await sealer.seal(own, kind, new Uint8Array(frame.data))
      if (!sealed) return
      frame.data = sealed.buffer
      controller.enqueue(frame)
    },
  })
}

function opening(kind: FrameKind, transformer: Transformer): TransformStream<EncodedFrame, EncodedFrame> {
  const opener = new Opener(ring)
  let missed = false
  return new TransformStream({
    async transform(frame, controller) {
      // Sound of no length: the sender pauses.
      if (frame.data.byteLength === 0) return controller.enqueue(frame)
      const plain = await opener.open(kind, new Uint8Array(frame.data))
      if (!plain) {
        missed = true
        return
      }
      // Without the frames before it a picture needs a new beginning.
      if (missed && kind === 'video') transformer.sendKeyFrameRequest?.().catch(() => {})
      missed = false
      frame.data = plain.buffer
      controller.enqueue(frame)
    },
  })
}
