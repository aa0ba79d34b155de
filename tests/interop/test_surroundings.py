# SPDX-License-Identifier: Apache-2.0
"""Where a program hardly lives, it lives as bare: limits, file systems that are missing, full or not to
be written to, namespaces, and each system call of include/syscalls.def refused in turn.  Two requests
each, by host_sandbox.c; they are told of where that can be, and counted where not."""
import os
import re
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "preload")]

from support.case import WAIT, Transparency  # pylint: disable=wrong-import-position
from support.progs import BARE, BUILD, ROOT  # pylint: disable=wrong-import-position
from test_process import WithServer  # pylint: disable=wrong-import-position

HOST = os.path.join(BUILD, "tests", "host_sandbox")
ASK = f"{HOST} @PORT@ again"
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups "
# What the shell runs, and how many spans come; None: as many as may be, the others are counted.
PLACES = (
    ("ulimit -n 0; exec " + ASK, 0), ("ulimit -n 3; exec " + ASK, 0),
    ("ulimit -n 4; exec " + ASK, None), ("ulimit -n 5; exec " + ASK, 2),
    ("ulimit -f 0; exec " + ASK, 2), ("ulimit -c 0 -l 0 -x 0; exec " + ASK, 2),
    ("ulimit -s 32; exec " + ASK, None), ("ulimit -t 20; exec " + ASK, 2),
    ("ulimit -v 8000; exec " + ASK, None), ("ulimit -v 6000; exec " + ASK, None),
    ("ulimit -v 100000; exec " + ASK, 2),
    # Threads of the same user count, too.
    (NOBODY + f"sh -c 'ulimit -u 0; exec {ASK}'", None),
    (NOBODY + f"sh -c 'ulimit -u 1; exec {ASK}'", None),
    ("unshare -m sh -c 'umount -l /proc; exec " + ASK + "'", 2),
    ("unshare -m sh -c 'mount -t tmpfs -o ro none /dev; exec " + ASK + "'", 2),
    ("unshare -m sh -c 'mount -t tmpfs -o ro none /dev/shm; exec "
     + ASK + "'", 2),
    ("unshare -m sh -c 'mount -o remount,bind,ro /; exec " + ASK + "'", 2),
    ("unshare -m sh -c 'for d in /dev/shm /run /var/tmp; do mount -t tmpfs -o size=4k none $d; "
     "head -c 9000 /dev/zero >$d/full 2>&-; done; exec " + ASK + "'", 2),
    ("unshare -fp --mount-proc " + ASK, 2),
    ("unshare -fp " + ASK, 2),  # /proc is another one's
    ("unshare -U " + ASK, 2), ("unshare -Ur " + ASK, 2),
    ("unshare -iuC " + ASK, 2), ("unshare -n " + ASK, 0),
    ("setpriv --no-new-privs --bounding-set=-all --inh-caps=-all " + ASK, 2),
    (NOBODY + "--no-new-privs " + ASK, 2),
    ("chroot / " + ASK, 2), ("nice -n 19 " + ASK, 2), ("setsid -w " + ASK, 2),
    ("env -i LD_PRELOAD=$LD_PRELOAD OTEL_EXPORTER_OTLP_ENDPOINT=$OTEL_EXPORTER_OTLP_ENDPOINT "
     "OTEL_INTERSPAN_LOG=$OTEL_INTERSPAN_LOG " + ASK, 2),
    (ASK + " <&- 2>&-", 2), (ASK + " <&- >&- 2>&-", 0),
)


SETTINGS = (
    {"OTEL_TRACES_EXPORTER": "console"}, {"OTEL_TRACES_EXPORTER": "otlp,zipkin"},
    {"OTEL_TRACES_EXPORTER": "otlp/file", "OTEL_INTERSPAN_OTLP_FILE": "/dev/null"},
    {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://no-such.invalid:4318"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    {"OTEL_INTERSPAN_PROCESS_SPANS": "true"}, {"OTEL_INTERSPAN_STACK_THRESHOLD": "0"},
    {"OTEL_INTERSPAN_LOG": "stderr"}, {"OTEL_SDK_DISABLED": "true"},
)


class Surroundings(WithServer, Transparency):
    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("needs root")

    def outcome(self, lab, command, port):
        done = lab.run(["bash", "-c", command.replace("@PORT@", str(port))], timeout=60)
        # Who died, in the shell's words; and what the dynamic linker says of any preload that it
        # cannot open, as little as all else.
        said = [re.sub(r"(?m)^bash: line \d+: +\d+ |^ERROR: ld\.so: object .*\n", "", t.decode())
                for t in (done.stdout, done.stderr)]
        return (done.returncode, *said)

    def check(self, command, count):
        port = self.server().port
        labs = [self.lab(OTEL_BSP_SCHEDULE_DELAY="1") for _ in range(2)]
        labs[0].bare = True
        bare, ours = (self.outcome(lab, command, port) for lab in labs)
        self.assertEqual(bare, ours)
        if BARE or count == 0:
            return
        lab = labs[1]
        if count is None:
            ended = lab.total("spans_ended")
            self.assertEqual(ended, lab.total("spans_exported") + lab.total("spans_dropped_shutdown") +
                             lab.total("spans_dropped_export_failed"), lab.counters())
            return
        if bare[0] != 0:
            self.skipTest(f"refused here: {bare}")
        self.assertEqual(len(lab.collector.wait_for(count, WAIT)), count, lab.counters())
        self.assert_sound(lab.collector)

    def test_of_all_kinds(self):
        for command, count in PLACES:
            with self.subTest(command.replace(HOST, "HOST")):
                self.check(command, count)

    def test_no_other_call_whatever_is_set(self):
        """Under a filter that kills for any call that is not in include/syscalls.def."""
        for settings in SETTINGS:
            for how in ("", "exec"):
                with self.subTest(settings=settings, how=how):
                    lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="1", **settings)
                    done = lab.run([HOST, str(self.server().port), "listed", how], timeout=60)
                    self.assertEqual((done.returncode, done.stdout.replace(b"204\n", b"", 3)[:4]),
                                     (0, b""), done)

    def test_each_system_call_refused(self):
        with open(os.path.join(ROOT, "include", "syscalls.def"), encoding="utf-8") as f:
            names = re.findall(r"^SYSCALL\((\w+),", f.read(), re.M)
        self.assertGreater(len(names), 40)
        for name in names:
            with self.subTest(name):
                self.check(f"exec {HOST} @PORT@ -{name}", 0)


def setUpModule():  # pylint: disable=invalid-name
    if not os.path.exists(HOST):
        subprocess.run(["make", "-C", ROOT, f"BUILD={BUILD}", "hosts"], capture_output=True, check=True)


if __name__ == "__main__":
    unittest.main()
