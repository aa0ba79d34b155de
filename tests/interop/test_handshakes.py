# SPDX-License-Identifier: Apache-2.0
"""Handshakes of TLS that fail: one CLIENT span each, which says why, in real programs."""
import os
import shutil
import socket
import ssl
import struct
import threading

from support import certificates, servers_tls
from support.case import Feature, Transparency, brief
from support.progs import APPS, PYTHON, free_port, stop_accepting

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INBOUND = f"traceparent: 00-{TRACE}-{PARENT}-01"

URLLIB = """
import ssl, sys, urllib.request
context = ssl.create_default_context()
if len(sys.argv) > 2:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
urllib.request.urlopen(sys.argv[1], timeout=WAIT, context=context)
"""
AIOHTTP = """
import asyncio, ssl, sys, aiohttp
context = ssl.create_default_context()
if len(sys.argv) > 2:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
async def main():
    async with aiohttp.ClientSession() as session:
        await session.get(sys.argv[1], ssl=context)
asyncio.run(main())
"""
PHP = """
$c = stream_context_create(["ssl" => isset($argv[2]) ?
    ["crypto_method" => STREAM_CRYPTO_METHOD_TLSv1_2_CLIENT] : []]);
file_get_contents($argv[1], false, $c);
"""
RUBY = """
require "net/http"
u = URI(ARGV[0])
http = Net::HTTP.new(u.host, u.port)
http.use_ssl = true
http.max_retries = 0
http.max_version = OpenSSL::SSL::TLS1_2_VERSION if ARGV[1]
http.get("/")
"""

# What is run, what for TLS 1.2 at most, what it needs.
CLIENTS = {
    "curl": (["curl", "-sS"], ["--tls-max", "1.2"], ["curl"]),
    "wget": (["wget", "-q", "-t", "1", "-O", "-"], ["--ciphers=NORMAL:-VERS-TLS1.3"], ["wget"]),
    "urllib": ([PYTHON, "-c", URLLIB.replace("WAIT", "20")], ["1.2"], [PYTHON]),
    "aiohttp": ([PYTHON, "-c", AIOHTTP], ["1.2"], ["module:aiohttp"]),
    "php": (["php", "-r", PHP, "--"], ["1.2"], ["php"]),
    "ruby": (["ruby", "-e", RUBY], ["1.2"], ["ruby"]),
}


EXPIRED = "expired", certificates.EXTENSIONS, "20210101000000Z"
OTHER_NAME = "other_name", "subjectAltName=DNS:example.org\n"


UNVERIFIED = "certificate_verify_failed"
# They have a handshake that goes well, and compare the name in the certificate afterwards, by code of
# their own or of nobody's session.
COMPARE_THEMSELVES = ("curl", "php", "wget")


class Peer:
    """Takes connections, one after the other, and treats each as talk says."""

    def __init__(self, talk):
        self.talk, self.taken = talk, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}/"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        stop_accepting(self.listener, self.thread)

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.taken += 1
            try:
                self.talk(sock)
            except OSError:
                pass


def tls(certificate=None, **settings):
    """certificate: arguments of Authority.other()."""
    def talk(sock):
        ca = certificates.make()
        context = ca.server_context(ca.other(*certificate) if certificate else None)
        for name, value in settings.items():
            setattr(context, name, value)
        with context.wrap_socket(sock, server_side=True) as session:
            session.recv(65536)
    return talk


def reset(sock):
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def end(sock):
    sock.recv(65536)
    sock.close()


def plain(sock):
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    sock.shutdown(socket.SHUT_WR)
    sock.recv(65536)
    sock.close()


def silent(sock):
    sock.recv(65536)
    while sock.recv(65536):
        pass


class Failures(Feature):
    def check(self, name, talk, why, *args, trusted=True, url=None):
        argv, _, needed = CLIENTS[name]
        self.need(*needed)
        lab, peer = self.lab(), Peer(talk)
        self.addCleanup(peer.close)
        env = certificates.make().trusted if trusted else {}
        done = lab.run([*argv, *args, url or peer.url] if name in ("curl", "wget") else
                       [*argv, url or peer.url, *args], timeout=60, service="client", **env)
        if name != "php":
            self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(peer.taken, 1)
        span, = self.spans(lab, 1)
        self.assertEqual((span["kind"], span["name"], span["status"], span["parent_span_id"]),
                         ("CLIENT", "TLS handshake", "ERROR", ""), brief([span]))
        self.assert_attributes(span, error_type=why, server_port=peer.port,
                               server_address="localhost" if url is None else "127.0.0.1",
                               network_peer_address="127.0.0.1", network_peer_port=peer.port)

    def test_curl_timeout(self):
        self.check("curl", silent, "timeout", "--max-time", "5")

    def test_urllib_timeout(self):
        self.need(PYTHON)
        lab, peer = self.lab(), Peer(silent)
        self.addCleanup(peer.close)
        lab.run([PYTHON, "-c", URLLIB.replace("WAIT", "1"), peer.url], timeout=60)
        span, = self.spans(lab, 1)
        self.assert_attributes(span, error_type="timeout", server_address="localhost")

    def test_address_instead_of_a_name(self):
        """No name goes out for it (RFC 6066 3)."""
        peer = Peer(tls())
        self.addCleanup(peer.close)
        span = self.told_of("urllib", f"https://127.0.0.1:{peer.port}/",
                            OTEL_INTERSPAN_OPT_IN_ATTRIBUTES="tls.protocol.name")
        self.assert_attributes(span, server_address="127.0.0.1", tls_protocol_name="tls",
                               error_type="certificate_verify_failed.untrusted")

    def told_of(self, name, url, **env):
        lab = self.lab()
        lab.run([*CLIENTS[name][0], url], timeout=60, **env)
        return self.spans(lab, 1)[0]

    def test_certificate_that_is_wanted(self):
        """TLS 1.2: the handshake fails; 1.3: it is over for the client, and its request fails."""
        wants = dict(verify_mode=ssl.CERT_REQUIRED)
        self.check("curl", tls(**wants), "handshake_failure", "--tls-max", "1.2")

    def test_what_is_not_checked(self):
        """The application asks for nothing, and goes on."""
        lab, peer = self.lab(), Peer(tls())
        self.addCleanup(peer.close)
        lab.run(["curl", "-sSk", peer.url], timeout=60)
        span, = self.spans(lab, 1)
        self.assertEqual(span["name"], "GET")
        lab.run(["wget", "-q", "-t", "1", "--no-check-certificate", "-O", "-", peer.url], timeout=60)
        self.assertEqual([s["name"] for s in self.spans(lab, 2)], ["GET", "GET"])


GIVES_UP = """
import socket, ssl, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.setblocking(False)
session = ssl.create_default_context().wrap_socket(sock, server_hostname="localhost",
                                                   do_handshake_on_connect=False)
try:
    session.do_handshake()
except ssl.SSLWantReadError:
    print("given up")
session.close()
"""


class Cancelled(Transparency):
    def test_cancelled(self):
        """The application does not want to know any more: nothing has failed (H18)."""
        lab, peer = self.lab(), Peer(silent)
        self.addCleanup(peer.close)
        done = lab.run([PYTHON, "-c", GIVES_UP, str(peer.port)], timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, b"given up\n"), done.stderr)
        self.assertEqual(lab.collector.spans, [])
        self.assert_loaded(lab, os.path.basename(os.path.realpath(PYTHON)), hooked=True)


class OtherName(Transparency):
    """Where the program itself finds that the certificate is somebody else's, and closes what no library
    has called wrong: nothing is told, since that it was never used is no failure."""

    def check(self, name):
        argv, _, needed = CLIENTS[name]
        self.need(*needed)
        lab, peer = self.lab(), Peer(tls(OTHER_NAME))
        self.addCleanup(peer.close)
        runs = [lab.run([*argv, peer.url], traced=traced, timeout=60, **certificates.make().trusted)
                for traced in (False, True)]
        self.assertEqual(*((r.returncode, r.stdout, r.stderr) for r in runs))
        if name != "php":
            self.assertNotEqual(runs[1].returncode, 0)
        self.assertEqual(peer.taken, 2)
        self.assertEqual(lab.collector.spans, [])
        self.assert_loaded(lab, os.path.basename(os.path.realpath(shutil.which(name))), hooked=True)

    def test_curl(self):
        self.check("curl")

    def test_php(self):
        self.check("php")

    def test_wget(self):
        self.check("wget")


class Causes(Feature):
    """Whose call it was."""

    def check(self, start):
        lab, peer = self.lab(), Peer(tls())
        self.addCleanup(peer.close)
        server = start(lab, peer.port)
        lab.run(["curl", "-sSk", "-X", "POST", "-d", "7", "-H", INBOUND,
                 f"{server.scheme}://localhost:{server.port}/work"], timeout=60, traced=False)
        spans = self.spans(lab, 2)
        top, = [s for s in spans if s["kind"] == "SERVER"]
        below, = [s for s in spans if s["kind"] == "CLIENT"]
        self.assertEqual((top["trace_id"], top["parent_span_id"]), (TRACE, PARENT))
        self.assertEqual((below["name"], below["trace_id"], below["parent_span_id"]),
                         ("TLS handshake", TRACE, top["span_id"]), brief(spans))
        self.assert_attributes(below, error_type="certificate_verify_failed.untrusted",
                               server_port=peer.port)
        self.assert_attributes(top, interspan_calls_count=1)
        return lab

    def test_of_a_thread(self):
        def start(lab, port):
            listens = free_port()
            argv = [PYTHON, os.path.join(APPS, "threads.py"), str(listens), f"https://localhost:{port}"]
            server = lab.start(argv, "threads", listens)
            server.scheme = "http"
            return server
        self.check(start)

    def test_of_an_event_loop(self):
        self.need("nginx")

        def start(lab, port):
            edge = servers_tls.nginx(lab, port, authority=certificates.make().certificate)
            edge.scheme = "https"
            return edge
        self.check(start)


def cases():
    newest = dict(minimum_version=0x0304)
    for name in CLIENTS:
        yield name, "untrusted", lambda s, n: s.check(n, tls(), f"{UNVERIFIED}.untrusted", trusted=False)
        yield name, "expired", lambda s, n: s.check(n, tls(EXPIRED), f"{UNVERIFIED}.expired")
        if name not in COMPARE_THEMSELVES:
            yield name, "other_name", lambda s, n: s.check(n, tls(OTHER_NAME),
                                                           f"{UNVERIFIED}.name_mismatch")
        yield name, "version", lambda s, n: s.check(n, tls(**newest), "protocol_version",
                                                     *CLIENTS[n][1])
        yield name, "reset", lambda s, n: s.check(n, reset, "ECONNRESET")
        yield name, "end", lambda s, n: s.check(n, end, "closed_by_peer")
        yield name, "plain", lambda s, n: s.check(
            n, plain, "unexpected_message" if n == "wget" else "not_tls")


for _name, _what, _check in cases():
    def _test(self, check=_check, name=_name):
        check(self, name)
    setattr(Failures, f"test_{_name}_{_what}", _test)
