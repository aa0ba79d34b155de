# SPDX-License-Identifier: Apache-2.0
"""The demo: a request through curl, nginx, gunicorn with Flask, a small service in C++, another one in
Python and a PostgreSQL of its own, none of them modified, shown as a waterfall; then twenty at once,
each of which must give exactly this tree:

    curl CLIENT > nginx SERVER > nginx CLIENT > shop SERVER
        > shop CLIENT, the order's lines                  (psycopg2, by a socket of the file system)
        > shop CLIENT, the product of each line           N+1
        > shop CLIENT > prices SERVER > prices CLIENT     slow: where it was called is told (libpq, TCP)
        > shop CLIENT > stock SERVER                      failed, and the shop goes on without

Ends with 0 only if all of them do.  Free ports, a temporary directory, nothing left behind.
BUILD names the directory that the programs were built in.
"""
import concurrent.futures
import functools
import glob
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
LINES = 9  # of an order
QUERIES = ["SELECT order_lines", "SELECT products"]


def node(service, kind, name, *below):
    return (service, kind, name, tuple(sorted(below)))


TREE = node("curl", "CLIENT", "GET", node("nginx", "SERVER", "GET", node(
    "nginx", "CLIENT", "GET", node(
        "shop", "SERVER", "GET", node("shop", "CLIENT", QUERIES[0]),
        *[node("shop", "CLIENT", QUERIES[1])] * LINES,
        node("shop", "CLIENT", "GET", node("prices", "SERVER", "GET",
                                           node("prices", "CLIENT", "SELECT prices"))),
        node("shop", "CLIENT", "GET", node("stock", "SERVER", "GET"))))))
SPANS = 10 + LINES
FAILED = {("stock", "SERVER"), ("shop", "CLIENT")}  # 503
CALLED = {"code.function.name": "look_up_price(pg_conn*, int)", "code.file.path": "./prices.cpp"}

SHOP = """\
import flask, os, psycopg2, requests, threading
app = flask.Flask(__name__)
local = threading.local()

def rows(sql, *values):
    if not hasattr(local, "database"):
        local.database = psycopg2.connect(os.environ["DATABASE"])
        local.database.autocommit = True
    with local.database.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()

@app.get("/orders/<int:order>")
def get_order(order):
    lines = rows("SELECT product FROM order_lines WHERE of_order = %s", order % 10)
    products = [rows("SELECT name FROM products, pg_sleep(0.004) WHERE id = %s", product)[0][0]
                for product, in lines]
    price = requests.get(os.environ["PRICES"] + f"/prices/{order}").text
    stock = requests.get(os.environ["STOCK"] + f"/stock/{order}")
    return {"order": order, "products": products, "price": price,
            "in stock": stock.text if stock.ok else "perhaps"}
"""

PRICES = """\
#include <libpq-fe.h>
#include <netinet/in.h>
#include <unistd.h>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

static std::string look_up_price(PGconn *database, int order)
{
	std::string sql = "SELECT sum(price) FROM prices, pg_sleep(0.15) WHERE of_order = " +
			  std::to_string(order % 10);
	PGresult *result = PQexec(database, sql.c_str());
	std::string price = PQntuples(result) ? PQgetvalue(result, 0, 0) : "?";

	PQclear(result);
	return price;
}

static void serve(int client)
{
	PGconn *database = PQconnectdb(getenv("DATABASE"));
	char request[4096];
	ssize_t n;

	while ((n = read(client, request, sizeof(request) - 1)) > 0) {
		request[n] = 0;
		std::string price = look_up_price(database, atoi(strrchr(strtok(request + 4, " "), '/') + 1));
		std::string answer = "HTTP/1.1 200 OK\\r\\nContent-Length: " + std::to_string(price.size()) +
				     "\\r\\n\\r\\n" + price;
		if (write(client, answer.data(), answer.size()) < 0)
			break;
	}
	PQfinish(database);
	close(client);
}

int main(int, char **argv)
{
	sockaddr_in at{};
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_family = AF_INET;
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (sockaddr *)&at, sizeof(at)) || listen(listener, 64))
		return 1;
	for (int client; (client = accept(listener, nullptr, nullptr)) >= 0;)
		std::thread(serve, client).detach();
}
"""

TABLES = f"""\
CREATE TABLE order_lines (of_order int, product int);
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE prices (of_order int, price numeric);
INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 100) n;
INSERT INTO order_lines SELECT o, o * 7 + n FROM generate_series(0, 9) o, generate_series(1, {LINES}) n;
INSERT INTO prices SELECT o, n FROM generate_series(0, 9) o, generate_series(1, {LINES}) n;
"""
POSTGRES = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{dir}'
max_connections = 100
fsync = off
"""

STOCK = """\
import http.server, signal, sys

class Stock(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"counting"
        self.send_response(503)
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

    def start(self, name, argv, stdout=None, stop=signal.SIGTERM, user=None, group=None,
              extra_groups=None, **extra):
        with open(self.path(name + ".err"), "wb") as err:
            process = subprocess.Popen(argv, cwd=self.directory, stdin=subprocess.DEVNULL,
                                       stdout=stdout or err, stderr=err, start_new_session=True,
                                       env=self.environment(**extra), user=user, group=group,
                                       extra_groups=extra_groups)
        self.processes.append((process, stop))
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

    def start_postgres(self):
        """A cluster of its own, with a socket in its directory, and a port; none of it is traced."""
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            raise Failed("PostgreSQL is not installed: scripts/demo installs what is missing")
        programs, home, port = os.path.dirname(found[-1]), self.path("postgres"), free_port()
        os.mkdir(home)
        user = {}
        if os.getuid() == 0:  # it refuses to run as root
            shutil.chown(home, "postgres", "postgres")
            user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        run = functools.partial(subprocess.run, check=True, capture_output=True, timeout=60,
                                cwd=home, env=self.environment(LC_ALL="C"), **user)
        data = os.path.join(home, "data")
        run([f"{programs}/initdb", "-D", data, "-U", "shop", "-A", "trust", "-N", "-E", "UTF8"])
        with open(os.path.join(data, "postgresql.conf"), "a", encoding="ascii") as f:
            f.write(POSTGRES.format(port=port, dir=home))
        self.start("postgres", [f"{programs}/postgres", "-D", data], stop=signal.SIGINT, **user)
        where = ["-h", home, "-p", str(port), "-U", "shop"]
        for _ in range(500):
            if subprocess.run([f"{programs}/pg_isready", "-q", *where], check=False).returncode == 0:
                break
            time.sleep(0.05)
        else:
            raise Failed(f"PostgreSQL does not start:\n{self.errors('postgres')}")
        run([f"{programs}/psql", "-qX", *where, "-d", "postgres"], input=TABLES.encode())
        rest = f"port={port} user=shop dbname=postgres"
        return f"host={home} {rest}", f"host=127.0.0.1 {rest}"

    def build_prices(self):
        argv = [find("g++"), "-g", "-fdebug-prefix-map=" + self.directory + "=.", "-o", "prices",
                "-I/usr/include/postgresql", os.path.basename(self.write("prices.cpp", PRICES)),
                "-lpq", "-pthread"]
        done = subprocess.run(argv, cwd=self.directory, capture_output=True, text=True, timeout=120,
                              check=False)
        if done.returncode:
            raise Failed(f"prices.cpp: {done.stderr}")

    def start_services(self):
        by_socket, by_port = self.start_postgres()
        stock, shop, prices, self.port = (free_port() for _ in range(4))
        self.build_prices()
        self.serve("prices", prices, [self.path("prices"), str(prices)], DATABASE=by_port,
                   OTEL_INTERSPAN_STACK_THRESHOLD="100")
        self.serve("stock", stock, [PYTHON, self.write("stock.py", STOCK), str(stock)])
        self.write("shop.py", SHOP)
        self.serve("shop", shop, [find("gunicorn"), "--preload", "-w", "2", "--threads", "8", "-b",
                                  f"127.0.0.1:{shop}", "shop:app"], DATABASE=by_socket,
                   STOCK=f"http://127.0.0.1:{stock}", PRICES=f"http://127.0.0.1:{prices}")
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
        for process, stop in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(stop)
        for process, _ in reversed(self.processes):
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


def tree_of(span, below):
    return node(span["service"], span["kind"], span["name"].partition(" /")[0],
                *(tree_of(s, below) for s in below.get(span["spanId"], [])))


def check_trace(trace):
    """Returns the order number that the trace is about; Failed if it is not exactly the tree."""
    spans = trace["spans"]
    below = {}
    for span in spans:
        below.setdefault(span["parentSpanId"], []).append(span)
    roots = below.get("", [])
    orders = {n for s in spans for n in re.findall(r"/(?:orders|prices|stock)/(\d+)",
                                                   json.dumps(s["attributes"]))}
    failed = {(s["service"], s["kind"]) for s in spans if s["status"] == "ERROR"}
    if (len(roots) != 1 or tree_of(roots[0], below) != TREE or len(spans) != SPANS or
            failed != FAILED or len(orders) != 1 or trace["late"]):
        raise Failed(f"trace {trace['traceId']} is not the tree:\n{tree_text(spans)}")
    return int(orders.pop())


def check_place(traces):
    """At most ten slow calls a second tell where they were made: do some, and the right place?"""
    told = [{key: s["attributes"].get(key) for key in CALLED} for trace in traces
            for s in trace["spans"] if "code.stacktrace" in s["attributes"]]
    if CALLED not in told:
        raise Failed(f"nobody tells where the slow query was made: {told}")


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
    say("One request: curl > nginx > gunicorn with Flask > PostgreSQL, a service in C++, one in Python\n")
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
    check_place(traces)
    say(f"ok: {len(traces)} traces, {len(traces) * SPANS} spans, every parent right")


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
