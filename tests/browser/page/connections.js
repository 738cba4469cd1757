// Every peer connection, so that renegotiation and states can be counted.
export const connections = []
const Native = window.RTCPeerConnection
window.RTCPeerConnection = class extends Native {
  constructor(...args) {
    super(...args)
    const entry = { pc: this, made: Date.now(), begun: performance.now(), signaling: 0 }
    connections.push(entry)
    this.addEventListener('connectionstatechange', () => {
      if (this.connectionState === 'connected') entry.took ??= performance.now() - entry.begun
    })
    this.addEventListener('signalingstatechange', () => entry.signaling++)
  }
}

/** Types of the candidates that a connection uses; `over` is udp, tcp or tls where it goes to a relay of its own. */
async function way({ pc, took }) {
  const stats = await pc.getStats()
  const entries = [...stats.values()]
  const named = entries.find(({ type }) => type === 'transport')?.selectedCandidatePairId
  const pair = named ? stats.get(named) : entries.find(({ type, selected }) => type === 'candidate-pair' && selected)
  const [local, remote] = [stats.get(pair?.localCandidateId), stats.get(pair?.remoteCandidateId)]
  return { ms: Math.round(took), local: local?.candidateType, remote: remote?.candidateType, over: local?.relayProtocol, protocol: local?.protocol }
}

/** Of all connections that stand: [{ ms (from made to connected), local, remote, over }]. */
export const ways = () => Promise.all(connections.filter(({ pc }) => pc.connectionState === 'connected').map(way))
