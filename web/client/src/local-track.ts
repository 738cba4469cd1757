import type { Source } from './wire.js'

export type Kind = 'audio' | 'video'

export function kindOf(source: Source): Kind {
  return source === 'camera' || source === 'screen' ? 'video' : 'audio'
}

/** A track that we publish. */
export class LocalTrack {
  /** @internal */
  constructor(
    /** Changes when the session is lost and joined anew. */
    public id: string,
    readonly source: Source,
    public track: MediaStreamTrack,
    /** Says to receivers which tracks belong together in time. */
    readonly stream: MediaStream,
    public muted: boolean,
  ) {}

  get kind(): Kind {
    return kindOf(this.source)
  }

  /** What senders carry now. A muted picture is not sent at all; muted sound goes on as silence. @internal */
  get sent(): MediaStreamTrack | null {
    return this.muted && this.kind === 'video' ? null : this.track
  }
}
