# SPDX-License-Identifier: Apache-2.0
"""A pool of threads fed by an in-memory queue: executor.py PORT BACKEND.  /after?id= answers first and
calls when its request is over, on the same thread."""
import concurrent.futures
import sys
import urllib.parse
import urllib.request

import common

POOL = concurrent.futures.ThreadPoolExecutor(8)


def call(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


class Front(common.Handler):
    def do_GET(self):  # pylint: disable=invalid-name
        url = urllib.parse.urlsplit(self.path)
        leaf = common.leaf(sys.argv[2], urllib.parse.parse_qs(url.query)["id"][0])
        if url.path == "/after":
            self.respond(200, b"done")
            call(leaf)
        else:
            self.respond(200, POOL.submit(call, leaf).result())


common.serve(Front, int(sys.argv[1]))
