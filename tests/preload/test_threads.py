# SPDX-License-Identifier: Apache-2.0
"""Threads that are started while a request is served, by host_threads.c: they and all that they call
behave as without us, and what they inherit ends with the request."""
import os
import unittest

from support.case import Feature, Transparency, brief
from support.progs import BUILD

HOST = os.path.join(BUILD, "tests", "host_threads")
CASES = ("values", "cancelled", "refused", "ten_thousand", "outlived", "every_call")
REFUSED = "pthread_create(&t, &vast, give_back, NULL) = 11, errno 12\nrefused: ok\n"
# Of every_call, what a wrong hook would be likely to get wrong: literals from the manual pages.
SAID = ("pthread_mutex_lock(&m) = 35, errno 77", "pthread_mutex_trylock(&m) = 16, errno 77",
        "pthread_mutex_clocklock(&m, 1234, &past) = 22, errno 77",
        "pthread_barrier_wait(&barrier) = -1, errno 77", "mtx_trylock(&c11) = 1, errno 77",
        "sem_trywait(&s) = -1, errno 11", "sem_timedwait(&s, &past) = -1, errno 110",
        "nanosleep(&bad, NULL) = -1, errno 22",
        "clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL) = 22, errno 77",
        "sigtimedwait(&set, NULL, &none) = -1, errno 11",
        "eventfd_read(efd, &value) = -1, errno 11", "sigsuspend(&others) = -1, errno 4",
        "syscall(SYS_futex, text, 99, 1, 2, 3, 4) = -1, errno 38")


class Same(Transparency):
    def test_every_case(self):
        for case in CASES:
            with self.subTest(case=case):
                lab = self.lab(OTEL_INTERSPAN_INHERIT_THREADS="true")
                bare = lab.run([HOST, case], traced=False)
                done = lab.run([HOST, case])
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (0, bare.stdout, b""))
                self.assertTrue(done.stdout.endswith(f"{case}: ok\n".encode()))
                self.assert_loaded(lab, "host_threads", hooked=True)

    def test_what_is_said(self):
        lab = self.lab(OTEL_INTERSPAN_INHERIT_THREADS="true")
        self.assertEqual(lab.run([HOST, "refused"]).stdout.decode(), REFUSED)
        lines = lab.run([HOST, "every_call"]).stdout.decode().splitlines()
        for line in SAID:
            self.assertIn(line, lines)


class Heirs(Feature):
    def test_ended_request_is_none(self):
        lab = self.lab(OTEL_INTERSPAN_INHERIT_THREADS="true")
        lab.run([HOST, "outlived"])
        spans = self.spans(lab, 8)
        outer = [s for s in spans if s["kind"] == "SERVER" and s["name"] == "GET" and
                 s["attributes"]["url.path"] == "/outer"]
        asked = sorted((s for s in spans if s["kind"] == "CLIENT" and
                        s["attributes"]["url.full"].endswith("/asked")), key=lambda s: s["start"])
        outer.sort(key=lambda s: s["start"])
        self.assertEqual([s["parent_span_id"] for s in asked], [outer[0]["span_id"], ""],
                         brief(spans))

    def test_what_is_counted(self):
        """Those that could not start gave back what they were lent: there are fewer of it."""
        for case, count in (("values", 4), ("refused", 200), ("ten_thousand", 10000)):
            with self.subTest(case=case):
                lab = self.lab(OTEL_INTERSPAN_INHERIT_THREADS="true")
                lab.run([HOST, case])
                self.spans(lab, 2)
                self.assertEqual((lab.total("threads_inherited"),
                                  lab.total("threads_not_inherited_full")), (count, 0))


if __name__ == "__main__":
    unittest.main()
