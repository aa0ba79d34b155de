# SPDX-License-Identifier: Apache-2.0
"""Starts a program in each request, one after the other: starter.py PORT BACKEND.  GET /HOW runs a
shell script that asks the backend for /a and /b."""
import http.server
import os
import subprocess
import sys

import common

SCRIPT = f"curl -sS -o a {sys.argv[2]}/a; curl -sS {sys.argv[2]}/b | grep -c path"


def by_fork():
    child = os.fork()
    if child == 0:
        try:
            os.execvp("sh", ["sh", "-c", SCRIPT])
        finally:
            os._exit(9)
    os.waitpid(child, 0)


WAYS = {
    "/run": lambda: subprocess.run(SCRIPT, shell=True, check=True, stdout=subprocess.DEVNULL),
    "/environment": lambda: subprocess.run(["sh", "-c", SCRIPT], check=True, env=dict(os.environ)),
    "/fork": by_fork,
    "/spawn": lambda: os.waitpid(os.posix_spawnp("sh", ["sh", "-c", SCRIPT], os.environ), 0),
    "/system": lambda: os.system(SCRIPT),
    "/popen": lambda: os.popen(SCRIPT).read(),
}


class Starter(common.Handler):
    def do_GET(self):  # pylint: disable=invalid-name
        WAYS[self.path]()
        self.respond(200, b"done\n")


common.end_on_sigterm()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Starter).serve_forever(0.05)
