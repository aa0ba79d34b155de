# SPDX-License-Identifier: Apache-2.0
"""Rights that a process gives up are not kept by a thread of ours: by host_rights.c, which looks at
what the kernel says of each thread.  Exporter isolation: H10, H11, H14."""
import os
import time
import unittest

from support.case import WAIT, Feature, Transparency
from support.progs import BARE, BUILD
from test_process import WithServer

SANDBOX = os.path.join(BUILD, "tests", "host_sandbox")
KILLING = ("kill", "trap", "errno", "arguments")
HOW = ("", "child", "exec", "raw")
HOST = os.path.join(BUILD, "tests", "host_rights")
# At work from the first span on.
AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "1"}
# Those that need root, or a file of root's; each alone, since some end the others.
WAYS = ("chroot", "chroot-raw", "pivot_root", "unshare-user", "unshare-user-raw", "unshare-mount",
        "unshare-names", "unshare-threads", "setns", "setns-mount", "setns-raw", "capset",
        "capset-raw", "no_new_privs", "no_new_privs-raw", "bounding", "securebits", "ambient",
        "ambient-raw", "seccomp", "seccomp-raw", "landlock", "setuid", "setgroups-raw",
        "setresgid-raw", "setresuid-raw")
TOLD = "{way}: status 204\nreturned 0, errno 99\n{rights}status 204\n{rights}"
NONE_LEFT = "other rights 0, left 0\n"


class Rights(WithServer):
    def run_host(self, lab, *ways):
        if os.getuid() != 0:
            self.skipTest("needs root")
        done = lab.run([HOST, str(self.server().port), *ways], timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)
        return done.stdout.decode()

    def refused(self, way, out):
        """The kernel here does not know the call, or somebody forbids it: bare, too."""
        for error in (1, 22, 38, 95):
            if f"returned -1, errno {error}\n" in out and BARE:
                self.skipTest(f"{way} is refused here: errno {error}")


    def run_sandbox(self, lab, name, how, **env):
        done = lab.run([SANDBOX, str(self.server().port), name, how], timeout=60, **env)
        if done.returncode == 77:
            self.skipTest("seccomp is refused here")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"204\n" * 3, b""))


class Same(Rights, Transparency):
    def assert_delivered(self, lab, count):
        self.assertEqual(len(lab.collector.wait_for(count, WAIT)), count)
        self.assert_sound(lab.collector)

    def test_given_up_by_all(self):
        for way in WAYS:
            with self.subTest(way):
                lab = self.lab(**AT_ONCE)
                out = self.run_host(lab, way)
                self.refused(way, out)
                # setuid() is libc's to tell the others of: ours stays, with fewer rights.
                left = NONE_LEFT if way != "setuid" or BARE else "other rights 0, left 1\n"
                self.assertEqual(out, TOLD.format(way=way, rights=left))
                if not BARE:
                    self.assert_delivered(lab, 2)

    def test_given_up_while_the_collector_hangs(self):
        """Half a second for what waits, all told, however often; what it has not sent is counted."""
        lab = self.lab(**AT_ONCE, OTEL_INTERSPAN_SHUTDOWN_TIMEOUT=None)
        lab.collector.answers += ["hang"] * 50
        ways = ("no_new_privs", "ambient", "bounding", "securebits") * 2
        began = time.monotonic()
        self.run_host(lab, *ways)
        took = time.monotonic() - began
        if not BARE:
            self.assertLess(took, 0.5 + len(ways) * 0.3 + 2, lab.counters())
            self.assertEqual(lab.total("exporter_stayed"), 0)
            self.assertEqual(lab.total("spans_dropped_shutdown") +
                             lab.total("spans_dropped_export_failed"), 2 * len(ways))


    # Filters of system calls, by host_sandbox.c.
    def test_filter_that_knows_nothing_of_us(self):
        """Not one of our calls is made any more; the same in children, and in programs started."""
        for name in KILLING + ("strict", "ptrace", "threads"):
            for how in HOW:
                with self.subTest(name=name, how=how):
                    lab = self.lab(**AT_ONCE)
                    self.run_sandbox(lab, name, how)
                    if not BARE and name not in ("ptrace", "threads"):
                        self.assert_delivered(lab, 1)  # what was before the filter
                        self.assertEqual(lab.total("sandboxed"), 1, lab.counters())


class Delivered(Rights, Feature):
    def test_in_a_namespace_without_a_network(self):
        """The exporter does not keep the old one: what was asked before is told, and no more."""
        lab = self.lab(**AT_ONCE)
        out = self.run_host(lab, "unshare-net")
        self.assertEqual(out, "unshare-net: status 204\nreturned 0, errno 99\n" + NONE_LEFT)
        self.spans(lab, 1)

    def test_where_threads_are_refused(self):
        """After unshare(CLONE_NEWPID): the second span has nobody to send it, and is counted."""
        lab = self.lab(**AT_ONCE)
        out = self.run_host(lab, "unshare-pid")
        self.assertEqual(out, TOLD.format(way="unshare-pid", rights=NONE_LEFT))
        self.spans(lab, 1)
        self.assertEqual((lab.total("exporter_refused"), lab.total("spans_dropped_shutdown")),
                         (1, 1), lab.counters())

    def test_filter_that_lets_us_through(self):
        for how in HOW:
            with self.subTest(how):
                lab = self.lab(**AT_ONCE)
                self.run_sandbox(lab, "ptrace", how)
                self.spans(lab, 3, settle=0.0)

    def test_filter_without_threads(self):
        """Who shares the store delivers; where nobody does, it is counted; a program that is started
        has neither, and is told so."""
        for how, came, lost in (("child", 3, 0), ("", 1, 2), ("raw", 1, 2), ("exec", 1, 0)):
            with self.subTest(how):
                lab = self.lab(**AT_ONCE)
                self.run_sandbox(lab, "threads", how)
                self.spans(lab, came, settle=0.0)
                self.assertEqual(lab.total("spans_dropped_shutdown"), lost, lab.counters())


if __name__ == "__main__":
    unittest.main()
