import type { Candidate, Description } from './wire.js'

/** Candidates that may wait for the remote description. More than any peer gathers; a flood is cut here. */
const CANDIDATES_MAX = 256

export interface NegotiationHost {
  /** Send our local description to the other end. */
  describe(description: RTCSessionDescription): void
  /** An offer of the other end is about to be applied: add what is to be sent, so that its m-lines are shared. */
  prepare(): void
}

/**
 * Perfect negotiation (WebRTC 1.0, section 10.7): either end may offer at any time; when both do at once, the polite one
 * gives way. The first offer is the impolite end's.
 */
export class Negotiation {
  #making = false
  #ignoring = false
  #settlingAnswer = false
  #candidates: Candidate[] = []

  constructor(
    private readonly pc: RTCPeerConnection,
    private readonly polite: boolean,
    private readonly host: NegotiationHost,
  ) {
    pc.onnegotiationneeded = () => {
      if (!polite || pc.remoteDescription) void this.#offer()
    }
  }

  /** Applies what the other end sent. False when it lost against our own offer and was ignored. */
  async description(description: Description): Promise<boolean> {
    const { pc } = this
    const ready = !this.#making && (pc.signalingState === 'stable' || this.#settlingAnswer)
    const collision = description.type === 'offer' && !ready
    this.#ignoring = !this.polite && collision
    if (this.#ignoring) return false
    if (description.type === 'answer' && pc.signalingState === 'stable') return false
    if (description.type === 'offer') this.host.prepare()
    this.#settlingAnswer = description.type === 'answer'
    try {
      await pc.setRemoteDescription(description as RTCSessionDescriptionInit)
    } finally {
      this.#settlingAnswer = false
    }
    const waiting = this.#candidates
    this.#candidates = []
    for (const candidate of waiting) void this.candidate(candidate)
    if (description.type === 'offer') {
      await pc.setLocalDescription()
      this.#describe()
    }
    return true
  }

  async candidate(candidate: Candidate): Promise<void> {
    if (!this.pc.remoteDescription) {
      if (this.#candidates.length < CANDIDATES_MAX) this.#candidates.push(candidate)
      return
    }
    try {
      await this.pc.addIceCandidate(candidate)
    } catch (error) {
      if (!this.#ignoring && this.pc.signalingState !== 'closed') console.debug('crescendo: candidate', error)
    }
  }

  /** Says our offer again, which may have been lost with a socket. */
  repeat(): void {
    if (this.pc.signalingState === 'have-local-offer') this.#describe()
  }

  async #offer(): Promise<void> {
    this.#making = true
    try {
      await this.pc.setLocalDescription()
      this.#describe()
    } catch (error) {
      if (this.pc.signalingState !== 'closed') console.warn('crescendo: could not offer', error)
    } finally {
      this.#making = false
    }
  }

  #describe(): void {
    if (this.pc.localDescription) this.host.describe(this.pc.localDescription)
  }
}
