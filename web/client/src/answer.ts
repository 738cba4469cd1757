/** Said once: all sections share one transport (RFC 9143 section 7.3), and the first that says it speaks for all. */
const TRANSPORT = /^a=(ice-ufrag|ice-pwd|setup|fingerprint):/
const SECTION = /^(m=|a=(mid:|sendrecv$|sendonly$|recvonly$|inactive$))/
/** It tells when packets come: the extension with their transport-wide numbers, and its feedback. */
const NUMBERS =
  /^a=extmap:\d+ http:\/\/www\.ietf\.org\/id\/draft-holmer-rmcat-transport-wide-cc-extensions-01$/
const ARRIVALS = /^a=rtcp-fb:\d+ transport-cc$/
/** Its port is 0. What it says of a transport is void. */
const REJECTED = /^m=\S+ 0 /

/**
 * An answer with only what the server reads, which has fixed tables for codecs and extensions and learns addresses from
 * ICE checks: an eighth of the browser's own, so that calls of hundreds fit in a signaling message.
 *
 * That is, of the transport: the ICE credentials, the DTLS role and the SHA-256 fingerprint; of every section, rejected
 * ones too: its m-line, mid, direction, of those that are received whether the browser tells when packets come, and the first SSRC that it sends from and the one of its retransmissions. `src/sfu/sdp/answer.rs` is the reader, and
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
    const first = (start: string) => section.filter((line) => line.startsWith(start)).slice(0, 1)
    if (receives(section)) {
      for (const known of [NUMBERS, ARRIVALS])
        lines.push(...section.filter((line) => known.test(line)).slice(0, 1))
    }
    if (sends(section)) lines.push(...first('a=ssrc-group:FID '), ...first('a=ssrc:'))
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

function receives(section: string[]): boolean {
  return section.includes('a=recvonly')
}

function sends(section: string[]): boolean {
  return !section.includes('a=recvonly') && !section.includes('a=inactive')
}
