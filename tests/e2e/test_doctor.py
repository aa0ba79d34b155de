# SPDX-License-Identifier: Apache-2.0
"""interspan doctor: each finding provoked for real."""
import contextlib
import http.server
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from test_tools import TOOL, View

OBJECT = os.path.join(os.path.dirname(TOOL), "libinterspan.so")
PYTHON = "/usr/bin/python3"


def doctor(*words, **env):
    """Status, findings by name."""
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("LD_", "OTEL_"))}, **env}
    done = subprocess.run([TOOL, "doctor", "--json", *map(str, words)], env=env, capture_output=True, text=True,
                          timeout=60, check=False)
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


class ProgramTest(unittest.TestCase):
    def test_doctor_looks_at_programs_and_at_the_environment(self):
        with View() as view:
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{view.port}"}
            self.assertEqual(doctor("true", **env)[0], 0)
            status, found = doctor("no-such-program", **env)
            self.assertEqual((status, found["program"]["level"]), (1, "bad"))
            self.assertIn("sdk-disabled", doctor("true", OTEL_SDK_DISABLED="true", **env)[1])

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
    @classmethod
    def setUpClass(cls):
        """Programs that say so when they have begun, and then wait."""
        cls.dir = os.path.realpath(cls.enterClassContext(tempfile.TemporaryDirectory()))
        os.chmod(cls.dir, 0o755)
        source = os.path.join(cls.dir, "idle.c")
        with open(source, "w", encoding="ascii") as file:
            file.write('#include <unistd.h>\nint main(void) { return write(1, "ready\\n", 6) != 6 || pause(); }\n')
        cls.idle, cls.static = os.path.join(cls.dir, "idle"), os.path.join(cls.dir, "static")
        subprocess.run(["cc", "-o", cls.idle, source], check=True)
        subprocess.run(["cc", "-static", "-o", cls.static, source], check=True)

    def start(self, *argv, **env):
        """The pid of a process that has begun, and lives until the test ends."""
        env = {**{k: v for k, v in os.environ.items() if not k.startswith(("LD_", "OTEL_"))}, **env}
        # pylint: disable-next=consider-using-with
        proc = subprocess.Popen(argv or [self.idle], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
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
        self.assertIn("refused", found)

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

    def test_doctor_tells_that_there_is_no_such_process(self):
        with subprocess.Popen(["true"]) as gone:
            gone.wait()
        status, found = doctor(gone.pid)
        self.assertEqual((status, list(found)), (3, ["no-process"]))


if __name__ == "__main__":
    unittest.main()
