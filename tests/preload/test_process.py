# SPDX-License-Identifier: Apache-2.0
"""How interspan gets into a process, lives there through fork, vfork, exec, threads and signals, and
leaves it.  The host programs are the host_*.c beside this file, built as $BUILD/tests/host_*, and the
libraries lib_*.c, built as $BUILD/tests/lib_*.so."""
import http.server
import os
import re
import shutil
import stat
import subprocess
import threading
import time
import unittest

from support.case import Feature, Transparency
from support.progs import BARE, BUILD, OBJECT, PYTHON, Lab

HOSTS = os.path.join(BUILD, "tests")
# Only what a flush at the end delivers is ever delivered.
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "60000"}


def host(name):
    return os.path.join(HOSTS, f"host_{name}")


def run_with(lab, preload, argv, **env):
    """With another LD_PRELOAD than the lab's."""
    env = dict(lab.env(**env), LD_PRELOAD=preload)
    return subprocess.run(argv, env=env, cwd=lab.directory, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=30, check=False)


class NoContent(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        self.server.paths.append(self.path)  # before anybody who has the answer looks
        self.send_response(204)
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), NoContent)
        self.port = self.server_address[1]
        self.paths = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class WithServer:
    def server(self):
        server = Server()
        self.addCleanup(server.close)
        return server


class Same(WithServer, Transparency):
    """Same output and status, bare and preloaded; and the object was there."""

    def run_host(self, argv, out, status=0, loaded=1, lab=None, preload=None, **env):
        lab = lab or self.lab()
        done = run_with(lab, preload, argv, **env) if preload else lab.run(argv, **env)
        self.assertEqual((done.returncode, done.stdout.decode()), (status, out), done.stderr)
        self.assertEqual(done.stderr, b"")
        if loaded:
            self.assert_loaded(lab, os.path.basename(argv[0]), loaded)
        return lab

    # Birth.
    def test_preinit_array(self):
        """libc has not even set environ: hooks pass through, vfork and syscall too."""
        self.run_host([host("preinit")], "preinit: 1\n")

    def test_next_preload_is_reached(self):
        lab = self.lab()
        chain = [] if BARE else [OBJECT]
        lib = os.path.join(HOSTS, "lib_next.so")
        self.run_host([host("write")], "HELLO", lab=lab, preload=":".join(chain + [lib]))
        self.run_host([host("write")], "HELLO", lab=lab, loaded=2,
                      preload=":".join([lib] + chain))

    # vfork.
    def vfork(self, case, loaded=1, **env):
        lab = self.lab()
        done = lab.run([host("vfork"), case], **env)
        if done.returncode == 77:
            self.skipTest("seccomp is refused here")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.assert_loaded(lab, "host_vfork", loaded)

    def test_vfork_and_exit(self):
        self.vfork("child_exits")  # 100 children, one line: they did nothing of ours

    def test_vfork_and_exec(self):
        self.vfork("child_execs")

    def test_vfork_and_descriptors(self):
        self.vfork("child_moves_descriptors")

    def test_vfork_in_vfork(self):
        self.vfork("child_vforks")

    def test_vfork_then_fork(self):
        self.vfork("child_forks", loaded=2)  # that one has memory of its own

    def test_vfork_with_the_stack_overwritten(self):
        self.vfork("child_overwrites_the_stack")

    def test_vfork_refused(self):
        self.vfork("parent_gets_errno", loaded=2)

    def test_vfork_in_threads(self):
        self.vfork("threads_vfork")

    def test_python_subprocess(self):
        program = """if True:
            import os, subprocess
            for i in range(20):
                done = subprocess.run(["sh", "-c", f"echo $((6 * {i})); cat; exit {i}"],
                                      input=b"in", capture_output=True)
                assert (done.stdout, done.returncode) == (b"%d\\nin" % (6 * i), i), done
            try:
                subprocess.run(["/no/such/program"])
            except FileNotFoundError as e:
                print(e.errno)
            r, w = os.pipe()
            subprocess.run(["sh", "-c", f"echo passed >&{w}"], pass_fds=[w])
            print(os.read(r, 100), sorted(map(int, os.listdir("/proc/self/fd")))[:3])
            """
        lab = self.run_host([PYTHON, "-c", program], "2\nb'passed\\n' [0, 1, 2]\n", loaded=0)
        # Of the interpreter's vfork children not one has written a line.
        self.assert_loaded(lab, os.path.basename(os.path.realpath(PYTHON)), 1)

    # syscall, dlopen.
    def test_syscall(self):
        self.run_host([host("syscall")], "syscall: ok\n", status=5)

    def test_dlopen_as_the_caller(self):
        """$ORIGIN is the program's, dlerror() too; RTLD_GLOBAL and RTLD_LOCAL stay what they are."""
        for flags, is_global in ([], 0), (["deepbind"], 0), (["global"], 1):
            lab = self.lab()
            done = lab.run([host("dlopen"), *flags])
            self.assertEqual((done.returncode, done.stdout.decode().splitlines()[1:]),
                             (0, [f"global: {is_global}"]), done)
            self.assert_loaded(lab, "host_dlopen", 1)

    # Standing down.
    def test_setuid_program(self):
        """The dynamic linker ignores us, or we stand down: no line, no difference."""
        if os.getuid() != 0:
            self.skipTest("needs root")
        lab = self.lab()
        copy = shutil.copy(host("write"), lab.path("setuid"))
        os.chmod(copy, 0o4755)
        done = subprocess.run([copy], env=lab.env(), capture_output=True, check=False, user=65534)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hello", b""))
        self.assertEqual(lab.counters(), [])
        os.chmod(copy, stat.S_IRWXU | 0o055)
        self.run_host([copy], "hello", lab=lab)  # and without the bit it is there

    def test_disabled(self):
        lab = self.run_host([host("write")], "hello", loaded=0, OTEL_INTERSPAN_ENABLED="false")
        self.assertEqual(lab.counters(), [])
        self.run_host([host("vfork"), "child_execs"], "", loaded=0, lab=lab,
                      OTEL_INTERSPAN_ENABLED="False")
        self.run_host([host("syscall")], "syscall: ok\n", status=5, loaded=0, lab=lab,
                      OTEL_INTERSPAN_ENABLED="false")
        self.assertEqual(lab.counters(), [])

    def test_our_own_companion(self):
        lab = self.lab()
        self.run_host([shutil.copy(host("write"), lab.path("interspan"))], "hello", loaded=0,
                      lab=lab)
        self.assertEqual(lab.counters(), [])

    def test_two_copies(self):
        """Two files of one name: the first one works, the second one passes on."""
        lab = self.lab()
        preload = None
        if not BARE:
            copy = shutil.copy(OBJECT, lab.path("other.so"))
            preload = f"{OBJECT}:{copy}"
        self.run_host([host("vfork"), "child_moves_descriptors"], "", lab=lab, preload=preload)
        self.run_host([host("vfork"), "child_vforks"], "", loaded=2, lab=lab, preload=preload)
        self.run_host([host("syscall")], "syscall: ok\n", status=5, lab=lab, preload=preload)
        lab = self.run_host([host("write")], "hello", lab=self.lab(), preload=preload)
        if not BARE:
            self.assertEqual([c["loaded"] for c in lab.counters()], ["1"])

    def test_linker_run_as_a_program(self):
        loader = "/lib64/ld-linux-x86-64.so.2"
        if not os.path.exists(loader):
            self.skipTest(f"no {loader}")
        lab = self.run_host([loader, host("vfork"), "child_execs"], "", loaded=0)
        if not BARE:
            self.assertEqual([c["loaded"] for c in lab.counters()], ["1"] * 2)  # and its sh

    # Signals.
    def test_signal_handler_at_5_khz(self):
        self.run_host([host("alarm"), str(self.server().port), "10000"], "refused 0 bad 0\n")

    def test_longjmp_out_of_read(self):
        self.run_host([host("longjmp"), str(self.server().port)], "jumps 3 good 3\n")

    # Threads: what libc says to a program that has one, and does without telling (single.h).
    def run_single(self, rights="0", between="", **settings):
        lab = self.run_host([host("single"), str(self.server().port), rights],
                            f"single 1\nstatus 204\nsingle 1\n{between}in a thread 0, then 0\n"
                            "memory for strangers 0\n", lab=self.lab(**settings))
        if not BARE:
            self.assertGreaterEqual(lab.total("exporter_starts"), 1)

    def test_single_threaded(self):
        self.run_single()

    def test_single_threaded_without_a_collector(self):
        """What fails is told of, by name and in words; none of that takes memory of the host's."""
        for endpoint in ("http://localhost:1", "http://[::1]:1", "http://no-such.invalid:4318"):
            with self.subTest(endpoint=endpoint):
                self.run_single(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)

    def test_rights_are_given_up_by_all_threads(self):
        if os.getuid() != 0:
            self.skipTest("setgroups() needs root")
        self.run_single("1", "threads with other rights 0\nstatus 204\nsingle 1\n")

    # The end.
    def test_last_thread(self):
        """Main has left: the process ends with its last thread, and stdout is flushed."""
        port = str(self.server().port)
        for before, after in (0, 0), (3, 0), (0, 3), (3, 3):
            with self.subTest(before=before, after=after):
                self.run_host([host("last_thread"), port, str(before), str(after)],
                              "worker: done\n")
        # Also while a delivery is under way, to a receiver that does not answer.
        for before, after in (0, 1), (1, 1), (3, 3):
            with self.subTest(hang=True, before=before, after=after):
                lab = self.lab(OTEL_INTERSPAN_SHUTDOWN_TIMEOUT=None)
                lab.collector.answers += ["hang"] * 9
                self.run_host([host("last_thread"), port, str(before), str(after)],
                              "worker: done\n", lab=lab)

    def assert_ends_in_time(self, how, hangs, **settings):
        """The least of some: a busy machine makes all of them longer, and none shorter."""
        port, took = str(self.server().port), []
        while len(took) < 5 and min(took, default=2) >= 1.2:
            lab = self.lab(**LATE, OTEL_INTERSPAN_SHUTDOWN_TIMEOUT=None)
            lab.collector.answers += ["hang"] * hangs
            began = time.monotonic()
            self.run_host([host("end"), port, how], "", lab=lab, **settings)
            took.append(time.monotonic() - began)
            if hangs and not BARE:
                self.assertEqual(lab.total("spans_dropped_shutdown") +
                                 lab.total("spans_dropped_export_failed"), 1, lab.counters())
        self.assertLess(min(took), 1.2)

    def test_end_is_not_held_up(self):
        """500 ms at most, all told, with a receiver that does not answer; nothing without one."""
        for how in "return", "_exit", "failed_exec":
            self.assert_ends_in_time(how, 5)
        self.assert_ends_in_time("return", 0, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")

    def test_fork_while_exporting(self):
        server = self.server()
        lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="1", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4")
        done = lab.run([host("fork"), str(server.port), "150"], timeout=60)
        found = re.fullmatch(r"children 150 requests (\d+)\n", done.stdout.decode())
        self.assertTrue(found, done)
        self.assertEqual(len(server.paths), int(found[1]))
        self.assert_loaded(lab, "host_fork", 151)

    def test_a_fork_copies_no_page_of_ours(self):
        """Each page that is written to around a fork is copied in the parent, which waits for it: what we
        write to there lies where none is made, also with an exporter asleep.  The least of some runs: where the
        stack begins is chance, and one time in ten a page of it ends within the call.  Of the memory of the
        exporter's no child has a copy: what it has more than bare are the object's own variables, and what
        is known of connections.

        Nor is time needed to say what a fork costs: for the kernel it is mappings, those with pages of the
        process's own above all.  Four of the object, of which three have such; with an exporter its identity
        (the child writes to it), the store, and what is empty in a child: the exporter's state, and its stack.
        What else there is lies with libc's memory or, where that is not beside it, where it is one more."""
        port = str(self.server().port)
        for requests, more_mappings, more_copied in ("0", 4, 3), ("2", 8, 4):
            with self.subTest(requests=requests):
                faults, kib, mappings, copied = [], [], [], []
                for bare in True, BARE:
                    with Lab(bare=bare, OTEL_BSP_SCHEDULE_DELAY="1") as lab:
                        runs = [lab.run([host("fork_faults"), port, requests]) for _ in range(6)]
                        self.assertEqual({(done.returncode, done.stderr) for done in runs}, {(0, b"")})
                        faults.append(min(int(done.stdout.split()[0]) for done in runs))
                        kib.append(min(int(done.stdout.split()[1]) for done in runs))
                        mappings.append(min(int(done.stdout.split()[2]) for done in runs))
                        copied.append(min(int(done.stdout.split()[3]) for done in runs))
                        self.assert_loaded(lab, "host_fork_faults", 0 if bare else 6)
                self.assertLessEqual(faults[1], faults[0])
                self.assertGreater(kib[0], 0)
                self.assertLess(kib[1] - kib[0], 200)
                self.assertGreater(copied[0], 5)
                self.assertLessEqual(mappings[1] - mappings[0], more_mappings)
                self.assertLessEqual(copied[1] - copied[0], more_copied)

    def test_nothing_is_left_in_the_process(self):
        """Descriptors, threads, environment: as bare, with and without a span."""
        program = """if True:
            import http.client, os, sys
            for n in range(int(sys.argv[2])):
                c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
                c.request("GET", "/")
                assert c.getresponse().status == 204
                c.close()
            print(sorted(os.listdir("/proc/self/fd")), os.open("/dev/null", os.O_RDONLY))
            names = [n for n in os.environ if n not in ("LD_PRELOAD",)]
            print(sorted(names))
            if not int(sys.argv[2]):
                print(len(os.listdir("/proc/self/task")))
            """
        port = str(self.server().port)
        for n in "0", "3":
            with self.subTest(requests=n):
                outputs = []
                for bare in True, BARE:
                    with Lab(bare=bare) as lab:
                        argv = [PYTHON, "-c", program, port, n]
                        done = lab.run(argv)
                        outputs.append((done.returncode, done.stdout, done.stderr))
                self.assertEqual(outputs[1], outputs[0])
                self.assertEqual(outputs[0][0], 0)


class Delivered(WithServer, Feature):
    """What is finished when a process ends is delivered, whatever the way it ends."""

    def end(self, how, count=1, out=""):
        lab = self.lab(**LATE)
        done = lab.run([host("end"), str(self.server().port), how])
        self.assertEqual((done.returncode, done.stdout.decode(), done.stderr), (0, out, b""))
        self.spans(lab, count, settle=0.1)

    def test_return(self):
        self.end("return")

    def test_exit(self):
        self.end("exit")

    def test__exit(self):
        self.end("_exit")

    def test__Exit(self):  # pylint: disable=invalid-name
        self.end("_Exit")

    def test_quick_exit(self):
        self.end("quick_exit")

    def test_exit_group(self):
        self.end("exit_group")

    def test_exec(self):
        for how in ("execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve",
                    "execveat"):
            with self.subTest(how=how):
                self.end(how, out="next\n")

    def test_failed_exec(self):
        self.end("failed_exec")

    def test_exit_in_thread(self):
        self.end("exit_in_thread")

    def test__exit_in_handler(self):
        self.end("_exit_in_handler")

    def test_request_in_atexit(self):
        self.end("request_in_atexit", 2)

    def test_fork_child(self):
        self.end("fork_child", 2)

    def test_last_thread(self):
        """Nobody calls exit(): libc does, for the last thread."""
        for before, after in (1, 0), (0, 2), (2, 3):
            with self.subTest(before=before, after=after):
                lab = self.lab(**LATE)
                done = lab.run([host("last_thread"), str(self.server().port), str(before),
                                str(after)])
                self.assertEqual(done.returncode, 0)
                self.spans(lab, before + after, settle=0.1)

    def test_fork_while_exporting(self):
        lab = self.lab(OTEL_BSP_SCHEDULE_DELAY="1", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4")
        done = lab.run([host("fork"), str(self.server().port), "50"], timeout=60)
        found = re.fullmatch(r"children 50 requests (\d+)\n", done.stdout.decode())
        self.assertTrue(found, done)
        self.spans(lab, int(found[1]))

    def test_signals_and_longjmp(self):
        server = self.server()
        lab = self.lab()
        self.assertEqual(lab.run([host("longjmp"), str(server.port)]).returncode, 0)
        self.spans(lab, 3)  # the guard was not left locked

    def test_request_before_our_constructor(self):
        """The library's constructor runs first, and takes the settings away."""
        lab = self.lab(**LATE)
        lib = os.path.join(HOSTS, "lib_early.so")
        preload = lib if BARE else f"{OBJECT}:{lib}"
        done = run_with(lab, preload, [host("write")], EARLY_PORT=str(self.server().port))
        self.assertEqual((done.returncode, done.stdout), (0, b"early: 204\nhello"))
        self.spans(lab, 1)

    def test_environment_cleared_before_our_constructor(self):
        lab = self.lab()
        lib = os.path.join(HOSTS, "lib_early.so")
        done = run_with(lab, lib if BARE else f"{OBJECT}:{lib}", [host("write")])
        self.assertEqual((done.returncode, done.stdout), (0, b"hello"))
        self.assertEqual([c["exe"] for c in lab.counters()], ["host_write"])

    def test_console_after_exec(self):
        lab = self.lab(**LATE)
        done = lab.run([host("end"), str(self.server().port), "execve"],
                       OTEL_TRACES_EXPORTER="console")
        self.assertEqual(done.stdout, b"next\n")
        self.assertIn(b"GET", done.stderr)


class Single(WithServer, Feature):
    def test_no_more_where_another_thread_was_started_as_well(self):
        """As a sanitizer's or an allocator's pthread_create() may: ours is the call."""
        lab = self.lab()
        done = run_with(lab, ":".join(([] if BARE else [OBJECT]) + [f"{HOSTS}/lib_twice.so"]),
                        [host("single"), str(self.server().port), "0"])
        self.assertEqual(done.stdout.decode().splitlines()[:3],
                         ["single 1", "status 204", "single 0"], done.stderr)


class Bound(Feature):
    def test_deepbind_is_cleared(self):
        done = self.lab().run([host("dlopen"), "deepbind"])
        self.assertEqual(done.stdout.decode().splitlines()[0], "close: libinterspan.so")

    def test_local_library(self):
        done = self.lab().run([host("dlopen")])
        self.assertEqual(done.stdout.decode().splitlines()[0], "close: libinterspan.so")

    def test_deepbind_is_kept_when_disabled(self):
        lab = self.lab(OTEL_INTERSPAN_ENABLED="false")
        done = lab.run([host("dlopen"), "deepbind"])
        self.assertEqual(done.stdout.decode().splitlines()[0], "close: libc.so.6")
        done = lab.run([host("dlopen")])  # is it there at all?
        self.assertEqual(done.stdout.decode().splitlines()[0], "close: libinterspan.so")


if __name__ == "__main__":
    unittest.main()
