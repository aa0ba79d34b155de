# SPDX-License-Identifier: Apache-2.0
"""What the backends that others made have understood of our spans: two requests whose trace ids are
given go through gunicorn to a second service, and the backend is asked for both.  Literals throughout,
worked out from the conventions (rows H, C, O); SHOP and STOCK stand for the ports of the two."""
import itertools
import os
import time

from support import backends
from support.case import WAIT, Feature
from support.tls_files import certificates

FINE, BAD = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"
CALLER, STATE = "00f067aa0ba902b7", "vendor=a"
RESOURCE = {"service.namespace": "tests", "deployment.environment.name": "k\u00fcche",
            "telemetry.sdk.name": "interspan", "telemetry.sdk.language": "c", "os.type": "linux"}

# (service, kind, number of its parent) of the spans in a trace
TREE = [("shop", "SERVER", None), ("shop", "CLIENT", 0), ("stock", "SERVER", 1)]
EVENTS = [["response.first_byte"], ["connection.opened", "response.first_byte"],
          ["response.first_byte"]]


def served(port, path, agent, status, query=None):
    told = {"http.request.method": "GET", "url.scheme": "http", "url.path": path,
            "server.address": "127.0.0.1", "server.port": port, "client.address": "127.0.0.1",
            "network.peer.address": "127.0.0.1", "network.peer.port": "ANY",
            "network.protocol.version": "1.1", "user_agent.original": agent,
            "http.response.status_code": status}
    if query:
        told["url.query"] = query
    if status >= 500:
        told["error.type"] = str(status)
    return told


def called(url, status):
    told = {"http.request.method": "GET", "url.full": url, "server.address": "127.0.0.1",
            "server.port": "STOCK", "network.peer.address": "127.0.0.1",
            "network.peer.port": "STOCK", "network.protocol.version": "1.1",
            "http.response.status_code": status}
    if status >= 400:
        told["error.type"], told["code.stacktrace"] = str(status), "STACK"
    return told


CALLS = {"interspan.calls.count": 1, "interspan.calls.duration_us": "ANY"}
ATTRIBUTES = {
    FINE: [served("SHOP", "/users/7", "tests/1", 200, "verbose=1") | CALLS,
           called("http://127.0.0.1:STOCK/profile/7", 200),
           served("STOCK", "/profile/7", "requests", 200)],
    BAD: [served("SHOP", "/call", "tests/1", 503, "url=http://127.0.0.1:STOCK/status/503") | CALLS,
          called("http://127.0.0.1:STOCK/status/503", 503),
          served("STOCK", "/status/503", "requests", 503)],
}
STATUS = {FINE: "UNSET", BAD: "ERROR"}


class Backend(Feature):
    maxDiff = None
    def need_backend(self, name):
        if not os.path.exists(backends.program(name)):
            self.skipTest(f"{name} was not to be had")

    def make_spans(self, lab, **settings):
        """settings: of the programs that export to the backend."""
        settings = {"OTEL_INTERSPAN_STACK_THRESHOLD": "3600000",  # failures alone
                    "OTEL_RESOURCE_ATTRIBUTES":
                    "service.namespace=tests,deployment.environment.name=k%C3%BCche", **settings}
        stock = lab.python_server("second.py", service="stock", **settings)
        shop = lab.gunicorn("flask_app:app", service="shop", BACKEND=stock.url(""), **settings)
        self.names = {str(shop.port): "SHOP", str(stock.port): "STOCK"}
        for trace, path in ((FINE, "/users/7?verbose=1"),
                            (BAD, f"/call?url={stock.url('/status/503')}")):
            done = lab.run(["curl", "-sS", "-A", "tests/1", "-H",
                            f"traceparent: 00-{trace}-{CALLER}-01", "-H", f"tracestate: {STATE}",
                            shop.url(path)], traced=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def plain(self, attributes):
        """What differs from run to run has a name instead."""
        told = {}
        for key, value in attributes.items():
            if key == "@jaeger@warnings" and f"ID={CALLER} is not in the trace" in value[0]:
                continue  # and so it is: nobody has told it of the caller
            named = str(value)
            for port, name in self.names.items():
                named = named.replace(port, name)
            told[key] = named if named != str(value) else value
        if told.get("user_agent.original", "").startswith("python-requests/"):
            told["user_agent.original"] = "requests"
        if "client.address" in told and isinstance(told["network.peer.port"], int):
            told["network.peer.port"] = "ANY"
        if isinstance(told.get("interspan.calls.duration_us"), int):
            told["interspan.calls.duration_us"] = "ANY"
        if told.get("code.stacktrace", "").startswith("#0 "):
            told["code.stacktrace"] = "STACK"
        return told

    def in_order(self, spans, trace):
        """Those of the trace, from the first to the last; the tree is as it must be."""
        mine = [s for s in spans if s["trace"] == trace]
        order = [(service, kind) for service, kind, _ in TREE]
        mine.sort(key=lambda s: order.index((s["service"], s["kind"])))
        self.assertEqual([(s["service"], s["kind"]) for s in mine], order)
        parents = [CALLER if up is None else mine[up]["span"] for _, _, up in TREE]
        self.assertEqual([s["parent"] for s in mine], parents)
        return mine

    def assert_spans(self, spans, trace):
        for number, span in enumerate(self.in_order(spans, trace)):
            with self.subTest(trace=trace, number=number):
                self.assertEqual((span["name"], span["status"], span["state"], span["scope"]),
                                 ("GET", STATUS[trace], STATE, "interspan"))
                self.assertEqual(self.plain(span["attributes"]), ATTRIBUTES[trace][number])
                self.assertEqual(span["events"], EVENTS[number])
                told = {key: span["resource"].get(key) for key in RESOURCE}
                self.assertEqual(told, RESOURCE)


COMPRESSIONS = ("none", "gzip")
SECURITY = ("cleartext", "tls", "mtls")


def security(lab, kind):
    """What the collector is told, and what the programs are."""
    if kind == "cleartext":
        return {}, {}
    files = lab.path("certificates")
    os.mkdir(files)
    certificates(files)
    settings = {"OTEL_EXPORTER_OTLP_CERTIFICATE": f"{files}/ca.pem"}
    if kind == "mtls":
        settings |= {"OTEL_EXPORTER_OTLP_CLIENT_KEY": f"{files}/client.key",
                     "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": f"{files}/client.pem"}
    return {"certificates": files, "wants_client": kind == "mtls"}, settings


class Collector(Backend):
    """Each transport with each compression in each kind of security, or none."""

    def check(self, transport, compression, how):
        self.need_backend("collector")
        if how != "cleartext":
            self.need("openssl")
        lab = self.lab()
        told, settings = security(lab, how)
        collector = backends.Collector(lab, **told)
        endpoint = collector.grpc if transport == "grpc" else collector.http
        self.make_spans(lab, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
                        OTEL_EXPORTER_OTLP_PROTOCOL=transport,
                        OTEL_EXPORTER_OTLP_COMPRESSION=compression, **settings)
        spans = backends.wait_for(6, collector.look, 3 * WAIT)
        self.assertEqual(len(spans), 6)
        for trace in (FINE, BAD):
            self.assert_spans(spans, trace)

    def check_all(self, transport):
        for compression, how in itertools.product(COMPRESSIONS, SECURITY):
            with self.subTest(f"{transport} {compression} {how}"):
                self.check(transport, compression, how)

    def test_collector_http_protobuf(self):
        self.check_all("http/protobuf")

    def test_collector_http_json(self):
        self.check_all("http/json")

    def test_collector_grpc(self):
        self.check_all("grpc")


class Metrics(Backend):
    """What interspan counts and measures of itself (O86-O91)."""
    DURATION = "otel.sdk.exporter.operation.duration"
    SAMPLED = ("otel.span.sampling_result", "RECORD_AND_SAMPLE")
    EXPECTED = {
        ("otel.sdk.span.started", SAMPLED): (2, "{span}", True),
        ("otel.sdk.span.started", ("otel.span.sampling_result", "DROP")): (0, "{span}", True),
        ("otel.sdk.span.live", SAMPLED): (0, "{span}", False),
        ("otel.sdk.processor.span.queue.size",): (0, "{span}", False),
        ("otel.sdk.processor.span.queue.capacity",): (2048, "{span}", False),
        ("otel.sdk.processor.span.processed",): (2, "{span}", True),
        ("otel.sdk.processor.span.processed", ("error.type", "queue_full")): (0, "{span}", True),
        ("otel.sdk.exporter.span.inflight",): (0, "{span}", False),
        ("otel.sdk.exporter.span.exported",): (2, "{span}", True),
        ("otel.sdk.exporter.span.exported", ("error.type", "rejected")): (0, "{span}", True),
    }

    def check(self, transport, secret):
        self.need_backend("collector")
        lab = self.lab()
        told, settings = security(lab, "mtls" if secret else "cleartext")
        collector = backends.Collector(lab, **told)
        self.make_spans(lab, OTEL_EXPORTER_OTLP_PROTOCOL=transport, OTEL_EXPORTER_OTLP_ENDPOINT=(
            collector.grpc if transport == "grpc" else collector.http),
                        OTEL_METRICS_EXPORTER="otlp", OTEL_METRIC_EXPORT_INTERVAL="0", **settings)
        backends.wait_for(6, collector.look, 3 * WAIT)
        deadline = time.monotonic() + WAIT
        while (found := self.counters(collector)) != self.EXPECTED:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self.assertEqual(found, self.EXPECTED)
        self.check_duration(collector, transport)

    def counters(self, collector):
        return {k: v for k, v in collector.look_metrics("stock").items() if k[0] != self.DURATION}

    def check_duration(self, collector, transport):
        """O91: of the exports of two spans, in one bucket without bounds."""
        told = {k: v for k, v in collector.look_metrics("stock").items() if k[0] == self.DURATION}
        port = int(collector.http.rsplit(":", 1)[1])
        status = ("http.response.status_code", 200)
        if transport == "grpc":
            port = int(collector.grpc.rsplit(":", 1)[1])
            status = ("rpc.response.status_code", "OK")
        self.assertEqual(list(told), [
            (self.DURATION, *sorted([status, ("server.address", "localhost"), ("server.port", port)]))])
        point, unit = next(iter(told.values()))
        self.assertEqual(unit, "s")
        self.assertIn(int(point["count"]), (1, 2))
        self.assertEqual(point["bucketCounts"], [point["count"]])
        self.assertFalse(point.get("explicitBounds"))
        self.assertTrue(0 < point["min"] <= point["max"] <= point["sum"] < 60)

    def test_metrics_of_the_sdk(self):
        self.check("http/protobuf", False)

    def test_metrics_of_the_sdk_in_tls(self):
        self.need("openssl")
        self.check("http/protobuf", True)

    def test_metrics_of_the_sdk_by_grpc(self):
        self.check("grpc", False)

    def test_metrics_of_the_sdk_by_grpc_in_tls(self):
        self.need("openssl")
        self.check("grpc", True)

    def test_none_unless_asked_for(self):
        self.need_backend("collector")
        lab = self.lab()
        collector = backends.Collector(lab)
        self.make_spans(lab, OTEL_EXPORTER_OTLP_ENDPOINT=collector.http,
                        OTEL_METRIC_EXPORT_INTERVAL="0")
        self.assertEqual(len(backends.wait_for(6, collector.look, 3 * WAIT)), 6)
        for program in lab.programs[1:]:
            program.stop()
        self.assertEqual(collector.look_metrics("stock"), {})


class Jaeger(Backend):
    def check(self, transport):
        self.need_backend("jaeger")
        lab = self.lab()
        jaeger = backends.Jaeger(lab)
        self.make_spans(lab, OTEL_EXPORTER_OTLP_PROTOCOL=transport, OTEL_EXPORTER_OTLP_ENDPOINT=(
            jaeger.grpc if transport == "grpc" else jaeger.http))
        for trace in (FINE, BAD):
            self.assert_spans(backends.wait_for(3, lambda t=trace: jaeger.look(t), 3 * WAIT), trace)
        services = backends.get(f"{jaeger.query}/api/services")["data"]
        self.assertEqual(sorted(services), ["shop", "stock"])

    def test_jaeger_http_protobuf(self):
        self.check("http/protobuf")

    def test_jaeger_grpc(self):
        self.check("grpc")


class Zipkin(Backend):
    """Zipkin knows texts alone, and small names; tracestate and resource are not for it."""

    def in_common(self, span):
        return {"service": span["localEndpoint"]["serviceName"], "kind": span["kind"],
                "name": span["name"], "trace": span["traceId"], "span": span["id"],
                "parent": span.get("parentId", ""), "attributes": span["tags"],
                "events": [a["value"] for a in span["annotations"]]}

    def expected(self, trace, number):
        told = {k: str(v) for k, v in ATTRIBUTES[trace][number].items()}
        told |= {"otel.scope.name": "interspan", "otel.scope.version": "0.1.0"}
        if STATUS[trace] == "ERROR":
            told |= {"otel.status_code": "ERROR", "error": ""}
        for key in ("network.peer.port", "interspan.calls.duration_us"):
            if told.get(key) == "ANY":
                told[key] = "NUMBER"
        return told

    def numbers(self, told):
        if "client.address" in told:
            told["network.peer.port"] = "NUMBER" if told["network.peer.port"].isdigit() else ""
        if told.get("interspan.calls.duration_us", "").isdigit():
            told["interspan.calls.duration_us"] = "NUMBER"
        return told

    def test_zipkin(self):
        self.need_backend("zipkin.jar")
        self.need("java")
        lab = self.lab()
        zipkin = backends.Zipkin(lab)
        self.make_spans(lab, OTEL_TRACES_EXPORTER="zipkin",
                        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.zipkin)
        for trace in (FINE, BAD):
            spans = backends.wait_for(3, lambda t=trace: zipkin.look(t), 3 * WAIT)
            for number, span in enumerate(self.in_order(map(self.in_common, spans), trace)):
                with self.subTest(trace=trace, number=number):
                    self.assertEqual(span["name"], "get")
                    self.assertEqual(self.numbers(self.plain(span["attributes"])),
                                     self.expected(trace, number))
                    self.assertEqual(span["events"], EVENTS[number])
