# SPDX-License-Identifier: Apache-2.0
"""Servers with a certificate: each is asked over TLS, and asks what is below it over TLS as well."""
import os

from support import certificates
from support.progs import APPS, HAPROXY_MORE, PYTHON, debian_node, free_port
from support.servers import Server, root_user

NGINX = """\
{user}
daemon off;
worker_processes {workers};
pid {prefix}/nginx.pid;
error_log {prefix}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    keepalive_requests 1000000;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    upstream backend {{
        server 127.0.0.1:{upstream};
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{ports[1]} ssl http2;
        listen 127.0.0.1:{ports[2]} http2;
        location /files/ {{ alias {directory}/; }}
    }}
    server {{
        listen 127.0.0.1:{port} ssl backlog=256;
        location / {{
            proxy_pass https://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_ssl_trusted_certificate {authority};
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_request_buffering off;
        }}
        location /files/ {{ alias {directory}/; }}
    }}
}}
"""


def nginx(lab, upstream, workers=1, authority=None, **env):
    """.ports: HTTP/1, HTTP/2, HTTP/2 in cleartext; below /files/ are the lab's files."""
    ca, prefix = certificates.make(), lab.path(f"nginx-{len(lab.programs)}")
    ports = [free_port() for _ in range(3)]
    os.mkdir(prefix)
    config = os.path.join(prefix, "nginx.conf")
    with open(config, "w", encoding="ascii") as f:
        f.write(NGINX.format(user=root_user("user {user};"), workers=workers, prefix=prefix,
                             port=ports[0], ports=ports, upstream=upstream,
                             certificate=ca.certificate, key=ca.key,
                             authority=authority or ca.file, directory=lab.directory))
    argv = ["/usr/sbin/nginx", "-p", prefix, "-e", f"{prefix}/error.log", "-c", config]
    program = lab.start(argv, "nginx", ports[0], **env)
    program.ports = ports
    return program


HAPROXY = """\
global
    {more}
    maxconn 1024
    nbthread {threads}
    ssl-server-verify required
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend in
    bind 127.0.0.1:{port} ssl crt {both}
    default_backend out
backend out
    server s1 127.0.0.1:{upstream} ssl verify required ca-file {authority} sni str(localhost)
"""

LIGHTTPD = """\
server.modules = ("mod_openssl", "mod_proxy")
server.document-root = "{directory}"
server.port = {port}
server.bind = "127.0.0.1"
server.errorlog = "{directory}/lighttpd.log"
ssl.engine = "enable"
ssl.pemfile = "{both}"
{user}
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {upstream})))
"""

APACHE = """\
ServerRoot {directory}
DocumentRoot {directory}
ServerName localhost
PidFile apache.pid
ErrorLog apache.log
LogLevel crit
Listen 127.0.0.1:{port}
{user}
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
StartServers 1
SSLEngine on
SSLCertificateFile {both}
SSLProxyEngine on
SSLProxyVerify require
SSLProxyCACertificateFile {authority}
ProxyPass / https://localhost:{upstream}/ keepalive=On
"""


def files():
    ca = certificates.make()
    return {"both": ca.both, "authority": ca.file}


def haproxy(lab, upstream, threads=1, **env):
    port = free_port()
    config = lab.write(f"haproxy-{port}.cfg",
                       HAPROXY.format(port=port, upstream=upstream, threads=threads,
                                      more=HAPROXY_MORE, **files()))
    return lab.start(["/usr/sbin/haproxy", "-db", "-f", config], "haproxy", port, **env)


def lighttpd(lab, upstream, **env):
    port = free_port()
    config = lab.write(f"lighttpd-{port}.conf", LIGHTTPD.format(
        directory=lab.directory, port=port, upstream=upstream,
        user=root_user('server.username = "{user}"'), **files()))
    lab.write("lighttpd.log", "")
    os.chmod(lab.path("lighttpd.log"), 0o666)
    return lab.start(["/usr/sbin/lighttpd", "-D", "-f", config], "lighttpd", port, **env)


def apache(lab, upstream, mpm="event", **env):
    port = free_port()
    directory = lab.path(f"apache-{port}")
    os.mkdir(directory)
    config = lab.write(f"apache-{port}.conf", APACHE.format(
        directory=directory, port=port, upstream=upstream, mpm=mpm,
        modules="/usr/lib/apache2/modules", user=root_user("User {user}\nGroup {user}"),
        **files()))
    return lab.start(["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", config], "apache2", port,
                     **env)


def apache_prefork(lab, upstream, **env):
    return apache(lab, upstream, "prefork", **env)


def below(upstream):
    """For applications that call by themselves."""
    return {"BACKEND": f"https://localhost:{upstream}", **certificates.make().trusted}


def gunicorn(lab, upstream, worker="sync", threads=1, **env):
    ca, port = certificates.make(), free_port()
    argv = ["/usr/bin/gunicorn", "-b", f"127.0.0.1:{port}", "-k", worker, "-w", "2", "--threads",
            str(threads), "--log-level", "warning", "--graceful-timeout", "2", "--certfile",
            ca.certificate, "--keyfile", ca.key, "contract:app"]
    return lab.start(argv, f"gunicorn-{worker}", port, **below(upstream), **env)


def gunicorn_gthread(lab, upstream, **env):
    return gunicorn(lab, upstream, "gthread", 8, **env)


def threading_server(lab, upstream, **env):
    port = free_port()
    argv = [PYTHON, os.path.join(APPS, "threads.py"), str(port), f"https://localhost:{upstream}"]
    return lab.start(argv, "threads", port, CERTIFICATE=certificates.make().both,
                     **below(upstream), **env)


def node(lab, upstream, shape="plain", **env):
    """Debian's, where there is one."""
    port = free_port()
    argv = [*debian_node(), os.path.join(APPS, "node_app.js"), str(port),
            f"https://localhost:{upstream}", shape]
    program = lab.start(argv, "node", port, CERTIFICATE=certificates.make().both,
                        **certificates.make().trusted, **env)
    program.tls = [port]
    return program


SERVERS = {
    "nginx": Server(nginx, ["nginx"], "proxy", True),
    "apache event": Server(apache, ["apache2"], "proxy", True),
    "apache prefork": Server(apache_prefork, ["apache2"], "proxy", True),
    "haproxy": Server(haproxy, ["haproxy"], "proxy"),
    "gunicorn sync": Server(gunicorn, ["gunicorn"], is_exact=True),
    "gunicorn gthread": Server(gunicorn_gthread, ["gunicorn"], is_exact=True),
    "ThreadingHTTPServer": Server(threading_server, [PYTHON], is_exact=True),
}
# Its proxy knows no TLS: what is below it is plain.
LIGHTTPD_ALONE = Server(lighttpd, ["lighttpd"], "proxy", True)
