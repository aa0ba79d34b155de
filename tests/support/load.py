# SPDX-License-Identifier: Apache-2.0
"""Load with known truth: every request has the same URL and carries an id in its body, the application
reverses it for the call below, and the back end notes which trace header came with which id.  Both
ends bare, in the test's process, on one asyncio loop each."""
import asyncio
import random
import re
import socket
import ssl
import struct
import threading

HEADER = re.compile(rb"\r\ntraceparent: *([^\r]*)", re.I)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
AGENT = re.compile(rb"\r\nuser-agent: *([^\r]*)", re.I)
CLOSE = re.compile(rb"\r\nconnection: *close|^[^\r]*HTTP/1\.0", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)

UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname, UNVERIFIED.verify_mode = False, ssl.CERT_NONE
GONE = b"\r\nConnection: close"


async def read_message(reader):
    """(head, body) of the next message with a length or in chunks."""
    head = await reader.readuntil(b"\r\n\r\n")
    if CHUNKED.search(head):
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return head, body
    length = LENGTH.search(head)
    return head, await reader.readexactly(int(length[1]) if length else 0)


class Backend:
    """Answers every request after 0-10 ms; seen[id] = list of the traceparent values it came with.
    An id that came by /leaf has been reversed by the application; a request without a body has its
    id in its user agent.  hang: of so many requests, one is never answered; tls: a context to speak it
    with."""

    def __init__(self, delay=0.010, hang=0, tls=None):
        self.delay, self.seen, self.port, self.hang, self.tls = delay, {}, 0, hang, tls
        self.loop = asyncio.new_event_loop()

    def __enter__(self):
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait(5)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def run(self, started):
        server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=256, ssl=self.tls))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    async def serve(self, reader, writer):
        try:
            while True:
                head, body = await read_message(reader)
                ident = (body or AGENT.search(head)[1]).decode("latin-1")
                if head.split(b" ", 2)[1].endswith(b"/leaf"):
                    ident = ident[::-1]
                self.seen.setdefault(ident, []).append(
                    [value.decode("latin-1") for value in HEADER.findall(head)])
                if self.hang and random.randrange(self.hang) == 0:
                    await asyncio.sleep(30)
                await asyncio.sleep(random.random() * self.delay)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
                await writer.drain()
                if CLOSE.search(head):
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


class Load:
    """count requests, concurrency at once.  headers(id): extra header lines; ports: each connection
    takes the next one, and those in tls speak TLS; vanish: of so many requests, one's client goes
    away before the answer; pipeline: so many requests are sent at once on a connection, in pieces."""

    def __init__(self, *ports, count=600, concurrency=64, headers=None, vanish=0, pipeline=1,
                 line="POST /work", tls=()):
        self.ports, self.headers, self.vanish, self.tls = ports, headers, vanish, tls
        self.concurrency, self.opened, self.pipeline, self.line = concurrency, 0, pipeline, line
        self.left = [f"q{n:05d}-{random.getrandbits(32):08x}" for n in range(count)]
        self.outcome = {}  # id: status, or 0 if the client did not wait for it
        self.again = 0  # requests that had to be sent again

    def run(self, seconds=60):
        async def main():
            await asyncio.wait_for(asyncio.gather(
                *(self.piper() if self.pipeline > 1 else self.worker()
                  for _ in range(self.concurrency))), seconds)

        asyncio.run(main())
        return self.outcome

    async def connect(self):
        self.opened += 1
        port = self.ports[self.opened % len(self.ports)]
        return await asyncio.open_connection("127.0.0.1", port,
                                             ssl=UNVERIFIED if port in self.tls else None)

    async def piper(self):
        """Several requests in one write, or in two cut anywhere."""
        reader, writer = await self.connect()
        while idents := self.left[-self.pipeline:]:
            del self.left[-self.pipeline:]
            data = b"".join(map(self.request, idents))
            cut = random.randrange(len(data))
            writer.write(data[:cut])
            await asyncio.sleep(random.random() * 0.002)
            writer.write(data[cut:])
            for ident in idents:
                head, _ = await read_message(reader)
                self.outcome[ident] = int(head.split(b" ", 2)[1])
        writer.close()

    async def worker(self):
        reader, writer = await self.connect()
        is_used = False
        while self.left:
            ident = self.left.pop()
            writer.write(self.request(ident))
            try:
                head = await self.see(ident, reader, writer)
            except (asyncio.IncompleteReadError, ConnectionResetError) as error:
                if not is_used or getattr(error, "partial", b""):
                    raise
                self.left.append(ident)  # the server did not want to keep the connection
                self.again += 1
                head = GONE
            is_used = not CLOSE.search(head)
            if not is_used:
                writer.close()
                reader, writer = await self.connect()
        writer.close()

    async def see(self, ident, reader, writer):
        """The answer's head; its client may go away before that."""
        if self.vanish and random.randrange(self.vanish) == 0:
            await self.go_away(writer)
            self.outcome[ident] = 0
            return GONE
        head, _ = await read_message(reader)
        self.outcome[ident] = int(head.split(b" ", 2)[1])
        return head

    def request(self, ident):
        """The user agent tells which span is whose."""
        extra = self.headers(ident) if self.headers else ""
        body = ident if self.line.startswith("POST") else ""
        return (f"{self.line} HTTP/1.1\r\nHost: front\r\nUser-Agent: {ident}\r\n{extra}"
                f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()

    async def go_away(self, writer):
        """In the middle, by a proper close or by a reset."""
        await asyncio.sleep(random.random() * 0.010)
        if random.random() < 0.5:
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
