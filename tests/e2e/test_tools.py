# SPDX-License-Identifier: Apache-2.0
"""The program `interspan`: run, and view as a receiver that is fed by hand."""
import gzip
import http.client
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
TOOL = os.path.join(BUILD, "interspan")
PROTOBUF, JSON = "application/x-protobuf", "application/json"
SERVER, CLIENT = 2, 3


def field(number, value):
    """One field: bytes as length-delimited, int as varint, float as fixed64 of its integer."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<Q", int(value))
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def attribute(key, text):
    return field(1, key.encode()) + field(2, field(1, text))


def pb_span(trace, span, parent=None, kind=SERVER, name=b"GET", attrs=()):
    now = time.time_ns()
    return field(2, (
        field(1, trace) + field(2, span) + (field(4, parent) if parent else b"") + field(5, name)
        + field(6, kind) + varint(7 << 3 | 1) + struct.pack("<Q", now - 5000000)
        + varint(8 << 3 | 1) + struct.pack("<Q", now)
        + b"".join(field(9, attribute(*a)) for a in attrs)))


def pb_request(service, *spans):
    resource = field(1, field(1, attribute("service.name", service)))
    return field(1, resource + field(2, b"".join(spans)))


def json_request(service, trace, span, **more):
    now = time.time_ns()
    one = {"traceId": trace, "spanId": span, "name": "GET", "kind": SERVER,
           "startTimeUnixNano": str(now - 1000), "endTimeUnixNano": str(now), **more}
    attrs = [{"key": "service.name", "value": {"stringValue": service}}]
    return json.dumps({"resourceSpans": [
        {"resource": {"attributes": attrs}, "scopeSpans": [{"spans": [one]}]}]}).encode()


def post(port, body, kind=JSON, path="/v1/traces", method="POST", **headers):
    """Returns status, content type, body."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        conn.request(method, path, body,
                     {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}})
        answer = conn.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()
    finally:
        conn.close()


class View:
    """interspan view on a free port."""

    def __init__(self, *args, port="0", stdout=subprocess.PIPE, **env):
        argv = [TOOL, "view", *args] + (["--port", port] if port else [])
        env = {**os.environ, "LC_ALL": "C.UTF-8", **env}
        # pylint: disable-next=consider-using-with
        self.proc = subprocess.Popen(argv, env=env, stdout=stdout, stderr=subprocess.PIPE)
        self.notes = b""
        while b"listening on " not in self.notes:
            line = self.proc.stderr.readline()
            if not line:
                raise AssertionError(f"view ended: {self.notes!r}")
            self.notes += line
        self.port = int(line.rpartition(b":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.communicate()

    def end(self, sig=signal.SIGTERM):
        """Status, standard output, standard error behind the first lines."""
        if sig:
            self.proc.send_signal(sig)
        out, err = self.proc.communicate(timeout=60)
        return self.proc.returncode, out, err

    def traces(self):
        status, out, err = self.end()
        assert status == 0, err
        return [json.loads(line) for line in out.splitlines()]


TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


class ViewTest(unittest.TestCase):
    def test_view_takes_json_and_gives_it_back(self):
        with View("--json") as view:
            body = json_request("shop", TRACE, SPAN, flags=0x101, attributes=[
                {"key": "http.response.status_code", "value": {"intValue": "500"}}],
                status={"code": 2, "message": "no"})
            self.assertEqual(post(view.port, body), (200, JSON, b"{}"))
            trace, = view.traces()
        span, = trace["spans"]
        self.assertEqual(trace["traceId"], TRACE)
        self.assertEqual((span["traceId"], span["spanId"], span["parentSpanId"]), (TRACE, SPAN, ""))
        self.assertEqual((span["name"], span["kind"], span["service"]), ("GET", "SERVER", "shop"))
        self.assertEqual((span["status"], span["statusMessage"]), ("ERROR", "no"))
        self.assertEqual(span["endUnixNano"] - span["startUnixNano"], 1000)
        self.assertEqual(span["attributes"], {"http.response.status_code": 500})
        self.assertEqual(span["resource"], {"service.name": "shop"})
        self.assertEqual((span["flags"], span["orphan"]), (0x101, False))

    def test_view_json_has_every_type_of_value(self):
        values = [
            ({"stringValue": ""}, ""), ({"boolValue": False}, False),
            ({"intValue": "-9223372036854775808"}, -2**63), ({"doubleValue": 0.1}, 0.1),
            ({"doubleValue": "NaN"}, "NaN"), ({"doubleValue": "-Infinity"}, "-Infinity"),
            ({"bytesValue": "AA=="}, {"base64": "AA=="}),
            ({"bytesValue": "AAEC"}, {"base64": "AAEC"}),
            ({"bytesValue": "AAE="}, {"base64": "AAE="}), ({}, None),
            ({"arrayValue": {"values": [{"intValue": 1}, {}]}}, [1, None]),
            ({"arrayValue": {}}, []),
            ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}, {"a": 1}),
        ]
        with View("--json") as view:
            post(view.port, json_request("shop", TRACE, SPAN, attributes=[
                {"key": str(i), "value": value} for i, (value, _) in enumerate(values)]))
            trace, = view.traces()
        self.assertEqual(trace["spans"][0]["attributes"],
                         {str(i): want for i, (_, want) in enumerate(values)})

    def test_view_takes_protobuf_plain_gzipped_and_chunked(self):
        with View("--json") as view:
            for i, packed in enumerate((False, True)):
                body = pb_request(b"shop", pb_span(bytes([i + 1]) * 16, b"\1" * 8))
                headers = {"Content_Encoding": "gzip"} if packed else {}
                body = gzip.compress(body) if packed else body
                self.assertEqual(post(view.port, body, PROTOBUF, **headers), (200, PROTOBUF, b""))
            pieces = iter([body[:7], body[7:]])
            self.assertEqual(post(view.port, pieces, PROTOBUF, Content_Encoding="gzip")[0], 200)
            traces = view.traces()
        self.assertEqual([len(t["spans"]) + t["duplicates"] for t in traces], [1, 2])

    def test_view_refuses_what_it_cannot_take_and_goes_on(self):
        good = json_request("shop", TRACE, SPAN)
        rows = [
            (400, b"{", JSON, {}),
            (400, b"[]", JSON, {}),
            (400, b"\xff\xff", PROTOBUF, {}),
            (400, good, JSON, {"Content_Encoding": "gzip"}),
            (400, gzip.compress(good)[:-9], JSON, {"Content_Encoding": "gzip"}),
            (415, good, "text/plain", {}),
            (415, good, JSON, {"Content_Encoding": "br"}),
            (405, None, JSON, {"method": "GET"}),
            (405, good, JSON, {"method": "PUT"}),
            (404, good, JSON, {"path": "/v1/logs"}),
            (404, good, JSON, {"path": "/"}),
            (413, gzip.compress(b" " * (65 << 20), 1), JSON, {"Content_Encoding": "gzip"}),
        ]
        with View("--json") as view:
            for want, body, kind, more in rows:
                status, answer_kind, answer = post(view.port, body, kind, **more)
                self.assertEqual(status, want, more)
                if kind == PROTOBUF:  # O24: google.rpc.Status {3: INVALID_ARGUMENT, message}
                    self.assertEqual((answer_kind, answer[:3]), (PROTOBUF, b"\x08\x03\x12"))
                else:
                    self.assertEqual(answer_kind, JSON)
                    self.assertTrue(json.loads(answer)["message"])
            self.assertEqual(post(view.port, good, "Application/JSON; charset=utf-8")[0], 200)
            status, out, err = view.end()
        self.assertEqual((status, len(out.splitlines())), (0, 1))
        self.assertIn(b"12 requests were refused", err)

    def test_view_refuses_large_bodies_before_they_come(self):
        with View() as view, socket.create_connection(("127.0.0.1", view.port)) as sock:
            sock.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
                         b"\r\nContent-Length: 67108865\r\n\r\n")
            sock.settimeout(10)
            self.assertIn(b" 413 ", sock.recv(1000))

    def test_view_tells_of_rejected_spans(self):
        with View() as view:
            body = json_request("shop", "00" * 16, SPAN)
            status, _, answer = post(view.port, body)
            self.assertEqual(status, 200)
            self.assertEqual(json.loads(answer)["partialSuccess"]["rejectedSpans"], "1")
            body = pb_request(b"shop", pb_span(b"\1", b"\1" * 8))
            # {1: {1: 1, 2: message}}
            self.assertEqual(post(view.port, body, PROTOBUF)[2][2:5], b"\x08\x01\x12")

    def test_view_takes_another_port_only_if_none_was_asked_for(self):
        with View() as view:
            taken = subprocess.run([TOOL, "view", "--port", str(view.port)], capture_output=True,
                                   timeout=20, check=False)
            self.assertEqual(taken.returncode, 1)
            self.assertIn(b"cannot listen on 127.0.0.1:", taken.stderr)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", 4318))
                sock.listen()
            except OSError:
                pass  # somebody else has it: as good
            with View(port=None) as view:
                self.assertIn(b"port 4318 is not to be had", view.notes)
                self.assertNotEqual(view.port, 4318)

    def test_view_once_ends_after_the_first_trace(self):
        with View("--once") as view:
            post(view.port, json_request("shop", TRACE, SPAN, attributes=[
                {"key": "http.request.method", "value": {"stringValue": "GET"}},
                {"key": "url.path", "value": {"stringValue": "/orders/7"}}]))
            status, out, _ = view.end(sig=None)
        self.assertEqual(status, 0)
        self.assertIn(b"shop SERVER GET /orders/7 ", out)

    def test_view_prints_pending_traces_when_asked_to_end(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            with View("--grace", "60000") as view:
                post(view.port, json_request("shop", TRACE, SPAN, parentSpanId="12" * 8))
                status, out, _ = view.end(sig)
            self.assertEqual(status, 0)
            self.assertIn("? shop SERVER GET".encode(), out)

    def test_view_grace_is_how_long_it_waits(self):
        with View("--once", "--grace", "100") as view:
            began = time.monotonic()
            # An open call: by default this would be worth a wait of 5.5 s.
            post(view.port, json_request("shop", TRACE, SPAN, kind=CLIENT))
            self.assertEqual(view.end(sig=None)[0], 0)
            self.assertLess(time.monotonic() - began, 3)

    def test_view_reports_late_spans_once(self):
        with View("--json", "--grace", "50") as view:
            post(view.port, json_request("shop", TRACE, SPAN))
            first = json.loads(view.proc.stdout.readline())
            post(view.port, json_request("shop", TRACE, "12" * 8, parentSpanId=SPAN))
            second = json.loads(view.proc.stdout.readline())
            self.assertEqual(view.end()[:2], (0, b""))
        self.assertEqual((first["late"], second["late"]), (False, True))
        self.assertEqual([s["spanId"] for s in second["spans"]], ["12" * 8])

    def test_view_json_line_holds_no_raw_control_character(self):
        with View("--json") as view:
            name = "\033]0;x\007\x7f\u009b\u202e\U000e0041\"\\\n"
            post(view.port, json_request(name, TRACE, SPAN, name=name))
            status, out, _ = view.end()
        self.assertEqual(status, 0)
        self.assertTrue(out.endswith(b"\n") and min(out[:-1]) >= 0x20 and 0x7f not in out, out)
        self.assertNotIn("\u009b", out.decode())
        self.assertEqual(json.loads(out)["spans"][0]["name"], name)

    def test_view_takes_100000_spans_without_loss(self):
        """100 connections' worth of traces and one huge trace, at speed."""
        requests = []
        for i in range(100):
            spans = [pb_span(struct.pack(">QQ", 1, i * 100 + j // 5 + 1),
                             struct.pack(">Q", j + 1), struct.pack(">Q", j) if j % 5 else None,
                             attrs=[("url.path", b"/a/b/%d" % j)] * 8) for j in range(500)]
            requests.append(pb_request(b"many", *spans))
        for i in range(100):
            spans = [pb_span(b"\7" * 16, struct.pack(">Q", i * 500 + j + 1),
                             struct.pack(">Q", 1) if i + j else None) for j in range(500)]
            requests.append(pb_request(b"one", *spans))
        with tempfile.TemporaryFile() as out, View("--json", stdout=out) as view:
            conn = http.client.HTTPConnection("127.0.0.1", view.port, timeout=60)
            for body in requests:
                conn.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF})
                answer = conn.getresponse()
                self.assertEqual((answer.status, answer.read()), (200, b""))
            conn.close()
            with open(f"/proc/{view.proc.pid}/status", encoding="ascii") as status:
                peak = next(int(s.split()[1]) for s in status if s.startswith("VmHWM"))
            code, _, err = view.end()
            self.assertEqual((code, err), (0, b""))
            out.seek(0)
            seen = set()
            for line in out:
                trace = json.loads(line)
                self.assertEqual(trace["duplicates"], 0)
                seen.update((s["traceId"], s["spanId"]) for s in trace["spans"])
        self.assertEqual(len(seen), 100000)
        self.assertLess(peak, 512 << 10)

    def test_view_is_not_held_up_by_slow_clients(self):
        with View("--json") as view:
            slow = [socket.create_connection(("127.0.0.1", view.port)) for _ in range(200)]
            for i, sock in enumerate(slow):
                if i % 3:
                    sock.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
                if i % 3 == 2:
                    sock.sendall(b"Content-Type: application/json\r\n"
                                 b"Content-Length: 60000000\r\n\r\n{")
            self.assertEqual(post(view.port, json_request("shop", TRACE, SPAN))[0], 200)
            for sock in slow:
                sock.close()
            self.assertEqual(len(view.traces()), 1)

    def test_view_receives_while_its_output_stands_still(self):
        with View("--json", "--grace", "0") as view:
            for i in range(1, 301):  # the pipe holds 64 KiB
                body = json_request("shop", f"{i:032x}", SPAN, name="x" * 1000)
                self.assertEqual(post(view.port, body)[0], 200)
            self.assertEqual(len(view.traces()), 300)

    def test_view_ends_when_asked_though_its_output_stands_still(self):
        with View("--json", "--grace", "0") as view:
            for i in range(1, 301):
                post(view.port, json_request("shop", f"{i:032x}", SPAN, name="x" * 1000))
            view.proc.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            view.proc.send_signal(signal.SIGTERM)
            self.assertEqual(view.proc.wait(timeout=20), 1)
            self.assertIn(b"were not printed", view.proc.stderr.read())

    def test_view_ends_when_nobody_reads(self):
        with View("--json", "--grace", "0") as view:
            view.proc.stdout.close()
            post(view.port, json_request("shop", TRACE, SPAN))
            self.assertEqual(view.proc.wait(timeout=20), 1)

    def on_terminal(self, **env):
        """What view writes for one failed span to a terminal of 100 columns."""
        master, slave = pty.openpty()
        try:
            import fcntl  # pylint: disable=import-outside-toplevel
            import termios  # pylint: disable=import-outside-toplevel
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
            with View("--once", stdout=slave, **env) as view:
                post(view.port, json_request("shop", TRACE, SPAN, status={"code": 2}))
                self.assertEqual(view.end(sig=None)[0], 0)
            out = b""
            while select.select([master], [], [], 0)[0]:
                out += os.read(master, 65536)
            return out.decode()
        finally:
            os.close(master)
            os.close(slave)

    def test_view_uses_colours_and_width_of_the_terminal(self):
        out = self.on_terminal(TERM="xterm")
        self.assertIn("\033[31mshop", out)
        self.assertIn("\u2588" * 25 + "\033[0m\r\n", out)
        for env in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
            self.assertNotIn("\033", self.on_terminal(**env))

    def test_view_is_ascii_in_the_c_locale(self):
        with View("--once", LC_ALL="C") as view:
            post(view.port, json_request("caf\u00e9", TRACE, SPAN))
            _, out, _ = view.end(sig=None)
        self.assertTrue(out.isascii())
        self.assertIn(b"caf? SERVER", out)

    def test_view_answers_many_at_once(self):
        failed = []

        def send(start):
            for i in range(start, start + 50):
                if post(view.port, json_request("shop", f"{i:032x}", SPAN))[0] != 200:
                    failed.append(i)

        with View("--json") as view:
            threads = [threading.Thread(target=send, args=(n * 50 + 1,)) for n in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(view.traces()), 800)
        self.assertEqual(failed, [])


class WordsTest(unittest.TestCase):
    def test_tool_usage(self):
        rows = [
            (["--version"], 0, b"interspan "), (["--help"], 0, b"Usage"), ([], 2, b"Usage"),
            (["nonsense"], 2, b"no command 'nonsense'"), (["run", "--help"], 0, b"Usage"),
            (["view", "--help"], 0, b"listening on http://127.0.0.1:PORT"),
            (["view", "--port"], 2, b"--port needs a value"),
            (["view", "--port", "65536"], 2, b"from 0 to 65535"),
            (["view", "--port", "-1"], 2, b"from 0 to 65535"),
            (["view", "--grace", "1s"], 2, b"--grace needs a number"),
            (["view", "--bind", "x"], 2, b"no option"), (["view", "x"], 2, b"what is 'x'"),
        ]
        for args, want, text in rows:
            done = subprocess.run([TOOL, *args], capture_output=True, timeout=20, check=False)
            self.assertEqual(done.returncode, want, args)
            self.assertIn(text, done.stdout if want == 0 else done.stderr, args)


class RunTest(unittest.TestCase):
    """With an object that does nothing in place of libinterspan.so."""

    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.dir)
        self.object = self.place("bin", "bin")

    def place(self, tool_dir, object_dir):
        """Puts the tool and the object into directories; returns the object's path."""
        for name in (tool_dir, object_dir):
            os.makedirs(os.path.join(self.dir, name), exist_ok=True)
        self.tool = os.path.join(self.dir, tool_dir, "interspan")
        shutil.copy(TOOL, self.tool)
        path = os.path.join(self.dir, object_dir, "libinterspan.so")
        subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-o", path], check=True)
        return path

    def run_tool(self, *args, **env):
        env = {k: v for k, v in {**os.environ, **env}.items()
               if not k.startswith(("LD_", "OTEL_")) or k in env}
        return subprocess.run([self.tool, "run", *args], env=env, capture_output=True, text=True,
                              timeout=20, check=False)

    def env_of(self, *args, **env):
        done = self.run_tool(*args, "/usr/bin/env", **env)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def test_run_sets_the_environment(self):
        env = self.env_of("--service", "shop", "--endpoint=http://h:1", "--")
        self.assertEqual(env["LD_PRELOAD"], self.object)
        self.assertEqual(env["OTEL_SERVICE_NAME"], "shop")
        self.assertEqual(env["OTEL_EXPORTER_OTLP_ENDPOINT"], "http://h:1")
        env = self.env_of()
        self.assertFalse([k for k in env if k.startswith("OTEL_")])

    def test_run_appends_to_a_preload_once(self):
        other = os.path.join(self.dir, "other.so")
        shutil.copy(self.object, other)
        both = f"{other}:{self.object}"
        self.assertEqual(self.env_of(LD_PRELOAD=other)["LD_PRELOAD"], both)
        for there in (both, f"{self.object} {other}", self.object):
            self.assertEqual(self.env_of(LD_PRELOAD=there)["LD_PRELOAD"], there)
        self.assertEqual(self.env_of(LD_PRELOAD="")["LD_PRELOAD"], self.object)

    def test_run_finds_the_installed_object(self):
        os.remove(self.object)
        path = self.place("usr/bin", "usr/lib/interspan")
        self.assertEqual(self.env_of()["LD_PRELOAD"], path)

    def test_run_keeps_status_and_arguments(self):
        self.assertEqual(self.run_tool("sh", "-c", "exit 42").returncode, 42)
        self.assertEqual(self.run_tool("sh", "-c", "kill -9 $$").returncode, -9)
        done = self.run_tool("printf", "%s.", "--service", "a b", "--")
        self.assertEqual(done.stdout, "--service.a b.--.")

    def test_run_fails_with_one_clear_line(self):
        plain = os.path.join(self.dir, "plain")
        with open(plain, "w", encoding="ascii"):
            pass
        rows = [
            (["/nonexistent"], 127, "/nonexistent: No such file"),
            (["no-such-program"], 127, "no-such-program: No such file"),
            ([plain], 126, "Permission denied"), ([self.dir], 126, "Permission denied"),
            ([], 125, "no program given"), (["--service"], 125, "--service needs a value"),
            (["--service", "", "true"], 125, "not empty"),
            (["--endpoint", "localhost:4318", "true"], 125, "must begin with http://"),
            (["--nonsense", "true"], 125, "no option --nonsense"),
        ]
        for args, status, text in rows:
            done = self.run_tool(*args)
            self.assertEqual((done.returncode, done.stdout), (status, ""), args)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)

    def test_run_needs_its_object_and_a_path_that_can_be_preloaded(self):
        os.remove(self.object)
        if not os.path.exists("/usr/local/lib/interspan/libinterspan.so"):
            done = self.run_tool("true")
            self.assertEqual(done.returncode, 125)
            self.assertIn("neither beside this program nor installed", done.stderr)
        self.place("a b", "a b")
        done = self.run_tool("true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("colon or space", done.stderr)


if __name__ == "__main__":
    unittest.main()
