"""Stands before a broker of Kafka that listens on loopback in plain: with TLS, and with troubles. Until it is killed.

usage: kafka_relay.py PORT BROKER [certificate=FILE key=FILE [clients=FILE]] [cut=N] [names=HOST]
Where the broker names itself in an answer, it names the relay instead; with `names`, that host of nine letters. `cut` connections end after
many records were passed on and before the answer.
"""

import socket
import ssl
import struct
import sys
import threading

port, broker = int(sys.argv[1]), int(sys.argv[2])
options = dict(word.split("=", 1) for word in sys.argv[3:])
cuts = threading.Semaphore(int(options.get("cut", 0)))
PRODUCE = 0
# Bytes of a request with more than a few records.
MANY = 16384


def named(port, host="127.0.0.1"):
    return struct.pack(">h", len(host)) + host.encode() + struct.pack(">i", port)


def frame(stream):
    head = exactly(stream, 4)
    return head + exactly(stream, struct.unpack(">i", head)[0])


def exactly(stream, count):
    out = b""
    while len(out) < count:
        more = stream.recv(count - len(out))
        if not more:
            raise EOFError
        out += more
    return out


def one(raw):
    try:
        stream = context.wrap_socket(raw, server_side=True) if context else raw
        upstream = socket.create_connection(("127.0.0.1", broker))
        while True:
            request = frame(stream)
            upstream.sendall(request)
            answer = frame(upstream)
            is_many = struct.unpack(">h", request[4:6])[0] == PRODUCE and len(request) > MANY
            if is_many and cuts.acquire(blocking=False):
                return
            stream.sendall(answer.replace(named(broker), named(port, options.get("names", "127.0.0.1"))))
    except (OSError, EOFError):
        pass
    finally:
        raw.close()
        if "stream" in locals():
            stream.close()


context = None
if "certificate" in options:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"], options["key"])
    if "clients" in options:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(options["clients"])
listener = socket.create_server(("127.0.0.1", port))
while True:
    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
