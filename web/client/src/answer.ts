/** Said once: all sections share one transport (RFC 9143 section 7.3), and the first that says it speaks for all. */
const TRANSPORT = /^a=(ice-ufrag|ice-pwd|setup|fingerprint):/
const SECTION = /^(m=|a=(mid:|sendrecv$|sendonly$|recvonly$|inactive$))/
/** Its port is 0. What it says of a transport is void. */
const REJECTED = /^m=\S+ 0 /

/**
 * An answer with only what the server reads, which has fixed tables for codecs and extensions and learns addresses from
 * ICE checks: an eighth of the browser's own, so that calls of hundreds fit in a signaling message.
 *
 * That is, of the transport: the ICE credentials, the DTLS role and the SHA-256 fingerprint; of every section, rejected
 * ones too: its m-line, mid, direction, and the first SSRC that it sends from. `src/sfu/sdp/answer.rs` is the reader, and
 * its tests take the same recorded answers as ours: they need no more than this.
 */
export function slim(sdp: string): string {
  const [session = [], ...sections] = sdp
    .split(/^(?=m=)/m)
    .map((part) => part.split(/\r?\n/).filter((line) => line !== ''))
  const said = new Set<string>()
  const lines = session.filter((line) => /^[vost]=/.test(line) || isNews(line, said))
  for (const section of sections) {
    const rejected = REJECTED.test(section[0] ?? '')
    lines.push(...section.filter((line) => SECTION.test(line) || (!rejected && isNews(line, said))))
    const ssrc = section.find((line) => line.startsWith('a=ssrc:'))
    if (ssrc !== undefined && sends(section)) lines.push(ssrc)
  }
  return lines.map((line) => `${line}\r\n`).join('')
}

/** It says something of the transport for the first time. Other fingerprints than SHA-256 are not read. */
function isNews(line: string, said: Set<string>): boolean {
  const name = TRANSPORT.exec(line)?.[1]
  if (name === undefined || said.has(name)) return false
  if (name === 'fingerprint' && !line.startsWith('a=fingerprint:sha-256 ')) return false
  said.add(name)
  return true
}

function sends(section: string[]): boolean {
  return !section.includes('a=recvonly') && !section.includes('a=inactive')
}
