// Certificates for the lab.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate for an address that nobody vouches for, gone with the test: [certificate, key]. */
export function selfSigned(t, address) {
  const directory = mkdtempSync(join(tmpdir(), 'crescendo-tls-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const [certificate, key] = ['cert.pem', 'key.pem'].map(name => join(directory, name))
  const options = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=crescendo'.split(' ')
  const where = ['-addext', `subjectAltName=IP:${address}`, '-out', certificate, '-keyout', key]
  execFileSync('openssl', ['req', ...options, ...where], { stdio: 'ignore' })
  return [certificate, key]
}
