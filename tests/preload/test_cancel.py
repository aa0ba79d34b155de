# SPDX-License-Identifier: Apache-2.0
"""A thread that is cancelled in one of our hooks leaves nothing behind: no lock of a connection, no guard,
by host_cancel.c, which goes through each hooked call that is a cancellation point."""
import os
import unittest

from support.case import Feature, Transparency
from support.progs import BUILD

HOST = os.path.join(BUILD, "tests", "host_cancel")
# Which calls are cancellation points: pthreads(7), and for those that are not there, glibc 2.36.
WRITES = ["write", "writev", "pwritev2", "send", "sendto", "sendmsg", "sendmmsg"]
POINTS = ["read", "readv", "preadv2", "recv", "recvfrom", "recvmsg", "recvmmsg", *WRITES, "poll", "ppoll",
          "select", "pselect", "epoll_wait", "epoll_pwait", "epoll_pwait2", "accept", "accept4", "connect",
          "sem_wait", "sem_timedwait", "sem_clockwait", "nanosleep", "clock_nanosleep", "usleep", "sleep",
          "thrd_sleep", "pause", "sigsuspend", "sigwait", "sigwaitinfo", "sigtimedwait", "mq_receive",
          "mq_timedreceive", "msgrcv", "eventfd_read", "wait", "waitpid", "wait3", "wait4", "waitid", "fcntl",
          "system"]
# Bare, too, these must not be cancelled at any moment.
ONLY_DEFERRED = ["mq_receive", "mq_timedreceive", "fcntl", "system"]
HOWS = ["deferred", "asynchronous", "before"]
ROWS = [(call, how) for call in POINTS for how in HOWS if how != "asynchronous" or call not in ONLY_DEFERRED]


def run(case, lab):
    done = lab.run([HOST], timeout=120)
    case.assertEqual((done.returncode, done.stderr), (0, b""))
    case.assertEqual(done.stdout.decode().splitlines(), [f"{call}, {how}: cancelled" for call, how in ROWS])


class Same(Transparency):
    def test_every_point(self):
        lab = self.lab()
        run(self, lab)
        self.assert_loaded(lab, "host_cancel", hooked=True)


class Delivered(Feature):
    def test_every_point(self):
        """Of three exchanges both ends tell each, but for the client whose write was cancelled: how much of it
        has left nobody knows, so it tells no more."""
        lab = self.lab(OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="60000")
        run(self, lab)
        blind = len(WRITES) * len(HOWS)
        spans = self.spans(lab, 6 * len(ROWS) - 2 * blind, settle=0.0)
        for path, clients in ("before", len(ROWS)), ("cleanup", len(ROWS) - blind), ("after", len(ROWS) - blind):
            of_path = [s for s in spans if path in (s["attributes"].get("url.path") or s["attributes"]["url.full"])]
            kinds = [s["kind"] for s in of_path]
            self.assertEqual((kinds.count("SERVER"), kinds.count("CLIENT")), (len(ROWS), clients), path)
            self.assertEqual({s["attributes"]["http.response.status_code"] for s in of_path}, {204})
        self.assertEqual(lab.total("connections_blind"), blind)


if __name__ == "__main__":
    unittest.main()
