# SPDX-License-Identifier: Apache-2.0
"""A service at the bottom: tells what it was asked.  second.py PORT.  /status/404 answers 404."""
import json
import sys

import common


class Second(common.Handler):
    def do_GET(self):  # pylint: disable=invalid-name
        body = self.read_body()
        status = 200
        if self.path.startswith("/status/"):
            status = int(self.path.rpartition("/")[2])
        told = {"method": self.command, "path": self.path, "headers": self.headers.items(),
                "body": body.decode("latin-1")}
        self.respond(status, json.dumps(told).encode(), "application/json")

    do_POST = do_HEAD = do_PUT = do_BREW = do_GET


common.serve(Second, int(sys.argv[1]))
