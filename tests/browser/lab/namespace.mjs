// A network namespace in which the server runs, so that its media port can be dropped by a firewall rule of its own.
// A pair of virtual interfaces leads there; nothing outside this machine is ever reached.
import { execFileSync } from 'node:child_process'

const run = (...command) => execFileSync(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
let made = 0

/** Needs root. Gives { within, here, there, drop(port), pass(), remove() }. */
export function makeNamespace() {
  const id = `cr${process.pid}${made++}`
  const [subnet, host] = [`10.${77 + made}.${process.pid % 250}`, id.slice(-12)]
  const [here, there] = [`${subnet}.1`, `${subnet}.2`]
  run('ip', 'netns', 'add', id)
  try {
    run('ip', 'link', 'add', `h${host}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', id)
    run('ip', 'addr', 'add', `${here}/24`, 'dev', `h${host}`)
    run('ip', 'link', 'set', `h${host}`, 'up')
    run('ip', '-n', id, 'addr', 'add', `${there}/24`, 'dev', 'eth0')
    run('ip', '-n', id, 'link', 'set', 'eth0', 'up')
    run('ip', '-n', id, 'link', 'set', 'lo', 'up')
  } catch (error) {
    run('ip', 'netns', 'del', id)
    throw error
  }
  const within = ['ip', 'netns', 'exec', id]
  return {
    within,
    here,
    there,
    /** Nothing reaches this UDP port any more, and nothing leaves it. */
    drop(port) {
      run(...within, 'nft', `add table inet lab; add chain inet lab in { type filter hook input priority 0 ; };
        add chain inet lab out { type filter hook output priority 0 ; };
        add rule inet lab in udp dport ${port} drop; add rule inet lab out udp sport ${port} drop`)
    },
    pass() {
      run(...within, 'nft', 'delete table inet lab')
    },
    remove() {
      run('ip', 'netns', 'del', id)
    },
  }
}
