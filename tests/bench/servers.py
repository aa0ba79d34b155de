# SPDX-License-Identifier: Apache-2.0
"""Servers under load: one row, one bench."""
import glob
import os
import shutil
import signal
import socket

from support import servers
from support.progs import APPS, ROOT, free_port, have
from support.tls_files import certificates

NEIGHBOURS = os.path.join(ROOT, "build", "neighbours")  # scripts/neighbours
REDIS = os.path.join(ROOT, "build", "suites", "redis", "src", "redis-server")  # scripts/others-suites
GET = b"GET %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\nCALLER\r\n"
POST = (b"POST /work HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 8\r\nCALLER\r\nabcdefgh")


def neighbour(*names):
    return os.path.join(NEIGHBOURS, *names)


# How each is started: (lab, port of the service below, variant).
def nginx_static(lab, _, __, more=""):
    os.makedirs(lab.path("page"), exist_ok=True)
    with open(lab.path("page", "1k.html"), "w", encoding="ascii") as f:
        f.write("x" * 1024)
    return lab.nginx(9, service="nginx", location="%s location = /1k.html { root %s; }"
                     % (more, lab.path("page")))


def nginx_https(lab, _, variant):
    """The same file, at a port of its own: the one that is waited for is plain."""
    certificates(lab.directory)
    port = free_port()
    started = nginx_static(lab, _, variant, f"listen 127.0.0.1:{port} ssl backlog=256; "
                           f"ssl_certificate {lab.path('server.pem')}; "
                           f"ssl_certificate_key {lab.path('server.key')}; ssl_protocols TLSv1.3;")
    started.port = port
    return started


def nginx_proxy(lab, upstream, _):
    return lab.nginx(upstream, service="nginx")


def haproxy(lab, upstream, _):
    return lab.haproxy(upstream, service="haproxy")


def python_path(has_agent):
    """The same flask for all: the one that was installed beside the agent, if there is one."""
    packages = glob.glob(neighbour("python", "lib", "python3*", "site-packages"))
    loader = [os.path.join(p, "opentelemetry", "instrumentation", "auto_instrumentation")
              for p in packages if has_agent]
    return os.pathsep.join(loader + [APPS] + packages)


def flask(lab, upstream, variant):
    return lab.gunicorn("flask_app:app", "sync", 2, service="flask",
                        BACKEND=f"http://127.0.0.1:{upstream}",
                        PYTHONPATH=python_path(variant.agent))


def node(lab, upstream, variant):
    register = neighbour("node", "node_modules", "@opentelemetry", "auto-instrumentations-node",
                         "build", "src", "register.js")
    options = {"NODE_OPTIONS": f"--require {register}"} if variant.agent else {}
    return lab.node("node_app.js", f"http://127.0.0.1:{upstream}", "plain", service="node", **options)


def java(lab, upstream, variant):
    port = free_port()
    jar = neighbour("java", "opentelemetry-javaagent.jar")
    # Else each answer waits 40 ms: two writes, and the client acknowledges late.
    argv = ["java", "-Dsun.net.httpserver.nodelay=true",
            *([f"-javaagent:{jar}"] if variant.agent else []), "-cp",
            servers.compile_java("Front"), "Front", str(port), f"http://127.0.0.1:{upstream}", "url"]
    return lab.start(argv, "java", port, service="java")


def redis_server():
    return shutil.which("redis-server") or REDIS


def redis(lab, _, __):
    port = free_port()
    argv = [redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
            "no"]
    return lab.start(argv, "redis", port, service="redis")


def redis_prepare(port):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$64\r\n" + b"x" * 64 + b"\r\n")
        assert s.recv(64) == b"+OK\r\n"


# Threads or processes, which find their processors themselves, in a process that serves for all rounds.
SLOW = {"rounds": 0, "is_pinned": False, "delay_ms": 200}


class Server:
    """Each of connections asks once in period_us, all of them evenly: a fixed rate, which a turn
    keeps for count requests; burst: so many more without waiting.  rounds: of a process, which then
    makes room for the next one; 0: its start takes so long that one serves for all.  is_pinned: it has
    one thread, which gets a processor to itself.  delay_ms: how long a span waits at most to be sent;
    turns are shorter than the default, so that it is sent as a batch is full, in a turn.  spans: of one
    request; roots: of them, those that have no parent.  reply: bytes of an answer that is not HTTP.
    warm: requests before the first turn.  agent: what of scripts/neighbours stands beside it.  starts:
    is it started anew some times, too?  end: upon which signal it ends in good order, so that we tell.
    tls: asked by TLS.  writes: by so many writev() in all a request is passed on and answered; 0:
    by other calls.  keeps: also with what is not sampled recorded, in case its end says that it is
    kept."""
    request = GET % b"/leaf"
    connections, period_us, count, burst, warm, rounds = 32, 8000, 200, 400, 500, 8
    spans, roots, reply, writes = 2, 0, 0, 0
    prepare = agent = None
    tls = keeps = False
    is_pinned, delay_ms = True, 5000
    kind, has_caller, starts, end = "usual", True, True, signal.SIGTERM

    def __init__(self, name, about, start, needs, **more):
        self.name, self.about, self.start, self.needs = name, about, start, needs
        vars(self).update(more)

    def missing(self):
        """What keeps this bench from being run here, or nothing."""
        lacks = [name for name in self.needs if not (have(name) or os.path.exists(name))]
        return f"{' and '.join(lacks)} missing" if lacks else ""

    def agent_missing(self):
        if self.agent and not os.path.exists(neighbour(self.agent)):
            return f"build/neighbours/{self.agent} is missing: its registry refused"
        return ""

    def lives(self, pairs):
        """How many processes of each variant, and how many rounds of each of them."""
        return (pairs, self.rounds) if self.rounds else (1, pairs)

    def turn_s(self):
        """How long a turn takes, about."""
        paced = 1.25 * self.count * self.period_us / 1e6 / self.connections
        return paced + (0.03 if self.rounds else 0.15)


SERVERS = [
    Server("nginx static", "one worker, a file of 1 KiB", nginx_static, ["nginx"],
           request=GET % b"/1k.html", connections=64, period_us=4000, count=400, burst=1600, rounds=12,
           spans=1, keeps=True),
    Server("nginx https", "the same over TLS 1.3, by OpenSSL; connections kept", nginx_https,
           ["nginx", "openssl"], request=GET % b"/1k.html", connections=64, period_us=4000, count=400,
           burst=1200, rounds=12, spans=1, kind="edge", tls=True, starts=False),
    Server("nginx proxy", "one worker, connections to the upstream kept", nginx_proxy, ["nginx"],
           writes=2),
    Server("nginx proxy, edge", "the same, requests without a trace: ours is inserted", nginx_proxy,
           ["nginx"], kind="edge", has_caller=False, starts=False),
    Server("haproxy", "one thread, connections to the server kept", haproxy, ["haproxy"],
           end=signal.SIGUSR1),
    Server("gunicorn + flask", "two sync workers; a request makes one by `requests`", flask,
           ["gunicorn", "module:flask", "module:requests"], request=POST, connections=8,
           period_us=32000, count=80, burst=80, warm=50, agent="python", **SLOW),
    Server("node", "`node:http`; a request makes one by an agent that keeps connections", node,
           ["node"], request=POST, connections=16, count=400, burst=800, warm=1500, roots=1,
           agent="node", **SLOW),
    Server("java", "`com.sun.net.httpserver`, 64 threads; a request makes one by `URLConnection`",
           java, ["java", "javac"], request=POST, connections=16, count=400, burst=800,
           warm=3000, roots=1, agent="java", **SLOW),
    Server("redis", "GET of 64 bytes: sockets that are not HTTP", redis, [redis_server()],
           request=b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", connections=64, period_us=4000, count=400,
           burst=3000, rounds=12, spans=0, reply=71, prepare=redis_prepare, kind="opaque"),
]
