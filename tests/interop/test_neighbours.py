# SPDX-License-Identifier: Apache-2.0
"""In one process with an SDK or an agent that was taken from its language's registry: no request has
two spans, no request leaves with two headers, and the trace is whole.

curl (ours) asks the program with the agent (both), which asks a second service (ours)."""
import json
import os
import signal

from support import servers
from support.case import SETTLE, WAIT, Feature, brief
from support.progs import APPS, ROOT, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
NEIGHBOURS = os.path.join(ROOT, "build", "neighbours")  # scripts/neighbours
REQUESTS = 5
WHOLE = [("shell", "CLIENT"), ("shop", "SERVER"), ("shop", "CLIENT"), ("stock", "SERVER")]
# Traces alone, in the one encoding that the collector of the tests reads.
TRACES = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
          "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def neighbour(*names):
    return os.path.join(NEIGHBOURS, *names)


def ancestry(spans):
    """For each span that is nobody's parent: who it comes from, root first, and it."""
    by_id = {s["span_id"]: s for s in spans}
    parents = {s["parent_span_id"] for s in spans}
    lines = []
    for span in spans:
        if span["span_id"] in parents:
            continue
        line = [span]
        while line[0]["parent_span_id"] in by_id:
            line.insert(0, by_id[line[0]["parent_span_id"]])
        lines.append(line)
    return lines


class Beside(Feature):
    def need_neighbour(self, name):
        if not os.path.exists(neighbour(name)):
            self.skipTest(f"{name}: its registry refused")

    def ask(self, lab, shop, path="/users/7", data=None):
        post = ["--data-binary", data] if data else []
        done = lab.run(["curl", "-sS", *post, shop.url(path)], service="shell")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def wait_ready(self, lab, shop, path="/status/200"):
        """Warm, and seen by nobody: then the collector starts anew."""
        lab.run(["curl", "-sS", shop.url(path)], traced=False)
        lab.collector.wait_for(1, 3, 1)
        lab.collector.clear()

    def assert_whole(self, lab, count=REQUESTS):
        spans = lab.collector.wait_for(count * len(WHOLE), 3 * WAIT, 2 * SETTLE)
        self.assert_sound(lab.collector)
        lines = ancestry(spans)
        self.assertEqual([[(s["service"], s["kind"]) for s in line] for line in lines],
                         [WHOLE] * count, brief(spans))
        self.assertEqual(len(spans), count * len(WHOLE), brief(spans))
        self.assertEqual(len({s["trace_id"] for s in spans}), count)
        for line in lines:
            self.assertEqual(line[0]["parent_span_id"], "")
            self.assertEqual(len({s["trace_id"] for s in line}), 1)

    def assert_ours(self, lab, shop, count, end=signal.SIGTERM):
        """Our object was in the agent's process, and left that many requests to it."""
        os.kill(shop.pid, end)
        shop.process.wait(10)
        self.assertEqual(lab.total("requests_left_to_sdk"), count, lab.counters())

    def told(self, body):
        names = [name.lower() for name, _ in json.loads(body)["headers"]]
        self.assertEqual(names.count("traceparent"), 1, names)


class Python(Beside):
    def assert_ours(self, lab, shop, count, end=signal.SIGINT):
        """flask ends in good order upon that one, and we tell."""
        super().assert_ours(lab, shop, count, end)

    def start(self, lab, argv, **env):
        port = free_port()
        second = lab.python_server("second.py", service="stock")
        env = {"BACKEND": second.url(""), "service": "shop", **TRACES, **env}
        return lab.start([str(port) if a == "PORT" else a for a in argv], "flask", port, **env)

    def flask(self, lab, **env):
        return self.start(lab, [neighbour("python/bin/opentelemetry-instrument"),
                                neighbour("python/bin/python"), "-m", "flask", "--app",
                                "flask_app", "run", "--port", "PORT"], **env)

    def test_opentelemetry_instrument_with_flask_and_requests(self):
        self.need_neighbour("python")
        lab = self.lab()
        shop = self.flask(lab)
        self.wait_ready(lab, shop)
        for _ in range(REQUESTS):
            self.told(self.ask(lab, shop))
        self.assert_whole(lab)
        self.assert_ours(lab, shop, REQUESTS + 1)

    def test_caller_without_a_trace(self):
        """The SDK's SERVER span is the root."""
        self.need_neighbour("python")
        lab = self.lab()
        shop = self.flask(lab)
        self.wait_ready(lab, shop)
        lab.run(["curl", "-sS", shop.url("/users/7")], traced=False)
        spans = lab.collector.wait_for(3, 3 * WAIT, 2 * SETTLE)
        self.assertEqual([[(s["service"], s["kind"]) for s in line] for line in ancestry(spans)],
                         [WHOLE[1:]], brief(spans))
        self.assertEqual(len(spans), 3, brief(spans))
        self.assert_ours(lab, shop, 2)

    def test_both_when_asked_for(self):
        """OTEL_INTERSPAN_YIELD_TO_SDK=false: our SERVER span is the parent of the SDK's."""
        self.need_neighbour("python")
        lab = self.lab()
        shop = self.flask(lab, OTEL_INTERSPAN_YIELD_TO_SDK="false")
        self.wait_ready(lab, shop)
        self.told(self.ask(lab, shop))
        spans = lab.collector.wait_for(5, 3 * WAIT, 2 * SETTLE)
        self.assertEqual([[(s["service"], s["kind"]) for s in line] for line in ancestry(spans)],
                         [[WHOLE[0], WHOLE[1], *WHOLE[1:]]], brief(spans))

    def test_sdk_that_nothing_tells_of(self):
        """It is found out by its first header; after that, no span of ours is there twice."""
        self.need_neighbour("python")
        lab = self.lab()
        shop = self.start(lab, [neighbour("python/bin/python"),
                                os.path.join(HERE, "apps", "own_sdk.py"), "PORT"])
        self.wait_ready(lab, shop, "/users/1")
        for _ in range(REQUESTS):
            self.told(self.ask(lab, shop))
        self.assert_whole(lab)
        self.assert_ours(lab, shop, REQUESTS)


class Node(Beside):
    def node(self, lab, backend, **env):
        register = neighbour("node/node_modules/@opentelemetry/auto-instrumentations-node/"
                             "build/src/register.js")
        env = {"NODE_OPTIONS": f"--require {register}", "OTEL_TRACES_EXPORTER": "otlp",
               "OTEL_NODE_RESOURCE_DETECTORS": "env", **TRACES, **env}
        return lab.node("node_app.js", backend.url(""), "plain", service="shop", **env)

    def test_auto_instrumentations_node(self):
        self.need("node")
        self.need_neighbour("node")
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        shop = self.node(lab, second)
        self.wait_ready(lab, shop, "/page")
        for _ in range(REQUESTS):
            self.told(self.ask(lab, shop, "/work", "abc"))
        self.assert_whole(lab)
        self.assert_ours(lab, shop, REQUESTS + 1)


class Java(Beside):
    def test_java_agent(self):
        self.need("java", "javac")
        self.need_neighbour("java")
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        port = free_port()
        argv = [*servers.JAVA, f"-javaagent:{neighbour('java/opentelemetry-javaagent.jar')}", "-cp",
                servers.compile_java("Front", APPS), "Front", str(port), second.url(""), "url"]
        shop = lab.start(argv, "java", port, service="shop", **TRACES)
        self.wait_ready(lab, shop, "/page")
        for _ in range(REQUESTS):
            self.told(self.ask(lab, shop, "/work", "abc"))
        self.assert_whole(lab)
        self.assert_ours(lab, shop, REQUESTS + 1)
