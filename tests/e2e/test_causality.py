# SPDX-License-Identifier: Apache-2.0
"""Which request caused this call?  64 at once, to one URL, judged by truth of the application: the id
in a request's body comes back, reversed, in the call that it causes, and the back end notes which
header came with it, and answers after up to 10 ms.  One client of 16 goes away in the middle.
`make causality`: 5,000 of each, and a table.

right    the call's span is a child of the SERVER span of the request that caused it
missing  the call has no header, its span is a root, or the trace is right but a hop is skipped
wrong    anything else: the trace would tell a lie
"""
import os
import random

from support import servers
from support.case import SETTLE, Case, Feature
from support.load import Backend, Load

SHORT = 600
COUNT, CONCURRENCY, VANISH = int(os.environ.get("REQUESTS", SHORT)), 64, 16
IS_LONG = COUNT > SHORT
SAME = ("1" * 32, "2" * 16)  # trace and span of a caller that has one header for all its requests


ROW = "| {:38} | {:8} | {:>6} | {:>5} | {:>7} | {:>9} |"
TABLE = []  # what tearDownModule() prints of a long run


def tearDownModule():  # pylint: disable=invalid-name
    if IS_LONG and TABLE:
        print(ROW.format("program", "header", "right", "wrong", "missing", "went away"))
        print("|---" * 6 + "|")
        for row in TABLE:
            print(ROW.format(*row), flush=True)
        TABLE.clear()


class Verdict:
    def __init__(self):
        self.right, self.missing, self.wrong = 0, 0, 0
        self.lies = []

    def __str__(self):
        return f"{self.right}/{self.wrong}/{self.missing}"


def judge(spans, seen, sent):
    """spans of the program between; seen: what the back end saw; sent: what the load sent."""
    requests = {}  # id: its spans; several if it was sent again
    for span in spans:
        if span["kind"] == "SERVER":
            requests.setdefault(span["attributes"]["user_agent.original"], []).append(span)
    clients = {s["span_id"]: s for s in spans if s["kind"] == "CLIENT"}
    verdict = Verdict()
    for ident, calls in seen.items():
        for headers in calls:
            word = judge_call(headers, requests.get(ident, ()), clients, sent.get(ident))
            setattr(verdict, word, getattr(verdict, word) + 1)
            if word == "wrong":
                verdict.lies.append(f"{ident}: {headers}")
    return verdict


def judge_call(headers, servers, clients, sent):
    """servers: spans of this request; sent: (trace, span) that came with it, if they did."""
    if not headers:
        return "missing"
    if len(headers) > 1 or headers[0].count("-") != 3:
        return "wrong"
    _, trace, span, _ = headers[0].split("-")
    client = clients.get(span)
    own = [(s["trace_id"], s["span_id"]) for s in servers]
    if client is None:  # passed on: as the load sent it, or with the header tag of a span that ended
        return "missing" if (trace, span) in (sent, *own) else "wrong"
    parent = client["parent_span_id"]
    if client["trace_id"] != trace:
        return "wrong"
    if (trace, parent) in own:
        return "right"
    return "missing" if parent == "" or (trace, parent) == sent else "wrong"


class Judge(Case):
    def test_judge_tells_right_wrong_and_missing(self):
        server = {"trace_id": "t1", "span_id": "s1"}
        clients = {"c1": {"trace_id": "t1", "parent_span_id": "s1"},
                   "c2": {"trace_id": "t1", "parent_span_id": "s2"},
                   "c3": {"trace_id": "t3", "parent_span_id": ""},
                   "c4": {"trace_id": "t1", "parent_span_id": "p1"}}
        for headers, word in (([], "missing"), (["00-t1-c1-01"], "right"),
                              (["00-t1-c2-01"], "wrong"), (["00-t3-c3-01"], "missing"),
                              (["00-t2-c1-01"], "wrong"), (["00-t1-c4-01"], "missing"),
                              (["00-t1-p1-01"], "missing"), (["00-t1-p2-01"], "wrong"),
                              (["00-t1-s1-01"], "missing"), (["00-t1-s2-01"], "wrong"),
                              (["00-t1-c1-01"] * 2, "wrong"), (["junk"], "wrong")):
            self.assertEqual(judge_call(headers, [server], clients, ("t1", "p1")), word, headers)


class Cell:
    """What is not usual: calls that a request causes, and how often they may be tried again; the share
    of requests that is not hidden by TLS; statuses but 200; settings of the back end."""

    def __init__(self, calls=1, retries=0, served=1, statuses=(), **backend):
        self.calls, self.retries, self.served = calls, retries, served
        self.statuses, self.backend = set(statuses), backend


class Causality(Feature):
    # pylint: disable-next=too-many-arguments
    def measure(self, name, start, with_header, count=COUNT, load=(), cell=None, caller=None,
                **settings):
        """Runs one cell of the table: returns its verdict.  load: settings of Load; caller: (trace,
        span) of all requests."""
        cell = cell or Cell()
        sent = {}

        def headers(ident):
            sent[ident] = caller or (f"{random.getrandbits(128) | 1:032x}",
                                     f"{random.getrandbits(64) | 1:016x}")
            return "traceparent: 00-%s-%s-01\r\n" % sent[ident]

        # A queue that holds the spans of a whole run, on however busy a machine.
        lab = self.lab(**{"OTEL_BSP_MAX_QUEUE_SIZE": str(max(4 * count, 2048)), **settings})
        with Backend(**cell.backend) as backend:
            front = start(lab, backend.port)
            load = {"vanish": VANISH, "headers": headers if with_header else None, **dict(load)}
            load = Load(*front.ports, tls=front.tls, count=count, concurrency=CONCURRENCY, **load)
            outcome = load.run(30 + count / 20)
            gone = sum(status == 0 for status in outcome.values())
            self.assertLessEqual(set(outcome.values()), {0, 200} | cell.statuses)
            self.check_truth(backend, [i for i in outcome if outcome[i] == 200], cell)
            expected = cell.served * (1 + cell.calls) * (count - gone)
            lab.collector.wait_for(expected, 0.1 if self.is_bare() else 5, SETTLE)
            if cell.served == 1 and not self.is_bare():
                self.wait_for_causes(lab.collector, backend)
            front.stop()
        self.assert_sound(lab.collector)
        verdict = judge(lab.collector.spans, backend.seen, sent)
        note = "with traceparent" if with_header else "without"
        print(f"     {name}, {note}: right/wrong/missing {verdict}, {gone} clients went away",
              flush=True)
        TABLE.append((name, "yes" if with_header else "no", verdict.right, verdict.wrong,
                      verdict.missing, gone))
        self.assertEqual(verdict.wrong, 0, verdict.lies[:5])
        served = sum(s["kind"] == "SERVER" for s in lab.collector.spans)
        self.assertTrue(cell.served * count - gone <= served <= count + load.again,
                        f"{served} SERVER spans")
        for line in lab.counters():
            lost = {k: v for k, v in line.items() if k.startswith("spans_dropped") and v != "0"}
            self.assertEqual(lost, {}, line)
        return verdict

    @staticmethod
    def wait_for_causes(collector, backend):
        """Of requests whose clients went away, too: a server may take a second to see it."""
        collector.wait_until(lambda spans: backend.seen.keys() <= {
            s["attributes"].get("user_agent.original") for s in spans}, 5)

    def check_truth(self, backend, idents, cell):
        calls = [len(backend.seen[i]) for i in idents]
        self.assertGreaterEqual(min(calls), cell.calls, "truth: calls that a request causes")
        self.assertLessEqual(max(calls), cell.calls + cell.retries)

    def both(self, name, start, is_exact):
        for with_header in (False, True):
            with self.subTest(with_header=with_header):
                verdict = self.measure(name, start, with_header)
                if is_exact:
                    self.assert_exact(verdict)

    def assert_exact(self, verdict, count=COUNT):
        """Some requests of clients that went away are never passed on."""
        self.assertEqual(verdict.missing, 0, str(verdict))
        self.assertGreater(verdict.right, count * 3 // 4)


class Exact(Causality):
    """Shapes that are proven: every call has its parent."""

    def test_nginx(self):
        self.both("nginx", servers.nginx, True)

    def test_lighttpd(self):
        self.need("lighttpd")
        self.both("lighttpd", servers.lighttpd, True)

    def test_apache_event(self):
        self.need("apache2")
        self.both("apache event", servers.apache, True)

    def test_apache_prefork(self):
        self.need("apache2")
        self.both("apache prefork", servers.apache_prefork, True)

    def test_gunicorn_sync(self):
        self.both("gunicorn sync", lambda lab, port: lab.gunicorn(
            "flask_app:app", "sync", 4, BACKEND=servers.backend_url(port)), True)

    def test_gunicorn_threads(self):
        self.both("gunicorn gthread", lambda lab, port: lab.gunicorn(
            "flask_app:app", "gthread", 2, 16, BACKEND=servers.backend_url(port)), True)

    def test_thread_for_each_connection(self):
        self.both("ThreadingHTTPServer", servers.threading_server, True)

    def test_uwsgi_threads(self):
        self.need("uwsgi")
        self.both("uwsgi threads", servers.uwsgi, True)

    def test_starman(self):
        self.need("starman")
        self.both("Starman", servers.starman, True)

    def test_java_pool(self):
        """By the Java frames of the calling thread (jvm.h)."""
        self.need("java", "javac")
        self.both("java, pool", servers.java, True)
        java = servers.java_with_virtual_threads()
        if java:
            self.both("java 21 or later, pool",
                      lambda lab, port: servers.java(lab, port, "url", java), True)

    def test_loops_without_help_of_the_header(self):
        """One and the same for all requests, and not tagged: it tells nothing."""
        self.need("lighttpd")
        for name, start in (("nginx", servers.nginx), ("lighttpd", servers.lighttpd)):
            self.assert_exact(self.measure(f"{name}, same header, no tag", start, True,
                                           caller=SAME, OTEL_INTERSPAN_HEADER_TAG="false"))


class Tagged(Causality):
    """Nothing tells which request a call is for, but that they copy the trace headers: right where
    the caller sent some, and none where it did not."""

    def exact(self, name, start):
        self.assert_exact(self.measure(name, start, True))
        self.assertEqual(self.measure(name, start, False).right, 0)

    def test_haproxy(self):
        self.need("haproxy")
        self.exact("haproxy", servers.haproxy)

    def test_haproxy_with_two_threads(self):
        self.need("haproxy")
        self.exact("haproxy, 2 threads", lambda lab, port: lab.haproxy(port, threads=2))

    def test_five_thousand_through_haproxy(self):
        self.need("haproxy")
        self.assert_exact(self.measure(
            "haproxy, 2 threads, 5000", lambda lab, port: lab.haproxy(port, threads=2), True, 5000),
            5000)

    def test_pool_of_workers(self):
        self.exact("pool of workers that copy headers", lambda lab, port: lab.python_server(
            "copier.py", servers.backend_url(port)))

    def test_haproxy_without_the_header_tag(self):
        """What the caller sent tells as much, as long as it sends it once."""
        self.need("haproxy")
        self.assert_exact(self.measure("haproxy, no tag", servers.haproxy, True,
                                       OTEL_INTERSPAN_HEADER_TAG="false"))

    def test_callers_that_all_send_the_same_header(self):
        self.need("haproxy")
        self.assert_exact(self.measure("haproxy, same header", servers.haproxy, True, caller=SAME))
        verdict = self.measure("haproxy, same header, no tag", servers.haproxy, True, caller=SAME,
                               OTEL_INTERSPAN_HEADER_TAG="false")
        self.assertGreater(verdict.missing, COUNT // 2)


class NeverWrong(Causality):
    """Shapes that are not: parents may be missing, and none is wrong."""

    def test_node(self):
        self.need("node")
        for shape in ("plain", "timer", "fetch"):
            self.both(f"node, {shape}", lambda lab, port, how=shape: servers.node(lab, port, how),
                      False)

    def test_gevent(self):
        self.need("module:gevent")
        self.both("gevent", lambda lab, port: lab.python_server(
            "greenlets.py", servers.backend_url(port)), False)

    def test_aiohttp(self):
        self.need("module:aiohttp")
        self.both("aiohttp", lambda lab, port: lab.python_server(
            "loop.py", servers.backend_url(port)), False)

    def test_puma(self):
        self.need("puma")
        self.both("puma", servers.puma, False)

    def test_php(self):
        self.need("php")
        self.both("php -S", servers.php, False)

    def test_java(self):
        """A queue's other end is often met without any call of libc, and then all that can be seen of
        a pool's thread is the same when it works for somebody else: judged by that alone, right/
        wrong/missing were 233/242/4525 where the call is another task of the same pool (handoff),
        0/65/4935 with 4 threads (few), 10/182/4808 by CompletableFuture (future)."""
        self.need("java", "javac")
        for shape in ("few", "join", "handoff", "send", "async", "future", "steal", "loop")[
                :8 if IS_LONG else 3]:
            self.both(f"java, {shape}", lambda lab, port, how=shape: servers.java(lab, port, how),
                      False)
        java = servers.java_with_virtual_threads()
        if java and IS_LONG:
            self.both("java, virtual threads",
                      lambda lab, port: servers.java(lab, port, "virtual", java), False)
