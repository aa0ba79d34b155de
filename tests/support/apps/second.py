# SPDX-License-Identifier: Apache-2.0
"""A service at the bottom: tells what it was asked.  second.py PORT.  /status/404 answers 404,
/meet/8/... when eight of them have been asked, /slow/300 after so many milliseconds."""
import json
import sys
import threading
import time

import common


MEETINGS = {}
MEETINGS_LOCK = threading.Lock()


def meet(count):
    """Returns when so many are here."""
    with MEETINGS_LOCK:
        barrier = MEETINGS.setdefault(count, threading.Barrier(count))
    barrier.wait(20)


class Second(common.Handler):
    def do_GET(self):  # pylint: disable=invalid-name
        body = self.read_body()
        status = 200
        if self.path.startswith("/status/"):
            status = int(self.path.rpartition("/")[2])
        if self.path.startswith("/meet/"):
            meet(int(self.path.split("/")[2]))
        if self.path.startswith("/slow/"):
            time.sleep(int(self.path.split("/")[2]) / 1000)
        told = {"method": self.command, "path": self.path, "headers": self.headers.items(),
                "body": body.decode("latin-1")}
        self.respond(status, json.dumps(told).encode(), "application/json")

    do_POST = do_HEAD = do_PUT = do_BREW = do_GET


common.serve(Second, int(sys.argv[1]))
