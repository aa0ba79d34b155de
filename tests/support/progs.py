# SPDX-License-Identifier: Apache-2.0
"""Real, unmodified programs for tests: each on a free port of 127.0.0.1, with files of its own, bare
or under the preload, and gone when its lab closes.

    with Lab() as lab:
        second = lab.python_server("second.py", service="second")
        front = lab.nginx(second.port, service="edge")
        lab.run(["curl", "-s", front.url("/x")], service="shell")
        spans = lab.collector.wait_for(4)

The environment variable BUILD names the directory of libinterspan.so.
"""
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from support.collector import Collector

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
APPS = os.path.join(HERE, "apps")
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
OBJECT = os.path.join(BUILD, "libinterspan.so")
# The distribution's own: the programs under test are those that a user has.
PYTHON = "/usr/bin/python3"
# Run everything without the preload: proves the tests, see run.py.
BARE = os.environ.get("E2E_BARE") == "1"


def free_port():
    """Below those that the kernel hands out: until a program binds it, which may take seconds, no
    connection and no listener of others is given it."""
    while True:
        port = random.SystemRandom().randrange(10240, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def have(*names):
    """Is every program (a name), and every module (module:NAME for Python's, perl:NAME, php:NAME)
    there?"""
    for name in names:
        if name.startswith(("module:", "perl:", "php:")):
            kind, _, module = name.partition(":")
            probe = {"perl": ["perl", f"-M{module}", "-e1"],
                     "php": ["php", "-r", f"exit(!extension_loaded('{module}'));"],
                     "module": [PYTHON, "-c", f"import {module}"]}[kind]
            if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
                return False
        elif not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return False
    return True


NO_DEBIAN_NODE = "Debian's node was not to be had, or not by this user: it is mounted"


@functools.lru_cache(None)
def debian_node():
    """The words before the arguments of a node that has its OpenSSL from the distribution: the one that
    is installed, or the one of scripts/neighbours, unpacked, whose share of /usr/share is mounted for
    it alone.  None: neither is to be had."""
    shared = "process.config.variables.node_shared_openssl"
    if have("node") and subprocess.run(["node", "-p", shared], capture_output=True, check=False,
                                       text=True).stdout == "true\n":
        return ["node"]
    where = os.path.join(ROOT, "build", "neighbours", "node_debian")
    if os.getuid() != 0 or not os.path.exists(f"{where}/usr/bin/node"):
        return None
    script = (f"mount --bind {where}/usr/share /usr/share && "
              f"export LD_LIBRARY_PATH={where}/usr/lib/x86_64-linux-gnu && "
              f'exec {where}/usr/bin/node "$@"')
    return ["unshare", "-m", "sh", "-ec", script, "node"]


def stop_accepting(listener, thread):
    """thread: takes the listener's connections until that fails.  One that is left in accept() keeps the
    port open, and may take a connection of whoever has the descriptor's number next."""
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    thread.join(10)
    listener.close()


class Program:
    """A running program, in a session of its own so that its children end with it."""

    def __init__(self, argv, env, directory, name, port=0):
        self.port, self.name = port, name
        self.ports, self.tls = [port], []  # all of them; those that speak TLS
        self.output = os.path.join(directory, f"{name}.out")
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(argv, env=env, cwd=directory, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, start_new_session=True)
        self.pid = self.process.pid

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def text(self):
        with open(self.output, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def wait_listening(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"{self.name} does not listen on {self.port}:\n{self.text()}")

    def stop(self, seconds=5):
        """Asks the program to end, waits; leaves nothing of its session.  Returns its status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.process.wait()


def session_pids(leader):
    """Live processes of the session that leader started."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as f:
                rest = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(rest[3]) == leader and rest[0] != "Z":
            found.append(int(entry))
    return found


class Lab:
    """A directory, a collector and the programs of one test."""

    def __init__(self, bare=BARE, **settings):
        self.bare = bare
        self.settings = settings
        self.programs = []

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="interspan-e2e-")
        os.chmod(self.directory, 0o755)
        self.log = os.path.join(self.directory, "interspan.log")
        with open(self.log, "wb"):
            os.chmod(self.log, 0o666)  # workers that gave up root write here too
        self.collector = Collector().__enter__()
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.stop()
        self.collector.__exit__()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def env(self, service="", traced=True, **extra):
        """The environment of a program; without traced, of a bystander without the preload."""
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("OTEL_", "E2E_")) and name != "LD_PRELOAD"}
        env["PYTHONPATH"], env["PYTHONDONTWRITEBYTECODE"] = APPS, "1"
        env["NO_PROXY"] = env["no_proxy"] = "*"
        if traced:
            env.update({"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint,
                        "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_INTERSPAN_LOG": self.log,
                        # A machine may stand still for longer than half a second.
                        "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "10000"})
            if service:
                env["OTEL_SERVICE_NAME"] = service
            env.update(self.settings)
        env.update(extra)
        if traced and not self.bare:
            env["LD_PRELOAD"] = OBJECT
        return {name: value for name, value in env.items() if value is not None}

    def start(self, argv, name, port=0, within=60, **env):
        """within: so many seconds it listens, on however busy a machine."""
        program = Program(argv, self.env(**env), self.directory, f"{name}-{len(self.programs)}",
                          port)
        self.programs.append(program)
        return program.wait_listening(within) if port else program

    def run(self, argv, timeout=30, cwd=None, stdin=b"", **env):
        """Runs a program to its end."""
        return subprocess.run(argv, env=self.env(**env), cwd=cwd or self.directory, input=stdin,
                              capture_output=True, timeout=timeout, check=False)

    # What OTEL_INTERSPAN_LOG tells: one line of counters for each process that ended.
    def counters(self):
        lines = []
        with open(self.log, encoding="utf-8", errors="replace") as f:
            for line in f:
                words = line.split()
                if words[:1] == ["interspan"] and any(w.startswith("pid=") for w in words):
                    lines.append(dict(w.split("=", 1) for w in words[1:] if "=" in w))
        return lines

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def total(self, name):
        return sum(int(line.get(name, 0)) for line in self.counters())

    # Servers.
    def python_server(self, app, *args, service="", **env):
        port = free_port()
        return self.start([PYTHON, os.path.join(APPS, app), str(port), *map(str, args)],
                          os.path.splitext(app)[0], port, service=service, **env)

    def gunicorn(self, app, worker="sync", workers=2, threads=1, service="", **env):
        port = free_port()
        argv = ["/usr/bin/gunicorn", "-b", f"127.0.0.1:{port}", "-k", worker, "-w", str(workers),
                "--threads", str(threads), "--log-level", "warning", "--graceful-timeout", "2",
                "--backlog", "256", app]
        return self.start(argv, f"gunicorn-{worker}", port, service=service, **env)

    def node(self, app, *args, service="", **env):
        port = free_port()
        return self.start(["node", os.path.join(APPS, app), str(port), *map(str, args)], "node",
                          port, service=service, **env)

    def nginx(self, upstream, service="", workers=1, location="", under=(), **env):
        """A proxy that keeps connections to its upstream alive.  under: a command that becomes it."""
        port = free_port()
        user = "user www-data;" if os.getuid() == 0 else ""
        number = len(self.programs)
        prefix = self.path(f"nginx-{number}")
        os.mkdir(prefix)
        with open(os.path.join(prefix, "nginx.conf"), "w", encoding="ascii") as f:
            f.write(NGINX.format(user=user, workers=workers, prefix=prefix, port=port,
                                 upstream=upstream, location=location))
        argv = [*under, "/usr/sbin/nginx", "-p", prefix, "-e", f"{prefix}/error.log", "-c",
                f"{prefix}/nginx.conf"]
        return self.start(argv, "nginx", port, service=service, **env)

    def haproxy(self, upstream, service="", threads=1, **env):
        port = free_port()
        config = self.write(f"haproxy-{len(self.programs)}.cfg",
                            HAPROXY.format(port=port, upstream=upstream, threads=threads,
                                           more=HAPROXY_MORE))
        return self.start(["/usr/sbin/haproxy", "-db", "-f", config], "haproxy", port,
                          service=service, **env)


NGINX = """\
{user}
daemon off;
worker_processes {workers};
pid {prefix}/nginx.pid;
error_log {prefix}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    keepalive_requests 1000000;
    upstream backend {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=256;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
        {location}
    }}
}}
"""

# Who is not root has no thread after haproxy has set its limit of processes to 0, nor has ours.
HAPROXY_MORE = "" if os.getuid() == 0 else "insecure-fork-wanted"
HAPROXY = """\
global
    {more}
    maxconn 1024
    nbthread {threads}
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    server s1 127.0.0.1:{upstream}
"""
