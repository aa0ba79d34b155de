# SPDX-License-Identifier: Apache-2.0
"""Samplers (E34-E63), rules and the limit, end to end: what is told of a request, and what the next
one in the chain is told of it."""
import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.case import WAIT, Feature

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Sampling(Feature):
    def chain(self, count, paths=("/",), headers=(), **settings):
        """curl, traced, asks a server that is not: the headers that came there, and the spans."""
        lab = self.lab(**settings)
        second = lab.python_server("second.py", traced=False)
        told = []
        for path in paths:
            done = lab.run(["curl", "-s", *[f"-H{h}" for h in headers], second.url(path)],
                           service="shop")
            told.append({k.lower(): v for k, v in json.loads(done.stdout)["headers"]})
        return told, self.spans(lab, count), lab

    def test_unsampled_request_still_carries_its_trace(self):
        """E44, C16, C18: flag 00 but for the random bit."""
        for sampler in ("always_off", "parentbased_always_off"):
            with self.subTest(sampler):
                (told,), _, lab = self.chain(0, OTEL_TRACES_SAMPLER=sampler)
                self.assertRegex(told["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-02$")
                self.assertEqual(lab.total("spans_unsampled"), 1)

    def test_unsampled_span_has_an_id_of_its_own(self):
        """E44, C17, C22: also below a caller that has not sampled it, in each request that a proxy sends."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        front = lab.nginx(second.port, service="edge")
        seen = {PARENT}
        for _ in range(3):
            done = lab.run(["curl", "-s", f"-Htraceparent: 00-{TRACE}-{PARENT}-00", front.url("/")], traced=False)
            told, = [v for k, v in json.loads(done.stdout)["headers"] if k.lower() == "traceparent"]
            version, trace, span, flags = told.split("-")
            self.assertEqual((version, trace, flags), ("00", TRACE, "00"))
            self.assertNotIn(span, seen)
            seen.add(span)
        self.spans(lab, 0)

    def test_probability_is_told(self):
        """E53, E56, O: in tracestate on the wire, and in the span."""
        (told,), (span,), _ = self.chain(1, OTEL_TRACES_SAMPLER="probability")
        self.assertRegex(told["traceparent"], r"-03$")
        self.assertEqual((told["tracestate"], span["trace_state"]), ("ot=th:0", "ot=th:0"))

    def test_ratio_is_told(self):
        """CM62, E36, E53: what is sampled says by what chance, and what is not says nothing."""
        for sampler in ("traceidratio", "parentbased_traceidratio"):
            with self.subTest(sampler):
                (told,), (span,), _ = self.chain(1, OTEL_TRACES_SAMPLER=sampler)
                self.assertEqual((told["tracestate"], span["trace_state"]), ("ot=th:0", "ot=th:0"))
        lab = self.lab(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
        second = lab.python_server("second.py", traced=False)
        sampled = []
        for done in (lab.run(["curl", "-s", second.url("/")]) for _ in range(12)):
            told = {k.lower(): v for k, v in json.loads(done.stdout)["headers"]}
            _, trace, _, flags = told["traceparent"].split("-")
            want = ("03", "ot=th:8") if trace[-14:] >= "80000000000000" else ("02", None)
            self.assertEqual((flags, told.get("tracestate")), want, trace)
            sampled += [trace] if flags == "03" else []
        spans = self.spans(lab, len(sampled))
        self.assertCountEqual([(s["trace_id"], s["trace_state"]) for s in spans],
                              [(trace, "ot=th:8") for trace in sampled])

    def test_ratio_below_the_root(self):
        """CM62, C42, E52: a proxy's calls say what its root does; of a trace of others they say nothing."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        front = lab.nginx(second.port, service="edge", OTEL_TRACES_SAMPLER="traceidratio")
        for headers, want in (
                ((), "ot=th:0"),
                ((f"-Htraceparent: 00-{TRACE}-{PARENT}-01", "-Htracestate: a=1,ot=th:c;rv:01234567890123,b=2"),
                 "ot=rv:01234567890123,a=1,b=2"),
                ((f"-Htraceparent: 00-{TRACE}-{PARENT}-01", "-Htracestate: ot=th:c"), ""),
                ((f"-Htraceparent: 00-{TRACE}-{PARENT}-01", "-Htracestate: a=1,b=2"), "a=1,b=2")):
            with self.subTest(headers=headers):
                lab.collector.clear()
                done = lab.run(["curl", "-s", *headers, front.url("/")], traced=False)
                self.assertEqual([s["trace_state"] for s in self.spans(lab, 2)], [want] * 2)
                states = [v for k, v in json.loads(done.stdout)["headers"] if k.lower() == "tracestate"]
                self.assertEqual(",".join(states).strip(), want)

    def test_rules_and_limit(self):
        told, spans, lab = self.chain(
            2, ("/health", "/x", "/y", "/z"), OTEL_TRACES_SAMPLER="always_off",
            OTEL_INTERSPAN_SAMPLING_RULES="other: *=1; GET /health*=0; /x=1; shop: GET /y*=5/s")
        self.assertEqual([t["traceparent"][-2:] for t in told], ["02", "03", "03", "02"])
        self.assertEqual([t.get("tracestate") for t in told], [None, "ot=th:0", None, None])
        self.assertEqual([s["attributes"]["url.full"][-2:] for s in spans], ["/x", "/y"])

    def test_server_by_its_own_sampler(self):
        """traceidratio 0 whatever the parent says (E36); parentbased_ as the parent says (E43)."""
        for sampler, flags, count in (("traceidratio", "01", 0), ("parentbased_always_off", "01", 1),
                                      ("parentbased_always_on", "00", 0), ("always_on", "00", 1)):
            with self.subTest(sampler):
                lab = self.lab(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG="0")
                server = lab.python_server("second.py", service="shop")
                done = lab.run(["curl", "-s", f"-Htraceparent: 00-{TRACE}-{PARENT}-{flags}",
                                server.url("/")], traced=False)
                self.assertEqual(json.loads(done.stdout)["path"], "/")
                for span in self.spans(lab, count):
                    self.assertEqual((span["trace_id"], span["parent_span_id"]), (TRACE, PARENT))
                server.stop()
                self.assertEqual(lab.total("hooks_on_tracked") > 0, True)

    def test_state_that_a_proxy_copies(self):
        """E46, E52, C42: what nginx copies of it is replaced, with all members of others."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        front = lab.nginx(second.port, service="edge", OTEL_TRACES_SAMPLER="probability")
        done = lab.run(["curl", "-s", f"-Htraceparent: 00-{TRACE}-{PARENT}-01",
                        "-Htracestate: a=1,ot=th:c;rv:ffffffffffffff,b=2", front.url("/")],
                       traced=False)
        spans = self.spans(lab, 2)
        want = "ot=th:0;rv:ffffffffffffff,a=1,b=2"
        self.assertEqual([s["trace_state"] for s in spans], [want] * 2)
        states = [v for k, v in json.loads(done.stdout)["headers"] if k.lower() == "tracestate"]
        self.assertEqual(states, [want])


class Strategies(ThreadingHTTPServer):
    """As a Jaeger tells how to sample (E40): answer is what it says, asked what it was asked."""

    daemon_threads = True

    def __init__(self):
        strategies = self
        self.answer, self.asked = None, []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                strategies.asked.append(self.path)
                body = json.dumps(strategies.answer).encode()
                self.send_response(200 if strategies.answer else 500)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # who asked has ended
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


def share(rate):
    return {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": rate}}


class Remote(Feature):
    """E40, E41: what a Jaeger says counts from the next request on that comes after it."""

    def begin(self, sampler, **settings):
        self.strategies = Strategies()
        self.addCleanup(self.strategies.server_close)
        self.addCleanup(self.strategies.shutdown)
        argument = f"endpoint={self.strategies.url},pollingIntervalMs=1,initialSamplingRate=0"
        self.lab_ = self.lab(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument, **settings)
        second = self.lab_.python_server("second.py", traced=False)
        self.front = self.lab_.nginx(second.port, service="edge")

    def ask(self, path="/", *args):
        """The last byte of the traceparent that nginx passed on."""
        done = self.lab_.run(["curl", "-s", *args, self.front.url(path)], traced=False)
        told = dict((k.lower(), v) for k, v in json.loads(done.stdout)["headers"])
        return told.get("traceparent", "none")[-2:]

    def ask_until(self, flags, path="/"):
        deadline = time.monotonic() + WAIT
        while self.ask(path) != flags:
            self.assertLess(time.monotonic(), deadline)

    def test_strategy_that_changes(self):
        self.begin("parentbased_jaeger_remote", OTEL_INTERSPAN_HTTP_ROUTES="/users/{id}")
        self.assertEqual(self.ask(), "02")
        self.strategies.answer = share(1)
        self.ask_until("03")
        self.strategies.answer = {"nonsense": 1}
        before = len(self.strategies.asked)
        while len(self.strategies.asked) < before + 3:  # that many have come, and changed nothing
            self.assertEqual(self.ask(), "03")
        self.strategies.answer = {"operationSampling": {
            "defaultSamplingProbability": 1, "perOperationStrategies": [
                {"operation": "GET /users/{id}", "probabilisticSampling": {"samplingRate": 0}}]}}
        self.ask_until("02", "/users/7")
        self.assertEqual(self.ask("/other"), "03")
        self.strategies.answer = share(0)
        self.ask_until("02")
        self.assertEqual(set(self.strategies.asked), {"/sampling?service=edge"})
        # Without requests there is no question: after the last of them it is still for good.
        deadline, seen = time.monotonic() + WAIT, -1
        while seen != len(self.strategies.asked):
            self.assertLess(time.monotonic(), deadline)
            seen = len(self.strategies.asked)
            time.sleep(0.5)
        self.front.stop(60)
        self.assertGreaterEqual(self.lab_.total("sampling_strategies"), 3)
        self.assertGreaterEqual(self.lab_.total("sampling_strategies_failed"), 3)

    def test_parents_count_behind_parentbased_alone(self):
        """E41, E43, E45: flags 00 come in."""
        for sampler, flags in (("parentbased_jaeger_remote", "00"), ("jaeger_remote", "01")):
            with self.subTest(sampler):
                self.begin(sampler)
                self.strategies.answer = share(1)
                self.ask_until("03")
                unsampled = f"-Htraceparent: 00-{TRACE}-{PARENT}-00"
                self.assertEqual(self.ask("/", unsampled), flags)
