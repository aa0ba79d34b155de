# SPDX-License-Identifier: Apache-2.0
"""interspan doctor: each finding provoked for real.  Where that takes a kernel with AppArmor or SELinux
(confined, denied) or a running systemd (unit-...), what those write is put there by hand."""
import contextlib
import http.server
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import certificates
from support.postgres import Postgres, programs
from test_tools import TOOL, View

OBJECT = os.path.join(os.path.dirname(TOOL), "libinterspan.so")
PYTHON = "/usr/bin/python3"
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOLDS = os.path.join(TESTS, "support", "apps", "holds.py")


# Under a filter that forbids nothing.
FILTERED = """#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &all };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ||
	       write(1, "ready\\n", 6) != 6 || pause();
}
"""


def doctor(*words, before="", **env):
    """Status, findings by name; before: what a shell does in a mount namespace of its own first."""
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("LD_", "OTEL_"))}, **env}
    argv = [TOOL, "doctor", "--json", *map(str, words)]
    if before:
        argv = ["unshare", "-m", "sh", "-ec", before + '; exec "$@"', "sh", *argv]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, {f["finding"]: f for f in map(json.loads, done.stdout.splitlines())}


@contextlib.contextmanager
def listener(answer):
    """A port where every connection gets these bytes once it has sent something, and is closed."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    conn, _ = sock.accept()
                    with conn:
                        conn.recv(65536)
                        conn.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        sock.shutdown(socket.SHUT_RDWR)


class EndpointTest(unittest.TestCase):
    def test_doctor_sends_a_span_that_arrives(self):
        for protocol in ("http/protobuf", "http/json"):
            with View("--json") as view:
                url = f"http://127.0.0.1:{view.port}"
                status, found = doctor(url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
                self.assertEqual((status, list(found)), (0, ["accepted"]), found)
                trace, = view.traces()
            self.assertEqual(trace["spans"][0]["service"], "interspan-doctor")

    def test_doctor_takes_the_endpoint_of_the_environment(self):
        with View() as view:
            base = f"http://127.0.0.1:{view.port}"
            self.assertEqual(doctor(OTEL_EXPORTER_OTLP_ENDPOINT=base + "/")[0], 0)
            self.assertEqual(doctor(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=base + "/v1/traces",
                                    OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")[0], 0)
            # Used as it is: the path is missing.
            status, found = doctor(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=base)
            self.assertEqual((status, list(found)), (1, ["path"]))
            self.assertIn("v1/traces", found["path"]["remedy"])

    def test_doctor_tells_who_is_there_instead(self):
        rows = [
            (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "credentials"),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", "path"), (b"HTTP/1.1 415 No\r\n\r\n", "encoding"),
            (b"HTTP/1.1 302 Found\r\n\r\n", "redirected"), (b"HTTP/1.1 429 Slow\r\n\r\n", "overloaded"),
            (b"HTTP/1.1 503 No\r\n\r\n", "failing"), (b"HTTP/1.1 100 Go on\r\n\r\n", "answer"),
            (b"\0\0\6\4\0\0\0\0\0\0\5\0\0\x40\0", "speaks-grpc"), (b"\x15\3\3\0\2\2\x46", "speaks-tls"),
            (b"SSH-2.0-x\r\n", "no-http"), (b"", "silent"),
        ]
        for answer, want in rows:
            with listener(answer) as url:
                status, found = doctor(url)
            self.assertEqual((status, list(found)), (1, [want]))
            self.assertTrue(found[want]["what"] and found[want]["seen"], found)

    def test_doctor_compares_the_protocol_with_who_is_there(self):
        grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        with listener(b"\0\0\6\4\0\0\0\0\0\0\5\0\0\x40\0") as url:
            self.assertEqual(doctor(url, **grpc)[0], 0)
        with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
            self.assertIn("speaks-http", doctor(url, **grpc)[1])
            self.assertIn("speaks-plain", doctor(url.replace("http:", "https:"))[1])
        with listener(b"\x15\3\3\0\2\2\x46") as url:
            self.assertEqual(doctor(url.replace("http:", "https:"))[0], 0)

    def test_doctor_sends_the_headers_that_are_set(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                seen.append(dict(self.headers))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        seen = []
        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            status, found = doctor(f"http://127.0.0.1:{server.server_port}",
                                   OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20secret%0d%0aX: y, b=c")
            server.shutdown()
        self.assertEqual(status, 0)
        self.assertEqual((seen[0]["authorization"], seen[0]["b"], seen[0].get("X")), ("Bearer secretX: y", "c", None))
        self.assertNotIn("secret", str(found))

    def test_doctor_tells_that_nobody_is_there(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            status, found = doctor(f"http://127.0.0.1:{taken.getsockname()[1]}")
        self.assertEqual((status, list(found)), (1, ["refused"]))
        self.assertEqual(list(doctor("http://no-such-host.invalid:4318")[1]), ["no-such-host"])
        self.assertEqual(list(doctor("nonsense://h")[1]), ["endpoint"])
        self.assertIn("port", doctor("http://127.0.0.1:4317")[1])

    def test_doctor_tells_that_there_is_no_way_there(self):
        """In a network of its own, where even the loopback is down."""
        if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
            self.skipTest("needs the right to make a network namespace")
        done = subprocess.run(["unshare", "-rn", TOOL, "doctor", "--json", "http://192.0.2.1:4318"], capture_output=True,
                              text=True, check=False, timeout=60)
        found, = map(json.loads, done.stdout.splitlines())
        self.assertEqual((done.returncode, found["finding"], found["level"]), (1, "unreachable", "bad"))


class ProgramTest(unittest.TestCase):
    def test_doctor_looks_at_programs_and_at_the_environment(self):
        with View() as view:
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{view.port}"}
            self.assertEqual(doctor("true", **env)[0], 0)
            status, found = doctor("no-such-program", **env)
            self.assertEqual((status, found["program"]["level"]), (1, "bad"))
            self.assertIn("sdk-disabled", doctor("true", OTEL_SDK_DISABLED="true", **env)[1])

    def test_doctor_looks_at_settings(self):
        with View() as view:
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{view.port}"}
            for name, value, finding, level in (
                    ("OTEL_TRACES_EXPORTER", "none", "exporter", "bad"), ("OTEL_TRACES_EXPORTER", "console", "exporter", "note"),
                    ("OTEL_TRACES_EXPORTER", "otlp", "exporter", None), ("OTEL_TRACES_SAMPLER", "always_off", "sampled-out", "bad"),
                    ("OTEL_TRACES_SAMPLER", "always_on", "sampled-out", None), ("OTEL_BSP_SCHEDULE_DELAY", "60000", "delayed", "note"),
                    ("OTEL_BSP_SCHEDULE_DELAY", "5000", "delayed", None)):
                found = doctor("true", **{name: value}, **env)[1]
                self.assertEqual(found.get(finding, {}).get("level"), level, (name, value))
            found = doctor("true", OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.1", **env)[1]
            self.assertEqual(found["sampled-out"]["level"], "note")

    @unittest.skipIf(os.path.exists("/usr/local/lib/interspan/libinterspan.so"), "the library is installed here")
    def test_doctor_tells_that_the_library_is_nowhere(self):
        with tempfile.TemporaryDirectory() as alone:
            shutil.copy(TOOL, alone)
            done = subprocess.run([os.path.join(alone, "interspan"), "doctor", "--json", "true"], capture_output=True,
                                  text=True, check=False, timeout=60)
        self.assertIn("not-installed", done.stdout)
        self.assertNotIn("not-installed", doctor("true")[1])

    def test_doctor_usage(self):
        for words, status, text in ((["--help"], 0, "Usage"), (["a", "b"], 2, "one at a time"),
                                    (["--x"], 2, "no option --x")):
            done = subprocess.run([TOOL, "doctor", *words], capture_output=True, text=True, check=False, timeout=20)
            self.assertEqual(done.returncode, status)
            self.assertIn(text, done.stdout + done.stderr)

    def test_doctor_is_read_by_people(self):
        done = subprocess.run([TOOL, "doctor", "nonsense://h"], capture_output=True, text=True, check=False,
                              timeout=20, env={"COLUMNS": "80", "LC_ALL": "C"})
        self.assertEqual(done.stdout,
                         "BAD     the endpoint is no URL that anything could be sent to\n"
                         "  seen  nonsense://h/v1/traces\n"
                         "  do    it must begin with http:// or https://\n")


class ProcessTest(unittest.TestCase):
    handed = ()
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        """Programs that say so when they have begun, and then wait."""
        cls.dir = os.path.realpath(cls.enterClassContext(tempfile.TemporaryDirectory()))
        os.chmod(cls.dir, 0o755)
        source = os.path.join(cls.dir, "idle.c")
        with open(source, "w", encoding="ascii") as file:
            file.write('#include <unistd.h>\nint main(void) { return write(1, "ready\\n", 6) != 6 || pause(); }\n')
        cls.idle, cls.static = os.path.join(cls.dir, "idle"), os.path.join(cls.dir, "static")
        cls.filtered = os.path.join(cls.dir, "filtered")
        with open(cls.filtered + ".c", "w", encoding="ascii") as file:
            file.write(FILTERED)
        subprocess.run(["cc", "-o", cls.filtered, cls.filtered + ".c"], check=True)
        subprocess.run(["cc", "-o", cls.idle, source], check=True)
        subprocess.run(["cc", "-static", "-o", cls.static, source], check=True)
        cls.refused = os.path.join(cls.dir, "refused")
        subprocess.run(["cc", "-D_GNU_SOURCE", "-I", os.path.join(TESTS, "preload"), "-o", cls.refused,
                        os.path.join(TESTS, "e2e", "refused.c")], check=True)

    def start(self, *argv, **env):
        """The pid of a process that has begun, and lives until the test ends."""
        env = {**{k: v for k, v in os.environ.items() if not k.startswith(("LD_", "OTEL_"))}, **env}
        # pylint: disable-next=consider-using-with
        proc = subprocess.Popen(argv or [self.idle], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                pass_fds=self.handed)
        self.addCleanup(proc.stdout.close)
        self.addCleanup(proc.wait)
        self.addCleanup(proc.kill)
        self.assertEqual(proc.stdout.readline(), b"ready\n")
        return proc.pid

    def test_doctor_finds_the_library(self):
        with View() as view:
            env = {"LD_PRELOAD": OBJECT, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{view.port}"}
            status, found = doctor(self.start(**env))
            self.assertEqual(status, 0, found)
            self.assertLessEqual({"loaded", "no-exporter", "accepted"}, set(found))
            _, found = doctor(self.start(OTEL_INTERSPAN_ENABLED="false", **env))
            self.assertIn("switched-off", found)
            _, found = doctor(self.start(NODE_OPTIONS="--require @opentelemetry/x", **env))
            self.assertIn("other-tracer", found)

    def test_doctor_reads_what_was_counted(self):
        app = ("import http.client, time\nc = http.client.HTTPConnection('127.0.0.1', %d)\nc.request('GET', '/')\n"
               "c.getresponse().read()\nc.close()\nprint('ready', flush=True)\ntime.sleep(60)")
        with View() as view:
            pid = self.start(PYTHON, "-c", app % view.port, LD_PRELOAD=OBJECT, OTEL_SERVICE_NAME="x",
                             OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_BSP_SCHEDULE_DELAY="1",
                             OTEL_EXPORTER_OTLP_TIMEOUT="1")
            end = time.monotonic() + 30
            while True:
                status, found = doctor(pid)
                if "export-failed" in found or time.monotonic() > end:
                    break
                time.sleep(0.05)
        self.assertEqual((status, found["export-failed"]["seen"]), (1, "spans_dropped_export_failed=1"), found)
        self.assertLessEqual({"refused", "last-export"}, set(found))

    def test_doctor_tells_why_it_is_not_loaded(self):
        self.assertIn("not-preloaded", doctor(self.start())[1])
        self.assertIn("object-missing",
                      doctor(self.start(LD_PRELOAD="/none/libinterspan.so"))[1])
        os.mkdir(os.path.join(self.dir, "junk"))
        junk = os.path.join(self.dir, "junk", "libinterspan.so")
        with open(junk, "wb") as file:
            file.write(b"no library")
        self.assertIn("not-loaded", doctor(self.start(LD_PRELOAD=junk))[1])
        status, found = doctor(self.start(self.static, LD_PRELOAD=OBJECT))
        self.assertEqual((status, list(found)), (1, ["program"]))
        self.assertIn("statically", found["program"]["seen"])

    def test_doctor_tells_of_gccs_asan(self):
        """H15: as what it does to a program that is preloaded otherwise than by interspan run."""
        source = os.path.join(self.dir, "asan.c")
        with open(source, "w", encoding="ascii") as file:
            file.write("int main(void) { return 0; }\n")
        program = os.path.join(self.dir, "asan")
        subprocess.run(["gcc", "-fsanitize=address", "-o", program, source], check=True)
        self.assertIn("verify_asan_link_order=0", doctor(program)[1]["asan"]["remedy"])
        self.assertNotIn("asan", doctor(program, ASAN_OPTIONS="verify_asan_link_order=0")[1])
        self.assertNotIn("asan", doctor("/bin/true")[1])

    def test_doctor_tells_that_the_library_was_replaced(self):
        copy = os.path.join(self.dir, "libinterspan.so")
        shutil.copy(OBJECT, copy)
        pid = self.start(LD_PRELOAD=copy)
        os.remove(copy)
        self.assertIn("replaced", doctor(pid)[1])

    @unittest.skipIf(os.geteuid(), "needs root, to give a file to somebody else")
    def test_doctor_tells_that_privileges_are_in_the_way(self):
        if os.statvfs(self.dir).f_flag & os.ST_NOSUID:
            self.skipTest("needs a file system with setuid")
        copy = os.path.join(self.dir, "other_user")
        shutil.copy(self.idle, copy)
        os.chown(copy, pwd.getpwnam("nobody").pw_uid, -1)
        os.chmod(copy, 0o4755)
        status, found = doctor(self.start(copy, LD_PRELOAD=OBJECT))
        self.assertEqual((status, list(found)), (1, ["at-secure"]))

    def test_doctor_tells_of_another_network(self):
        if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
            self.skipTest("needs the right to make a network namespace")
        self.assertIn("other-network", doctor(self.start("unshare", "-rn", self.idle, LD_PRELOAD=OBJECT))[1])

    def test_doctor_tells_of_a_file_system_without_programs(self):
        where = os.path.join(self.dir, "noexec")
        os.mkdir(where)
        script = (f"mount -t tmpfs -o noexec none {where} && cp {OBJECT} {where} &&"
                  f" exec env LD_PRELOAD={where}/libinterspan.so {self.idle}")
        if subprocess.run(["unshare", "-rm", "sh", "-c", f"mount -t tmpfs none {where}"], capture_output=True,
                          check=False).returncode:
            self.skipTest("needs the right to mount")
        self.assertIn("noexec", doctor(self.start("unshare", "-rm", "sh", "-c", script))[1])

    def child_of(self, pid):
        """Of a process that has one, or will have."""
        end = time.monotonic() + 30
        while True:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                child = file.read().split()
            if child:
                return int(child[0])
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_doctor_tells_that_it_was_not_handed_on(self):
        child = self.child_of(self.start("sh", "-c", f"env -u LD_PRELOAD {self.idle}; true", LD_PRELOAD=OBJECT))
        self.addCleanup(os.kill, child, signal.SIGKILL)
        status, found = doctor(child)
        self.assertEqual((status, list(found)), (1, ["not-preloaded", "not-handed-on"]))

    @unittest.skipUnless(os.path.exists("/usr/sbin/nginx"), "needs nginx")
    def test_doctor_tells_of_a_new_program_of_nginx(self):
        where = os.path.join(self.dir, "nginx")
        os.mkdir(where)
        temp = "".join(f"{n}_temp_path {where}/{n}; " for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = os.path.join(where, "nginx.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"pid {where}/pid; error_log {where}/log; events {{}} http {{ access_log off; {temp}"
                       f"server {{ listen unix:{where}/socket; }} }}")
        env = {**{k: v for k, v in os.environ.items() if not k.startswith(("LD_", "OTEL_"))}, "LD_PRELOAD": OBJECT}
        subprocess.run(["/usr/sbin/nginx", "-e", f"{where}/log", "-c", config], env=env, check=True, timeout=60)
        old = self.nginx_pid(f"{where}/pid", None)
        self.addCleanup(os.kill, old, signal.SIGTERM)
        self.assertIn("loaded", doctor(old)[1])
        os.kill(old, signal.SIGUSR2)
        new = self.nginx_pid(f"{where}/pid", old)
        self.addCleanup(os.kill, new, signal.SIGTERM)
        status, found = doctor(new)
        self.assertEqual((status, list(found)), (1, ["not-preloaded", "not-handed-on"]))
        self.assertIn("env LD_PRELOAD;", found["not-handed-on"]["remedy"])

    def nginx_pid(self, path, but):
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError):
                with open(path, encoding="ascii") as file:
                    pid = int(file.read())
                if pid != but:
                    return pid
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_doctor_lists_connections(self):
        app = ("import socket, sys, time\ns = socket.create_server(('127.0.0.1', 0))\n"
               "c = socket.create_connection(s.getsockname())\na, _ = s.accept()\n"
               "print('ready', flush=True)\ntime.sleep(60)")
        _, found = doctor(self.start(PYTHON, "-c", app, LD_PRELOAD=OBJECT))
        self.assertRegex(found["connections"]["seen"], r"^listens on 127\.0\.0\.1:\d+; holds 2 connections$")
        # No span has ended: nobody tells.
        self.assertRegex(found["untold"]["seen"], r"^asks 127\.0\.0\.1:(\d+) \(fd \d+\); "
                         r"serves 127\.0\.0\.1 on port \1 \(fd \d+\)$")
        self.assertNotIn("connections", doctor(self.start(LD_PRELOAD=OBJECT))[1])

    def kinds_of(self, pid):
        """What doctor finds of each descriptor, by its number."""
        return {c["fd"]: name for name, f in doctor(pid)[1].items() for c in f.get("connections", ())}

    def until_kinds(self, pid, path):
        """Once they are what the file says."""
        end = time.monotonic() + 30
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        with open(path, encoding="ascii") as file:
            wanted = json.load(file)
        if isinstance(wanted, list):
            self.addCleanup(os.kill, wanted[0], signal.SIGKILL)
        wanted_kinds = {int(fd): kind for fd, kind in (wanted[1] if isinstance(wanted, list) else wanted).items()}
        while True:
            found = self.kinds_of(pid)
            if found == wanted_kinds:
                return wanted[0] if isinstance(wanted, list) else None
            if time.monotonic() > end:
                self.assertEqual(found, wanted_kinds)
            time.sleep(0.05)

    def test_doctor_tells_what_it_makes_of_each_connection(self):
        """One of each kind is held, one of them since before exec; and by a child some of them."""
        ca = certificates.make()
        path = os.path.join(self.dir, "kinds")
        with View() as view, socket.create_server(("127.0.0.1", 0)) as older, \
                socket.create_connection(older.getsockname()) as given:
            self.handed = (given.fileno(),)
            pid = self.start(PYTHON, HOLDS, str(given.fileno()), path, ca.file, ca.both,
                             LD_PRELOAD=OBJECT, OTEL_BSP_SCHEDULE_DELAY="1",
                             OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{view.port}")
            child = self.until_kinds(pid, path)
            self.until_kinds(child, path + ".child")
            status, found = doctor(pid)
            self.assertEqual(status, 0, found)
            self.assertEqual({c["direction"] for c in found["https"]["connections"]}, {"connected", "accepted"})
            self.assertEqual([c["direction"] for c in found["postgres"]["connections"]], ["connected"])
            peer, = {c["peer"] for c in found["unseen"]["connections"]}
            self.assertEqual(peer, f"127.0.0.1:{older.getsockname()[1]}")

    def until_found(self, pid, *wanted):
        """What doctor finds once these are among it."""
        end = time.monotonic() + 30
        while True:
            _, found = doctor(pid)
            if set(wanted) <= set(found):
                return found
            self.assertLess(time.monotonic(), end, found)
            time.sleep(0.05)

    def test_doctor_tells_what_became_of_connections(self):
        """HTTP that is spoken, HTTP/2, TLS that no library here has made, and what nobody understands."""
        app = ("import http.client, socket, time\nfor _ in '12':\n c = http.client.HTTPConnection('127.0.0.1', %d)\n"
               " c.request('GET', '/')\n c.getresponse().read()\n"
               "held, s = [], socket.create_server(('127.0.0.1', 0))\n"
               "for hello in (b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes(32), "
               "bytes.fromhex('16030100c8010000c40303') + bytes(196), b'\\x01\\x02 no such protocol\\r\\n' * 4):\n"
               " held += [socket.create_connection(s.getsockname())]\n held[-1].sendall(hello)\n"
               "print('ready', flush=True)\ntime.sleep(60)")
        with View() as view:
            pid = self.start(PYTHON, "-c", app % view.port, LD_PRELOAD=OBJECT, OTEL_BSP_SCHEDULE_DELAY="1",
                             OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{view.port}")
            found = self.until_found(pid, "opaque", "http2", "tls-unread")
        self.assertIn("; of all so far: 2 HTTP/1, 1 HTTP/2, 1 TLS of a library that is not read, 1 not understood",
                      found["connections"]["seen"])

    SERVER = """
import concurrent.futures, http.server, sys, threading, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *_): pass
    def do_GET(self):
        if self.path == '/pool':
            POOL.submit(lambda: urllib.request.urlopen(sys.argv[1]).read()).result()
        if self.path == '/call':
            urllib.request.urlopen(sys.argv[1]).read()
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
POOL = concurrent.futures.ThreadPoolExecutor(1)
POOL.submit(int).result()
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
for path, flags in (p.split('=') for p in sys.argv[2:]):
    request = urllib.request.Request(f'http://127.0.0.1:{server.server_port}{path}', headers={
        'traceparent': '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-' + flags})
    threading.Thread(target=server.handle_request).start()
    urllib.request.urlopen(request).read()
print('ready', flush=True)
threading.Event().wait()
"""

    def served(self, endpoint, *requests, below=None, **env):
        return self.start(PYTHON, "-c", self.SERVER, below or endpoint, *requests, LD_PRELOAD=OBJECT,
                          OTEL_BSP_SCHEDULE_DELAY="1", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **env)

    def test_doctor_tells_of_requests_that_are_not_told(self):
        with View() as view, listener(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as below:
            endpoint = f"http://127.0.0.1:{view.port}"
            found = self.until_found(self.served(endpoint, "/=01", "/=00"), "unsampled")
            self.assertNotIn("roots", found)
            self.until_found(self.served(endpoint, "/pool=01", below=below), "roots")
            found = self.until_found(self.served(endpoint, "/call=01", below=below,
                                                 PYTHONPATH="/x/opentelemetry/instrumentation/auto_instrumentation"),
                                     "left-to-sdk", "other-tracer")
            self.assertNotIn("unsampled", found)

    def test_doctor_tells_of_a_full_queue(self):
        """Nobody takes what is sent, and three do not fit where two may wait."""
        with socket.create_server(("127.0.0.1", 0)) as mute:
            endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
            pid = self.served(endpoint, *["/=01"] * 12, OTEL_BSP_MAX_QUEUE_SIZE="2")
            self.until_found(pid, "queue-full")

    def test_doctor_tells_of_a_filter(self):
        status, found = doctor(self.start(self.filtered, LD_PRELOAD=OBJECT))
        self.assertIn("filtered", found)
        self.assertNotIn("no-exporter", found)
        self.assertNotIn("filtered", doctor(self.start(LD_PRELOAD=OBJECT))[1])

    def needs_mounts(self):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            self.skipTest("needs the right to mount")

    def test_doctor_tells_of_what_its_unit_forbids(self):
        """The group that systemd would have put it into is made by hand."""
        self.needs_mounts()
        top = next((d for d in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup") if os.access(d + "/cgroup.procs", os.W_OK)),
                   None)
        group = f"{top}/interspan-test-{os.getpid()}@1.service"
        try:
            os.mkdir(group)
        except (OSError, TypeError):
            self.skipTest("needs the right to make a control group")
        self.addCleanup(os.rmdir, group)
        pid = self.start(LD_PRELOAD=OBJECT)
        local = self.start(LD_PRELOAD=OBJECT, OTEL_EXPORTER_OTLP_ENDPOINT="unix:///run/none")
        for one in (pid, local):
            with open(group + "/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(one))
        self.addCleanup(self.leave, top, group)
        unit = os.path.basename(group).replace("@1", "@")
        rows = (("", set(), set()), ("PrivateNetwork=no", set(), set()), ("PrivateNetwork=yes", {"unit-network"}, set()),
                ("RestrictAddressFamilies=AF_UNIX", {"unit-families"}, set()),
                ("RestrictAddressFamilies=AF_UNIX AF_INET", set(), set()),
                ("RestrictAddressFamilies=~AF_UNIX AF_NETLINK", set(), {"unit-families"}),
                ("RestrictAddressFamilies=AF_INET6\nRestrictAddressFamilies=AF_UNIX", set(), set()),
                ("IPAddressDeny=any", {"unit-addresses"}, set()))
        for text, wanted, wanted_local in rows:
            for where in (unit, unit + ".d/limits.conf"):
                path = os.path.join("/run/systemd/system", where)
                before = (f"mount -t tmpfs none /run; mkdir -p {os.path.dirname(path)}; "
                          f"printf '[Service]\nExecStart=/bin/x\n{text}\n' >{path}")
                for one, finds in ((pid, wanted), (local, wanted_local)):
                    found = doctor(one, before=before)[1]
                    self.assertEqual({f for f in found if f.startswith("unit-")}, finds, (text, where, found))

    @staticmethod
    def leave(top, group):
        with open(group + "/cgroup.procs", encoding="ascii") as file:
            for pid in file.read().split():
                with open(top + "/cgroup.procs", "w", encoding="ascii") as out:
                    out.write(pid)

    def test_doctor_tells_that_it_is_confined(self):
        """The label is what a kernel with AppArmor would tell there."""
        self.needs_mounts()
        pid = self.start()
        for label, is_found in (("/usr/sbin/x (enforce)", True), ("/usr/sbin/x (complain)", False), ("unconfined", False),
                                ("system_u:system_r:httpd_t:s0", True)):
            before = f"mount -t tmpfs none /mnt; echo '{label}' >/mnt/label; mount --bind /mnt/label /proc/{pid}/attr/current"
            found = doctor(pid, before=before)[1]
            self.assertEqual("confined" in found, is_found, (label, found))

    def test_doctor_reads_what_was_denied(self):
        """In the words of AppArmor and of SELinux; this kernel may have neither."""
        self.needs_mounts()
        pid = self.start()
        lines = {"kern.log": 'kernel: audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="open" profile="x" '
                             f'name="/usr/lib/interspan/libinterspan.so" pid={pid}0 comm="x" requested_mask="r"',
                 "audit/audit.log": f'type=AVC msg=audit(1.2:3): avc:  denied  {{ name_connect }} for  pid={pid} comm="x"'}
        for name, line in lines.items():
            before = f"mount -t tmpfs none /var/log; mkdir /var/log/audit; echo '{line}' >/var/log/{name}"
            found = doctor(pid, before=before)[1]
            self.assertIn(line, found["denied"]["seen"])
            self.assertNotIn("denied", doctor(pid, before=before.replace(f"pid={pid} ", f"pid={pid}1 ")
                                              .replace("libinterspan", "libother"))[1])

    def test_doctor_tells_that_it_may_have_no_thread(self):
        # Nobody may look into the superuser's home, where the object may be.
        readable = shutil.copy(OBJECT, self.dir)

        def started(limit):
            if os.geteuid() == 0:
                return self.start("sh", "-c", f"exec setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "
                                  f"'ulimit -u {limit}; exec {self.idle}'", LD_PRELOAD=readable)
            return self.start("bash", "-c", f"ulimit -u {limit}; exec {self.idle}", LD_PRELOAD=OBJECT)

        status, found = doctor(started(0))
        self.assertEqual((status, found["no-thread"]["level"]), (1, "bad"))
        self.assertNotIn("no-thread", doctor(started(5000))[1])
        # Who is root may pass the limit.
        if os.geteuid() == 0:
            self.assertNotIn("no-thread", doctor(self.start("bash", "-c", f"ulimit -u 0; exec {self.idle}",
                                                            LD_PRELOAD=OBJECT))[1])

    def test_doctor_tells_of_https_in_gnutls(self):
        """The second answer of a connection that is held does not come, and the first was told."""
        ca = certificates.make()
        ready, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # pylint: disable=invalid-name
                if self.path == "/held":
                    ready.set()
                    go_on.wait()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        with View() as view, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            server.socket = ca.server_context().wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"https://127.0.0.1:{server.server_port}/"
            # pylint: disable-next=consider-using-with
            proc = subprocess.Popen(["wget", "-q", "-O", "/dev/null", url, url + "held"], env={
                **os.environ, **ca.trusted, "LD_PRELOAD": OBJECT, "OTEL_BSP_SCHEDULE_DELAY": "1",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{view.port}"})
            self.addCleanup(proc.wait)
            self.addCleanup(proc.kill)
            self.assertTrue(ready.wait(30))
            held, = self.until_found(proc.pid, "https-gnutls")["https-gnutls"]["connections"]
            self.assertEqual((held["direction"], held["peer"]), ("connected", url[8:-1]))
            go_on.set()
            server.shutdown()

    def test_doctor_tells_that_the_process_is_somebody_elses(self):
        if os.geteuid():
            self.skipTest("needs root, to be somebody else")
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", TOOL, "doctor", "--json",
                               str(self.start(LD_PRELOAD=OBJECT))], capture_output=True, text=True, check=False, timeout=60)
        found, = map(json.loads, done.stdout.splitlines())
        self.assertEqual((done.returncode, found["finding"], found["level"]), (3, "forbidden", "bad"))

    def test_doctor_tells_that_a_child_has_made_no_span(self):
        """It counts where its parent's exporter tells of it, and has spoken nothing that is traced."""
        app = ("import http.client, os, socket, time\nc = http.client.HTTPConnection('127.0.0.1', %d)\nc.request('GET', '/')\n"
               "c.getresponse().read()\nif not os.fork():\n s = socket.create_server(('127.0.0.1', 0))\n"
               " a = socket.create_connection(s.getsockname())\n"
               " a.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes(32))\n"
               " print('ready', flush=True)\ntime.sleep(60)")
        with View() as view:
            pid = self.start(PYTHON, "-c", app % view.port, LD_PRELOAD=OBJECT, OTEL_BSP_SCHEDULE_DELAY="1",
                             OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{view.port}")
            child = self.child_of(pid)
            self.addCleanup(os.kill, child, signal.SIGKILL)
            found = self.until_found(child, "no-spans", "http2")
            self.assertNotIn("no-exporter", found)
            self.assertNotIn("no-spans", self.until_found(pid, "connections"))

    def start_refused(self, view, what):
        return self.start(self.refused, str(view.port), what, LD_PRELOAD=OBJECT, OTEL_BSP_SCHEDULE_DELAY="1",
                          OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{view.port}")

    def found_of_child(self, what, name):
        """What is refused to a child, and not to its parent, whose exporter tells of both."""
        with View() as view:
            pid = self.start_refused(view, what)
            child = self.child_of(pid)
            self.addCleanup(os.kill, child, signal.SIGKILL)
            found = self.until_found(child, name)
            self.assertNotIn(name, self.until_found(pid, "connections"))
        self.assertEqual(found[name]["level"], "bad")
        return found

    def test_doctor_tells_of_a_thread_that_was_refused(self):
        """As ulimit -u 0 does it."""
        found = self.found_of_child("thread", "exporter-refused")
        self.assertEqual(found["exporter-refused"]["seen"], "exporter_refused=1")
        self.assertIn("no-thread", found)

    def test_doctor_tells_of_calls_that_are_forbidden(self):
        """By a filter of its own, after which no more is to be had from itself."""
        self.assertEqual(self.found_of_child("calls", "sandboxed")["sandboxed"]["seen"], "sandboxed=1")

    def test_doctor_tells_of_connections_without_memory(self):
        with View() as view:
            untracked = self.until_found(self.start_refused(view, "memory"), "untracked")["untracked"]
        self.assertEqual({c["direction"] for c in untracked["connections"]}, {"connected", "accepted"})

    @unittest.skipUnless(programs(), "needs postgresql")
    def test_doctor_tells_of_a_connection_of_libpq(self):
        """One that is held, to a PostgreSQL of its own."""
        server = Postgres()
        self.addCleanup(server.close)
        app = ("import sys, time, psycopg2\nc = psycopg2.connect(sys.argv[1])\nc.cursor().execute('SELECT 1')\n"
               "print('ready', flush=True)\ntime.sleep(60)")
        with View() as view:
            pid = self.start(PYTHON, "-c", app, server.dsn("postgres", "127.0.0.1"), LD_PRELOAD=OBJECT,
                             OTEL_BSP_SCHEDULE_DELAY="1", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{view.port}")
            held, = self.until_found(pid, "libpq")["libpq"]["connections"]
        self.assertEqual((held["direction"], held["peer"]), ("connected", f"127.0.0.1:{server.port}"))

    def test_doctor_tells_that_there_is_no_such_process(self):
        with subprocess.Popen(["true"]) as gone:
            gone.wait()
        status, found = doctor(gone.pid)
        self.assertEqual((status, list(found)), (3, ["no-process"]))


if __name__ == "__main__":
    unittest.main()
