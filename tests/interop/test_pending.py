# SPDX-License-Identifier: Apache-2.0
"""Processes that die, are replaced or fork in the middle of requests that are only recorded
(OTEL_INTERSPAN_KEEP): what they held is told with the request, as an error, or goes; no slot of the
store stays taken."""
from support import rawhttp
from support.case import Feature

CALLS = 5


class Pending(Feature):
    def begin(self, keep, **settings):
        self.need("/usr/bin/gunicorn")
        self.lab_ = self.lab(OTEL_TRACES_SAMPLER="always_off", OTEL_INTERSPAN_KEEP=keep, **settings)
        second = self.lab_.python_server("second.py", traced=False)
        self.shop = self.lab_.gunicorn("pending:app", workers=1, service="shop",
                                       BACKEND=second.url(""))

    def assert_room(self):
        for name in "spans_dropped_no_slot", "spans_not_held_full", "spans_dropped_queue_full":
            self.assertEqual(self.lab_.total(name), 0, name)

    def test_crashed_requests_are_kept_whole(self):
        self.begin("error")
        ends = {"SIGKILL": "SIGKILL", "SIGSEGV": "SIGSEGV", "exec": "process_exited",
                "exit": "process_exited"}
        for how in ends:
            self.assertEqual(rawhttp.get(self.shop.port, f"/{how}/{CALLS}"), b"")
            self.assertIn(b"ok", rawhttp.get(self.shop.port, f"/fine/{CALLS}"))
        spans = self.spans(self.lab_, len(ends) * (1 + CALLS))
        for how, error in ends.items():
            root, = [s for s in spans if s["attributes"].get("url.path") == f"/{how}/{CALLS}"]
            self.assertEqual((root["kind"], root["status"]), ("SERVER", "ERROR"))
            self.assert_attributes(root, error_type=error, interspan_selected="error")
            calls = [s for s in spans if s["parent_span_id"] == root["span_id"]]
            self.assertEqual(sorted(s["attributes"]["url.full"].rpartition("/")[2] for s in calls),
                             [str(n) for n in range(CALLS)])
            self.assertEqual({s["trace_id"] for s in calls}, {root["trace_id"]})

    def test_child_that_is_killed(self):
        """In its second call: the request, which ends well, is kept for that failure."""
        self.begin("error")
        self.assertIn(b"ok", rawhttp.get(self.shop.port, f"/fork/{CALLS}"))
        spans = self.spans(self.lab_, 1 + CALLS + 2)
        root, = [s for s in spans if s["kind"] == "SERVER"]
        self.assert_attributes(root, interspan_selected="error", http_response_status_code=200)
        failed, = [s for s in spans if s["status"] == "ERROR"]
        self.assert_attributes(failed, error_type="SIGKILL")
        self.assertEqual({s["parent_span_id"] for s in spans if s is not root}, {root["span_id"]})
        self.shop.stop(60)
        self.assertEqual(self.lab_.total("spans_ended"), 1 + CALLS + 2)
        self.assert_room()

    def test_deaths_leave_no_slot(self):
        """The store has 1,024; those who die have held more of them than that."""
        self.begin("slow>1h", OTEL_BSP_MAX_QUEUE_SIZE="256")
        for _ in range(22):
            self.assertEqual(rawhttp.get(self.shop.port, "/SIGKILL/49"), b"")
        self.assertIn(b"ok", rawhttp.get(self.shop.port, "/fine/49"))
        self.shop.stop(60)
        self.assertEqual(self.spans(self.lab_, 0), [])
        self.assert_room()
