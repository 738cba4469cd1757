/**
 * A room that lives in the page: people made of canvas, for looking at the call page without a server. Takes the client
 * library's place in `vite --mode fake` and is in no other build. The address says what to play:
 * `people=5` (0 to 12), `mode=sfu`, `share=1`, `leg=running`, `talk=0`, `fail=room-full`, `lost=1`, `chat=1`.
 */

type Handler = (...args: never[]) => void
type Path = 'mesh' | 'sfu'
type Source = 'microphone' | 'camera' | 'screen' | 'screen-audio'

const NAMES = [
  'Ann Lindqvist',
  'Ben Okafor',
  'Chiara Rossi',
  'Dmitri',
  '佐藤 美咲',
  'Eleanor Vance-Whitmore of Hill House',
  'Farid',
  '<b>Grace</b>',
  'Hugo',
  'Ines',
  'Jonas',
  'Kofi',
]

export class RoomError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly fatal = false,
  ) {
    super(message)
  }
}

class FakeTrack {
  #canvas: HTMLCanvasElement | undefined
  muted = false

  constructor(
    readonly id: string,
    readonly source: Source,
    readonly over: Path,
    private readonly seed: number,
  ) {}

  get kind() {
    return this.source === 'camera' || this.source === 'screen' ? 'video' : 'audio'
  }

  attach(element: HTMLElement): void {
    if (this.kind === 'audio' || this.#canvas !== undefined) return
    this.#canvas = this.source === 'screen' ? slide() : portrait(this.seed)
    const video = document.createElement('video')
    video.muted = true
    video.playsInline = true
    video.srcObject = this.#canvas.captureStream(15)
    void video.play()
    element.append(video)
  }

  detach(): void {
    this.#canvas = undefined
  }
}

export class Room {
  readonly id = 'me'
  mode: string
  readonly participants = new Map<
    string,
    { id: string; name: string; away: boolean; tracks: Map<string, FakeTrack> }
  >()
  readonly localTracks = new Map<Source, { source: Source; track: MediaStreamTrack; muted: boolean }>()
  readonly legs = new Map<string, { id: string; kind: string; state: string; url: string; reason?: string }>()
  readonly #handlers = new Map<string, Handler[]>()
  readonly #asked = new URLSearchParams(location.search)

  constructor() {
    this.mode = this.#asked.get('mode') ?? (Number(this.#asked.get('people') ?? 2) >= 4 ? 'sfu' : 'mesh')
  }

  on(name: string, handler: Handler): () => void {
    this.#handlers.set(name, [...(this.#handlers.get(name) ?? []), handler])
    return () => {}
  }

  #emit(name: string, ...args: unknown[]): void {
    for (const handler of this.#handlers.get(name) ?? []) (handler as (...args: unknown[]) => void)(...args)
  }

  async join({ stream }: { stream?: MediaStream } = {}): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 200))
    const fail = this.#asked.get('fail')
    if (fail !== null) throw new RoomError(fail, 'the server says no', true)
    for (const track of stream?.getTracks() ?? []) {
      const source = track.kind === 'audio' ? 'microphone' : 'camera'
      this.localTracks.set(source, { source, track, muted: false })
    }
    const people = Math.min(NAMES.length, Number(this.#asked.get('people') ?? 2))
    for (let index = 0; index < people; index += 1) this.#add(index)
    const leg = this.#asked.get('leg')
    if (leg !== null)
      this.legs.set('l1', {
        id: 'l1',
        kind: 'hls',
        state: leg,
        url: '',
        ...(leg === 'waiting' && {
          reason: 'Nobody sends H.264 video. It goes on when somebody turns a camera on.',
        }),
      })
    setTimeout(() => this.#play(), 300)
  }

  #add(index: number): void {
    const path: Path = this.mode === 'sfu' || (this.mode === 'promoting' && index % 2 === 0) ? 'sfu' : 'mesh'
    const id = `p${index}`
    const sources: Source[] = ['microphone', 'camera']
    if (index === 0 && this.#asked.get('share') === '1') sources.push('screen')
    const tracks = new Map(
      sources.map((source) => [`${id}-${source}`, new FakeTrack(`${id}-${source}`, source, path, index)]),
    )
    const [microphone, camera] = [...tracks.values()]
    if (microphone !== undefined) microphone.muted = index % 4 === 2
    if (camera !== undefined) camera.muted = index % 5 === 3
    this.participants.set(id, {
      id,
      name: NAMES[index] ?? '',
      away: index === 4 && this.#asked.get('away') === '1',
      tracks,
    })
  }

  #play(): void {
    const ids = [...this.participants.keys()]
    if (this.#asked.get('talk') !== '0') this.#emit('active-speakers', ids.slice(0, 1))
    if (this.#asked.get('lost') === '1') this.#emit('reconnecting')
    if (this.#asked.get('chat') === '1') {
      for (const text of ['Can everybody see the slides?', 'The third figure is the new one.'])
        this.#emit('message', { from: 'p0', data: { type: 'chat', text } })
      this.#emit('message', {
        from: 'p1',
        data: {
          type: 'chat',
          text: 'Yes, all fine <img src=x onerror=alert(1)> https://example.org/a-very-long-address-that-has-to-wrap-somewhere/0123456789',
        },
      })
    }
  }

  async publish(track: MediaStreamTrack, { source }: { source: Source }): Promise<void> {
    this.localTracks.set(source, { source, track, muted: false })
  }

  async unpublish(track: MediaStreamTrack): Promise<void> {
    for (const [source, local] of this.localTracks) if (local.track === track) this.localTracks.delete(source)
  }

  async mute(track: MediaStreamTrack, muted: boolean): Promise<void> {
    for (const local of this.localTracks.values()) if (local.track === track) local.muted = muted
  }

  async replaceTrack(
    old: { track: MediaStreamTrack } | MediaStreamTrack,
    track: MediaStreamTrack,
  ): Promise<void> {
    for (const local of this.localTracks.values())
      if (local === old || local.track === old) local.track = track
  }

  async send(): Promise<void> {}

  async startLeg({ kind }: { kind: string }): Promise<void> {
    const leg = { id: 'l1', kind, state: 'starting', url: '' }
    this.legs.set(leg.id, leg)
    this.#emit('leg-changed', leg)
    setTimeout(() => {
      leg.state = 'running'
      this.#emit('leg-changed', leg)
    }, 800)
  }

  async stopLeg(id: string): Promise<void> {
    this.legs.delete(id)
    this.#emit('leg-changed', { id, kind: 'hls', state: 'stopped', url: '' })
  }

  setSpeaker(): void {}

  async stats(): Promise<unknown[]> {
    return [...this.participants.keys()].map((participant, index) => ({
      participant,
      track: `${participant}-camera`,
      kind: 'video',
      path: 'mesh',
      rttMs: index === 1 ? 260 : index === 4 ? 600 : 24,
      lossPercent: index === 1 ? 2.4 : 0,
      longestGapMs: 70,
    }))
  }

  async leave(): Promise<void> {}
}

/** Somebody in front of a wall, breathing. */
function portrait(seed: number): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 })
  const hue = (seed * 67 + 200) % 360
  animate(canvas, (draw, time) => {
    const wall = draw.createLinearGradient(0, 0, 640, 360)
    wall.addColorStop(0, `hsl(${hue} 32% 72%)`)
    wall.addColorStop(1, `hsl(${(hue + 40) % 360} 36% 44%)`)
    draw.fillStyle = wall
    draw.fillRect(0, 0, 640, 360)
    const [x, y] = [320 + 6 * Math.sin(time + seed), 160 + 3 * Math.sin(2 * time + seed)]
    draw.fillStyle = `hsl(${(hue + 160) % 360} 38% 30%)`
    draw.beginPath()
    draw.ellipse(x, y + 220, 170, 150, 0, 0, 7)
    draw.fill()
    draw.fillStyle = ['#f0cba8', '#8a5a3c', '#e5b48c', '#c98f66'][seed % 4] ?? '#e5b48c'
    draw.fillRect(x - 26, y + 40, 52, 60)
    draw.beginPath()
    draw.ellipse(x, y, 66, 82, 0, 0, 7)
    draw.fill()
    draw.fillStyle = ['#2b1d14', '#14100e', '#6a4326', '#3d3d42'][seed % 4] ?? '#222'
    draw.beginPath()
    draw.ellipse(x, y - 42, 74, 56, 0, Math.PI, 0)
    draw.fill()
  })
  return canvas
}

function slide(): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 })
  animate(canvas, (draw, time) => {
    draw.fillStyle = '#fbfaf7'
    draw.fillRect(0, 0, 1280, 720)
    draw.fillStyle = '#18262b'
    draw.font = '600 56px sans-serif'
    draw.fillText('Listeners by month', 90, 130)
    for (let bar = 0; bar < 9; bar += 1) {
      const height = 60 + bar * 42 + 8 * Math.sin(time + bar)
      draw.fillStyle = bar === 8 ? '#0b6f66' : '#a9cfc9'
      draw.fillRect(90 + bar * 122, 640 - height, 84, height)
    }
  })
  return canvas
}

function animate(
  canvas: HTMLCanvasElement,
  frame: (draw: CanvasRenderingContext2D, time: number) => void,
): void {
  const draw = canvas.getContext('2d')
  if (draw === null) return
  const next = () => frame(draw, performance.now() / 1000)
  next()
  setInterval(next, 66)
}
