import { ApiError, type Api } from './api'

/** Server-sent events over `fetch`, which can show a token; an EventSource cannot. */

export type Happening = { id: number; time: string; room: string; type: string } & Record<string, unknown>

/** After a lost stream it is asked again so often, ms. */
const AGAIN_MS = 2000
/** Longest piece of an event that is kept while its end has not come, characters: the server's are far smaller. */
const PIECE_MAX = 1 << 20

export type Message = { event: string; id: string | undefined; data: string }

/** Cuts text that comes in pieces into messages (HTML Living Standard section 9.2.6). */
export class Cutter {
  #rest = ''

  push(text: string): Message[] {
    const blocks = (this.#rest + text).split(/\r?\n\r?\n/)
    this.#rest = (blocks.pop() ?? '').slice(-PIECE_MAX)
    return blocks.map(message).filter((message) => message !== undefined)
  }
}

function message(block: string): Message | undefined {
  let event = 'message'
  let id: string | undefined
  const data: string[] = []
  for (const line of block.split(/\r?\n/)) {
    const at = line.indexOf(':')
    const [field, value] = at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')]
    if (field === 'event') event = value
    else if (field === 'id') id = value
    else if (field === 'data') data.push(value)
  }
  return data.length === 0 ? undefined : { event, id, data: data.join('\n') }
}

export interface StreamHost {
  happened(event: Happening): void
  /** So many events are gone; nothing when nobody knows how many. */
  missed(count: number | undefined): void
}

/** Reads what happens until it is aborted; begins with what the server still remembers. */
export async function readEvents(api: Api, room: string | undefined, host: StreamHost, signal: AbortSignal) {
  let last = '0'
  while (!signal.aborted) {
    try {
      const query = room === undefined ? '' : `?room=${encodeURIComponent(room)}`
      const answer = await api.fetch(`/events${query}`, { headers: { 'last-event-id': last }, signal })
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
      const cutter = new Cutter()
      for (;;) {
        const piece = await reader?.read()
        if (piece === undefined || piece.done) break
        for (const { event, id, data } of cutter.push(piece.value)) {
          const said: unknown = JSON.parse(data)
          if (event !== 'missed') host.happened(said as Happening)
          // What was before the page opened is not missed.
          else if (last !== '0') host.missed((said as { missed: number | null }).missed ?? undefined)
          last = id ?? last
        }
      }
    } catch (error) {
      // The rest of the page asks all the time, and says what is wrong.
      if (signal.aborted || (error instanceof ApiError && error.isAboutAccess)) return
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}
