#!/usr/bin/python3
"""The ends of a connection that no common tool makes: what scenes.sh runs in its hosts.

Servers run until they are killed. Every wait is bounded, so that a lost frame cannot hang a scene.
"""

import argparse
import socket
import struct
import sys
import time

kAnswerSeconds = 2
# Linux: setsockopt(SO_NO_CHECK); the socket module does not name it.
kSoNoCheck = 11


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def pattern(number, size):
    """A payload that says which datagram it is: its number, then a counted pattern."""
    return (struct.pack("!I", number) + bytes(i & 0xFF for i in range(size)))[:size]


def udp_echo(options):
    server = socket.socket(family_of(options.address), socket.SOCK_DGRAM)
    server.bind((options.address, options.port))
    while True:
        data, peer = server.recvfrom(65536)
        server.sendto(data, peer)


def udp_send(options):
    client = socket.socket(family_of(options.address), socket.SOCK_DGRAM)
    client.settimeout(kAnswerSeconds)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if options.device:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, options.device.encode())
    if options.no_checksum:
        client.setsockopt(socket.SOL_SOCKET, kSoNoCheck, 1)
    if options.from_port or options.from_address:
        client.bind((options.from_address, options.from_port))
    # Answers are read at the end when datagrams follow each other by the clock, one by one otherwise.
    for number in range(options.count):
        client.sendto(pattern(number, options.bytes), (options.address, options.port))
        if options.gap_ms:
            time.sleep(options.gap_ms / 1000)
        elif options.no_answer:
            time.sleep(0.2)
        else:
            client.recv(65536)
    if options.gap_ms and not options.no_answer:
        time.sleep(0.5)


def udp_join(options):
    member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    member.bind(("", options.port))
    group = struct.pack("4s4s", socket.inet_aton(options.group), socket.inet_aton(options.interface))
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    time.sleep(options.seconds)
    member.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, group)
    time.sleep(options.seconds)


def listener(options):
    server = socket.socket(family_of(options.address), socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return server


def tcp_slow_reader(options):
    server = listener(options)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server.bind((options.address, options.port))
    server.listen()
    peer, _ = server.accept()
    time.sleep(options.wait_s)
    while peer.recv(1000):
        time.sleep(0.01)
    peer.close()


def tcp_send(options):
    with socket.create_connection((options.address, options.port), timeout=20) as client:
        client.sendall(pattern(0, options.bytes))
        client.shutdown(socket.SHUT_WR)
        client.recv(1)


def tcp_odd_server(options):
    """Does to each connection what its first byte asks for; see tcp_odd_client."""
    server = listener(options)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    server.bind((options.address, options.port))
    server.listen()
    while True:
        peer, _ = server.accept()
        peer.settimeout(5)
        wish = peer.recv(1)
        if wish == b"h":  # half close: answer only after the other side has finished
            while peer.recv(1000):
                pass
            peer.sendall(pattern(1, 2000))
        elif wish == b"l":  # linger 0: close resets
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif wish == b"c":  # close with data unread, so that what follows is for nobody
            time.sleep(0.3)
        elif wish in (b"k", b"u", b"f"):  # wait for the end
            while peer.recv(1000):
                pass
        peer.close()


def tcp_odd_client(options):
    target = (options.address, options.port)

    def connect(wish):
        client = socket.create_connection(target, timeout=5)
        client.sendall(wish)
        return client

    with connect(b"k") as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        time.sleep(3.5)
    with connect(b"h") as client:
        client.sendall(pattern(0, 1000))
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    with connect(b"u") as client:
        client.send(b"!", socket.MSG_OOB)
        client.sendall(b"after")
    with connect(b"l") as client:
        expect(ConnectionResetError, client.recv, 1)
    with connect(b"c") as client:
        client.sendall(pattern(0, 3000))
        time.sleep(0.6)
        expect((ConnectionResetError, BrokenPipeError), client.sendall, b"too late")
    # The first asks for a cookie, the second brings data with its SYN.
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.sendto(b"f" + pattern(0, 200), socket.MSG_FASTOPEN, target)
            time.sleep(0.2)
    expect(ConnectionRefusedError, socket.create_connection, (options.address, options.port + 1), 2)


def tcp_unanswered(options):
    expect((TimeoutError, OSError), socket.create_connection, (options.address, options.port), options.seconds)


def expect(errors, call, *arguments):
    try:
        call(*arguments)
    except errors:
        return
    sys.exit(f"traffic.py: expected {errors}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    roles = parser.add_subparsers(required=True)

    def role(name, function, *names):
        one = roles.add_parser(name)
        for each in names:
            one.add_argument(each, type=int if each == "port" else str)
        one.set_defaults(function=function)
        return one

    role("udp-echo", udp_echo, "address", "port")
    one = role("udp-send", udp_send, "address", "port")
    one.add_argument("--count", type=int, default=1)
    one.add_argument("--bytes", type=int, default=0)
    one.add_argument("--gap-ms", type=int, default=0)
    one.add_argument("--from-address", default="")
    one.add_argument("--from-port", type=int, default=0)
    one.add_argument("--device", default="")
    one.add_argument("--no-answer", action="store_true")
    one.add_argument("--no-checksum", action="store_true")
    role("udp-join", udp_join, "group", "interface", "port").add_argument("--seconds", type=int, default=3)
    role("tcp-slow-reader", tcp_slow_reader, "address", "port").add_argument("--wait-s", type=int, default=3)
    role("tcp-send", tcp_send, "address", "port").add_argument("--bytes", type=int, default=0)
    role("tcp-odd-server", tcp_odd_server, "address", "port")
    role("tcp-odd-client", tcp_odd_client, "address", "port")
    role("tcp-unanswered", tcp_unanswered, "address", "port").add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
