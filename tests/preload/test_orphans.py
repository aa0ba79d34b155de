# SPDX-License-Identifier: Apache-2.0
"""A process that dies in the middle of a request: what it had finished, and what it had not, is told
by whoever still has the store, and once (design 7)."""
import os
import signal
import unittest

from support import rawhttp
from support.case import WAIT, Feature, Transparency
from support.progs import APPS, BUILD, PYTHON, free_port

HOST = os.path.join(BUILD, "tests", "host_orphan")
# How a parent waits, and whether it asks for the status.
WAITS = {"wait": False, "waitpid": True, "wait3": True, "wait4": False, "waitid": True}
# Nothing is sent before somebody ends.
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "60000"}


class Serves:
    def start(self, lab, how, wait):
        host = lab.start([HOST, str(port := free_port()), how, wait], "host")
        while host.process.poll() is None:  # not by a connection: it would be served
            try:
                answer = rawhttp.get(port, "/done")
                break
            except ConnectionRefusedError:
                continue
        self.assertIn(b" 200 OK", answer)
        self.assertEqual(rawhttp.get(port, "/open"), b"")
        return host, port


class Told(Serves, Feature):
    def check(self, lab, error, count=2):
        spans = {s["attributes"]["url.path"]: s for s in self.spans(lab, count, settle=0.0)}
        self.assertEqual({s["kind"] for s in spans.values()}, {"SERVER"})
        done, left = spans["/done"], spans["/open"]
        self.assert_attributes(done, http_response_status_code=200, error_type=None)
        self.assert_attributes(left, http_response_status_code=None, error_type=error)
        self.assertEqual((done["status"], left["status"]), ("UNSET", "ERROR"))
        self.assertEqual(done["resource"]["process.pid"], left["resource"]["process.pid"])
        self.assertGreaterEqual(left["end"], left["start"])
        return left

    def worker(self, how, wait, error):
        with self.subTest(how=how, wait=wait):
            lab = self.lab(**LATE)
            host, _ = self.start(lab, how, wait)
            self.assertEqual(host.process.wait(WAIT), 0)
            left = self.check(lab, error)
            self.assertNotEqual(left["resource"]["process.pid"], host.pid)
            self.assertEqual(lab.total("spans_dropped_export_failed"), 0)

    def test_parent_waits(self):
        for wait, is_told in WAITS.items():
            self.worker("SIGKILL", wait, "SIGKILL" if is_told else "process_exited")
        for how in "SIGSEGV", "SIGABRT", "SIGSYS":
            self.worker(how, "waitpid", how)

    def test_nobody_waits(self):
        for how in "SIGKILL", "SIGSEGV":
            self.worker(how, "ignored", "process_exited")

    def test_it_exits(self):
        """By itself; also by a call that no hook sees, where the parent tells."""
        for how in "exit", "_exit", "unseen":
            self.worker(how, "waitpid", "process_exited")
        self.worker("unseen", "ignored", "process_exited")

    def test_child_survives(self):
        lab = self.lab(**LATE)
        host, port = self.start(lab, "SIGKILL", "parent")
        self.assertEqual(host.process.wait(WAIT), -signal.SIGKILL)
        self.assertIn(b" 200 OK", rawhttp.get(port, "/after"))
        left = self.check(lab, "process_exited", 3)
        self.assertEqual(left["resource"]["process.pid"], host.pid)

    def test_child_of_one_that_has_sent(self):
        """It has nothing of what its parent's exporter had made, and makes its own."""
        lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="1", OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="10000")
        server = lab.python_server("second.py", traced=False)
        os.mkfifo(fifo := lab.path("fifo"))
        lab.start([PYTHON, os.path.join(APPS, "heir.py"), server.url("/x"), fifo], "heir")
        self.spans(lab, 1)
        with open(fifo, "wb"):
            pass
        self.assertNotEqual(*(s["resource"]["process.pid"] for s in self.spans(lab, 2)))

    def test_alone(self):
        """Of a process that shares its store with nobody: what it exits from."""
        for how in "exit", "_exit":
            lab = self.lab(**LATE)
            host, _ = self.start(lab, how, "alone")
            host.process.wait(WAIT)
            self.check(lab, "process_exited")


class Same(Serves, Transparency):
    def test_ends(self):
        for how, status in ("SIGSEGV", -signal.SIGSEGV), ("SIGABRT", -signal.SIGABRT), ("_exit", 3):
            lab = self.lab(**LATE)
            host, _ = self.start(lab, how, "alone")
            self.assertEqual(host.process.wait(30), status)
            lab = self.lab(**LATE)
            host, port = self.start(lab, how, "parent")
            self.assertEqual(host.process.wait(30), status)
            self.assertIn(b" 200 OK", rawhttp.get(port, "/after"))
        for wait in WAITS:
            lab = self.lab(**LATE)
            host, _ = self.start(lab, "SIGKILL", wait)
            self.assertEqual(host.process.wait(30), 0)
            self.assert_loaded(lab, "host_orphan")


if __name__ == "__main__":
    unittest.main()
