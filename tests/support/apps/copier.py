# SPDX-License-Identifier: Apache-2.0
"""A service that hands each request to a pool of workers, which pass on the trace headers that it
came with, as services behind a mesh do: copier.py PORT BACKEND [late].  Nothing but those headers
tells which request a worker works for.  late: it answers first, and calls then."""
import http.client
import queue
import sys
import threading
import time
import urllib.parse

import common

COPIED = ("traceparent", "tracestate", "baggage")
JOBS = queue.Queue()
IS_LATE = sys.argv[3:] == ["late"]


def work():
    backend = urllib.parse.urlsplit(sys.argv[2])
    connection = http.client.HTTPConnection(backend.hostname, backend.port)
    while True:
        ident, headers, done = JOBS.get()
        if IS_LATE:
            time.sleep(0.05)
        connection.request("POST", "/leaf", ident[::-1], headers)
        done.put(connection.getresponse().read())


class Front(common.Handler):
    def do_POST(self):  # pylint: disable=invalid-name
        headers = {name: value for name, value in self.headers.items() if name.lower() in COPIED}
        done = queue.Queue()
        JOBS.put((self.read_body(), headers, done))
        self.respond(200, b"ok" if IS_LATE else done.get())

    do_GET = do_POST


for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
common.serve(Front, int(sys.argv[1]))
