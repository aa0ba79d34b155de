# SPDX-License-Identifier: Apache-2.0
"""docs/tail-sampling.yaml, as it is written but for the addresses and the waiting: everything that is
recorded goes to a Collector with tail sampling, and a trace of which one process knows why it matters
comes out whole, with the parts of those that saw nothing wrong.  Jaeger 2 is the Collector, since it
has the processor; the plain one behind it writes down what it lets through."""
import collections
import os

from support import backends
from support.case import WAIT, Feature
from support.progs import ROOT, free_port

FINE, EACH = 20, 3
WHOLE = sorted([("edge", "SERVER"), ("edge", "CLIENT"), ("shop", "SERVER"), ("shop", "CLIENT"),
                ("stock", "SERVER")])


def tail_sampling(lab, behind):
    """Its endpoint, by HTTP."""
    with open(os.path.join(ROOT, "docs", "tail-sampling.yaml"), encoding="utf-8") as f:
        text = f.read()
    http, grpc = free_port(), free_port()
    for old, new in (("0.0.0.0:4318", f"127.0.0.1:{http}"), ("0.0.0.0:4317", f"127.0.0.1:{grpc}"),
                     ("http://backend:4318", behind), ("decision_wait: 10s", "decision_wait: 5s"),
                     ("sampling_percentage: 1}", "sampling_percentage: 0}")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    lab.start([backends.program("jaeger"), "--config", lab.write("tail-sampling.yaml", text)],
              "tail-sampling", http, traced=False)
    return f"http://127.0.0.1:{http}"


class TailSampling(Feature):
    def setUp(self):
        self.need("nginx", "gunicorn", "module:flask", "module:requests")
        for name in "jaeger", "collector":
            if not os.path.exists(backends.program(name)):
                self.skipTest(f"{name} was not to be had")

    def ask(self, lab, path, *args):
        done = lab.run(["curl", "-s", *args, self.edge.url(path)], traced=False)
        self.assertEqual(done.returncode, 0)

    def test_traces_come_out_whole_or_not_at_all(self):
        lab = self.lab()
        collector = backends.Collector(lab)
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": tail_sampling(lab, collector.http),
                    "OTEL_TRACES_SAMPLER": "parentbased_always_off",
                    "OTEL_INTERSPAN_KEEP": "error,slow>1s,forced,all",
                    "OTEL_BSP_SCHEDULE_DELAY": "50"}
        stock = lab.python_server("second.py", service="stock", **settings)
        shop = lab.gunicorn("flask_app:app", service="shop", **settings)
        self.edge = lab.nginx(shop.port, service="edge",
                              OTEL_INTERSPAN_FORCE_HEADER="X-Trace-Me", **settings)
        for _ in range(FINE):
            self.ask(lab, f"/call?url={stock.url('/fine')}")
        for _ in range(EACH):
            # The edge and the shop see that it failed, the stock that it was asked something odd.
            self.ask(lab, f"/call?url={stock.url('/status/503')}")
            self.ask(lab, f"/call?url={stock.url('/slow/1100')}")
            self.ask(lab, f"/call?url={stock.url('/forced')}", "-HX-Trace-Me: 1")
        spans = backends.wait_for(3 * EACH * len(WHOLE), collector.look, 3 * WAIT)
        traces = collections.defaultdict(list)
        for span in spans:
            traces[span["trace"]].append(span)
        self.assertEqual(len(traces), 3 * EACH)
        why = collections.Counter()
        for trace in traces.values():
            self.assertEqual(sorted((s["service"], s["kind"]) for s in trace), WHOLE)
            ids = {s["span"] for s in trace}
            self.assertEqual(sum(s["parent"] not in ids for s in trace), 1)
            edge, = [s for s in trace if (s["service"], s["kind"]) == ("edge", "SERVER")]
            why[edge["attributes"]["interspan.selected"]] += 1
        self.assertEqual(why, {"error": EACH, "slow": EACH, "forced": EACH})
