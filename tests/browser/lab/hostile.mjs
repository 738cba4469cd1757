// Runs a hostile client of crescendo-load to its end; gives what it says it sent.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const binary = process.env.CRESCENDO_LOAD ?? 'target/debug/crescendo-load'

/** hostile('media', { to: '127.0.0.1:50000', seconds: 3 }) */
export async function hostile(attack, options) {
  const args = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)])
  const { stdout } = await promisify(execFile)(binary, [attack, ...args], { cwd: root, timeout: 120_000 })
  return JSON.parse(stdout).report
}
