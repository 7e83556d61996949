"""Looks at every packet of TCP on the loopback of the network that it runs in, until its standard input ends.

Arguments: a word to look for, then ports. What goes over these ports in either direction is looked at; JSON says what was seen.
Needs root in its network namespace (AF_PACKET, packet(7)).
"""
import json
import select
import socket
import struct
import sys

WORD, PORTS = sys.argv[1].encode(), {int(port) for port in sys.argv[2:]}
ALL_PROTOCOLS, TCP, ETHERNET, SYN = 3, 6, 14, 2
TLS_RECORDS = range(0x14, 0x18)  # RFC 8446, section 5.1


def segment(frame):
    """Ports, sequence number, whether it begins a connection, and payload of a segment of TCP over IPv4; nothing for everything else."""
    if len(frame) < ETHERNET + 20 or frame[12:14] != b"\x08\x00" or frame[ETHERNET + 9] != TCP:
        return None
    head = (frame[ETHERNET] & 0x0F) * 4
    length = struct.unpack_from("!H", frame, ETHERNET + 2)[0]
    tcp = frame[ETHERNET + head:ETHERNET + length]
    if len(tcp) < 20:
        return None
    source, target, number = struct.unpack_from("!HHI", tcp)
    return source, target, number, bool(tcp[13] & SYN), tcp[(tcp[12] >> 4) * 4:]


def main():
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(ALL_PROTOCOLS))
    sniffer.bind(("lo", 0))
    try:
        sniffer.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: nothing may be lost
    except PermissionError:
        pass  # inside a namespace; what was lost is counted
    print("ready", flush=True)
    first, seen, ports, plain = {}, set(), {}, []
    words = 0
    while True:
        readable, _, _ = select.select([sniffer, sys.stdin], [], [])
        if sniffer not in readable:
            break
        frame, about = sniffer.recvfrom(1 << 17)
        found = segment(frame) if about[2] != socket.PACKET_OUTGOING else None  # on loopback each comes twice
        if not found:
            continue
        source, target, number, begins, payload = found
        side = {source, target} & PORTS
        key = (source, target, number, len(payload))
        flow = (source, target)
        if begins and side:
            first[flow] = False  # its first bytes are to come
        if not payload or not side or key in seen:
            continue  # sent again
        seen.add(key)
        for port in side:
            ports[port] = ports.get(port, 0) + len(payload)
        words += WORD in payload
        if first.get(flow) is False:
            first[flow] = True
            if payload[0] not in TLS_RECORDS or payload[1:2] != b"\x03":
                plain.append({"from": source, "to": target, "bytes": payload[:60].decode("latin-1")})
    lost = struct.unpack("II", sniffer.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS
    print(json.dumps({"ports": ports, "flows": sum(first.values()), "plain": plain, "words": words, "lost": lost}))


main()
