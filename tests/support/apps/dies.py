# SPDX-License-Identifier: Apache-2.0
"""A WSGI application whose worker is killed while it serves /SIGKILL, /SIGSEGV, ..."""
import os
import signal


def app(environ, start_response):
    name = environ["PATH_INFO"][1:]
    if name.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, name))
    if name == "abort":
        os.abort()
    start_response("200 OK", [("Content-Length", "3")])
    return [b"ok\n"]
