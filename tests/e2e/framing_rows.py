# SPDX-License-Identifier: Apache-2.0
"""Conversations of five requests each: what both sides do, and the spans that follow from it.

An exchange is written from both ends (steps of support/rawhttp.py) with sizes left open: SIZE in a
step stands for the size of the reads that the run wants.
"""
from dataclasses import dataclass, field

SIZE = -1
HEAD = b"%s %s HTTP/%s\r\nHost: shop.example:8080\r\nUser-Agent: raw/1\r\n%s\r\n"


def request(method=b"GET", target=b"/item/1", version=b"1.1", headers=b"", body=b""):
    return HEAD % (method, target, version, headers) + body


def response(status=b"200 OK", headers=b"Content-Length: 2\r\n", body=b"ok", version=b"1.1"):
    return b"HTTP/%s %s\r\nServer: raw\r\n%s\r\n%s" % (version, status, headers, body)


def body_size(message):
    return len(message) - message.index(b"\r\n\r\n") - 4


@dataclass
class Row:
    name: str
    method: str
    status: int
    client: list  # a list of steps for each connection
    server: list
    version: str = "1.1"
    error: str = None         # error.type of the CLIENT span, when it has one
    server_error: str = None  # of the SERVER span
    url: str = "http://shop.example:8080/item/1"
    more: dict = field(default_factory=dict)  # other attributes of both spans


def sequential(asked, answered):
    """One connection: each request is answered before the next."""
    client = [[["send", asked], ["read", len(answered), SIZE]] for _ in range(5)]
    server = [[["head", body_size(asked), SIZE], ["send", answered]] for _ in range(5)]
    return {"client": [sum(client, [])], "server": [sum(server, [])]}


def until_close(asked, answered):
    """Five connections, each ended by the server."""
    return {"client": [[["send", asked], ["eof", SIZE]]] * 5,
            "server": [[["head", body_size(asked), SIZE], ["send", answered]]] * 5}


def pipelined(asked, answered, coalesced):
    size = sum(map(len, answered))
    heads = [["head", body_size(a), SIZE] for a in asked]
    sends = [["send", b"".join(answered)]] if coalesced else [["send", a] for a in answered]
    return {"client": [[["send", b"".join(asked)], ["read", size, SIZE]]],
            "server": [heads + sends]}


def interim(asked, body, first, last):
    """The client sends its body when it has been told to."""
    client = [["send", asked], ["read", len(first), SIZE]]
    client += ([["send", body]] if body else []) + [["read", len(last), SIZE]]
    server = [["head", 0, SIZE], ["send", first]]
    server += ([["read", len(body), SIZE]] if body else []) + [["send", last]]
    return {"client": [client * 5], "server": [server * 5]}


def tunnel(asked, answered):
    """After the answer the connection carries something else: here, bytes that look like HTTP."""
    fake = request(target=b"/fake")
    fake_answer = response(b"500 Fake", b"Content-Length: 0\r\n", b"")
    return {"client": [[["send", asked], ["read", len(answered), SIZE],
                        ["send", fake], ["read", len(fake_answer), SIZE]]] * 5,
            "server": [[["head", 0, SIZE], ["send", answered],
                        ["read", len(fake), SIZE], ["send", fake_answer]]] * 5}


CHUNKED = b"4\r\nwiki\r\n5;ext=1\r\npedia\r\n0\r\n"
TRAILERS = CHUNKED + b"X-Sum: 9\r\nX-More: yes\r\n\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
GET, OK = request(), response()
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

ROWS = [
    Row("sequential GET", "GET", 200, **sequential(GET, OK)),
    Row("POST with a body", "POST", 201, **sequential(
        request(b"POST", headers=b"Content-Length: 9\r\n", body=b"a\r\n\r\nGET "),
        response(b"201 Created"))),
    Row("HEAD with Content-Length", "HEAD", 200, **sequential(
        request(b"HEAD"), response(headers=b"Content-Length: 1234\r\n", body=b""))),
    Row("304 with Content-Length", "GET", 304, **sequential(
        GET, response(b"304 Not Modified", b"Content-Length: 1234\r\n", b""))),
    Row("204", "DELETE", 204, **sequential(
        request(b"DELETE"), response(b"204 No Content", b"", b""))),
    Row("404: an error for the client only (H12)", "GET", 404, error="404", **sequential(
        GET, response(b"404 Not Found"))),
    Row("500: an error for both (H13)", "GET", 500, error="500", server_error="500", **sequential(
        GET, response(b"500 Oops"))),
    Row("pipelined in one write", "GET", 200, **pipelined([GET] * 5, [OK] * 5, False)),
    Row("responses coalesced in one read", "GET", 200, **pipelined([GET] * 5, [OK] * 5, True)),
    Row("pipelined HEAD with Content-Length, coalesced", "HEAD", 200, **pipelined(
        [request(b"HEAD")] * 5, [response(headers=b"Content-Length: 77\r\n", body=b"")] * 5, True)),
    Row("100-continue", "PUT", 200, **interim(
        request(b"PUT", headers=b"Expect: 100-continue\r\nContent-Length: 4\r\n"), b"data",
        CONTINUE, OK)),
    Row("103 before the answer", "GET", 200, **interim(
        GET, b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK)),
    Row("chunked with trailers", "POST", 200, **sequential(
        request(b"POST", headers=TE, body=TRAILERS), response(headers=TE, body=TRAILERS))),
    Row("close-delimited", "GET", 200, **until_close(
        GET, response(headers=b"Connection: close\r\n", body=b"until the end\r\n\r\nHTTP/1.1 "))),
    Row("HTTP/1.0", "GET", 200, version="1.0", **until_close(
        request(version=b"1.0"), response(version=b"1.0"))),
    Row("HTTP/1.0 kept alive", "GET", 200, version="1.0", **sequential(
        request(version=b"1.0", headers=b"Connection: keep-alive\r\n"),
        response(headers=b"Connection: keep-alive\r\nContent-Length: 2\r\n", version=b"1.0"))),
    Row("Upgrade", "GET", 101, **tunnel(
        request(headers=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        response(b"101 Switching Protocols", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b""))),
    Row("CONNECT (H47)", "CONNECT", 200, url="//db.example:443", **tunnel(
        request(b"CONNECT", b"db.example:443"), response(b"200 Established", b"", b""))),
    Row("absolute-form (H24)", "GET", 200, url="http://abs.example/item/1", **sequential(
        request(target=b"http://abs.example/item/1"), OK)),
    Row("OPTIONS * (H47)", "OPTIONS", 200, url="http://shop.example:8080", **sequential(
        request(b"OPTIONS", b"*"), OK)),
    Row("an unknown method (H53)", "_OTHER", 200, more={"http.request.method_original": "BREW"},
        **sequential(request(b"BREW"), OK)),
    Row("lower case is another method (H54)", "_OTHER", 200,
        more={"http.request.method_original": "get"}, **sequential(request(b"get"), OK)),
]


def fit(script, size, drip):
    """A script with reads of size bytes, and writes of drip bytes (0: whole)."""
    def step(s):
        if s[0] == "send" and drip:
            return ["drip", s[1], drip]
        return [size if arg == SIZE else arg for arg in s]
    return [[step(s) for s in steps] for steps in script]
