# SPDX-License-Identifier: Apache-2.0
"""A program that has nothing to do: whatever delivers its spans, nothing of ours wakes up, and none of
our descriptors is among the program's, though connections and files are kept (design 7, H5).

One program for each setting, all at the same time: what must not happen takes long to watch."""
import os
import re
import time

from e2e.test_sampling import Strategies, share
from support.case import WAIT, Feature
from support.grpc_collector import GrpcCollector
from support.tls_files import certificates, server_context

LONGER_S = 6  # than any delay and interval that is set below


def threads(pid):
    """{thread: how often it went to sleep}, of ours."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status", encoding="ascii") as f:
            text = f.read()
        if text.startswith("Name:\tinterspan\n"):
            found[tid] = int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.M)[1])
    return found


def descriptors(pid):
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[number] = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            pass  # was listed, and is closed
    return found


class Idle(Feature):
    def settings(self, lab, secret):
        strategies = Strategies()
        self.addCleanup(strategies.server_close)
        self.addCleanup(strategies.shutdown)
        strategies.answer = share(1)
        spool = lab.path("spool")
        os.mkdir(spool, 0o700)
        tls = {"OTEL_EXPORTER_OTLP_ENDPOINT": secret.endpoint, "OTEL_EXPORTER_OTLP_CERTIFICATE": lab.path("ca.pem")}
        return {
            "protobuf": {},
            "json": {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
            "grpc": {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", **tls},
            "several": {"OTEL_TRACES_EXPORTER": "otlp,otlp/file,otlp/stdout",
                        "OTEL_INTERSPAN_OTLP_FILE": lab.path("spans.jsonl")},
            "metrics": {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "500"},
            "remote": {"OTEL_TRACES_SAMPLER": "parentbased_jaeger_remote", "OTEL_TRACES_SAMPLER_ARG":
                       f"endpoint={strategies.url},pollingIntervalMs=500,initialSamplingRate=1"},
            "spool": {"OTEL_INTERSPAN_SPOOL": spool},
            "nobody": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "500"},
        }

    def use(self, lab, server):
        for path in "/a", "/b":
            done = lab.run(["curl", "-sS", "-o", "/dev/null", server.url(path)], traced=False)
            self.assertEqual(done.returncode, 0)

    def assert_descriptors_are_the_programs(self, name, server):
        """Those of stdio, and where it listens."""
        deadline = time.monotonic() + WAIT
        while len(found := descriptors(server.pid)) > 4 and time.monotonic() < deadline:
            time.sleep(0.05)  # the last connection is being closed
        self.assertEqual(sorted(found), ["0", "1", "2", "3"], (name, found))
        self.assertRegex(found["3"], "^socket:", name)

    def test_nothing_wakes_it(self):
        self.need("openssl", "module:h2")
        lab = self.lab()
        certificates(lab.directory)
        with GrpcCollector(ssl=server_context(lab.directory)) as secret:
            servers = {name: lab.python_server("second.py", service=name, **settings)
                       for name, settings in self.settings(lab, secret).items()}
            for server in servers.values():
                self.use(lab, server)
            # Metrics have a path of their own, which is none of the collector's: it says 400.
            lab.collector.wait_for(2 * (len(servers) - 2), WAIT)
            secret.wait_for(2, WAIT)
            told = sorted(s["service"] for s in lab.collector.spans + secret.spans)
            self.assertEqual(told, sorted(2 * [name for name in servers if name != "nobody"]))
            slept = {name: threads(s.pid) for name, s in servers.items()}
            for _ in range(5):
                time.sleep(LONGER_S)
                last, slept = slept, {name: threads(s.pid) for name, s in servers.items()}
                if slept == last:
                    break
            self.assertEqual(slept, last)
            self.assertEqual({name: len(found) for name, found in slept.items()}, dict.fromkeys(servers, 1))
            for name, server in servers.items():
                self.assert_descriptors_are_the_programs(name, server)
