# SPDX-License-Identifier: Apache-2.0
"""What the W3C's suite for Trace Context wants of a service: a POST with [{"url": ..., "arguments":
[...]}, ...] is answered once each URL has been sent a POST of its arguments.  It knows nothing of
traces.  w3c.py PORT."""
import json
import sys
import urllib.request

import common
import requests


def by_urllib(url, body):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        answer.read()


def by_requests(url, body):
    requests.post(url, data=body, headers={"Content-Type": "application/json"}).raise_for_status()


class Service(common.Handler):
    def do_POST(self):  # pylint: disable=invalid-name
        for number, call in enumerate(json.loads(self.read_body())):
            send = by_requests if number % 2 else by_urllib
            send(call["url"], json.dumps(call["arguments"]).encode())
        self.respond(200, b"{}", "application/json")


common.serve(Service, int(sys.argv[1]))
