# SPDX-License-Identifier: Apache-2.0
"""The demo: a request through curl, nginx, gunicorn with Flask, and a second Python service, none of
them modified, shown as a waterfall; then twenty at once, each of which must give exactly this tree:

    curl CLIENT > nginx SERVER > nginx CLIENT > shop SERVER > shop CLIENT > stock SERVER

Ends with 0 only if all of them do.  Free ports, a temporary directory, nothing left behind.
BUILD names the directory that the programs were built in.
"""
import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INTERSPAN = os.path.join(os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build"))),
                         "interspan")
PYTHON = "/usr/bin/python3"  # the distribution's, which has Flask and requests
REQUESTS = 20
CHAIN = [("curl", "CLIENT"), ("nginx", "SERVER"), ("nginx", "CLIENT"), ("shop", "SERVER"),
         ("shop", "CLIENT"), ("stock", "SERVER")]

SHOP = """\
import flask, os, requests
app = flask.Flask(__name__)

@app.get("/orders/<int:order>")
def get_order(order):
    stock = requests.get(os.environ["STOCK"] + f"/stock/{order}").json()
    return {"order": order, "in stock": stock["count"]}
"""

STOCK = """\
import http.server, json, signal, sys, time

class Stock(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.02)
        body = json.dumps({"count": len(self.path)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Stock).serve_forever()
"""

NGINX = """\
{user}
daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/nginx.err warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream shop {{ server 127.0.0.1:{shop}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://shop;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


class Failed(Exception):
    """The demo did not show what it must show."""


def say(text=""):
    print(text, flush=True)


def find(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Failed(f"{name} is not installed: scripts/demo installs what is missing")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Demo:
    def __init__(self, directory):
        self.directory = directory
        self.processes = []
        self.endpoint = ""

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def traced(self, service, *argv):
        return [INTERSPAN, "run", "--service", service, "--endpoint", self.endpoint, "--", *argv]

    def environment(self, **extra):
        # Spans are sent after at most 200 ms instead of 5 s, so that nobody has to wait.
        return {**os.environ, "OTEL_BSP_SCHEDULE_DELAY": "200", "no_proxy": "*",
                "PYTHONDONTWRITEBYTECODE": "1", **extra}

    def start(self, name, argv, stdout=None, **extra):
        with open(self.path(name + ".err"), "wb") as err:
            process = subprocess.Popen(argv, cwd=self.directory, stdin=subprocess.DEVNULL,
                                       stdout=stdout or err, stderr=err, start_new_session=True,
                                       env=self.environment(**extra))
        self.processes.append((name, process))
        return process

    def errors(self, name):
        with open(self.path(name + ".err"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def serve(self, name, port, argv, **extra):
        """Starts a traced server and waits until it listens."""
        process = self.start(name, self.traced(name, *argv), **extra)
        for _ in range(500):
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.02)
        raise Failed(f"{name} does not listen on port {port}:\n{self.errors(name)}")

    def view(self, name, *options, port=0, stdout):
        """Starts `interspan view`; sets the endpoint to where it listens."""
        process = self.start(name, [INTERSPAN, "view", "--port", str(port), *options], stdout)
        for _ in range(500):
            if match := re.search(r"listening on (http://127\.0\.0\.1:\d+)", self.errors(name)):
                self.endpoint = match[1]
                return process
            if process.poll() is not None:
                break
            time.sleep(0.02)
        raise Failed(f"interspan view does not start:\n{self.errors(name)}")

    def start_services(self):
        stock, shop, self.port = free_port(), free_port(), free_port()
        self.serve("stock", stock, [PYTHON, self.write("stock.py", STOCK), str(stock)])
        self.write("shop.py", SHOP)
        self.serve("shop", shop, [find("gunicorn"), "--preload", "-w", "2", "--threads", "8", "-b",
                                  f"127.0.0.1:{shop}", "shop:app"],
                   STOCK=f"http://127.0.0.1:{stock}")
        user = "user www-data;" if os.getuid() == 0 else ""
        config = self.write("nginx.conf", NGINX.format(user=user, dir=self.directory, shop=shop,
                                                       port=self.port))
        self.serve("nginx", self.port, [find("nginx"), "-p", self.directory, "-e",
                                        self.path("nginx.err"), "-c", config])

    def curl(self, order):
        url = f"http://127.0.0.1:{self.port}/orders/{order}"
        done = subprocess.run(self.traced("curl", find("curl"), "-sS", url), timeout=20,
                              env=self.environment(), capture_output=True, check=False)
        if done.returncode or f'"order":{order}' not in done.stdout.decode().replace(" ", ""):
            raise Failed(f"curl {url}: status {done.returncode}, {done.stdout} {done.stderr}")

    def stop(self):
        """Ends the youngest first, and whatever their sessions still hold."""
        for _, process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for _, process in reversed(self.processes):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def tree_text(spans):
    return "\n".join(f"    {s['service']} {s['kind']} {s['name']} span {s['spanId']} "
                     f"parent {s['parentSpanId'] or '-'} {s['attributes'].get('url.path', '')}"
                     for s in sorted(spans, key=lambda s: s["startUnixNano"]))


def check_trace(trace):
    """Returns the order number that the trace is about; Failed if it is not exactly the chain."""
    spans = trace["spans"]
    below = {}
    for span in spans:
        below.setdefault(span["parentSpanId"], []).append(span)
    chain, parent = [], ""
    while len(below.get(parent, [])) == 1:
        chain.append(below[parent][0])
        parent = chain[-1]["spanId"]
    found = [(s["service"], s["kind"]) for s in chain]
    orders = {n for s in spans for n in re.findall(r"/(?:orders|stock)/(\d+)",
                                                   json.dumps(s["attributes"]))}
    if found != CHAIN or len(spans) != len(CHAIN) or len(orders) != 1 or trace["late"]:
        raise Failed(f"trace {trace['traceId']} is not the tree:\n{tree_text(spans)}")
    return int(orders.pop())


def read_traces(path, count, seconds):
    """The lines of `view --json`, when there are count of them, or time is up."""
    deadline = time.monotonic() + seconds
    while True:
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines(keepends=True)
        lines = [line for line in lines if line.endswith("\n")]
        if len(lines) >= count or time.monotonic() > deadline:
            return [json.loads(line) for line in lines]
        time.sleep(0.05)


def show_one(demo, view):
    say("One request: curl > nginx > gunicorn with Flask > requests > a second service\n")
    demo.curl(1)
    try:
        view.wait(15)
    except subprocess.TimeoutExpired:
        view.terminate()  # it prints what it has
        view.wait(10)
        raise Failed("no finished trace arrived in 15 s") from None


def check_many(demo):
    say(f"{REQUESTS} requests at once, checked from `interspan view --json`")
    with open(demo.path("traces.json"), "wb") as out:
        view = demo.view("view-json", "--json", port=demo.endpoint.rpartition(":")[2], stdout=out)
    orders = range(100, 100 + REQUESTS)
    with concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(demo.curl, orders))
    read_traces(demo.path("traces.json"), REQUESTS, 15)
    time.sleep(0.5)  # for what should not come
    view.terminate()
    view.wait(10)
    traces = read_traces(demo.path("traces.json"), 0, 0)
    got = sorted(check_trace(trace) for trace in traces)
    if got != list(orders):
        raise Failed(f"{len(traces)} traces for {REQUESTS} requests: {got}")
    say(f"ok: {len(traces)} traces, {len(traces) * len(CHAIN)} spans, every parent right")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="interspan-demo-")
    os.chmod(directory, 0o755)
    demo = Demo(directory)
    try:
        if not os.access(INTERSPAN, os.X_OK):
            raise Failed(f"{INTERSPAN} is missing: make first")
        view = demo.view("view", "--once", stdout=sys.stdout)
        demo.start_services()
        show_one(demo, view)
        check_many(demo)
    except Failed as failure:
        say(f"FAILED: {failure}")
        return 1
    finally:
        demo.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
