# SPDX-License-Identifier: Apache-2.0
"""Servers with a certificate: each is asked over TLS, and asks what is below it over TLS as well."""
import os

from support import certificates
from support.progs import free_port
from support.servers import root_user

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
    }}
}}
"""


def nginx(lab, upstream, workers=1, **env):
    ca, port, prefix = certificates.make(), free_port(), lab.path(f"nginx-{len(lab.programs)}")
    os.mkdir(prefix)
    config = os.path.join(prefix, "nginx.conf")
    with open(config, "w", encoding="ascii") as f:
        f.write(NGINX.format(user=root_user("user {user};"), workers=workers, prefix=prefix,
                             port=port, upstream=upstream, certificate=ca.certificate, key=ca.key,
                             authority=ca.file))
    argv = ["/usr/sbin/nginx", "-p", prefix, "-e", f"{prefix}/error.log", "-c", config]
    return lab.start(argv, "nginx", port, **env)
