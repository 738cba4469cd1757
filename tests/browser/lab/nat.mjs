// A small internet of network namespaces: a bridge, the server on it, and clients behind NATs of every kind. Nothing in it
// reaches anything outside of it.
import { execFileSync } from 'node:child_process'

const run = (...command) => execFileSync(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
let made = 0

/** Public addresses, of the range that is there for documentation (RFC 5737). */
const BRIDGE = '203.0.113.1'
export const SERVER = '203.0.113.10'
const router = number => `203.0.113.${20 + number}`

/**
 * What a client's router does. `symmetric`: another port for each destination, where a cone NAT keeps one for all of them.
 * `udp`: whether it lets any through. `tcp`: the only ports that may be reached; any when absent.
 */
function rules({ symmetric = false, udp = true, tcp }) {
  const lets = tcp ? `iifname "lan" tcp dport != { ${tcp.join(', ')} } drop` : ''
  // What comes unasked is dropped without an answer, as it would take up the port that the client is about to use.
  return `
    table ip nat {
      chain post { type nat hook postrouting priority 100; oifname "wan" masquerade ${symmetric ? 'fully-random' : ''}; }
    }
    table ip filter {
      chain input { type filter hook input priority 0; policy drop; iifname "lan" accept; }
      chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ${udp ? '' : 'iifname "lan" meta l4proto udp drop'}
        ${lets}
        iifname "lan" accept
      }
    }`
}

/** Needs root. */
export class Internet {
  #id = `crnat${process.pid}-${made++}`
  #namespaces = []
  #clients = 0
  /** Runs a command on the server's machine. */
  server
  #remove = () => this.remove()

  constructor() {
    process.once('exit', this.#remove)
    try {
      this.#namespace('inet')
      this.#in('inet', 'ip', 'link', 'add', 'name', 'br0', 'type', 'bridge')
      this.#in('inet', 'ip', 'addr', 'add', `${BRIDGE}/24`, 'dev', 'br0')
      this.#in('inet', 'ip', 'link', 'set', 'br0', 'up')
      this.server = this.#namespace('server')
      this.#plug('server', SERVER)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** A client behind a router of its own; gives the command that runs something on it. */
  client(nat = {}) {
    const gate = this.#gate()
    const home = `home${this.#clients}`
    const within = this.#namespace(home)
    this.#connect(gate, home, rules(nat))
    return within
  }

  /** A client leaves its network and comes to another one, behind another router. */
  move(client, nat = {}) {
    const home = this.#nameOf(client)
    this.#in(home, 'ip', 'link', 'del', 'eth0')
    this.#connect(this.#gate(), home, rules(nat))
  }

  /** A client that reaches the internet by way of another one's machine, and no UDP port `without` anywhere. */
  neighbour(client, { without }) {
    const home = `home${++this.#clients}`
    const within = this.#namespace(home)
    this.#connect(
      this.#nameOf(client),
      home,
      `table ip neighbour {
        chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; }
        chain forward { type filter hook forward priority 0; iifname "lan" udp dport ${without} drop; }
      }`,
    )
    return within
  }

  #nameOf(client) {
    return client.at(-1).slice(this.#id.length + 1)
  }

  #gate() {
    const gate = `gate${++this.#clients}`
    this.#namespace(gate)
    this.#plug(gate, router(this.#clients))
    return gate
  }

  /** The machine `home` has the namespace `gate` for its router. */
  #connect(gate, home, rules) {
    const number = this.#clients
    this.#pair([gate, 'lan', `10.0.${number}.1`], [home, 'eth0', `10.0.${number}.2`])
    this.#in(home, 'ip', 'route', 'add', 'default', 'via', `10.0.${number}.1`)
    this.#in(gate, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
    this.#in(gate, 'nft', rules)
  }

  /** What comes to this UDP port of the server from outside is lost. */
  drop(port) {
    const table = `table ip lab {
      chain in { type filter hook input priority 0; iifname "wan" udp dport ${port} drop; }
    }`
    this.#in('server', 'nft', table)
  }

  remove() {
    process.off('exit', this.#remove)
    for (const name of this.#namespaces.splice(0).reverse()) run('ip', 'netns', 'del', name)
  }

  #namespace(name) {
    const full = `${this.#id}-${name}`
    run('ip', 'netns', 'add', full)
    this.#namespaces.push(full)
    this.#in(name, 'ip', 'link', 'set', 'lo', 'up')
    return ['ip', 'netns', 'exec', full]
  }

  #in(name, ...command) {
    return run('ip', 'netns', 'exec', `${this.#id}-${name}`, ...command)
  }

  /**
   * Connects a namespace to the bridge, with a default route to a host that forwards nothing: what is sent to a private
   * address vanishes, as it does on the internet.
   */
  #plug(name, address) {
    this.#pair([name, 'wan', address], ['inet', `to-${name}`])
    this.#in('inet', 'ip', 'link', 'set', `to-${name}`, 'master', 'br0')
    this.#in(name, 'ip', 'route', 'add', 'default', 'via', BRIDGE)
  }

  /** Two virtual interfaces that lead to each other: [namespace, interface, address]. */
  #pair(...ends) {
    const [[one, left], [other, right]] = ends
    const full = name => `${this.#id}-${name}`
    run('ip', 'link', 'add', left, 'netns', full(one), 'type', 'veth', 'peer', 'name', right, 'netns', full(other))
    for (const [name, link, address] of ends) {
      // An IPv6 address of its own is there a second later only, and then a browser drops what it is loading.
      this.#in(name, 'ip', 'link', 'set', link, 'addrgenmode', 'none')
      if (address) this.#in(name, 'ip', 'addr', 'add', `${address}/24`, 'dev', link)
      this.#in(name, 'ip', 'link', 'set', link, 'up')
    }
  }
}
