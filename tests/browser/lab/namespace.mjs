// A network namespace in which the server runs, so that its media port can be dropped by a firewall rule of its own.
// A pair of virtual interfaces leads there; nothing outside this machine is ever reached.
import { execFileSync } from 'node:child_process'

const run = (...command) => execFileSync(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
let made = 0

/** Needs root. Gives { within, here, there, drop(port), lose(percent), shape(ports, kbps), unshape(), pass(), remove() }. */
export function makeNamespace() {
  const id = `cr${process.pid}${made++}`
  const [subnet, host] = [`10.${77 + made}.${process.pid % 250}`, id.slice(-12)]
  const [here, there] = [`${subnet}.1`, `${subnet}.2`]
  run('ip', 'netns', 'add', id)
  try {
    run('ip', 'link', 'add', `h${host}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', id)
    // An IPv6 address of its own is there a second later only, and then a browser drops what it is loading.
    run('ip', 'link', 'set', `h${host}`, 'addrgenmode', 'none')
    run('ip', 'addr', 'add', `${here}/24`, 'dev', `h${host}`)
    run('ip', 'link', 'set', `h${host}`, 'up')
    run('ip', '-n', id, 'addr', 'add', `${there}/24`, 'dev', 'eth0')
    run('ip', '-n', id, 'link', 'set', 'eth0', 'up')
    run('ip', '-n', id, 'link', 'set', 'lo', 'up')
    // A Firefox that films nothing speaks from the address of the machine's default route, whichever way it takes.
    run('ip', '-n', id, 'route', 'add', 'default', 'via', here)
  } catch (error) {
    run('ip', 'netns', 'del', id)
    throw error
  }
  let shaped = false
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
    /** So many packets of a hundred are lost, each way. */
    lose(percent) {
      const rule = hook => `add chain inet lab ${hook} { type filter hook ${hook} priority 0 ; };
        add rule inet lab ${hook} ip protocol udp numgen random mod 100 < ${percent} drop;`
      run(...within, 'nft', `add table inet lab; ${rule('input')} ${rule('output')}`)
    },
    /** What leaves for these UDP ports gets through at so many kbit/s, and waits for `queue` ms at most. Again: at another rate. */
    shape(ports, kbps, queue = 300) {
      const tc = (...command) => run(...within, 'tc', ...command)
      // Trains are cut up by tbf, which a class of htb would let through in one piece.
      const bucket = ['rate', `${kbps}kbit`, 'burst', '2000', 'limit', `${Math.round((kbps * queue) / 8)}`]
      if (shaped) return tc('qdisc', 'change', 'dev', 'eth0', 'parent', '1:1', 'handle', '10:', 'tbf', ...bucket)
      tc('qdisc', 'add', 'dev', 'eth0', 'root', 'handle', '1:', 'htb', 'default', '2')
      for (const id of ['1:1', '1:2']) tc('class', 'add', 'dev', 'eth0', 'parent', '1:', 'classid', id, 'htb', 'rate', '10gbit')
      tc('qdisc', 'add', 'dev', 'eth0', 'parent', '1:1', 'handle', '10:', 'tbf', ...bucket)
      for (const port of ports) {
        const match = ['match', 'ip', 'protocol', '17', '0xff', 'match', 'ip', 'dport', `${port}`, '0xffff']
        tc('filter', 'add', 'dev', 'eth0', 'parent', '1:', 'protocol', 'ip', 'u32', ...match, 'flowid', '1:1')
      }
      shaped = true
    },
    /** The end of that. */
    unshape() {
      run(...within, 'tc', 'qdisc', 'del', 'dev', 'eth0', 'root')
      shaped = false
    },
    /** What a page of the machine itself says to who asks from there. */
    fetch: url => run(...within, process.execPath, '-e', 'fetch(process.argv[1]).then(r => r.text()).then(t => console.log(t))', url),
    pass() {
      run(...within, 'nft', 'delete table inet lab')
    },
    remove() {
      run('ip', 'netns', 'del', id)
    },
  }
}
