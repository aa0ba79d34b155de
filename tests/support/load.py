# SPDX-License-Identifier: Apache-2.0
"""Load with known truth: requests with unique ids, and a back end that records which trace header
came with which id.  Both bare, in the test's process, on one asyncio loop each."""
import asyncio
import random
import re
import threading

HEADER = re.compile(rb"\r\ntraceparent: *([^\r]*)", re.I)


class Backend:
    """Answers every request after 0-10 ms; seen[id] = list of traceparent values it came with."""

    def __init__(self, delay=0.010):
        self.delay, self.seen, self.port = delay, {}, 0
        self.loop = asyncio.new_event_loop()
        self.tasks = set()

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
        return f"http://127.0.0.1:{self.port}"

    def run(self, started):
        server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=256))
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
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode("latin-1")
                ident = target.rpartition("/")[2][::-1] if "/leaf/" in target else (
                    target.partition("id=")[2])
                self.seen.setdefault(ident, []).append(
                    [value.decode("latin-1") for value in HEADER.findall(head)])
                await asyncio.sleep(random.random() * self.delay)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


async def worker(port, idents, headers, outcome):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while idents:
        ident = idents.pop()
        extra = headers(ident) if headers else ""
        writer.write(f"GET /work?id={ident} HTTP/1.1\r\nHost: front\r\n{extra}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"\r\ntransfer-encoding: chunked" in head:
            await reader.readuntil(b"0\r\n\r\n")
        else:
            size = re.search(rb"\r\ncontent-length: *(\d+)", head)
            await reader.readexactly(int(size[1]))
        outcome[ident] = int(head.split(b" ", 2)[1])
        if b"\r\nconnection: close" in head:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


def run_load(port, count, concurrency, headers=None):
    """Sends count requests; returns {id: status}.  headers(id): extra header lines."""
    idents = [f"q{n:05d}-{random.getrandbits(32):08x}" for n in range(count)]
    outcome, left = {}, list(idents)

    async def main():
        await asyncio.wait_for(asyncio.gather(
            *(worker(port, left, headers, outcome) for _ in range(concurrency))), 60)

    asyncio.run(main())
    return outcome
