# SPDX-License-Identifier: Apache-2.0
"""The environment of programs that are started (rows C104-C111), each way there is: host_environ.c."""
import os
import re
import unittest

from support.case import Feature, Transparency
from support.progs import BARE, BUILD, Lab

HOST = os.path.join(BUILD, "tests", "host_environ")
EXECS = ["execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve", "execveat"]
BESIDE = ["vfork", "vfork_killed", "posix_spawn", "posix_spawnp", "system", "popen"]
# What started the host, and what asks it (in the host's source).
TRACE = "0af7651916cd43dd8448eb211c80319c"
ORIGIN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CALLER = "b7ad6b7169203331"


def environment(done):
    """Entries that concern us of what `env` printed; a shell in between sorts them as it likes."""
    return sorted(line for line in done.stdout.decode().splitlines()
                  if line.startswith(("TRACE", "BAGGAGE")))


class Same(Transparency):
    def outcome(self, how, bare, *more, **env):
        with Lab(bare=bare) as lab:
            done = lab.run([HOST, how, "/usr/bin/env", *more], **env)
            if not bare:
                self.assert_loaded(lab, "host_environ")
            lines = sorted(line for line in done.stdout.decode().splitlines() if not line.startswith(
                ("LD_PRELOAD=", "OTEL_", "PWD=")))
            return done.returncode, lines, done.stderr

    def test_nothing_to_tell(self):
        """Entry for entry, whoever started us: none of them is ours to change."""
        for how in EXECS + BESIDE + ["system_with_threads"]:
            with self.subTest(how=how):
                env = {"A": "1", "TRACEPARENT": ORIGIN, "TRACESTATE": "b=2", "traceparent": "x"}
                bare = self.outcome(how, True, **env)
                self.assertEqual((bare[0], bare[2]), (0, b""))
                self.assertIn(f"TRACEPARENT={ORIGIN}", bare[1])
                self.assertEqual(self.outcome(how, BARE, **env), bare)

    def test_switched_off(self):
        for how in "execve", "vfork", "system":
            with self.subTest(how=how):
                off = {"OTEL_INTERSPAN_PROPAGATE_ENVIRONMENT": "false", "TRACEPARENT": ORIGIN}
                bare = self.outcome(how, True, "serving", **off)
                self.assertIn(f"TRACEPARENT={ORIGIN}", bare[1])
                self.assertEqual(self.outcome(how, BARE, "serving", **off), bare)

    def test_what_others_told(self):
        """Neither ours nor of who started us: an SDK's."""
        lab = self.lab()
        other = f"00-{'1' * 32}-{'2' * 16}-01"
        done = lab.run(["env", f"TRACEPARENT={ORIGIN}", "sh", "-c",
                        f"TRACEPARENT={other} exec env TRACESTATE=x=1"])
        self.assertEqual(environment(done), [f"TRACEPARENT={other}", "TRACESTATE=x=1"])

    def test_the_longest_there_may_be(self):
        """With ours it would be too long: then it goes without."""
        for how in "longest", "longest_of_exec":
            with self.subTest(how=how):
                bare = self.outcome(how, True, "serving")
                self.assertRegex(bare[1][0], r"^longest: \d+, \d+$")
                self.assertEqual((bare[0], bare[2]), (0, b""))
                self.assertEqual(self.outcome(how, BARE, "serving"), bare)

    def test_threads(self):
        """Another thread may be reading `environ`: system() is left alone."""
        bare = self.outcome("system_with_threads", True, "serving")
        self.assertEqual((bare[0], bare[2]), (0, b""))
        self.assertEqual(self.outcome("system_with_threads", BARE, "serving"), bare)


class Told(Feature):
    def run_host(self, how, **env):
        lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="60000")
        done = lab.run([HOST, how, "/usr/bin/env", "serving"], **env)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        entries = environment(done)
        found = [re.fullmatch(f"TRACEPARENT=00-{TRACE}-([0-9a-f]{{16}})-01", e) for e in entries]
        ours = [match[1] for match in found if match]
        self.assertEqual(len(ours), 1, entries)
        return lab, ours[0], [e for e, match in zip(entries, found) if not match]

    def test_request(self):
        """Who is started while a request is served is started by its span."""
        for how in EXECS + BESIDE:
            with self.subTest(how=how):
                lab, span_id, rest = self.run_host(how)
                self.assertEqual(rest, ["TRACESTATE=a=1"])
                span, = self.spans(lab, 1, settle=0.0)
                self.assertEqual((span["span_id"], span["parent_span_id"], span["kind"]),
                                 (span_id, CALLER, "SERVER"))

    def test_request_beats_who_started_us(self):
        for how in "execve", "vfork", "posix_spawn", "system":
            with self.subTest(how=how):
                _, span_id, rest = self.run_host(how, TRACEPARENT=ORIGIN, TRACESTATE="b=2",
                                                 BAGGAGE="c=3")
                self.assertNotIn(span_id, (CALLER, ORIGIN))
                self.assertEqual(rest, ["BAGGAGE=c=3", "TRACESTATE=a=1"])


if __name__ == "__main__":
    unittest.main()
