# SPDX-License-Identifier: Apache-2.0
"""Threads that are started while a request is served (inherit.h): what such a thread calls for that
request is the request's, and what a pool's worker, started in one, calls for others never is.  By
spawner.c; as test_causality.py, 64 at once."""
import os
import subprocess
import tempfile
import unittest
from ctypes.util import find_library

from e2e.test_causality import COUNT, Causality, Cell
from support.progs import free_port

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = tempfile.TemporaryDirectory(prefix="interspan-test-")  # pylint: disable=R1732
POOLS = ("mutex", "cond", "try", "timed", "clock", "c11", "rwlock", "spin", "semaphore", "items",
         "pipe", "polled", "eventfd", "futex", "yield", "sleep", "timeout", "runtime")


def build(name, *compiler, libraries=()):
    subprocess.run([*compiler, "-O2", "-D_GNU_SOURCE", "-pthread", "-o", f"{BUILT.name}/{name}",
                    f"{HERE}/spawner.c", *libraries], check=True)


def local_name():
    """A name of 127.0.0.1 that is not localhost; None: this machine has none."""
    with open("/etc/hosts", encoding="utf-8") as f:
        for line in f:
            address, *names = line.partition("#")[0].split() or [""]
            for name in names:
                if address == "127.0.0.1" and "localhost" not in name:
                    return name
    return None


def setUpModule():  # pylint: disable=invalid-name
    build("spawner", "gcc")


class Threads(Causality):
    asked_for = {"OTEL_INTERSPAN_INHERIT_THREADS": "true"}

    def verdict(self, mode, name="spawner", env=(), **cell):
        def start(lab, backend_port):
            port = free_port()
            return lab.start([f"{BUILT.name}/{name}", str(port), str(backend_port), mode],
                             "spawner", port, **dict(env))

        return self.measure(mode, start, True, cell=Cell(**cell), load={"vanish": 0},
                            OTEL_BSP_MAX_QUEUE_SIZE="20000", **self.asked_for)

    def exact(self, mode, name="spawner", calls=1, **env):
        with self.subTest(mode=mode, **env):
            verdict = self.verdict(mode, name, env, calls=calls)
            self.assertEqual((verdict.right, verdict.missing), (COUNT * calls, 0))

    def test_thread_for_a_call(self):
        for mode in ("thread", "tiny", "detached", "nested"):
            self.exact(mode)

    def test_thread_for_two_calls(self):
        for mode in ("twice", "beside"):
            self.exact(mode, calls=2)

    def test_thread_of_cxx(self):
        self.need("g++")
        build("spawner_cxx", "g++", "-x", "c++")
        for mode in ("std-thread", "std-async"):
            self.exact(mode, "spawner_cxx")

    def test_thread_that_uses_libcurl(self):
        """It looks for what it does not wait for, and has locks, and those of OpenSSL."""
        if find_library("curl") is None:
            self.skipTest("needs libcurl")
        build("spawner_curl", "gcc", "-DWITH_CURL", libraries=["-l:" + find_library("curl")])
        self.exact("curl", "spawner_curl", calls=2)
        # For any other name it starts a thread that resolves it, and waits for that.
        if local_name():
            self.exact("curl", "spawner_curl", calls=2, CALL_HOST=local_name())

    def test_pool_that_grows_when_it_is_asked(self):
        for pool in POOLS:
            with self.subTest(pool=pool):
                verdict = self.verdict(f"pool-{pool}")
                self.assertEqual((verdict.right, verdict.missing), (0, COUNT))


class Unasked(Threads):
    """Unless told that there are no pools that hand out work unseen, no thread inherits."""
    asked_for = {}

    def test_thread_for_a_call(self):
        verdict = self.verdict("thread")
        self.assertEqual((verdict.right, verdict.missing), (0, COUNT))

    test_thread_for_two_calls = test_thread_of_cxx = test_thread_that_uses_libcurl = None
    test_pool_that_grows_when_it_is_asked = None


if __name__ == "__main__":
    unittest.main()
