# SPDX-License-Identifier: Apache-2.0
"""OTEL_INTERSPAN_SPOOL: what a process has recorded that was killed, and shares with nobody, the next
one delivers.  What was done is counted by the server, what was delivered by the collector.
SPOOL_ROUNDS: how often one is killed at random; `make life` has 200."""
import os
import random
import signal
import subprocess
import time
import unittest

from support.case import WAIT, Feature, Transparency
from support.progs import BUILD
from test_process import NoContent, WithServer

HOST = os.path.join(BUILD, "tests", "host_spool")
SANDBOX = os.path.join(BUILD, "tests", "host_sandbox")
ROUNDS = int(os.environ.get("SPOOL_ROUNDS", "8"))
BATCH = 8
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "60000"}
# As it is made: 64 KiB of spans, the maps of them, and a page of counters for each process.
FILE_MIN = 1 << 20


def eventually(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.005)


class Waits(NoContent):
    def do_GET(self):  # pylint: disable=invalid-name
        if self.path != "/waits":
            super().do_GET()
            return
        self.server.paths.append(self.path)
        self.rfile.read(1)  # until the client is no more
        self.close_connection = True


class WithPatience(WithServer):
    def server(self):
        server = super().server()
        server.RequestHandlerClass = Waits
        server.handle_error = lambda *_: None  # clients are killed
        return server


class Spool(WithPatience, Feature):
    def setUp(self):
        self.http = self.server()

    def spool(self, **settings):
        lab = self.lab(**{**LATE, **settings})
        lab.settings["OTEL_INTERSPAN_SPOOL"] = lab.path("spool")
        return lab

    @staticmethod
    def files(lab):
        return sorted(os.listdir(lab.path("spool")))

    def argv(self, count, how):
        return [HOST, str(self.http.port), str(count), how]

    def end(self, lab, count=1, returncode=0, how="return", **env):
        done = lab.run(self.argv(count, how), **env)
        self.assertEqual((done.returncode, done.stderr), (returncode, b""))
        return done

    def killed(self, lab, requests, how="waits", number=signal.SIGKILL):
        """One that is killed when the server has so many requests more."""
        before = len(self.http.paths)
        host = lab.start(self.argv(0 if how == "return" else requests, how), "host")
        wanted = before + requests + (how == "waits")
        eventually(lambda: len(self.http.paths) >= wanted)
        os.kill(host.pid, number)
        host.process.wait()
        return host.pid

    # What is delivered.
    def test_finished_and_open(self):
        lab = self.spool()
        pid = self.killed(lab, 5)
        self.assertEqual(len(self.files(lab)), 1)
        self.assertEqual(lab.collector.wait_for(0, 0.1), [])
        self.end(lab)
        spans = self.spans(lab, 7, settle=0.1)
        left = [s for s in spans if s["resource"]["process.pid"] == pid]
        ends = {s["attributes"]["url.full"].rpartition("/")[2]: s for s in left}
        self.assertEqual(len(left), 6)
        self.assert_attributes(ends["waits"], error_type="process_exited", http_response_status_code=None)
        self.assertEqual(ends["waits"]["status"], "ERROR")
        self.assertGreaterEqual(ends["waits"]["end"], ends["waits"]["start"])
        self.assert_attributes(ends[""], error_type=None, http_response_status_code=204)
        self.assertEqual(len({s["resource"]["service.instance.id"] for s in left}), 1)
        self.assertEqual(len({s["resource"]["service.instance.id"] for s in spans}), 2)
        self.assertEqual((lab.total("spans_of_the_spool"), lab.total("spans_of_dead_processes")), (6, 1))
        self.assertEqual(self.files(lab), [])

    def test_crash(self):
        lab = self.spool()
        self.end(lab, 3, -signal.SIGSEGV, "segv")
        self.end(lab)
        self.spans(lab, 4, settle=0.1)

    def test_long_values_go_on_in_other_slots(self):
        lab = self.spool(OTEL_INSTRUMENTATION_HTTP_CLIENT_CAPTURE_REQUEST_HEADERS="host",
                         OTEL_SERVICE_NAME="s" * 100)
        self.killed(lab, 100)
        self.end(lab)
        self.spans(lab, 102, settle=0.1)

    def test_killed_at_random(self):
        """Each is delivered once, or counted as lost with what was on its way: two batches at
        most, and 64 of those that it delivered for others."""
        lab = self.spool(OTEL_BSP_SCHEDULE_DELAY="5", OTEL_BSP_MAX_EXPORT_BATCH_SIZE=str(BATCH))
        lab.collector.delay = 0.002
        for number in range(ROUNDS):
            self.killed(lab, random.randrange(1, 60), "return",
                        random.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS]))
            if number % 32 == 31:  # with 64 files in it the spool is full
                self.end(lab)
        self.end(lab)
        asked = len(self.http.paths)
        # Who was killed wrote no line: what it had lost the next one has counted, and so on to the last.
        lost = lab.total("spans_dropped_process_died") + lab.total("spans_dropped_export_failed")
        spans = lab.collector.wait_for(asked - lost, WAIT)
        self.assert_sound(lab.collector)
        self.assertEqual(len({s["span_id"] for s in spans}), len(spans))
        self.assertLessEqual(len(spans), asked + ROUNDS)
        self.assertGreaterEqual(len(spans), asked - lost)
        self.assertLessEqual(lost, ROUNDS * (64 + 2 * BATCH))
        self.assertEqual(self.files(lab), [])

    def test_one_after_the_other(self):
        """Nobody tells of what is another service's, or of who lives."""
        lab = self.spool()
        self.killed(lab, 2)
        lives = lab.start(self.argv(1, "waits"), "lives")
        eventually(lambda: self.http.paths.count("/waits") == 2)
        self.assertEqual(len(self.files(lab)), 2)
        self.end(lab, OTEL_SERVICE_NAME="another")
        self.end(lab, OTEL_EXPORTER_OTLP_HEADERS="key=another")
        self.spans(lab, 2, settle=0.1)
        self.assertEqual(len(self.files(lab)), 2)
        self.end(lab)
        self.spans(lab, 6, settle=0.1)
        self.assertEqual(len(self.files(lab)), 1)
        lives.process.kill()
        lives.process.wait()
        self.end(lab)
        self.spans(lab, 9, settle=0.1)
        self.assertEqual(self.files(lab), [])

    def test_child_outlives_its_parent(self):
        """The file is the tree's, until the last of it has ended."""
        lab = self.spool()
        self.end(lab, 3, how="forks")
        eventually(lambda: len(self.http.paths) == 4)
        self.spans(lab, 4, settle=0.1)
        eventually(lambda: self.files(lab) == [])

    def test_receiver_is_not_there(self):
        """Then nothing is taken out of the spool: the next one may be luckier."""
        lab = self.spool()
        self.killed(lab, 2)
        self.end(lab, OTEL_EXPORTER_OTLP_TIMEOUT="200", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
        self.assertEqual(len(self.files(lab)), 1)
        # The key is the endpoint, too: this one is a receiver that comes up late.
        self.end(lab)
        self.spans(lab, 4, settle=0.1)

    # What is in the file is anybody's word.
    def test_torn(self):
        lab = self.spool()
        self.killed(lab, 40)
        name, = self.files(lab)
        with open(lab.path("spool", name), "rb") as f:
            whole = f.read()
        os.unlink(lab.path("spool", name))
        seed = random.randrange(1 << 30)
        rng = random.Random(seed)
        for round_number in range(12):
            torn = bytearray(whole)
            for _ in range(rng.choice([1, 30, 3000])):
                torn[rng.choice([rng.randrange(4096), rng.randrange(len(torn)),
                                 (1 << 20) + 270000 + rng.randrange(50000)]) % len(torn)] = rng.randrange(256)
            if round_number % 3 == 0:
                del torn[rng.randrange(len(torn)):]
            with open(lab.path("spool", f"interspan-{round_number}-0.spans"), "wb") as f:
                os.chmod(f.name, 0o600)
                f.write(torn)
        for name in "interspan-1-empty.spans", "interspan-2-zeros.spans":
            with open(lab.path("spool", name), "wb") as f:
                os.chmod(f.name, 0o600)
                f.write(b"\0" * (len(whole) if "zeros" in name else 0))
        self.end(lab)
        spans = lab.collector.wait_for(1, WAIT)
        self.assertGreaterEqual(len(spans), 1, f"seed {seed}")
        self.assert_sound(lab.collector)

    # Whose directory it may be.
    def refused(self, lab, reason, **env):
        spans = len(lab.collector.wait_for(0, 0))
        self.end(lab, **env)
        lab.collector.wait_for(spans + 1, WAIT)
        self.assertEqual(lab.counters()[-1].get("spool_refused"), "1", lab.counters())
        with open(lab.log, encoding="utf-8") as f:
            self.assertIn(f"OTEL_INTERSPAN_SPOOL is not used: {reason}", f.read())

    def test_refused(self):
        lab = self.spool()
        spool = lab.path("spool")
        mine = "no directory that is this user's alone (0700)"
        os.mkdir(spool, 0o700)
        os.chmod(spool, 0o750)
        self.refused(lab, mine)
        os.chmod(spool, 0o700)
        os.symlink(spool, lab.path("link"))
        self.refused(lab, mine, OTEL_INTERSPAN_SPOOL=lab.path("link"))
        self.refused(lab, mine, OTEL_INTERSPAN_SPOOL="spool")
        self.refused(lab, mine, OTEL_INTERSPAN_SPOOL=lab.path("is", "not", "there"))
        self.refused(lab, mine, OTEL_INTERSPAN_SPOOL=lab.log)
        for i in range(64):
            with open(os.path.join(spool, f"interspan-{i}-x.spans"), "wb") as f:
                f.write(b"another's")
            os.chmod(f.name, 0o666)  # no file of ours: left alone
        self.refused(lab, "too many files")
        self.assertEqual(len(self.files(lab)), 64)

    def test_refused_if_another_users(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        lab = self.spool()
        os.mkdir(lab.path("spool"), 0o700)
        os.chown(lab.path("spool"), 12345, 12345)
        self.refused(lab, "no directory that is this user's alone (0700)")

    def test_limit_of_files(self):
        """fallocate() beyond it would be SIGXFSZ."""
        lab = self.spool()
        done = lab.run(["/bin/sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *self.argv(1, "return")])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"end\n", b""))
        self.assertEqual(lab.total("spool_refused"), 1)
        self.spans(lab, 1, settle=0.1)

    def test_full_disk(self):
        """A write to a mapping that has no room would be SIGBUS."""
        self.refused_on("tmpfs", "size=1m,mode=700", "no room")

    def test_file_system_that_promises_nothing(self):
        self.refused_on("ramfs", "mode=700", "no file system for that (tmpfs, ext4, xfs)")

    def refused_on(self, kind, options, reason):
        lab = self.spool()
        os.mkdir(lab.path("spool"), 0o700)
        script = f'mount -t {kind} -o {options} none {lab.path("spool")} || exit 77; exec "$@"'
        done = lab.run(["unshare", "-m", "/bin/sh", "-c", script, "sh", *self.argv(50, "return")])
        if done.returncode in (1, 77):
            self.skipTest("no mounts here")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"end\n", b""))
        self.assertIn("1", [line.get("spool_refused") for line in lab.counters()])
        with open(lab.log, encoding="utf-8") as f:
            self.assertIn(f"OTEL_INTERSPAN_SPOOL is not used: {reason}\n", f.read())
        self.spans(lab, 50, settle=0.1)


class Same(WithPatience, Transparency):
    def test_nothing_is_left(self):
        """No descriptor, and no file once it has ended by itself; while it lives, one for its user alone."""
        server = self.server()
        lab = self.lab()
        spool = lab.path("spool")
        lab.settings["OTEL_INTERSPAN_SPOOL"] = spool
        host = lab.start([HOST, str(server.port), "2", "waits"], "host")
        eventually(lambda: "/waits" in server.paths)
        numbers = sorted(os.listdir(f"/proc/{host.pid}/fd"))
        self.assertEqual(numbers, ["0", "1", "2", "3"])
        for name in os.listdir(spool) if os.path.isdir(spool) else []:
            found = os.stat(os.path.join(spool, name))
            self.assertEqual((found.st_mode & 0o7777, os.stat(spool).st_mode & 0o7777), (0o600, 0o700))
            self.assertGreater(found.st_size, FILE_MIN)
            self.assertGreaterEqual(found.st_blocks * 512, found.st_size)
        self.assertEqual(len(os.listdir(spool)) if os.path.isdir(spool) else 0, 0 if self.is_bare() else 1)
        os.kill(host.pid, signal.SIGKILL)
        host.process.wait()
        done = lab.run([HOST, str(server.port), "1", "return"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"end\n", b""))
        self.assert_loaded(lab, "host_spool", 1)
        self.assertEqual(os.listdir(spool) if os.path.isdir(spool) else [], [])

    def test_filters_of_system_calls(self):
        """That kill whoever makes a call that is not in include/syscalls.def, as those of the spool are."""
        for name in "kill", "listed":
            for how in "", "child", "exec", "raw":
                with self.subTest(name=name, how=how):
                    lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="1")
                    lab.settings["OTEL_INTERSPAN_SPOOL"] = lab.path("spool")
                    done = lab.run([SANDBOX, str(self.server().port), name, how])
                    if done.returncode == 77:
                        self.skipTest("seccomp is refused here")
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"204\n" * 3, b""))


if __name__ == "__main__":
    unittest.main()
