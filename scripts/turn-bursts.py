#!/usr/bin/env python3
"""Traffic as video makes it, through a TURN server's channels: bursts of equal packets, one way and the other.

turn-bursts.py PORT SECRET SECONDS CLIENTS BURST BYTES PAUSE MANNER prints how many packets were sent and how many arrived. PAUSE is
in seconds, from one burst of a client to its next. MANNER: a burst leaves with one system call (`train`, by UDP_SEGMENT), so that it
arrives as one from a network card does; or a call a packet (`single`). RFC 8656, on IPv4 loopback.
"""
import hashlib
import hmac
import select
import socket
import struct
import sys
import time
from base64 import b64encode

IP = '127.0.0.1'
COOKIE = bytes.fromhex('2112a442')
TRANSACTION = b'transactions'
UDP_SEGMENT, UDP_GRO = 103, 104

port, secret, seconds, clients, burst, size, pause = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:8])
single = {'train': False, 'single': True}[sys.argv[8]]
server, clients, burst, size = (IP, int(port)), int(clients), int(burst), int(size)
user = f'{int(time.time()) + 3600}:bursts'.encode()


def attribute(kind, value):
    return struct.pack('>HH', kind, len(value)) + value + bytes(-len(value) % 4)


def request(kind, attributes, known=None):
    if known is None:
        return struct.pack('>HH', kind, len(attributes)) + COOKIE + TRANSACTION + attributes
    realm, nonce = known
    attributes += attribute(6, user) + attribute(0x14, realm) + attribute(0x15, nonce)
    message = struct.pack('>HH', kind, len(attributes) + 24) + COOKIE + TRANSACTION + attributes
    password = b64encode(hmac.digest(secret.encode(), user, 'sha1'))
    key = hashlib.md5(b':'.join([user, realm, password])).digest()
    return message + attribute(8, hmac.digest(key, message, 'sha1'))


def read(message):
    found, at = {}, 20
    while at < len(message):
        kind, length = struct.unpack_from('>HH', message, at)
        found[kind] = message[at + 4:at + 4 + length]
        at += 4 + length + -length % 4
    return struct.unpack_from('>H', message)[0], found


def bound():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    s.bind((IP, 0))
    s.settimeout(5)
    return s


def ask(s, *what):
    s.sendto(request(*what), server)
    return read(s.recv(2048))


def xored(address):
    ip = bytes(a ^ b for a, b in zip(socket.inet_aton(address[0]), COOKIE))
    return struct.pack('>HH', 1, address[1] ^ 0x2112) + ip


def pair():
    """A client, its peer, and the relayed address between them."""
    client, peer = bound(), bound()
    udp = attribute(0x19, b'\x11\0\0\0')
    _, asked = ask(client, 0x003, udp)
    known = asked[0x14], asked[0x15]
    kind, allocated = ask(client, 0x003, udp, known)
    assert kind == 0x103, allocated
    relayed = IP, struct.unpack_from('>H', allocated[0x16], 2)[0] ^ 0x2112
    kind, refused = ask(client, 0x009, attribute(0x0c, b'\x40\0\0\0') + attribute(0x12, xored(peer.getsockname())), known)
    assert kind == 0x109, refused
    return client, peer, relayed


def send(s, to, datagram):
    if single:
        for _ in range(burst):
            s.sendto(datagram, to)
        return
    s.sendmsg([datagram * burst], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack('=H', len(datagram)))], 0, to)


pairs = [pair() for _ in range(clients)]
channel = struct.pack('>HH', 0x4000, size) + bytes(size)
poll, lengths = select.epoll(), {}
for client, peer, _ in pairs:
    for s, length in ((client, len(channel)), (peer, size)):
        s.setblocking(False)
        poll.register(s, select.EPOLLIN)
        lengths[s.fileno()] = s, length

sent = received = 0
buffer = bytearray(65536)


def drain(wait):
    global received
    for number, _ in poll.poll(wait):
        s, length = lengths[number]
        try:
            while True:
                received += -(-s.recv_into(buffer) // length)
        except BlockingIOError:
            pass


start = due = time.monotonic()
while due < start + seconds:
    for client, peer, relayed in pairs:
        send(client, server, channel)
        send(peer, relayed, bytes(size))
        sent += 2 * burst
        drain(0)
    due += pause
    while (rest := due - time.monotonic()) > 0:
        drain(rest)
quiet = time.monotonic() + 0.5
while time.monotonic() < quiet and received < sent:
    drain(0.05)
print(sent, received)
