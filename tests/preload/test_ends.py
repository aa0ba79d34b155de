# SPDX-License-Identifier: Apache-2.0
"""Each end of a process, with one span that waits and with a thousand, and with a collector that is
there, is not there, or swallows what it is sent: delivered or counted, each of them, and in time.
ENDS_ALL: every way with a thousand, and the clock is looked at, as `make life` does it."""
import os
import signal
import time
import unittest

from support.case import WAIT, Feature
from support.progs import BUILD, PYTHON
from test_process import WithServer

HOST = os.path.join(BUILD, "tests", "host_end")
WAYS = {"return": 0, "exit": 0, "_exit": 0, "_Exit": 0, "quick_exit": 0, "exit_group": 0, "execve": 0,
        "exit_in_thread": 0, "pthread_exit": 0, "abort": -signal.SIGABRT}
ALL = bool(os.environ.get("ENDS_ALL"))
MANY = list(WAYS) if ALL else ["return", "abort"]
# Only the end delivers; batches that are full before it do not, either.
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2048"}
# Nothing but the budget of the end cuts a delivery short, within the time of this test.
PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "600000", "OTEL_BSP_EXPORT_TIMEOUT": "600000"}
BUDGET_MS = 500 if ALL else 200
SLACK_MS = 250  # of a machine that does nothing else


class Ends(WithServer, Feature):
    def run_host(self, lab, how, count):
        """How long its end took, in ms."""
        done = lab.run([HOST, str(self.server().port), how, str(count)], timeout=60)
        now = time.monotonic() * 1000
        when, *rest = done.stdout.decode().splitlines()
        self.assertEqual((done.returncode, done.stderr), (WAYS[how], b""))
        self.assertEqual(rest, ["next"] if how == "execve" else [])
        return now - int(when)

    def cells(self):
        return [(how, 1) for how in WAYS] + [(how, 1000) for how in MANY]

    def counted(self, lab):
        return {name: lab.total(f"spans_{name}") for name in
                ("ended", "exported", "dropped_shutdown", "dropped_export_failed")}

    def in_time(self, how, count, took):
        if ALL:
            print(f"{how:15} {count:5} spans {took:6.0f} ms", flush=True)
            self.assertLess(took, BUDGET_MS + SLACK_MS)

    def test_collector_is_there(self):
        for how, count in self.cells():
            with self.subTest(how=how, count=count):
                lab = self.lab(OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="60000", **LATE, **PATIENT)
                self.in_time(how, count, self.run_host(lab, how, count))
                spans = self.spans(lab, count, settle=0.0)
                self.assertEqual(len({s["span_id"] for s in spans}), count)
                if how != "pthread_exit":  # the exporter leaves last, and tells of its own
                    self.assertEqual(self.counted(lab), {"ended": count, "exported": count,
                                                         "dropped_shutdown": 0,
                                                         "dropped_export_failed": 0})

    def check_lost(self, how, count, lab):
        self.in_time(how, count, self.run_host(lab, how, count))
        told = self.counted(lab)
        lost = told["dropped_shutdown"] + told["dropped_export_failed"]
        self.assertEqual((told["ended"], told["exported"], lost), (count, 0, count), told)

    def test_collector_is_not_there(self):
        for how, count in self.cells():
            with self.subTest(how=how, count=count):
                self.check_lost(how, count, self.lab(
                    OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", **LATE, **PATIENT))

    def test_collector_does_not_answer(self):
        """It would take ten minutes, were it not for OTEL_INTERSPAN_SHUTDOWN_TIMEOUT."""
        for how, count in self.cells():
            with self.subTest(how=how, count=count):
                lab = self.lab(OTEL_INTERSPAN_SHUTDOWN_TIMEOUT=str(BUDGET_MS), **LATE, **PATIENT)
                lab.collector.answers += ["hang"] * 9
                self.check_lost(how, count, lab)


class Killed(WithServer, Feature):
    """The bound on what SIGKILL loses of a process that shares its spans with nobody: what neither
    has made a batch full nor waited for the delay."""

    def kill(self, count, settled, **settings):
        lab = self.lab(**settings)
        host = lab.start([HOST, str(self.server().port), "pause", str(count)], "host")
        self.assertGreaterEqual(len(lab.collector.wait_for(settled, WAIT)), settled)
        os.kill(host.pid, signal.SIGKILL)
        self.assertEqual(host.process.wait(), -signal.SIGKILL)
        spans = lab.collector.wait_for(settled)
        self.assertEqual(len({s["span_id"] for s in spans}), len(spans))
        self.assertLessEqual(len(spans), count)

    def test_less_than_a_batch(self):
        self.kill(25, 25 - 9, OTEL_BSP_SCHEDULE_DELAY="600000", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10")

    def test_what_has_waited_for_the_delay_is_out(self):
        self.kill(1, 1, OTEL_BSP_SCHEDULE_DELAY="50")
        self.kill(1000, 1000, OTEL_BSP_SCHEDULE_DELAY="50")


class Open(Feature):
    """Under way when the process ends: ended, with its error, where no other thread can end it, and
    counted where one can."""
    SCRIPT = """
import os, socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
def take():
    server.recv(1000)
    taken.set()
    if sys.argv[1] == "threads":
        threading.Event().wait()
taken = threading.Event()
if sys.argv[1] == "threads":
    threading.Thread(target=take, daemon=True).start()
    taken.wait()
else:
    take()
{"exit": sys.exit, "_exit": os._exit}[sys.argv[2]](0)
"""

    def counted(self, threads, how):
        lab = self.lab()
        done = lab.run([PYTHON, "-c", self.SCRIPT, threads, how])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        line, = lab.counters()
        return [int(line.get(f"spans_{name}", 0)) for name in ("started", "ended", "open_at_end")]

    def test_one_thread(self):
        for how in ("exit", "_exit"):
            self.assertEqual(self.counted("one", how), [2, 2, 0], how)

    def test_threads(self):
        for how in ("exit", "_exit"):
            self.assertEqual(self.counted("threads", how), [2, 0, 2], how)


if __name__ == "__main__":
    unittest.main()
