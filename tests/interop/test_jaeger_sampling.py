# SPDX-License-Identifier: Apache-2.0
"""A real Jaeger says how to sample (E40): its remote_sampling extension, from a file that it reads
again.  nginx passes on what was decided; the last byte of its traceparent tells."""
import json
import os
import time

from support import backends
from support.case import WAIT, Feature
from support.progs import free_port

JAEGER = """\
service:
  extensions: [jaeger_storage, remote_sampling]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry: {{metrics: {{level: none}}}}
extensions:
  jaeger_storage: {{backends: {{mem: {{memory: {{max_traces: 1000}}}}}}}}
  remote_sampling:
    file: {{path: '{file}', reload_interval: 100ms, default_sampling_probability: 0}}
    http: {{endpoint: '127.0.0.1:{http}'}}
    grpc: {{endpoint: '127.0.0.1:{grpc}'}}
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: mem}}}}
"""


class Sampling(Feature):
    def write(self, **edge):
        """What Jaeger reads; in one step, so that it never reads half of it."""
        path = self.lab_.write("strategies.new", json.dumps(
            {"default_strategy": {"type": "probabilistic", "param": 0},
             "service_strategies": [{"service": "edge", **edge}]}))
        os.replace(path, self.lab_.path("strategies.json"))

    def flags(self, path="/"):
        done = self.lab_.run(["curl", "-s", self.edge.url(path)], traced=False)
        told = dict((k.lower(), v) for k, v in json.loads(done.stdout)["headers"])
        return told["traceparent"][-2:]

    def until(self, flags, path="/"):
        deadline = time.monotonic() + 3 * WAIT
        while self.flags(path) != flags:
            self.assertLess(time.monotonic(), deadline, f"no {flags} for {path}")

    def test_jaeger_tells_how_to_sample(self):
        if not os.path.exists(backends.program("jaeger")):
            self.skipTest("jaeger was not to be had")
        self.lab_ = self.lab()
        self.write(type="probabilistic", param=0)
        ports = {name: free_port() for name in ("http", "grpc", "otlp")}
        config = self.lab_.write("jaeger.yaml", JAEGER.format(
            file=self.lab_.path("strategies.json"), **ports))
        self.lab_.start([backends.program("jaeger"), "--config", config], "jaeger", ports["http"],
                        traced=False)
        second = self.lab_.python_server("second.py", traced=False)
        self.edge = self.lab_.nginx(
            second.port, service="edge", OTEL_TRACES_SAMPLER="parentbased_jaeger_remote",
            OTEL_INTERSPAN_HTTP_ROUTES="/users/{id}",
            OTEL_TRACES_SAMPLER_ARG=f"endpoint=http://127.0.0.1:{ports['http']},"
                                    "pollingIntervalMs=20,initialSamplingRate=1")
        self.until("02")  # at first everything, then what the file says
        self.write(type="probabilistic", param=1)
        self.until("03")
        self.write(type="probabilistic", param=1, operation_strategies=[
            {"operation": "GET /users/{id}", "type": "probabilistic", "param": 0}])
        self.until("02", "/users/7")
        self.assertEqual(self.flags("/other"), "03")
        self.write(type="ratelimiting", param=1)
        self.until("02")
        self.assertEqual({self.flags() for _ in range(3)} - {"02", "03"}, set())
        self.edge.stop(60)
        self.assertGreaterEqual(self.lab_.total("sampling_strategies"), 4)
        self.assertGreaterEqual(self.lab_.total("traces_over_rate_limit"), 1)
        self.assertEqual(self.lab_.total("sampling_strategies_failed"), 0)
