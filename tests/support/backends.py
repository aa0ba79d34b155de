# SPDX-License-Identifier: Apache-2.0
"""Receivers that others made (scripts/backends), on free ports of 127.0.0.1, and what they tell of the
spans that they were sent, each in the same shape:

    {"service", "kind", "name", "trace", "span", "parent", "state", "status", "attributes", "events"}
"""
import json
import os
import time
import urllib.error
import urllib.request

from support.otlp_wire import KINDS, STATUSES
from support.progs import ROOT, free_port

HERE = os.path.join(ROOT, "build", "backends")


def program(name):
    return os.path.join(HERE, name)


def get(url):
    """What is there, or None while there is nothing."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.loads(answer.read())
    except (urllib.error.HTTPError, ConnectionError):
        return None


def wait_for(count, look, seconds):
    """look() until it gives count spans, or the last that it gave."""
    deadline = time.monotonic() + seconds
    while True:
        spans = look()
        if len(spans) >= count or time.monotonic() > deadline:
            return spans
        time.sleep(0.1)


# OTLP in JSON (O70-O78).
def value_of(value):
    (kind, content), = value.items()
    if kind == "arrayValue":
        return [value_of(item) for item in content["values"]]
    return {"intValue": int, "stringValue": str, "boolValue": bool,
            "doubleValue": float}[kind](content)


def attributes_of(pairs):
    return {pair["key"]: value_of(pair["value"]) for pair in pairs}


def spans_of(data):
    """Of one TracesData."""
    found = []
    for resource in data.get("resourceSpans", []):
        about = attributes_of(resource["resource"]["attributes"])
        for scope in resource["scopeSpans"]:
            for s in scope["spans"]:
                found.append({
                    "service": about["service.name"], "resource": about,
                    "scope": scope["scope"]["name"],
                    "kind": KINDS[s["kind"]], "name": s["name"], "trace": s["traceId"],
                    "span": s["spanId"], "parent": s.get("parentSpanId", ""),
                    "state": s.get("traceState", ""),
                    "status": STATUSES[s.get("status", {}).get("code", 0)],
                    "attributes": attributes_of(s["attributes"]),
                    "events": [e["name"] for e in s.get("events", [])]})
    return found


def points_of(resource):
    told = {}
    for scope in resource["scopeMetrics"]:
        for metric in scope["metrics"]:
            data = metric.get("sum") or metric["histogram"]
            for point in data["dataPoints"]:
                attributes = attributes_of(point.get("attributes", []))
                key = tuple(sorted((k, v) for k, v in attributes.items()
                                   if not k.startswith("otel.component.")))
                assert data["aggregationTemporality"] == 2  # cumulative
                assert int(point["startTimeUnixNano"]) <= int(point["timeUnixNano"])
                if "histogram" in metric:
                    told[(metric["name"], *key)] = (point, metric["unit"])
                    continue
                told[(metric["name"], *key)] = (int(point["asInt"]), metric["unit"],
                                                data.get("isMonotonic", False))
    return told


COLLECTOR = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:{grpc}'{tls}}}
      http: {{endpoint: '127.0.0.1:{http}'{tls}}}
exporters:
  file: {{path: '{file}'}}
  file/metrics: {{path: '{metrics}'}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
"""


class Collector:
    """The OpenTelemetry Collector; http and grpc: its endpoints.  With certificates, a directory of
    tls_files.certificates(), in TLS; it may ask for the client's, too."""

    def __init__(self, lab, certificates=None, wants_client=False):
        http, grpc = free_port(), free_port()
        tls = "" if not certificates else (
            f", tls: {{cert_file: '{certificates}/server.pem', key_file: '{certificates}/server.key'"
            + f", client_ca_file: '{certificates}/ca.pem'" * wants_client + "}")
        self.file, self.metrics = lab.path("spans.jsonl"), lab.path("metrics.jsonl")
        config = lab.write("collector.yaml", COLLECTOR.format(
            http=http, grpc=grpc, tls=tls, file=self.file, metrics=self.metrics))
        lab.start([program("collector"), "--config", config], "collector", http, traced=False)
        scheme = "https" if certificates else "http"
        self.http, self.grpc = f"{scheme}://localhost:{http}", f"{scheme}://localhost:{grpc}"

    def lines(self, path):
        with open(path, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def look(self, *_):
        return [span for line in self.lines(self.file) for span in spans_of(line)]

    def look_metrics(self, service):
        """The latest: {(name, attributes but for component.*): (value, unit, is it monotonic)}; of a
        histogram (point, unit)."""
        told = {}
        for line in self.lines(self.metrics):
            for resource in line["resourceMetrics"]:
                about = attributes_of(resource["resource"]["attributes"])
                if about["service.name"] == service:
                    told.update(points_of(resource))
        return told


JAEGER = """\
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp, zipkin], exporters: [jaeger_storage_exporter]}}
  telemetry: {{metrics: {{level: none}}}}
extensions:
  jaeger_storage: {{backends: {{mem: {{memory: {{max_traces: 1000}}}}}}}}
  jaeger_query:
    storage: {{traces: mem}}
    http: {{endpoint: '127.0.0.1:{query}'}}
    grpc: {{endpoint: '127.0.0.1:{query_grpc}'}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:{grpc}'}}
      http: {{endpoint: '127.0.0.1:{http}'}}
  zipkin: {{endpoint: '127.0.0.1:{zipkin}'}}
exporters: {{jaeger_storage_exporter: {{trace_storage: mem}}}}
"""


class Jaeger:
    """Jaeger v2, asked over its query API."""

    def __init__(self, lab):
        ports = {name: free_port() for name in ("http", "grpc", "zipkin", "query", "query_grpc")}
        config = lab.write("jaeger.yaml", JAEGER.format(**ports))
        lab.start([program("jaeger"), "--config", config], "jaeger", ports["http"], traced=False)
        self.http, self.grpc = (f"http://127.0.0.1:{ports[n]}" for n in ("http", "grpc"))
        self.zipkin = f"http://127.0.0.1:{ports['zipkin']}/api/v2/spans"
        self.query = f"http://127.0.0.1:{ports['query']}"

    def look(self, trace):
        answer = get(f"{self.query}/api/v3/traces/{trace}")
        return spans_of(answer["result"]) if answer else []


class Zipkin:
    """Zipkin's server; it has no OTLP."""

    def __init__(self, lab):
        port = free_port()
        argv = ["java", "-Xmx512m", "-jar", program("zipkin.jar"),
                "--armeria.ports[0].ip=127.0.0.1", f"--armeria.ports[0].port={port}",
                "--armeria.ports[0].protocols[0]=http"]
        lab.start(argv, "zipkin", port, within=300, traced=False)
        self.query = f"http://127.0.0.1:{port}/api/v2"
        self.zipkin = f"{self.query}/spans"

    def look(self, trace):
        """As Zipkin has it: everything a tag, in text."""
        return get(f"{self.query}/trace/{trace}") or []
