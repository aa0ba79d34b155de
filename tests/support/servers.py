# SPDX-License-Identifier: Apache-2.0
"""How to start each server under test: SERVERS[name](lab, backend_port, **env) returns a Program.
An application server answers by itself (apps/contract.py) and calls /leaf of the back end below;
a proxy passes everything on.  Every port is a free one, every file is in the lab's directory."""
import atexit
import functools
import glob
import os
import re
import shutil
import subprocess
import tempfile

from support.progs import APPS, PYTHON, free_port

JAVA = ["java", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def root_user(line, user="www-data"):
    """A line of configuration that gives root up, for those who have it."""
    return line.format(user=user) if os.getuid() == 0 else ""


# Proxies.
LIGHTTPD = """\
server.modules = ("mod_proxy")
server.document-root = "{directory}"
server.port = {port}
server.bind = "127.0.0.1"
server.listen-backlog = 256
server.errorlog = "{directory}/lighttpd.log"
server.max-keep-alive-requests = 100000
server.max-worker = {workers}
{user}
proxy.server = ("" => ({hosts}))
{more}
"""

APACHE = """\
ServerRoot {directory}
DocumentRoot {directory}
ServerName localhost
PidFile apache.pid
ErrorLog apache.log
LogLevel crit
Listen 127.0.0.1:{port}
ListenBackLog 256
{user}
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
MaxKeepAliveRequests 0
{limits}
ProxyPass / http://127.0.0.1:{upstream}/ keepalive=On
"""
APACHE_LIMITS = {
    "event": "StartServers 1\nServerLimit 2\nThreadsPerChild 64\nMaxRequestWorkers 128",
    "prefork": "StartServers 8\nServerLimit 80\nMaxRequestWorkers 80\nMaxSpareServers 80",
}


def nginx(lab, upstream, **env):
    return lab.nginx(upstream, **env)


def lighttpd(lab, upstream, *more_upstreams, workers=0, host="", more="", **env):
    port = free_port()
    hosts = ", ".join(f'("host" => "127.0.0.1", "port" => {p}, {host})'
                      for p in (upstream, *more_upstreams))
    config = lab.write(f"lighttpd-{port}.conf", LIGHTTPD.format(
        directory=lab.directory, port=port, workers=workers, hosts=hosts, more=more,
        user=root_user('server.username = "{user}"')))
    lab.write("lighttpd.log", "")
    os.chmod(lab.path("lighttpd.log"), 0o666)
    return lab.start(["/usr/sbin/lighttpd", "-D", "-f", config], "lighttpd", port, **env)


def apache(lab, upstream, mpm="event", **env):
    port = free_port()
    os.mkdir(lab.path(f"apache-{port}"))
    config = lab.write(f"apache-{port}.conf", APACHE.format(
        directory=lab.path(f"apache-{port}"), port=port, upstream=upstream, mpm=mpm,
        modules="/usr/lib/apache2/modules", limits=APACHE_LIMITS[mpm],
        user=root_user("User {user}\nGroup {user}")))
    return lab.start(["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", config], "apache2", port,
                     **env)


def apache_prefork(lab, upstream, **env):
    return apache(lab, upstream, "prefork", **env)


def haproxy(lab, upstream, **env):
    return lab.haproxy(upstream, **env)


# Application servers.
def backend_url(port):
    return f"http://127.0.0.1:{port}"


def gunicorn_sync(lab, upstream, **env):
    return lab.gunicorn("contract:app", "sync", 4, BACKEND=backend_url(upstream), **env)


def gunicorn_gthread(lab, upstream, **env):
    return lab.gunicorn("contract:app", "gthread", 2, 16, BACKEND=backend_url(upstream), **env)


def threading_server(lab, upstream, **env):
    return lab.python_server("threads.py", backend_url(upstream), **env)


def uwsgi(lab, upstream, **env):
    port = free_port()
    argv = ["uwsgi", "--plugins", "python3", "--http-socket", f"127.0.0.1:{port}", "--module",
            "contract:app", "--enable-threads", "--threads", "64", "--listen", "100", "--master",
            "--die-on-term", "--disable-logging", "--chdir", APPS, "--add-header",
            "Connection: close"]
    return lab.start(argv, "uwsgi", port, BACKEND=backend_url(upstream), **env)


def php(lab, upstream, **env):
    port = free_port()
    argv = ["php", "-q", "-d", "log_errors=0", "-d", "display_errors=0", "-S", f"127.0.0.1:{port}",
            os.path.join(APPS, "contract.php")]
    return lab.start(argv, "php", port, BACKEND=backend_url(upstream), **env)


def puma(lab, upstream, **env):
    port = free_port()
    argv = ["puma", "-b", f"tcp://127.0.0.1:{port}?backlog=256", "-t", "8:8", "-e", "production",
            "--log-requests", "-C", "-", os.path.join(APPS, "contract.ru")]
    argv.remove("--log-requests")
    return lab.start(argv, "puma", port, BACKEND=backend_url(upstream), **env)


def starman(lab, upstream, **env):
    port = free_port()
    argv = ["starman", "--listen", f"127.0.0.1:{port}", "--workers", "8", "--backlog", "256",
            "--env", "deployment", os.path.join(APPS, "contract.psgi")]
    return lab.start(argv, "starman", port, BACKEND=backend_url(upstream), **env)


def node(lab, upstream, shape="plain", **env):
    return lab.node("node_app.js", backend_url(upstream), shape, **env)


@functools.lru_cache(None)
def compile_java(name, directory=APPS, jars=""):
    """Once; returns the class path."""
    classes = tempfile.mkdtemp(prefix="interspan-java-")
    atexit.register(shutil.rmtree, classes, True)
    path = os.pathsep.join([classes, jars]) if jars else classes
    subprocess.run(["javac", "-cp", path, "-d", classes, os.path.join(directory, f"{name}.java")],
                   check=True, capture_output=True, timeout=60)
    return path


def java(lab, upstream, shape="url", program="java", **env):
    port = free_port()
    name = "Loop" if shape == "loop" else "Front"
    argv = [program, *JAVA[1:], "-cp", compile_java(name), name, str(port), backend_url(upstream),
            shape]
    return lab.start(argv, "java", port, **env)


def java_with_virtual_threads():
    """A Java of 21 or later, or None."""
    for release in glob.glob("/usr/lib/jvm/*/release"):
        with open(release, encoding="utf-8") as f:
            version = re.search(r'JAVA_VERSION="(\d+)', f.read())
        if version and int(version[1]) >= 21:
            return os.path.join(os.path.dirname(release), "bin", "java")
    return None


def busybox(lab, _, **env):
    """Files alone, each connection in a process of its own."""
    port = free_port()
    pages = lab.path(f"busybox-{port}")
    os.mkdir(pages)
    with open(os.path.join(pages, "page"), "wb") as f:
        f.write(b"page\n")
    with open(os.path.join(pages, "big"), "wb") as f:
        f.write(bytes(range(256)) * 4096)
    argv = ["busybox", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", pages]
    return lab.start(argv, "busybox", port, **env)


class Server:
    """needs: programs that must be there.  kind: what /work does: "proxy" passes everything on, "app"
    makes a call of its own, "files" knows no such thing.  asks: what else of the contract it answers.
    is_exact: is it proven which request causes a call there?"""

    def __init__(self, start, needs, kind="app", is_exact=False, asks="stream sum chunked"):
        self.start, self.needs, self.kind, self.is_exact = start, needs, kind, is_exact
        self.asks = asks.split()


SERVERS = {
    "nginx": Server(nginx, ["nginx"], "proxy", True),
    "apache event": Server(apache, ["apache2"], "proxy", True),
    "apache prefork": Server(apache_prefork, ["apache2"], "proxy", True),
    "lighttpd": Server(lighttpd, ["lighttpd"], "proxy", True),
    "haproxy": Server(haproxy, ["haproxy"], "proxy"),
    "gunicorn sync": Server(gunicorn_sync, ["gunicorn"], is_exact=True),
    "gunicorn gthread": Server(gunicorn_gthread, ["gunicorn"], is_exact=True),
    "ThreadingHTTPServer": Server(threading_server, [PYTHON], is_exact=True),
    "uwsgi": Server(uwsgi, ["uwsgi"], is_exact=True, asks="stream sum"),
    "php -S": Server(php, ["php"], asks="stream sum"),
    "puma": Server(puma, ["puma"]),
    "Starman": Server(starman, ["starman", "perl:LWP"], is_exact=True),
    "node": Server(node, ["node"]),
    "java HttpServer": Server(java, ["java", "javac"]),
    "busybox httpd": Server(busybox, ["busybox"], "files", asks=""),
}
