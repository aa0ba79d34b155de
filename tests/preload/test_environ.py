# SPDX-License-Identifier: Apache-2.0
"""The environment of programs that are started (rows C104-C111), each way there is: host_environ.c."""
import os
import re
import unittest

from support.case import WAIT, Feature, Transparency
from support.progs import BARE, BUILD, Lab

HOST = os.path.join(BUILD, "tests", "host_environ")
EXECS = ["execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve", "execveat"]
BESIDE = ["vfork", "vfork_killed", "posix_spawn", "posix_spawnp", "system", "popen"]
# What started the host, and what asks it (in the host's source).
TRACE = "0af7651916cd43dd8448eb211c80319c"
ORIGIN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CALLER = "b7ad6b7169203331"
# What is told at an end is told however busy the machine is.
PATIENT = {"OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "10000"}


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
        lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="60000", **PATIENT)
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


PROGRAMS = {"OTEL_INTERSPAN_PROCESS_SPANS": "true", **PATIENT}
SHELL = os.path.basename(os.path.realpath("/bin/sh"))
CODE, PID, EXE = "process.exit.code", "process.pid", "process.executable.name"


class SameWithSpans(Transparency):
    def test_vfork(self):
        """What else programs do between vfork and exec, now that a span is opened there."""
        host = os.path.join(BUILD, "tests", "host_vfork")
        for case in ("child_exits", "child_execs", "child_moves_descriptors", "child_vforks",
                     "child_forks", "child_overwrites_the_stack", "threads_vfork"):
            with self.subTest(case):
                lab = self.lab(**PROGRAMS)
                done = lab.run([host, case])
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
                self.assert_loaded(lab, "host_vfork")

    def test_ways(self):
        for how in EXECS + BESIDE:
            with self.subTest(how):
                lab = self.lab(**PROGRAMS)
                done = lab.run([HOST, how, "/bin/false"])
                self.assertEqual((done.returncode, done.stdout, done.stderr), (1, b"", b""))
                self.assert_loaded(lab, "host_environ")


class Programs(Feature):
    """Spans of programs (D112)."""

    def by_name(self, spans):
        self.assertEqual(len({s["trace_id"] for s in spans}), 1)
        return {(s["kind"], s["name"]): s for s in spans}

    def assert_ended(self, span, code, error="UNSET"):
        self.assertEqual((span["attributes"].get(CODE), span["status"]), (code, error), span)
        self.assertEqual(span["attributes"][EXE], span["name"])

    def test_ways(self):
        for how in EXECS + BESIDE:
            with self.subTest(how):
                lab = self.lab(**PROGRAMS)
                lab.run([HOST, how, "/bin/false"])
                in_shell = how in ("system", "popen")
                found = self.by_name(self.spans(lab, 5 if in_shell else 3, settle=0.1))
                host = found["INTERNAL", "host_environ"]
                client = found["CLIENT", "sh" if in_shell else
                               "process" if how == "fexecve" else "false"]
                callee = found["INTERNAL", SHELL if in_shell else "false"]
                self.assertEqual(host["parent_span_id"], "")
                self.assertEqual(client["parent_span_id"], host["span_id"])
                self.assertEqual(callee["parent_span_id"], client["span_id"])
                self.assert_ended(host, 1, "ERROR")
                self.assert_ended(client, 1, "ERROR")
                if not in_shell:
                    self.assert_ended(callee, 1, "ERROR")
                    self.assertEqual(callee["attributes"][PID], client["attributes"][PID])
                self.assertEqual(client["attributes"]["error.type"], "1")
                self.assertGreaterEqual(callee["start"], client["start"])

    def test_exec_in_place(self):
        """One program after the other in one process: the first one ends, and is the cause."""
        lab = self.lab(**PROGRAMS)
        lab.run(["env", "X=1", "/bin/true"])
        found = self.by_name(self.spans(lab, 2))
        env, true = found["INTERNAL", "env"], found["INTERNAL", "true"]
        self.assertEqual([env["parent_span_id"], true["parent_span_id"]], ["", env["span_id"]])
        self.assert_ended(true, 0)
        self.assertNotIn(CODE, env["attributes"])

    def test_exec_that_fails(self):
        for argv, name, count in ((["sh", "-c", "exec /no/such/program"], SHELL, 1),
                                  (["env", "no-such"], "env", 2)):
            with self.subTest(argv):
                lab = self.lab(**PROGRAMS)
                done = lab.run(argv)
                spans = sorted(self.spans(lab, count, settle=0.1), key=lambda s: s["start"])
                self.assertEqual({(s["kind"], s["name"]) for s in spans}, {("INTERNAL", name)})
                self.assertEqual(done.returncode, 127)
                self.assert_ended(spans[-1], 127, "ERROR")

    def test_killed(self):
        lab = self.lab(**PROGRAMS)
        lab.run(["sh", "-c", "sh -c 'kill -9 $$'; true"])
        found = [s for s in self.spans(lab, 2) if s["kind"] == "CLIENT"]
        self.assertEqual([(s["name"], s["attributes"].get("error.type"), s["attributes"].get(CODE))
                          for s in found], [("sh", "SIGKILL", None)])

    def test_started_by_somebody(self):
        lab = self.lab(**PROGRAMS)
        lab.run(["/bin/true"], TRACEPARENT=ORIGIN, TRACESTATE="b=2")
        span, = self.spans(lab, 1)
        self.assertEqual((span["trace_id"], span["parent_span_id"], span["trace_state"]),
                         ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b=2"))

    def test_not_waited_for(self):
        """Who started it has gone: a CLIENT span without an end's code, or none."""
        lab = self.lab(**PROGRAMS)
        lab.run(["sh", "-c", "sleep 0.3 & exit 3"])
        wanted = {("INTERNAL", "sleep"), ("INTERNAL", SHELL)}
        spans = lab.collector.wait_until(
            lambda found: wanted <= {(s["kind"], s["name"]) for s in found}, WAIT)
        found = self.by_name(spans)
        self.assert_ended(found["INTERNAL", "sleep"], 0)
        self.assert_ended(found["INTERNAL", SHELL], 3, "ERROR")


if __name__ == "__main__":
    unittest.main()
