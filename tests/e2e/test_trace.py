# SPDX-License-Identifier: Apache-2.0
"""One request through curl, nginx, gunicorn with Flask and requests to a second service: the tree,
the attributes, and what travels.  Expected values are literals from the conventions (rows H, C, E)."""
import concurrent.futures
import json
import re

from support.case import Feature, Transparency, one
from support.progs import PYTHON, free_port
from support import otlp_json, rawhttp
from support.collector import Collector

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CHAIN = [("shell", "CLIENT"), ("edge", "SERVER"), ("edge", "CLIENT"), ("shop", "SERVER"),
         ("shop", "CLIENT"), ("stock", "SERVER")]


def traceparent(flags="01"):
    return f"traceparent: 00-{TRACE}-{PARENT}-{flags}"


def told_headers(body):
    """What the second service was sent, names in lower case: {name: [values]}."""
    told = {}
    for name, value in json.loads(body)["headers"]:
        told.setdefault(name.lower(), []).append(value)
    return told


def parse_traceparent(values):
    """(trace, span, flags) of the one traceparent there must be."""
    assert len(values) == 1, f"{len(values)} traceparent headers: {values}"
    match = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", values[0])
    assert match, values[0]
    return match.groups()


def chain_of(spans):
    """The spans of one trace from root to leaf; an assertion when they are no chain."""
    children = {}
    for span in spans:
        children.setdefault(span["parent_span_id"], []).append(span)
    ids = {span["span_id"] for span in spans}
    chain, above = [], [p for p in children if p not in ids]
    while len(above) == 1 and len(children.get(above[0], [])) == 1:
        chain.append(children[above[0]][0])
        above = [chain[-1]["span_id"]]
    assert len(chain) == len(spans), "no chain:\n" + "\n".join(map(one, spans))
    return chain


class Stack(Feature):
    def stack(self, lab, **env):
        """The URL of nginx in front of gunicorn in front of the second service."""
        self.second = lab.python_server("second.py", service="stock", **env)
        self.shop = lab.gunicorn("flask_app:app", service="shop", BACKEND=self.second.url(""),
                                 **env)
        self.edge = lab.nginx(self.shop.port, service="edge", **env)

    def curl(self, lab, url, *args, traced=True, **env):
        done = lab.run(["curl", "-sS", *args, url], service="shell", traced=traced, **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def assert_chain(self, spans, expected=None):
        chain = chain_of(spans)
        self.assertEqual([(s["service"], s["kind"]) for s in chain], expected or CHAIN)
        self.assertEqual(len({s["trace_id"] for s in chain}), 1)
        for outer, inner in zip(chain, chain[1:]):
            if inner["kind"] == "CLIENT":  # within one process: no clock but one
                self.assertLessEqual(outer["start"], inner["start"])
        return chain


class Tree(Stack):
    def test_six_spans_in_one_chain(self):
        lab = self.lab()
        self.stack(lab)
        self.curl(lab, self.edge.url("/users/7"))
        chain = self.assert_chain(self.spans(lab, 6))
        self.assertEqual(chain[0]["parent_span_id"], "")
        # Flags: sampled, random (C19), has-is-remote; SERVER parents came over the wire (O109).
        self.assertEqual([s["flags"] for s in chain], [0x103, 0x303, 0x103, 0x303, 0x103, 0x303])

    def test_twenty_at_once(self):
        lab = self.lab()
        self.stack(lab)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda n: self.curl(lab, self.edge.url(f"/users/{n}")), range(20)))
        traces = {}
        for span in self.spans(lab, 120):
            traces.setdefault(span["trace_id"], []).append(span)
        self.assertEqual(len(traces), 20)
        asked = set()
        for spans in traces.values():
            chain = self.assert_chain(spans)
            users = {re.search(r"/(?:users|profile)/(\d+)", json.dumps(s["attributes"]))[1]
                     for s in chain}
            self.assertEqual(len(users), 1, "one trace tells of several requests")
            asked |= users
        self.assertEqual(len(asked), 20)

    def test_two_calls_of_one_request_are_siblings(self):
        lab = self.lab()
        self.stack(lab)
        self.curl(lab, self.shop.url("/twice"), traced=False)
        spans = self.spans(lab, 5)
        root = [s for s in spans if not s["parent_span_id"]]
        calls = [s for s in spans if s["kind"] == "CLIENT"]
        self.assertEqual([s["service"] for s in root], ["shop"])
        self.assertEqual({s["parent_span_id"] for s in calls}, {root[0]["span_id"]})
        self.assertEqual({s["parent_span_id"] for s in spans if s["service"] == "stock"},
                         {s["span_id"] for s in calls})
        self.assertEqual(sorted(s["attributes"]["url.full"].rpartition("/")[2] for s in calls),
                         ["first", "second"])


class Attributes(Stack):
    def test_attributes_of_every_span(self):
        lab = self.lab()
        self.stack(lab)
        self.curl(lab, self.edge.url("/users/7?verbose=1"), "-A", "curl-test/1")
        _, edge_in, edge_out, shop_in, shop_out, stock_in = chain = self.assert_chain(
            self.spans(lab, 6))
        for span in chain:
            self.assertEqual((span["name"], span["status"], span["status_message"]),
                             ("GET", "UNSET", ""))  # H4, H11, H20
            self.assert_attributes(
                span, http_request_method="GET", http_response_status_code=200,  # H23, H29
                network_peer_address="127.0.0.1", error_type=None,
                network_protocol_name=None)  # H30
            self.assertTrue(span["resource"]["service.name"] == span["service"])
            old = ("http.method", "http.url", "http.target", "http.host", "http.scheme",
                   "http.status_code", "http.flavor", "net.peer.name")
            self.assertFalse(set(old) & set(span["attributes"]))  # H110
        port = self.edge.port
        self.assert_attributes(
            chain[0], url_full=f"http://127.0.0.1:{port}/users/7?verbose=1",  # H26
            server_address="127.0.0.1", server_port=port, network_peer_port=port,  # H24, H25, H34
            network_protocol_version="1.1", url_scheme=None, url_path=None, url_query=None,
            user_agent_original=None)  # H38, H39: opt-in on clients
        self.assert_attributes(
            edge_in, url_path="/users/7", url_query="verbose=1", url_scheme="http",  # H57, H65, H58
            server_address="127.0.0.1", server_port=port, client_address="127.0.0.1",  # H76, H66
            user_agent_original="curl-test/1", network_protocol_version="1.1",  # H70, H68
            url_full=None, http_route=None)  # H62
        # nginx names its upstream in Host: not the connected address (H24), 80 by scheme (H25).
        self.assert_attributes(
            edge_out, url_full="http://backend/users/7?verbose=1", server_address="backend",
            server_port=80, network_peer_port=self.shop.port, network_protocol_version="1.1")
        self.assert_attributes(
            shop_in, url_path="/users/7", url_query="verbose=1", server_address="backend")
        self.assert_attributes(
            shop_out, url_full=self.second.url("/profile/7"), server_address="127.0.0.1",
            server_port=self.second.port, network_peer_port=self.second.port)
        self.assert_attributes(
            stock_in, url_path="/profile/7", url_query=None, server_port=self.second.port)
        self.assertRegex(stock_in["attributes"]["user_agent.original"], "^python-requests/")

    def test_requests_of_one_connection_that_differ(self):
        """What two requests have in common is told of both, and nothing else is."""
        asked = [("GET", "/1", "one.example", "agent/1"), ("GET", "/2", "one.example", "agent/1"),
                 ("GET", "/3", "two.example:81", "agent/1"), ("PUT", "/4", "two.example:81", None),
                 ("BREW", "/5", "two.example:81", "agent/22"),
                 ("GET", "/6", "user:SECRET@two.example", "agent/22"),
                 ("GET", "http://abs.example:82/7?q=1", "two.example:81", "agent/22"),
                 ("GET", "/8", "one.example", "agent/1")]
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        code = ("import http.client, sys\n"
                "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n"
                f"for method, target, host, agent in {asked!r}:\n"
                "    c.putrequest(method, target, skip_host=True, skip_accept_encoding=True)\n"
                "    c.putheader('Host', host)\n"
                "    if agent: c.putheader('User-Agent', agent)\n"
                "    c.endheaders()\n"
                "    c.getresponse().read()\n")
        done = lab.run([PYTHON, "-c", code, str(second.port)], service="shell")
        self.assertEqual(done.returncode, 0, done.stderr)
        spans = self.spans(lab, 16)
        served = {s["attributes"]["url.path"]: s for s in spans if s["kind"] == "SERVER"}
        called = {s["attributes"]["url.full"].rpartition("/")[2]: s for s in spans
                  if s["kind"] == "CLIENT"}
        expected = [("one.example", 80), ("one.example", 80), ("two.example", 81),
                    ("two.example", 81), ("two.example", 81), ("two.example", 80),
                    ("abs.example", 82), ("one.example", 80)]
        fulls = ["http://one.example/1", "http://one.example/2", "http://two.example:81/3",
                 "http://two.example:81/4", "http://two.example:81/5",
                 "http://REDACTED:REDACTED@two.example/6", "http://abs.example:82/7?q=1",
                 "http://one.example/8"]
        for (method, target, _, agent), (address, port), full in zip(asked, expected, fulls):
            known = method != "BREW"  # H52-H55
            same = {"http_request_method": method if known else "_OTHER",
                    "http_request_method_original": None if known else method,
                    "server_address": address, "server_port": port,
                    "network_peer_address": "127.0.0.1", "network_protocol_version": "1.1"}
            server = served["/" + target.rpartition("/")[2].partition("?")[0]]
            client = called[target.rpartition("/")[2]]
            self.assertEqual((server["name"], client["name"]), (method if known else "HTTP",) * 2)
            self.assert_attributes(server, user_agent_original=agent, client_address="127.0.0.1",
                                   url_scheme="http", **same)
            self.assert_attributes(client, url_full=full, network_peer_port=second.port, **same)

    def test_connections_that_ask_the_same(self):
        """H34, H66, H70: what they share is told of all of them, and whose each is of that one."""
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        code = ("import http.client, sys\n"
                "to = ('127.0.0.1', int(sys.argv[1]))\n"
                "all = [http.client.HTTPConnection(*to, source_address=(f'127.0.0.{n}', 0))\n"
                "       for n in (2, 3, 4)]\n"
                "for turn in range(4):\n"
                "    for c in all:\n"
                "        c.connect() if not c.sock else None\n"
                "        host, port = c.sock.getsockname()\n"
                "        c.request('GET', f'/{host}/{port}/{turn}', headers={'User-Agent': host})\n"
                "        c.getresponse().read()\n")
        done = lab.run([PYTHON, "-c", code, str(second.port)], service="shell")
        self.assertEqual(done.returncode, 0, done.stderr)
        spans = self.spans(lab, 24)
        served = [s for s in spans if s["kind"] == "SERVER"]
        self.assertEqual(len(served), 12)
        self.assertEqual(len({s["attributes"]["url.path"] for s in served}), 12)
        for span in served:
            _, host, port, _ = span["attributes"]["url.path"].split("/")
            self.assertEqual(span["name"], "GET")
            self.assert_attributes(
                span, network_peer_address=host, network_peer_port=int(port), client_address=host,
                http_request_method="GET", url_scheme="http", user_agent_original=host,
                server_address="127.0.0.1", server_port=second.port, network_protocol_version="1.1")
        for span in (s for s in spans if s["kind"] == "CLIENT"):
            self.assert_attributes(
                span, network_peer_address="127.0.0.1", network_peer_port=second.port,
                server_address="127.0.0.1", server_port=second.port, http_request_method="GET",
                network_protocol_version="1.1")

    def test_names_from_a_route_table(self):
        lab = self.lab(OTEL_INTERSPAN_HTTP_ROUTES="/users/{id};/orders/{id}/items")
        self.stack(lab)
        self.curl(lab, self.shop.url("/users/7"), traced=False)
        self.curl(lab, self.shop.url("/status/404"), traced=False)
        spans = self.spans(lab, 4)
        names = sorted((s["kind"], s["name"], s["attributes"].get("http.route")) for s in spans
                       if s["service"] == "shop")
        self.assertEqual(names, [("CLIENT", "GET", None), ("SERVER", "GET", None),
                                 ("SERVER", "GET /users/{id}", "/users/{id}")])  # H2, H5, H62

    def test_secrets_stay_inside(self):
        """H45, H48: no credentials, and the values of these query keys are replaced."""
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        query = "a=1&sig=SECRET1&X-Amz-Signature=SECRET2&b=2&AWSAccessKeyId=SECRET3&Sig=kept"
        clean = "a=1&sig=REDACTED&X-Amz-Signature=REDACTED&b=2&AWSAccessKeyId=REDACTED&Sig=kept"
        self.curl(lab, second.url(f"/x?{query}"), "-u", "user:SECRET4")
        self.curl(lab, second.url("/p"), "--proxy", second.url(), "--proxy-header",
                  "Proxy-Authorization: SECRET5", "--request-target",
                  "http://user:SECRET6@abs.example/y?sig=SECRET7")
        self.curl(lab, second.url("/z"), "-H", "Host: user:SECRET8@host.example")
        spans = self.spans(lab, 6)
        fulls = sorted(s["attributes"].get("url.full") for s in spans if s["kind"] == "CLIENT")
        self.assertEqual(fulls, [second.url(f"/x?{clean}"),
                                 "http://REDACTED:REDACTED@abs.example/y?sig=REDACTED",
                                 "http://REDACTED:REDACTED@host.example/z"])
        queries = sorted(s["attributes"].get("url.query", "") for s in spans if s["kind"] == "SERVER")
        self.assertEqual(queries, ["", clean, "sig=REDACTED"])
        self.assertNotIn(b"SECRET", b"".join(body for _, _, body in lab.collector.requests))

    def test_forwarded_headers_tell_the_first_client(self):
        """H58, H66, H76, H85: Forwarded wins over X-Forwarded-*, the peer stays the socket's."""
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        self.curl(lab, second.url("/a"), "-H",
                  'Forwarded: for="[2001:db8::7]:4711";proto=https;host=shop.example, for=10.0.0.1',
                  "-H", "X-Forwarded-For: 192.0.2.1", traced=False)
        self.curl(lab, second.url("/b"), "-H", "X-Forwarded-For: 192.0.2.9, 10.0.0.1", "-H",
                  "X-Forwarded-Proto: https", "-H", "X-Forwarded-Host: www.example:8443",
                  traced=False)
        spans = {s["attributes"]["url.path"]: s for s in self.spans(lab, 2)}
        self.assert_attributes(
            spans["/a"], client_address="2001:db8::7", url_scheme="https",
            server_address="shop.example", network_peer_address="127.0.0.1")
        self.assert_attributes(
            spans["/b"], client_address="192.0.2.9", url_scheme="https",
            server_address="www.example", server_port=8443, network_peer_address="127.0.0.1")


class Errors(Stack):
    def test_status_404_and_500(self):
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        for status in (404, 500, 302):
            self.curl(lab, second.url(f"/status/{status}"))
        got = {(s["kind"], s["attributes"]["http.response.status_code"]):
               (s["status"], s["attributes"].get("error.type")) for s in self.spans(lab, 6)}
        self.assertEqual(got, {
            ("CLIENT", 404): ("ERROR", "404"), ("SERVER", 404): ("UNSET", None),   # H12
            ("CLIENT", 500): ("ERROR", "500"), ("SERVER", 500): ("ERROR", "500"),  # H13
            ("CLIENT", 302): ("UNSET", None), ("SERVER", 302): ("UNSET", None)})   # H11

    def test_status_that_means_nothing(self):
        """H14."""
        for status in (600, 999):
            lab = self.lab()
            answer = b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status
            with rawhttp.listen() as listener:
                script = [[["head", 0, 65536], ["send", answer]]]
                with rawhttp.Background(rawhttp.serve, listener, script):
                    lab.run(["curl", "-sS", f"http://127.0.0.1:{listener.getsockname()[1]}/x"])
            span, = self.spans(lab, 1)
            self.assertEqual((span["kind"], span["status"]), ("CLIENT", "ERROR"))
            self.assert_attributes(span, http_response_status_code=status, error_type=str(status))

    def test_peer_closes_before_it_answers(self):
        """H16: an error of the client's without a status."""
        lab = self.lab()
        with rawhttp.listen() as listener:
            script = [[["head", 0, 65536]]]
            with rawhttp.Background(rawhttp.serve, listener, script):
                done = lab.run(["curl", "-sS", f"http://127.0.0.1:{listener.getsockname()[1]}/x"])
        self.assertEqual(done.returncode, 52)  # empty reply
        span, = self.spans(lab, 1)
        self.assertEqual((span["kind"], span["status"]), ("CLIENT", "ERROR"))
        self.assert_attributes(span, http_response_status_code=None)
        self.assertRegex(span["attributes"]["error.type"], "^[A-Za-z_]+$")  # H21

    def test_body_breaks_after_the_status(self):
        """H17: Error although the status was 200, and error.type is not the status."""
        lab = self.lab()
        broken = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
        with rawhttp.listen() as listener:
            script = [[["head", 0, 65536], ["send", broken]]]
            with rawhttp.Background(rawhttp.serve, listener, script):
                done = lab.run(["curl", "-sS", f"http://127.0.0.1:{listener.getsockname()[1]}/x"])
        self.assertEqual(done.returncode, 18)  # partial file
        span, = self.spans(lab, 1)
        self.assertEqual(span["status"], "ERROR")
        self.assert_attributes(span, http_response_status_code=200)
        self.assertRegex(span["attributes"]["error.type"], "^[A-Za-z_]+$")

    def test_connection_refused_behind_a_service(self):
        """The service fails its request: 502 is an error of both sides' spans."""
        lab = self.lab()
        self.stack(lab)
        closed = free_port()
        self.curl(lab, self.shop.url(f"/call?url=http://127.0.0.1:{closed}/"), traced=False)
        spans = self.spans(lab, 1)
        self.assertEqual((spans[0]["kind"], spans[0]["status"]), ("SERVER", "ERROR"))
        self.assert_attributes(spans[0], http_response_status_code=502, error_type="502")


class Propagation(Stack):
    def test_parent_from_outside(self):
        """Trace id kept, parent adopted, tracestate and baggage passed on (C17, C42, C70)."""
        lab = self.lab(OTEL_INTERSPAN_HEADER_TAG="false")  # so that the last one tells what came
        self.stack(lab)
        body = self.curl(lab, self.shop.url("/users/7"), "-H", traceparent(), "-H",
                         "tracestate: a=1,b@c=2", "-H", "baggage: user=7;p,x=%20y", traced=False)
        chain = self.assert_chain(self.spans(lab, 3), CHAIN[3:])
        self.assertEqual({s["trace_id"] for s in chain}, {TRACE})
        self.assertEqual(chain[0]["parent_span_id"], PARENT)
        told = told_headers(body)
        self.assertEqual(parse_traceparent(told["traceparent"]),
                         (TRACE, chain[1]["span_id"], "01"))  # C20: random bit stays clear
        self.assertEqual(told["tracestate"], ["a=1,b@c=2"])
        self.assertEqual(told["baggage"], ["user=7;p,x=%20y"])
        self.assertEqual({s["trace_state"] for s in chain}, {"a=1,b@c=2"})  # C47

    def test_unsampled_parent_is_honoured(self):
        """No spans, but the header travels with a new parent-id and flag 00 (E43, E44)."""
        lab = self.lab()
        self.stack(lab)
        body = self.curl(lab, self.edge.url("/users/7"), "-H", traceparent("00"), traced=False)
        self.assertEqual(lab.collector.wait_for(1, 0.8), [])
        trace, span, flags = parse_traceparent(told_headers(body)["traceparent"])
        self.assertEqual((trace, flags), (TRACE, "00"))
        self.assertNotEqual(span, PARENT)

    def test_header_that_nginx_copies_is_rewritten_in_place(self):
        """nginx passes the inbound traceparent on: one header, at its place, with the new id."""
        lab = self.lab()
        with rawhttp.listen() as listener:
            edge = lab.nginx(listener.getsockname()[1], service="edge")
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            script = [[["head", 0, 65536], ["send", answer]]]
            with rawhttp.Background(rawhttp.serve, listener, script) as backend:
                self.curl(lab, edge.url("/x"), "-A", "a", "-H", "X-Before: 1", "-H", traceparent(),
                          "-H", "X-After: 2", traced=False)
        spans = self.spans(lab, 2)
        server, client = sorted(spans, key=lambda s: s["kind"], reverse=True)
        self.assertEqual((server["parent_span_id"], client["parent_span_id"]),
                         (PARENT, server["span_id"]))
        self.assertEqual(backend.records(), [
            f"GET /x HTTP/1.1\r\nHost: backend\r\nUser-Agent: a\r\nAccept: */*\r\nX-Before: 1\r\n"
            f"traceparent: 00-{TRACE}-{client['span_id']}-01\r\nX-After: 2\r\n\r\n".encode()])

    def test_bad_headers_start_a_new_trace(self):
        """C3, C4, C6, C7, C29."""
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        bad = [f"traceparent: 00-{TRACE.upper()}-{PARENT}-01", f"traceparent: ff-{TRACE}-{PARENT}-01",
               f"traceparent: 00-{'0' * 32}-{PARENT}-01", f"traceparent: 00-{TRACE}-{'0' * 16}-01",
               f"traceparent: 00-{TRACE}-{PARENT}-01-x", f"traceparent: 00-{TRACE}-{PARENT}"]
        for header in bad:
            self.curl(lab, second.url(), "-H", header, "-H", "tracestate: a=1", traced=False)
        self.curl(lab, second.url(), "-H", traceparent(), "-H", traceparent(), traced=False)
        for span in self.spans(lab, len(bad) + 1):
            self.assertNotEqual(span["trace_id"], TRACE)
            self.assertEqual((span["parent_span_id"], span["trace_state"]), ("", ""))

    def test_higher_version_is_understood(self):
        """C8, C9: later versions are read by their first four fields, and sent as 00."""
        lab = self.lab()
        self.stack(lab)
        body = self.curl(lab, self.shop.url("/users/7"), "-H",
                         f"traceparent: cc-{TRACE}-{PARENT}-01-what", traced=False)
        self.assertEqual(self.assert_chain(self.spans(lab, 3), CHAIN[3:])[0]["parent_span_id"],
                         PARENT)
        self.assertEqual(parse_traceparent(told_headers(body)["traceparent"])[0], TRACE)


class Disabled(Stack):
    def test_sdk_disabled_passes_headers_on_unchanged(self):
        """E18, C23, C57: no spans, no new ids; what came in goes out."""
        lab = self.lab(OTEL_SDK_DISABLED="true")
        self.stack(lab)
        body = self.curl(lab, self.shop.url("/users/7"), "-H", traceparent(), "-H",
                         "tracestate: a=1", "-H", "baggage: u=7", traced=False)
        told = told_headers(body)
        self.assertEqual(told.get("traceparent"), [f"00-{TRACE}-{PARENT}-01"])
        self.assertEqual(told.get("tracestate"), ["a=1"])
        self.assertEqual(told.get("baggage"), ["u=7"])
        self.assertEqual(lab.collector.wait_for(1, 0.5), [])


class Quiet(Transparency):
    """Settings that turn us off, and traffic that must never make spans."""

    def test_disabled_sends_nothing(self):
        for settings in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_INTERSPAN_ENABLED": "false"},
                         {"OTEL_TRACES_EXPORTER": "none"}):
            with self.subTest(settings):
                lab = self.lab(**settings)
                second = lab.python_server("second.py", service="stock")
                done = lab.run(["curl", "-sS", second.url("/x")])
                self.assertEqual(done.returncode, 0)
                if "OTEL_TRACES_EXPORTER" not in settings:
                    self.assertNotIn("traceparent", told_headers(done.stdout))
                self.assertEqual(lab.collector.wait_for(1, 0.3), [])
                self.assertEqual(lab.collector.requests, [])

    def test_no_feedback_loop(self):
        """Telemetry, ours or others', makes no spans: neither at who sends nor at who receives."""
        lab = self.lab()
        second = lab.python_server("second.py", service="receiver")
        body = b"\x0a\x00"
        for port in (lab.collector.port, second.port):
            done = lab.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                            "-A", "OTel-OTLP-Exporter-Python/1.27", "--data-binary", "@-",
                            "-H", "Content-Type: application/x-protobuf",
                            f"http://127.0.0.1:{port}/v1/traces"], stdin=body)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
        second.stop()
        self.assertEqual(lab.collector.wait_for(1, 0.4), [])
        # The curl above is the only one that talked to the collector: no process exported.
        self.assertEqual(len(lab.collector.requests), 1)
        self.assertNotIn("traceparent", {n.lower() for n in lab.collector.requests[0][1]})
        if not self.is_bare():
            self.assertEqual(lab.total("connections_otlp"), 3)
            self.assertEqual(lab.total("spans_started"), 0)

    def test_receiver_that_misbehaves_is_not_the_hosts_problem(self):
        """503, no answer, a closed connection: the program ends as if nothing had been."""
        for answers in ([503] * 9, ["close"] * 9, ["hang"] * 9, [400] * 9):
            with self.subTest(answers[0]):
                lab = self.lab(OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="300")
                lab.collector.answers = answers
                second = lab.python_server("second.py", traced=False)
                done = lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")], timeout=4)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


class Encoding(Feature):
    def test_json_and_gzip_say_the_same(self):
        """E90, E93, O4, O5: whatever they travel as, the spans are the same."""
        for protocol in ("http/protobuf", "http/json"):
            for compression in ("none", "gzip"):
                with self.subTest(protocol=protocol, compression=compression):
                    lab = self.lab(OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                                   OTEL_EXPORTER_OTLP_COMPRESSION=compression)
                    second = lab.python_server("second.py", traced=False)
                    lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")])
                    span, = self.spans(lab, 1)
                    self.assertEqual((span["name"], span["kind"]), ("GET", "CLIENT"))
                    self.assertEqual(span["attributes"]["url.full"], second.url("/x"))
                    self.assertEqual(span["attributes"]["http.response.status_code"], 200)
                    headers = {n.lower(): v for n, v in lab.collector.requests[0][1].items()}
                    self.assertEqual(headers["content-type"], "application/" + (
                        "json" if protocol == "http/json" else "x-protobuf"))
                    self.assertEqual(headers.get("content-encoding", "none"), compression)


class Console(Feature):
    def test_console_exporter_writes_to_standard_error(self):
        lab = self.lab(OTEL_TRACES_EXPORTER="console")
        second = lab.python_server("second.py", traced=False)
        done = lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")])
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(second.url("/x").encode(), done.stderr)


class Exporters(Feature):
    def test_several_exporters_get_the_same(self):
        """E114, E117, O81: four at once; none of them writes where it was not asked to."""
        with Collector() as zipkin:
            zipkin.answers = [202]
            lab = self.lab(OTEL_TRACES_EXPORTER="otlp,zipkin,otlp/stdout,otlp/file,console",
                           OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.endpoint + "/api/v2/spans",
                           OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="4000", OTEL_SERVICE_NAME="shop")
            path = lab.path("spans.jsonl")
            second = lab.python_server("second.py", traced=False)
            done = lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")],
                           OTEL_INTERSPAN_OTLP_FILE=path)
            zipkin.wait_until(lambda _: zipkin.requests, 5)
            requests = list(zipkin.requests)
        self.assertEqual(done.returncode, 0)
        span, = self.spans(lab, 1)
        with open(path, "rb") as f:
            lines = f.read()
        for text in (lines, done.stdout):
            self.assertEqual(text.count(b"\n"), 1)
            self.assertEqual(otlp_json.decode(text), [span])
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(span["span_id"].encode(), done.stderr)
        (where, headers, body), = requests
        told, = json.loads(body)
        self.assertEqual(where, "/api/v2/spans")
        self.assertEqual({n.lower(): v for n, v in headers.items()}["content-type"],
                         "application/json")
        self.assertEqual((told["traceId"], told["id"], told["kind"], told["name"]),
                         (span["trace_id"], span["span_id"], "CLIENT", "GET"))
        self.assertEqual(told["localEndpoint"], {"serviceName": "shop"})
        self.assertEqual(told["remoteEndpoint"]["port"], second.port)
        self.assertEqual(told["tags"]["http.response.status_code"], "200")
        self.assertEqual((told["timestamp"], told["duration"]),
                         (span["start"] // 1000, max(1, (span["end"] - span["start"]) // 1000)))
        for name in ("otlp", "zipkin", "stdout", "file", "console"):
            self.assertEqual((lab.total(f"{name}_exported"), lab.total(f"{name}_dropped")), (1, 0))
        self.assertEqual(lab.total("spans_exported"), 1)

    def test_nobody_at_zipkin_takes_nothing_from_the_others(self):
        lab = self.lab(OTEL_TRACES_EXPORTER="otlp,zipkin", OTEL_INTERSPAN_SHUTDOWN_TIMEOUT="4000",
                       OTEL_EXPORTER_ZIPKIN_ENDPOINT="http://127.0.0.1:1/")
        second = lab.python_server("second.py", traced=False)
        done = lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.spans(lab, 1)
        self.assertEqual((lab.total("otlp_exported"), lab.total("zipkin_dropped")), (1, 1))


class Resource(Feature):
    def test_service_name_and_attributes(self):
        """E19, E20, O7."""
        lab = self.lab(OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=pre%20prod,team=a",
                       OTEL_EXPORTER_OTLP_HEADERS="x-key=se%20cret")
        second = lab.python_server("second.py", traced=False)
        lab.run(["curl", "-sS", "-o", "/dev/null", second.url("/x")])
        span, = self.spans(lab, 1)
        self.assertEqual(span["resource"]["service.name"], "unknown_service:curl")
        self.assertEqual(span["resource"]["deployment.environment.name"], "pre prod")
        self.assertEqual(span["resource"]["team"], "a")
        headers = {n.lower(): v for n, v in lab.collector.requests[0][1].items()}
        self.assertEqual(headers["x-key"], "se cret")
        self.assertRegex(headers["user-agent"], "OTel-OTLP-Exporter-")

    def test_spans_of_a_child_carry_its_own_process(self):
        """A forked child's spans tell the child's pid, its parent's the parent's."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        text = (f"import os, http.client as h\n"
                f"def get(p): c = h.HTTPConnection('127.0.0.1', {second.port}); "
                f"c.request('GET', p); c.getresponse().read()\n"
                "get('/before'); pid = os.fork(); get('/%d' % os.getpid())\n"
                "if pid: os.waitpid(pid, 0)\n")
        self.assertEqual(lab.run([PYTHON, "-c", text]).returncode, 0)
        spans = self.spans(lab, 3)
        self.assertEqual(len({s["span_id"] for s in spans}), 3)  # C28: reseeded
        self.assertEqual(len({s["trace_id"] for s in spans}), 3)
        for span in spans:
            last = span["attributes"]["url.full"].rpartition("/")[2]
            if last != "before" and "process.pid" in span["resource"]:
                self.assertEqual(str(span["resource"]["process.pid"]), last)
