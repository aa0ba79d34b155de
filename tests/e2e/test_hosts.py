# SPDX-License-Identifier: Apache-2.0
"""Real programs in the situations that real programs get into: large bodies, sendfile, reloads, killed
workers, forks, limits.  The host does what it does bare, and the spans tell of it."""
import hashlib
import os
import signal
import time

from support import rawhttp
from support.case import Feature
from support.progs import PYTHON, session_pids

PAGES = "client_max_body_size 50m; sendfile on; location /pages/ {{ alias {}/; }}"


FORKING = """
import os, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(5)
c, _ = s.accept()
c.recv(4096)
if os.fork() == 0:
    c.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    os._exit(0)
c.close()
os.wait()
"""


class Hosts(Feature):
    def nginx(self, lab):
        """A second service, nginx before it with a page of 5 MB; the page's sum."""
        second = lab.python_server("second.py", service="stock")
        os.mkdir(lab.path("pages"))
        data = os.urandom(5_000_000)
        with open(lab.path("pages", "big"), "wb") as f:
            f.write(data)
        return (second, lab.nginx(second.port, service="edge",
                                  location=PAGES.format(lab.path("pages"))),
                hashlib.md5(data).hexdigest())

    def run_ok(self, lab, argv, status=0, **env):
        done = lab.run(argv, service="shell", **env)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.decode()

    def shapes(self, spans):
        """How many (service, kind) there are, and that every child is in its parent's trace."""
        traces = {s["span_id"]: s["trace_id"] for s in spans}
        got = {}
        for s in spans:
            got[s["service"], s["kind"]] = got.get((s["service"], s["kind"]), 0) + 1
            if s["parent_span_id"]:
                self.assertEqual(traces.get(s["parent_span_id"]), s["trace_id"])
        return got

    def test_large_responses_by_sendfile(self):
        lab = self.lab()
        _, front, digest = self.nginx(lab)
        url = front.url("/pages/big")
        out = self.run_ok(lab, ["sh", "-c", f"curl -s {url} {url} -o a -o b -o c {url} && "
                                            "md5sum a b c"])
        self.assertEqual(out.count(digest), 3)
        self.assertEqual(self.shapes(self.spans(lab, 6)),
                         {("shell", "CLIENT"): 3, ("edge", "SERVER"): 3})

    def test_large_uploads_through_a_proxy(self):
        """Bodies that arrive in many reads, with waits between: the call below still has its parent."""
        lab = self.lab()
        _, front, _ = self.nginx(lab)
        for size, more in ((20_000, []), (200_000, []), (2_000_000, []),
                           (200_000, ["-H", "Transfer-Encoding: chunked"])):
            with self.subTest(size=size, more=more):
                lab.collector.clear()
                with open(lab.path("body"), "wb") as f:
                    f.write(b"b" * size)
                self.run_ok(lab, ["curl", "-sS", "-o", "out", "--data-binary", "@body", *more,
                                  front.url("/up")])
                self.assertEqual(self.shapes(self.spans(lab, 4)),
                                 {("shell", "CLIENT"): 1, ("edge", "SERVER"): 1,
                                  ("edge", "CLIENT"): 1, ("stock", "SERVER"): 1})

    def test_client_gives_up(self):
        """H17: in the middle of an answer, since it took too long: an error whatever the status."""
        lab = self.lab()
        part = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"
        with rawhttp.listen() as listener:
            script = [[["head", 0, 65536], ["send", part], ["eof", 65536]]]
            with rawhttp.Background(rawhttp.serve, listener, script):
                self.run_ok(lab, ["curl", "-s", "-m", "0.4", "-o", "out",
                                  f"http://127.0.0.1:{listener.getsockname()[1]}/x"], status=28)
        span, = self.spans(lab, 1)
        self.assertEqual((span["kind"], span["status"]), ("CLIENT", "ERROR"))
        self.assert_attributes(span, http_response_status_code=200, error_type="timeout")

    def test_a_forked_child_answers(self):
        """A server that forks after it has read the request, as for CGI, and closes its own copy:
        the answer is the child's, so nobody here knows how it ended.  A gap, not an error."""
        lab = self.lab()
        forking = lab.path("forking.py")
        with open(forking, "w", encoding="ascii") as f:
            f.write(FORKING)
        with rawhttp.listen() as free:
            port = free.getsockname()[1]
        script = (f"{PYTHON} {forking} {port} & while ! curl -s -o out http://127.0.0.1:{port}/a; do "
                  "sleep 0.05; done; wait; cat out")
        self.assertEqual(self.run_ok(lab, ["sh", "-c", script]), "ok")
        self.assertEqual(self.shapes(lab.collector.wait_for(1, settle=0.5)),
                         {("shell", "CLIENT"): 1})

    def test_nginx_reloads_and_loses_a_worker(self):
        lab = self.lab()
        _, front, _ = self.nginx(lab)
        self.run_ok(lab, ["curl", "-sS", "-o", "out", front.url("/1")])
        os.kill(front.pid, signal.SIGHUP)
        time.sleep(0.5)
        self.run_ok(lab, ["curl", "-sS", "-o", "out", front.url("/2")])
        time.sleep(0.5)  # what was not sent yet would die with the worker
        for pid in session_pids(front.pid):
            if pid != front.pid:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        self.run_ok(lab, ["curl", "-sS", "-o", "out", front.url("/3")])
        self.assertEqual(self.shapes(self.spans(lab, 12)),
                         {("shell", "CLIENT"): 3, ("edge", "SERVER"): 3, ("edge", "CLIENT"): 3,
                          ("stock", "SERVER"): 3})

    def test_other_clients(self):
        self.need("wget", "node")
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        url = second.url("/x")
        for argv in (["wget", "-q", "-O", "out", url], ["curl", "-sS", "--http1.0", "-o", "out", url],
                     ["curl", "-sSI", "-o", "out", url],
                     ["curl", "-sSZ", "-o", "a", "-o", "b", "-o", "c", url, url, url],
                     ["node", "-e", f"fetch('{url}').then((r) => r.text())"],
                     ["node", "-e", f"require('http').get('{url}', (r) => r.resume())"]):
            with self.subTest(argv):
                lab.collector.clear()
                self.run_ok(lab, argv)
                count = argv.count(url) or 1
                self.assertEqual(self.shapes(self.spans(lab, 2 * count, 0.1)),
                                 {("shell", "CLIENT"): count, ("stock", "SERVER"): count})

    def test_threads_forks_and_exit_without_clean_up(self):
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        text = ("import urllib.request as u, os, multiprocessing as m, threading\n"
                f"def get(i): u.urlopen('{second.url()}%d' % i).read()\n"
                "t = [threading.Thread(target=get, args=(i,)) for i in range(8)]\n"
                "[x.start() for x in t]; [x.join() for x in t]\n"
                "with m.get_context('fork').Pool(4) as p: p.map(get, range(8, 16))\n"
                "os._exit(3)\n")
        self.run_ok(lab, [PYTHON, "-c", text], status=3)
        self.assertEqual(self.shapes(self.spans(lab, 32)),
                         {("shell", "CLIENT"): 16, ("stock", "SERVER"): 16})

    def test_limits(self):
        """A host with little memory, few descriptors or no right to write a file lives on."""
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        for limit in ("-v 200000", "-n 16", "-f 0", "-c 0", "-s 256"):
            with self.subTest(limit):
                lab.collector.clear()
                out = self.run_ok(lab, ["bash", "-c", f"ulimit {limit}; curl -sS {second.url('/x')}"
                                                      " | grep -c path"])
                self.assertEqual(out, "1\n")
                self.assertEqual(self.shapes(self.spans(lab, 2, 0.1)),
                                 {("shell", "CLIENT"): 1, ("stock", "SERVER"): 1})

    def test_valgrind_finds_nothing(self):
        self.need("valgrind")
        lab = self.lab()
        second = lab.python_server("second.py", service="stock")
        self.run_ok(lab, ["valgrind", "-q", "--error-exitcode=9", "curl", "-sS", "-o", "out",
                          second.url("/x")])
        self.spans(lab, 2)
