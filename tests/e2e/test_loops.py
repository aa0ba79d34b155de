# SPDX-License-Identifier: Apache-2.0
"""Native loops, nginx and lighttpd, where the descriptor that was touched last may not be the one that
a call is for: what came in by TLS, what a timer, a helper thread or a name server's answer sets going
again, and several requests that came at once.  No parent is wrong, and where it cannot be known there
is none."""
import contextlib
import os
import random
import socket
import struct
import subprocess
import threading

from support import servers
from support.progs import free_port
from test_causality import COUNT, IS_LONG, Causality, Cell, tearDownModule  # its table

PROXY = 'proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";'


def nginx(lab, backend, http="", server="", location="", main="", events="", workers=1, up="",
          proxy=PROXY):
    """An nginx of one server, with more in every part of its configuration."""
    port = free_port()
    prefix = lab.path(f"nginx-{port}")
    os.mkdir(prefix)
    user = servers.root_user("user {user};")
    config = lab.write(f"nginx-{port}.conf", f"""
        {user} daemon off; worker_processes {workers}; pid {prefix}/pid; {main}
        error_log {prefix}/error.log warn;
        events {{ worker_connections 1024; {events} }}
        http {{
            access_log off; client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/proxy;
            fastcgi_temp_path {prefix}/fcgi; uwsgi_temp_path {prefix}/uw;
            scgi_temp_path {prefix}/scgi; keepalive_requests 1000000; {http}
            upstream backend {{ server 127.0.0.1:{backend} max_fails=0; {up}
                                keepalive 64; }}
            server {{
                listen 127.0.0.1:{port} backlog=256; {server}
                location / {{ {proxy} {location} }}
            }}
        }}""")
    argv = ["/usr/sbin/nginx", "-p", prefix, "-e", f"{prefix}/error.log", "-c", config]
    return lab.start(argv, "nginx", port)


def certificate(lab):
    """(key, certificate), of nobody."""
    names = lab.path("key.pem"), lab.path("cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x",
                    "-keyout", names[0], "-out", names[1]], check=True, capture_output=True)
    os.chmod(names[0], 0o644)
    return names


def with_tls(lab, port):
    tls = free_port()
    key, cert = certificate(lab)
    front = nginx(lab, port, server=f"listen 127.0.0.1:{tls} ssl backlog=256; "
                                    f"ssl_certificate {cert}; ssl_certificate_key {key};")
    front.ports, front.tls = [front.port, tls], [tls]
    return front


class Resolver:
    """A name server that knows one address, and takes its time."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def run(self):
        while True:
            try:
                query, client = self.socket.recvfrom(512)
            except OSError:
                return
            threading.Timer(random.random() * 0.005, self.answer, (query, client)).start()

    def answer(self, query, client):
        """An A record, valid for no time; nothing for another type."""
        question = query[12:query.index(b"\0", 12) + 5]
        is_a = question[-4:-2] == b"\0\1"
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, is_a, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH4B", 1, 1, 0, 4, 127, 0, 0, 1) if is_a else b""
        try:
            self.socket.sendto(head + question + record, client)
        except OSError:
            pass


def with_resolver(lab, port):
    resolver = Resolver().__enter__()
    front = nginx(lab, port, server=f"resolver 127.0.0.1:{resolver.port} ipv6=off;",
                  proxy=f"set $up $request_id.test:{port}; proxy_pass http://$up/work; "
                        "proxy_http_version 1.1;")
    front.resolver = resolver
    return front


def with_threads(lab, port):
    """A page that a helper thread reads, which then includes what the back end says."""
    lab.write("page.shtml", "x" * 5000 + '<!--#include virtual="/included" -->')
    return nginx(lab, port, location=f"}} location /page.shtml {{ root {lab.directory}; ssi on; "
                                     "ssi_types *; aio threads; sendfile off;")


AUTH = """auth_request /auth; } location = /auth { internal; proxy_pass_request_body off;
    proxy_set_header Content-Length ""; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_pass http://backend/auth;"""
MIRROR = 'mirror /mirror; } location = /mirror { internal; ' + PROXY.replace(";", "/mirror;", 1)
RETRY = "proxy_next_upstream error timeout non_idempotent; "
PAGE = {"line": "GET /page.shtml"}


def lighttpd_with_tls(lab, port):
    """Its modules are loaded from one directory."""
    tls = free_port()
    key, cert = certificate(lab)
    front = servers.lighttpd(lab, port, more=f"""
        server.modules += ("mod_openssl")
        $SERVER["socket"] == "127.0.0.1:{tls}" {{
            ssl.engine = "enable"
            ssl.pemfile = "{cert}"
            ssl.privkey = "{key}"
        }}""")
    front.ports, front.tls = [front.port, tls], [tls]
    return front


@contextlib.contextmanager
def full_listener():
    """A port whose queue is full: an attempt to connect is answered never."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class Cells(Causality):
    def cell(self, name, start, load=(), cell=None, least=0):
        """Never wrong without a trace, and so many right; with one, the header tag tells.  least: share
        of the requests, so that never to answer is no way out."""
        served = cell.served if cell else 1
        for with_header in (False, True)[:2 if IS_LONG or served < 1 else 1]:
            with self.subTest(with_header=with_header):
                verdict = self.measure(name, start, with_header, load=load, cell=cell)
                self.assertGreaterEqual(verdict.right, COUNT * (
                    min(served - 0.1, 0.5) if with_header else least))


class Lighttpd(Cells):
    def cell(self, name, start=servers.lighttpd, load=(), cell=None, least=0):
        self.need("lighttpd")
        super().cell(f"lighttpd, {name}", start, load, cell, least)

    def test_tls_and_plain(self):
        if not os.path.exists("/usr/lib/lighttpd/mod_openssl.so"):
            self.skipTest("needs lighttpd-mod-openssl")
        self.cell("TLS and plain", lighttpd_with_tls, cell=Cell(served=0.4), least=0.1)

    def test_pipeline(self):
        self.cell("pipelined", load={"pipeline": 4, "vanish": 0})

    def test_several_workers(self):
        self.cell("2 workers", lambda lab, port: servers.lighttpd(lab, port, workers=2), least=0.9)

    def test_poll(self):
        self.cell("poll()", lambda lab, port: servers.lighttpd(
            lab, port, more='server.event-handler = "poll"'))

    def test_dead_upstream(self):
        self.cell("a dead upstream", lambda lab, port: servers.lighttpd(
            lab, port, free_port(), host='"disable-time" => 0'), least=0.9)

    def test_upstream_that_does_not_accept(self):
        """Its connections are given up by the clock, and their requests go elsewhere."""
        with full_listener() as full:
            self.cell("an upstream that does not accept", lambda lab, port: servers.lighttpd(
                lab, port, full, host='"connect-timeout" => 1, "disable-time" => 0'),
                      cell=Cell(retries=2), least=0.8)


class Nginx(Cells):
    def cell(self, name, start=nginx, load=(), cell=None, least=0):
        self.need("nginx")
        super().cell(f"nginx, {name}", start, load, cell, least)

    def with_config(self, name, load=(), cell=None, least=0, **config):
        self.cell(name, lambda lab, port: nginx(lab, port, **config), load, cell, least)

    def test_tls_and_plain(self):
        self.need("openssl")
        self.cell("TLS and plain", with_tls, cell=Cell(served=0.4), least=0.1)

    def test_limit_req(self):
        self.with_config("limit_req", location="limit_req zone=z burst=1000;",
                         http="limit_req_zone $server_port zone=z:1m rate=400r/s;")

    def test_pipeline(self):
        self.with_config("pipelined", {"pipeline": 4, "vanish": 0})

    def test_pipeline_with_posted_events(self):
        self.with_config("pipelined, accept_mutex", {"pipeline": 3, "vanish": 0}, workers=2,
                         events="accept_mutex on; multi_accept on;")

    def test_several_workers(self):
        self.with_config("4 workers", workers=4, least=0.9)

    def test_timer_resolution(self):
        self.with_config("timer_resolution", main="timer_resolution 20ms;")

    def test_resolver(self):
        self.cell("resolver", with_resolver)

    def test_helper_threads(self):
        self.cell("aio threads", with_threads, PAGE)

    def test_auth_request(self):
        self.with_config("auth_request", location=AUTH, cell=Cell(calls=2),
                         least=1.7)

    def test_mirror(self):
        self.with_config("mirror", location=MIRROR, cell=Cell(calls=2), least=1.7)

    def test_dead_upstream(self):
        self.with_config("a dead upstream", up=f"server 127.0.0.1:{free_port()} max_fails=0;",
                         location=RETRY, least=0.9)

    def test_upstream_that_hangs(self):
        self.cell("an upstream that hangs", lambda lab, port: nginx(
            lab, port, up=f"server 127.0.0.1:{port} max_fails=0;",
            location=RETRY + "proxy_read_timeout 100ms;"),
                  cell=Cell(retries=2, statuses=[504], hang=20), least=0.5)
