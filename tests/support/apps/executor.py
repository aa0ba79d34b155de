# SPDX-License-Identifier: Apache-2.0
"""A pool of threads fed by an in-memory queue: executor.py PORT BACKEND.  /after answers first and
calls when its request is over, on the same thread."""
import concurrent.futures
import sys
import urllib.request

import common

POOL = concurrent.futures.ThreadPoolExecutor(8)


def call(ident):
    request = urllib.request.Request(common.leaf(sys.argv[2]), ident[::-1], common.KIND)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


class Front(common.Handler):
    def do_POST(self):  # pylint: disable=invalid-name
        ident = self.read_body()
        if self.path == "/after":
            self.respond(200, b"done")
            call(ident)
        else:
            self.respond(200, POOL.submit(call, ident).result())


common.serve(Front, int(sys.argv[1]))
