# SPDX-License-Identifier: Apache-2.0
"""What a span tells only when it is asked to, what it never tells, and its moments."""
import socket
import sys

from support.case import Feature
from support.progs import PYTHON
from support import rawhttp

ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: back-1\r\nSet-Cookie: SECRET8\r\n"
          b"Location: http://u:SECRET9@h/x?token=SECRET10\r\nX-Served-By: a\r\nx-served-by: b\r\n\r\nok")
SERVER, CLIENT = "OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_", "OTEL_INSTRUMENTATION_HTTP_CLIENT_CAPTURE_"

# A client that gives up: by settimeout() (poll), by SO_RCVTIMEO, by select(); or that merely closes.
CLIENT_THAT_LEAVES = """
import select, socket, struct, sys
how, port = sys.argv[1], int(sys.argv[2])
s = socket.create_connection(("127.0.0.1", port))
if how == "poll":
    s.settimeout(0.2)
elif how == "rcvtimeo":
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
s.sendall(b"GET /slow HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
if how == "select":
    select.select([s], [], [], 0.2)
elif how == "partly":
    s.settimeout(0.2)
    try:
        s.recv(1000)
    except socket.timeout:
        pass
    s.settimeout(5)
    s.recv(1000)
elif how != "close":
    try:
        s.recv(1000)
    except OSError:
        pass
s.close()
"""


class Capture(Feature):
    def one_exchange(self, lab, request, answer=ANSWER, **env):
        """The one span of a preloaded curl against a raw server."""
        with rawhttp.listen() as listener:
            script = [[["head", 0, 65536], ["send", answer]]]
            with rawhttp.Background(rawhttp.serve, listener, script):
                done = lab.run(["curl", "-sS", *request,
                                f"http://127.0.0.1:{listener.getsockname()[1]}/x"], **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        span, = self.spans(lab, 1)
        return span

    def captured(self, span):
        return {k: v for k, v in span["attributes"].items() if ".header." in k}

    def test_nothing_unless_named(self):
        span = self.one_exchange(self.lab(), ["-H", "X-Request-ID: 7"])
        self.assertEqual(self.captured(span), {})

    def test_client_headers(self):
        """H35, H36: lower case, dashes kept, an array even of one, one element per line."""
        span = self.one_exchange(
            self.lab(), ["-H", "X-Tenant: acme", "-H", "Authorization: Bearer SECRET1", "-H",
                         "X-API-Key: SECRET2", "-H", "Cookie: SECRET3", "-H",
                         "Referer: https://user:SECRET4@ref.example/p?a=1&access_token=SECRET5"],
            **{CLIENT + "REQUEST_HEADERS": "x-tenant, authorization,X-Api-Key,cookie,REFERER,absent",
               CLIENT + "RESPONSE_HEADERS": "X-Served-By,set-cookie,location,content-length"})
        self.assertEqual(self.captured(span), {
            "http.request.header.x-tenant": ["acme"],
            "http.request.header.referer":
                ["https://REDACTED:REDACTED@ref.example/p?a=1&access_token=REDACTED"],
            "http.response.header.x-served-by": ["a", "b"],
            "http.response.header.location": ["http://REDACTED:REDACTED@h/x?token=REDACTED"],
            "http.response.header.content-length": ["2"]})

    def test_server_headers(self):
        """H74; the other side's setting does nothing here."""
        lab = self.lab(**{SERVER + "REQUEST_HEADERS": "x-tenant,cookie",
                          SERVER + "RESPONSE_HEADERS": "Content-Type",
                          CLIENT + "REQUEST_HEADERS": "accept"})
        second = lab.python_server("second.py", service="stock")
        lab.run(["curl", "-sS", second.url("/a"), "-H", "X-Tenant: acme", "-H", "Cookie: SECRET1",
                 "-H", "x-tenant: again"], traced=False)
        span, = self.spans(lab, 1)
        self.assertEqual(self.captured(span), {
            "http.request.header.x-tenant": ["acme", "again"],
            "http.response.header.content-type": ["application/json"]})

    def test_correlation_ids(self):
        span = self.one_exchange(self.lab(OTEL_INTERSPAN_CORRELATION_HEADERS="default,X-Legacy"),
                                 ["-H", "X-Correlation-ID: c-1", "-H", "x-legacy: l-1"])
        self.assertEqual(self.captured(span), {
            "http.request.header.x-correlation-id": ["c-1"],
            "http.request.header.x-legacy": ["l-1"],
            "http.response.header.x-request-id": ["back-1"]})

    def test_baggage_keys(self):
        """Named ones only, decoded, on the SERVER span and on what it causes; no properties."""
        lab = self.lab(OTEL_INTERSPAN_BAGGAGE_KEYS="tenant,user.tier,session_token")
        second = lab.python_server("second.py", service="stock")
        shop = lab.gunicorn("flask_app:app", service="shop", BACKEND=second.url(""))
        lab.run(["curl", "-sS", shop.url("/users/7"), "-H",
                 "baggage: tenant=a%20b;p=1, other=SECRET1,user.tier = gold,session_token=SECRET2"],
                traced=False)
        for span in self.spans(lab, 3):
            self.assert_attributes(span, tenant="a b", user_tier="gold", other=None,
                                   session_token=None)
        self.assertNotIn(b"SECRET", b"".join(body for _, _, body in lab.collector.requests))


class Excluded(Feature):
    def test_probes_get_no_span_nor_what_they_cause(self):
        lab = self.lab(OTEL_INTERSPAN_EXCLUDED_URLS="/healthz, /users/*")
        second = lab.python_server("second.py", service="stock")
        shop = lab.gunicorn("flask_app:app", service="shop", BACKEND=second.url(""))
        lab.run(["curl", "-sS", shop.url("/users/7")], traced=False)
        lab.run(["curl", "-sS", shop.url("/status/200?x=/users/7")], traced=False)
        spans = self.spans(lab, 1)
        self.assertEqual([s["attributes"].get("url.path") for s in spans], ["/status/200"])
        for program in (second, shop):
            program.stop()
        self.assertEqual(lab.total("requests_excluded"), 1)

    def test_caller_s_trace_goes_on(self):
        """No SERVER span, and what it calls is the caller's child: a hop is skipped, none is cut."""
        trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        lab = self.lab(OTEL_INTERSPAN_EXCLUDED_URLS="/users/*")
        second = lab.python_server("second.py", service="stock")
        shop = lab.gunicorn("flask_app:app", service="shop", BACKEND=second.url(""))
        lab.run(["curl", "-sS", shop.url("/users/7"), "-H", f"traceparent: 00-{trace}-{parent}-01"],
                traced=False)
        client, server = sorted(self.spans(lab, 2), key=lambda s: s["kind"])
        self.assertEqual((client["kind"], client["trace_id"], client["parent_span_id"]),
                         ("CLIENT", trace, parent))
        self.assertEqual(server["parent_span_id"], client["span_id"])


class OptIn(Feature):
    def test_all_that_are_known(self):
        """H37, H38, H39, H41, H71, H72, H73: off unless named."""
        lab = self.lab(OTEL_INTERSPAN_OPT_IN_ATTRIBUTES="*")
        second = lab.python_server("second.py", service="stock")
        done = lab.run(["curl", "-sS", second.url("/a"), "-A", "me", "-d", "12345", "-H",
                        'Forwarded: for="192.0.2.1:4711"'])
        client, server = sorted(self.spans(lab, 2), key=lambda s: s["kind"])
        self.assert_attributes(
            client, http_request_body_size=5, http_response_body_size=len(done.stdout),
            network_transport="tcp", url_scheme="http", user_agent_original="me",
            network_local_port=None)
        self.assert_attributes(
            server, http_request_body_size=5, http_response_body_size=len(done.stdout),
            network_transport="tcp", network_local_address="127.0.0.1",
            network_local_port=second.port, client_address="192.0.2.1", client_port=4711)

    def test_off_unless_named(self):
        lab = self.lab(OTEL_INTERSPAN_OPT_IN_ATTRIBUTES="network.transport")
        second = lab.python_server("second.py", service="stock")
        lab.run(["curl", "-sS", second.url("/a"), "-d", "12345"])
        for span in self.spans(lab, 2):
            self.assert_attributes(span, http_request_body_size=None, http_response_body_size=None,
                                   network_transport="tcp", network_local_address=None)

    def test_secret_query_keys_are_the_user_s_choice(self):
        """H49: another list replaces the default; by default common names of tokens are hidden."""
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        query = "access_token=a&password=b&mine=c&sig=d"
        lab.run(["curl", "-sS", second.url("/1?" + query)], traced=False)
        other = lab.python_server("second.py", service="stock",
                                  OTEL_INTERSPAN_SENSITIVE_QUERY_PARAMETERS="mine")
        lab.run(["curl", "-sS", other.url("/2?" + query)], traced=False)
        self.assertEqual(
            {s["attributes"]["url.path"]: s["attributes"]["url.query"] for s in self.spans(lab, 2)},
            {"/1": "access_token=REDACTED&password=REDACTED&mine=c&sig=REDACTED",
             "/2": "access_token=a&password=b&mine=REDACTED&sig=d"})


class Moments(Feature):
    def events(self, span):
        return [name for name, _ in span["events"]]

    def test_connection_opened_then_reused(self):
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        done = lab.run(["curl", "-sS", second.url("/1"), second.url("/2")])
        self.assertEqual(done.returncode, 0)
        spans = sorted((s for s in self.spans(lab, 4) if s["kind"] == "CLIENT"),
                       key=lambda s: s["start"])
        self.assertEqual([self.events(s) for s in spans],
                         [["connection.opened", "response.first_byte"],
                          ["connection.reused", "response.first_byte"]])
        for span in spans:
            times = [span["start"], *(t for _, t in span["events"]), span["end"]]
            self.assertEqual(times, sorted(times))

    def test_time_to_connect_is_the_request_s(self):
        """H7.  The listener's queue is full: the connection is there only after a second."""
        lab = self.lab()
        with rawhttp.listen() as listener:
            listener.listen(0)
            port = listener.getsockname()[1]
            fillers = [socket.socket() for _ in range(2)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            script = [[["eof", 100]] for _ in fillers[:1]] + [
                [["head", 0, 65536], ["send", ANSWER]]]

            def serve(listener, script):
                rawhttp.time.sleep(0.3)
                for filler in fillers:
                    filler.close()
                return rawhttp.serve(listener, script)

            with rawhttp.Background(serve, listener, script):
                done = lab.run(["curl", "-sS", f"http://127.0.0.1:{port}/x"])
        self.assertEqual(done.returncode, 0, done.stderr)
        span, = self.spans(lab, 1)
        self.assertGreater(span["end"] - span["start"], 250_000_000)

    def test_response_that_streams(self):
        """A SERVER span ends with the last byte; its first byte is told of where it is another's."""
        lab = self.lab()
        server = lab.start([PYTHON, "-c", (
            "import socket, time\n"
            "l = socket.create_server(('127.0.0.1', 0)); print(l.getsockname()[1], flush=True)\n"
            "c, _ = l.accept(); c.recv(9999)\n"
            "c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nok'); time.sleep(0.3)\n"
            "c.sendall(b'ok'); c.close()\n")], "stream", service="stream")
        while not (port := server.text().split()):
            rawhttp.time.sleep(0.02)
        done = lab.run(["curl", "-sS", f"http://127.0.0.1:{port[0]}/"], traced=False)
        self.assertEqual(done.stdout, b"okok")
        span, = self.spans(lab, 1)
        self.assertEqual(self.events(span), ["response.first_byte"])
        self.assertGreater(span["end"] - span["events"][0][1], 250_000_000)


class GivingUp(Feature):
    def leave(self, how):
        lab = self.lab()
        with rawhttp.listen() as listener:
            slow = [["head", 0, 65536], ["pause", 0.5], ["eof", 100]]
            if how == "partly":
                slow[2:2] = [["send", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]]
            with rawhttp.Background(rawhttp.serve, listener, [slow]):
                done = lab.run([PYTHON, "-c", CLIENT_THAT_LEAVES, how,
                                str(listener.getsockname()[1])])
        self.assertEqual(done.returncode, 0, done.stderr)
        span, = self.spans(lab, 1)
        return span["status"], span["attributes"].get("error.type")

    def test_timeouts_are_errors_and_cancellations_are_not(self):
        """H16, H18, H22."""
        self.assertEqual({how: self.leave(how) for how in
                          ("poll", "rcvtimeo", "select", "close", "partly")},
                         {"poll": ("ERROR", "timeout"), "rcvtimeo": ("ERROR", "timeout"),
                          "select": ("ERROR", "timeout"), "close": ("UNSET", None),
                          "partly": ("UNSET", None)})

    def test_curl_gives_up(self):
        lab = self.lab()
        with rawhttp.listen() as listener:
            script = [[["head", 0, 65536], ["eof", 100]]]
            with rawhttp.Background(rawhttp.serve, listener, script):
                done = lab.run(["curl", "-sS", "-m", "0.3",
                                f"http://127.0.0.1:{listener.getsockname()[1]}/x"])
        self.assertEqual(done.returncode, 28)
        span, = self.spans(lab, 1)
        self.assertEqual((span["status"], span["attributes"].get("error.type")),
                         ("ERROR", "timeout"))


assert sys.version_info >= (3, 11)
