# SPDX-License-Identifier: Apache-2.0
"""A WSGI application, GET /HOW/COUNT: so many calls to BACKEND, then it ends in that way while it still
serves the request, or answers."""
import http.client
import os
import signal
import time

HOST = os.environ.get("BACKEND", "").partition("//")[2].rstrip("/")


def call(path):
    connection = http.client.HTTPConnection(HOST, timeout=30)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()


def killed_child():
    """It dies in the middle of its call; the request goes on."""
    mark, done = os.pipe()
    child = os.fork()
    if child == 0:
        call("/child")
        connection = http.client.HTTPConnection(HOST, timeout=30)
        connection.request("GET", "/slow/20000")
        os.write(done, b"x")
        connection.getresponse()
        os._exit(0)
    os.read(mark, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(mark)
    os.close(done)


def app(environ, start_response):
    how, count = environ["PATH_INFO"][1:].split("/")
    for number in range(int(count)):
        call(f"/item/{number}")
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(20)
    if how == "exec":
        os.execv("/bin/true", ["true"])
    if how == "exit":
        os._exit(7)
    if how == "fork":
        killed_child()
    start_response("200 OK", [("Content-Length", "3")])
    return [b"ok\n"]
