"""Far more than a gateway can do: connections that send requests without end and never read an answer, that begin bodies and
do not end them, and that ask as fast as they can.

Arguments: address, CA file, connections of each kind, seconds. Prints how many of each were open, and what was answered.
"""
import asyncio
import collections
import json
import ssl
import sys
import time

HOST, PORT = sys.argv[1].rsplit(":", 1)
CA, EACH, SECONDS = sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
BODY = json.dumps({"name": "x" * 60_000}).encode()
HEAD = f"POST /users HTTP/1.1\r\nhost: {HOST}:{PORT}\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n".encode()
GET = f"GET /accounts/none/balance HTTP/1.1\r\nhost: {HOST}:{PORT}\r\n\r\n".encode()
opened, answers = collections.Counter(), collections.Counter()


async def deaf(_, writer, until):
    while time.monotonic() < until:
        writer.write(HEAD + BODY)
        await writer.drain()


async def slow(_, writer, until):
    writer.write(HEAD)
    while time.monotonic() < until:
        writer.write(b"{")
        await writer.drain()
        await asyncio.sleep(0.5)


async def eager(reader, writer, until):
    while time.monotonic() < until:
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        answers[head.split(b" ", 2)[1].decode()] += 1
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)


async def one(kind, context, until, gate):
    while time.monotonic() < until:
        try:
            async with gate:  # so many handshakes at once
                reader, writer = await asyncio.wait_for(asyncio.open_connection(HOST, int(PORT), ssl=context), 20)
            opened[kind.__name__] += 1
            await asyncio.wait_for(kind(reader, writer, until), max(0.1, until - time.monotonic()))
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.2)  # sent away, or cut off: it comes again


async def main():
    context = ssl.create_default_context(cafile=CA)
    context.check_hostname = False
    until, gate = time.monotonic() + SECONDS, asyncio.Semaphore(16)
    await asyncio.gather(*(one(kind, context, until, gate) for kind in (deaf, slow, eager) for _ in range(EACH)))
    print(json.dumps({"opened": opened, "answers": answers}))


asyncio.run(main())
