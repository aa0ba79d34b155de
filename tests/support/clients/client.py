# SPDX-License-Identifier: Apache-2.0
"""Asks for all of the contract (apps/contract.py) and prints a line "status length MD5" for each
answer: client.py urllib|http|requests|aiohttp|httpx|httpx-async URL.  The clients in other languages
here do the same, in the same order."""
import asyncio
import hashlib
import http.client
import sys
import urllib.error
import urllib.request

MIB = bytes(range(255, -1, -1)) * 4096
KIND = {"Content-Type": "application/octet-stream"}


def pieces():
    for at in range(0, len(MIB), 50_000):
        yield MIB[at:at + 50_000]


async def slow_pieces():
    for piece in pieces():
        yield piece


# A body that is a function is sent in chunks.
STEPS = [("GET", "/page", None), ("GET", "/page", None), ("HEAD", "/page", None),
         ("GET", "/big", None), ("GET", "/stream", None), ("GET", "/nothing", None),
         ("POST", "/sum", MIB), ("POST", "/sum", pieces)]


def tell(status, body):
    print(status, len(body), hashlib.md5(body).hexdigest())


def by_urllib(url):
    for method, path, body in STEPS:
        data = body() if callable(body) else body
        request = urllib.request.Request(url + path, data, KIND if body else {}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                tell(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            tell(error.code, error.read())


def by_http(url):
    scheme, _, authority = url.partition("://")
    kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[scheme]
    connection = kind(authority)
    for method, path, body in STEPS:
        connection.request(method, path, body() if callable(body) else body, KIND if body else {})
        answer = connection.getresponse()
        tell(answer.status, answer.read())


def by_requests(url):
    import requests  # pylint: disable=import-outside-toplevel
    with requests.Session() as session:
        for method, path, body in STEPS:
            answer = session.request(method, url + path, headers=KIND if body else {},
                                     data=body() if callable(body) else body)
            tell(answer.status_code, answer.content)


async def by_aiohttp(url):
    import aiohttp  # pylint: disable=import-outside-toplevel
    async with aiohttp.ClientSession() as session:
        for method, path, body in STEPS:
            data = slow_pieces() if callable(body) else body
            async with session.request(method, url + path, data=data,
                                       headers=KIND if body else {}) as answer:
                tell(answer.status, await answer.read())


def by_httpx(url):
    import httpx  # pylint: disable=import-outside-toplevel
    with httpx.Client() as client:
        for method, path, body in STEPS:
            answer = client.request(method, url + path, headers=KIND if body else {},
                                    content=body() if callable(body) else body)
            tell(answer.status_code, answer.content)


async def by_httpx_async(url):
    import httpx  # pylint: disable=import-outside-toplevel
    async with httpx.AsyncClient() as client:
        for method, path, body in STEPS:
            answer = await client.request(method, url + path, headers=KIND if body else {},
                                          content=slow_pieces() if callable(body) else body)
            tell(answer.status_code, answer.content)


WAYS = {"urllib": by_urllib, "http": by_http, "requests": by_requests, "aiohttp": by_aiohttp,
        "httpx": by_httpx, "httpx-async": by_httpx_async}
DONE = WAYS[sys.argv[1]](sys.argv[2])
if asyncio.iscoroutine(DONE):
    asyncio.run(DONE)
