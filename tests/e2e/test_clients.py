# SPDX-License-Identifier: Apache-2.0
"""Every client program asks for the same contract, bare and preloaded: it gets, prints and returns the
same, and every byte that it sends is the same, but for one right traceparent in each request."""
import concurrent.futures
import functools
import os
import re

from support import servers
from support.case import SETTLE, WAIT, Feature, Transparency, brief
from support.contract_client import MIB, Recorder, contract, md5
from support.progs import APPS, PYTHON, Lab
from test_servers import of_kind, told

HERE = os.path.join(os.path.dirname(APPS), "clients")
LINE = re.compile(rb"traceparent: (00-[0-9a-f]{32}-[0-9a-f]{16}-03)\r\n")


def line(status, body):
    return f"{status} {len(body)} {md5(body).decode()}"


# What clients/client.py prints, and what a program that does less leaves out.
ANSWERS = [("GET", "/page", 200, b"page\n"), ("GET", "/page", 200, b"page\n"),
           ("HEAD", "/page", 200, b""), ("GET", "/big", 200, contract.BIG),
           ("GET", "/stream", 200, contract.PIECE * contract.PIECES),
           ("GET", "/nothing", 404, b"nothing here\n"), ("POST", "/sum", 200, md5(MIB)),
           ("POST", "/sum", 200, md5(MIB))]


class Client:
    """answers: which of ANSWERS it asks for; connections: that it opens; is_blind: reads and writes
    its sockets where no hook sees it."""

    def __init__(self, argv, needs, connections, answers=8, is_blind=False, no_error_body=False):
        self.argv, self.needs, self.connections, self.is_blind = argv, needs, connections, is_blind
        self.answers = ANSWERS[:answers] if isinstance(answers, int) else [
            ANSWERS[i] for i in answers]
        if no_error_body:
            self.answers = [a if a[2] != 404 else a[:3] + (b"",) for a in self.answers]


def path(name):
    return os.path.join(HERE, name)


def python(how, connections, *needs):
    return Client([PYTHON, path("client.py"), how], [PYTHON, *needs], connections)


CLIENTS = {
    "curl": Client(["sh", path("curl.sh")], ["curl"], 5),
    "wget": Client(["sh", path("wget.sh")], ["wget"], 6, 7, no_error_body=True),
    "urllib": python("urllib", 8),
    "http.client": python("http", 1),
    "requests": python("requests", 1, "module:requests"),
    "aiohttp": python("aiohttp", 1, "module:aiohttp"),
    "httpx": python("httpx", 1, "module:httpx"),
    "httpx async": python("httpx-async", 1, "module:httpx"),
    "php streams": Client(["php", path("client.php")], ["php"], 7, 7),
    "ruby net/http": Client(["ruby", path("client.rb")], ["ruby"], 1),
    "perl LWP": Client(["perl", path("client.pl")], ["perl", "perl:LWP"], 1),
    "node http": Client(["node", path("client.js"), "http"], ["node"], 1),
    "node fetch": Client(["node", path("client.js"), "fetch"], ["node"], 3),
    "java HttpClient": Client(["java", "http"], ["java", "javac"], 1),
    "java URLConnection": Client(["java", "url"], ["java", "javac"], 1),
    "busybox wget": Client(["sh", path("busybox.sh")], ["busybox"], 5, (0, 1, 3, 4, 5), True, True),
}


class Run:
    context, scheme, host, env = None, "http", "127.0.0.1", {}

    def __init__(self, client, bare):
        argv = client.argv
        if argv[0] == "java":
            argv = [*servers.JAVA, "-cp", servers.compile_java("Client", HERE), "Client", argv[1]]
        with Lab(bare) as lab, Recorder(self.context) as backend:
            with open(lab.path("mib"), "wb") as f:
                f.write(MIB)
            url = f"{self.scheme}://{self.host}:{backend.port}"
            done = lab.run([*argv, url], timeout=60, **self.env)
            lab.collector.wait_for(0 if bare else len(client.answers),
                                   0.2 if client.is_blind else WAIT, SETTLE)
            self.said = (done.returncode, done.stdout.decode().splitlines(),
                         done.stderr.decode().replace(str(backend.port), "PORT"))
            self.spans, self.errors = list(lab.collector.spans), list(lab.collector.errors)
            self.hooked, self.asked = lab.total("hooks_on_tracked"), backend.asked
            self.blind = lab.total("connections_blind")
            self.streams = [bytes(stream).replace(b":%d" % backend.port, b":PORT")
                            for stream in backend.streams]


@functools.lru_cache(None)
def runs(name, bare):
    """The bare run of this client, and the preloaded one."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return tuple(pool.map(lambda b: Run(CLIENTS[name], b), (True, bare)))


def one_for_each(cls):
    """A test method for each client."""
    for name in cls.clients:
        def method(self, name=name):
            self.need(*self.clients[name].needs)
            self.check(self.clients[name], *self.runs(name, self.is_bare()))
        setattr(cls, "test_" + re.sub(r"\W+", "_", name).lower(), method)
    return cls


class CheckBytes(Transparency):
    def check(self, client, bare, traced):
        expected = [line(status, body) for _, _, status, body in client.answers]
        self.assertEqual(traced.said[1], expected, traced.said[2])
        self.assertEqual(traced.said, bare.said)
        self.assertEqual(len(bare.streams), client.connections)
        self.assertEqual([LINE.sub(b"", stream) for stream in traced.streams], bare.streams)
        if not self.is_bare() and not client.is_blind:
            self.assertGreater(traced.hooked, 0)


@one_for_each
class SameBytes(CheckBytes):
    clients, runs = CLIENTS, staticmethod(runs)


class CheckSpans(Feature):
    def check(self, client, _, run):
        """busybox sends and reads by stdio: nothing is seen, and no span is made up."""
        self.assertEqual(run.errors, [])
        clients = of_kind(run.spans, "CLIENT")
        headers = [headers for _, _, headers in run.asked]
        if client.is_blind:
            self.assertEqual((run.spans, headers), ([], [[]] * len(client.answers)))
            self.assertGreater(run.blind, 0)
            return
        self.assertEqual([told(s) for s in clients], [a[:3] for a in client.answers],
                         brief(run.spans))
        self.assertEqual(len(run.spans), len(clients))
        self.assertEqual(headers, [[f"00-{s['trace_id']}-{s['span_id']}-03"] for s in clients])
        self.assertEqual({s["parent_span_id"] for s in clients}, {""})
        self.assertEqual(len({s["trace_id"] for s in clients}), len(clients))


@one_for_each
class Spans(CheckSpans):
    clients, runs = CLIENTS, staticmethod(runs)
