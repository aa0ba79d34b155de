# SPDX-License-Identifier: Apache-2.0
"""How other tools broke their hosts (a_) or told false traces (b_): the tests of cases that the other
files do not have, and that field_notes.py, which tells where each case is tested, tells the truth."""
import glob
import os
import re
import socket
import subprocess
import tempfile
import time

from support.case import Case, Feature, Transparency
from support.load import Backend, Load
from support.progs import OBJECT, PYTHON, free_port
from support import rawhttp
from test_causality import Causality
import field_notes

HERE = os.path.dirname(os.path.abspath(__file__))
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def setUpModule():  # pylint: disable=invalid-name
    global BUILT  # pylint: disable=global-statement
    BUILT = tempfile.TemporaryDirectory(prefix="interspan-odd-")
    for name, *flags in (("odd_host",), ("no_plt_host", "-fno-plt")):
        subprocess.run(["gcc", "-O1", "-w", "-rdynamic", *flags, "-o", f"{BUILT.name}/{name}",
                        f"{HERE}/odd_host.c"], check=True)


def tearDownModule():  # pylint: disable=invalid-name
    BUILT.cleanup()


def serve(*answers):
    """A raw listener that answers one connection's requests; (port, Background)."""
    listener = rawhttp.listen()
    script = [[step for answer in answers for step in (["head", 0, 65536], ["send", answer])]]
    return listener, rawhttp.Background(rawhttp.serve, listener, script)


def told(request):
    return re.findall(rb"(?mi)^traceparent: *(.*?)\r$", request)


class Notes(Case):
    def test_of_each_note_are_there(self):
        for note, path, names in field_notes.read():
            with open(os.path.join(os.path.dirname(HERE), path), encoding="utf-8") as f:
                text = f.read()
            for name in names:  # a function, or a row from which one is made
                self.assertTrue(re.search(rf'\btest_{name}\b|"{name}"', text),
                                f"{note}: {path} has no {name}")


class HostsUnharmed(Transparency):
    def same(self, argv, exe, status=0, hooked=True, **env):
        """Bare and preloaded: same status and output; what each sent but for our line."""
        outcomes, sent = [], []
        for bare in (True, False):
            lab = self.lab()
            lab.bare = lab.bare or bare
            listener, server = serve(OK, OK)
            with listener, server:
                port = str(listener.getsockname()[1])
                done = lab.run([a.replace("PORT", port) for a in argv], **env)
            sent.append([re.sub(rb"traceparent: [^\r]*\r\n", b"", r)
                         .replace(port.encode(), b"PORT") for r in server.records()])
            outcomes.append((done.returncode, done.stdout.replace(port.encode(), b"PORT"),
                             done.stderr))
        self.assertEqual(outcomes[0], outcomes[1])
        self.assertEqual(sent[0], sent[1])
        self.assertEqual(outcomes[0][0], status, outcomes[0])
        if hooked:
            self.assert_loaded(lab, exe, hooked=True)
        elif not self.is_bare():  # it cannot write its log: proved by what it sent
            self.assertGreater(len(lab.collector.wait_for(2, 5)), 1)
        return outcomes[0]

    def test_a_odd_calls_and_names_of_our_libraries(self):
        """Zero lengths, NULL, string literals, bad addresses, variadic fcntl; exported names."""
        output = self.same([f"{BUILT.name}/odd_host", "PORT"], "odd_host")[1].decode()
        self.assertIn('write(fd, "GET /a HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n", 28) = 28, errno 77', output)
        self.assertIn("writev(fd, holes, 5) = 28, errno 77", output)
        self.assertIn("writev(fd, holes, 1025) = -1, errno 22", output)
        for call in ("read(fd, nowhere, 10)", "write(fd, nowhere, 10)", "writev(fd, nowhere, 2)",
                     "sendmsg(fd, nowhere, 0)"):
            self.assertIn(f"{call} = -1, errno 14", output)

    def test_a_calls_by_pointers_and_without_a_plt(self):
        """The same program; its calls go through the table of addresses."""
        self.same([f"{BUILT.name}/no_plt_host", "PORT"], "no_plt_host")

    def test_a_no_new_executable_memory(self):
        """As under systemd's MemoryDenyWriteExecute (a kernel before 6.3 refuses, bare as preloaded)."""
        text = ("import ctypes, http.client\n"
                "ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)\n"
                "c = http.client.HTTPConnection('127.0.0.1', PORT)\n"
                "for _ in range(2):\n c.request('GET', '/'); print(c.getresponse().read())\n")
        self.same([PYTHON, "-c", text], "python3.11")

    def test_a_signals_are_the_host_s(self):
        text = ("import http.client, os, signal, time\n"
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whoever started us
                "c = http.client.HTTPConnection('127.0.0.1', PORT)\n"
                "for _ in range(2):\n c.request('GET', '/'); c.getresponse().read()\n"
                "time.sleep(0.4)\n"
                "print([l[:4] + hex(int(l[8:], 16) & ~(1 << 32))\n"  # 33 is libc's, for threads
                "       for l in open('/proc/self/status') if l[:4] in ('SigB', 'SigI', 'SigC')],\n"
                "      flush=True)\n"
                "os.kill(os.getpid(), signal.SIGUSR2)\ntime.sleep(5)\n")
        lab_out = self.same([PYTHON, "-c", text], "python3.11", status=-12, hooked=False)
        self.assertIn(b"SigC0x2", lab_out[1])

    def test_a_chroot_before_the_first_span(self):
        """No /proc, no /tmp, no files, and no rights any more."""
        if os.getuid() != 0:
            self.skipTest("chroot() needs root")
        text = ("import http.client, os, tempfile\n"
                "import encodings.idna\n"
                "c = http.client.HTTPConnection('127.0.0.1', PORT)\n"
                "os.chroot(tempfile.mkdtemp()); os.chdir('/'); os.setgid(65534); os.setuid(65534)\n"
                "for _ in range(2):\n c.request('GET', '/'); print(c.getresponse().read())\n")
        self.assertEqual(self.same([PYTHON, "-c", text], "python3.11", hooked=False)[1],
                         b"b'ok'\nb'ok'\n")

    def test_a_programs_with_a_preload_of_their_own_for_children(self):
        text = ("import os, subprocess\n"
                "e = dict(os.environ, LD_PRELOAD='libc.so.6')\n"
                "print(subprocess.run(['/bin/sh', '-c', 'echo $LD_PRELOAD'], env=e,"
                " capture_output=True).stdout)\n")
        self.same_without_peer([PYTHON, "-c", text])

    def same_without_peer(self, argv):
        outcomes = []
        for bare in (True, False):
            lab = self.lab()
            lab.bare = lab.bare or bare
            done = lab.run(argv)
            outcomes.append((done.returncode, done.stdout, done.stderr))
        self.assertEqual(outcomes[0], outcomes[1])
        self.assertEqual(outcomes[0][0], 0, outcomes[0])
        self.assert_loaded(lab, "python3.11")


class HostsServed(Feature):
    def test_a_other_allocators_before_and_behind_us(self):
        found = [path for name in ("jemalloc.so.2", "tcmalloc_minimal.so.4", "mimalloc.so.2")
                 for path in glob.glob(f"/usr/lib/*/lib{name}")[:1]]
        if not found:
            self.skipTest("needs libjemalloc2 or libtcmalloc-minimal4")
        for path in found:
            for order in (f"{path}:{OBJECT}", f"{OBJECT}:{path}"):
                with self.subTest(order=order):
                    lab = self.lab()
                    preload = path if self.is_bare() else order
                    bare, lab.bare = lab.bare, True  # the order is ours to say
                    with Backend(0.001) as backend:
                        front = lab.python_server("threads.py", backend.url(), LD_PRELOAD=preload)
                        lab.bare = bare
                        outcome = Load(front.port, count=100, concurrency=16).run()
                        self.assertEqual(set(outcome.values()), {200})
                        self.spans(lab, 200)
                        self.assertEqual(front.stop(), 0)

    def test_a_every_number_is_somebody_else_s(self):
        """While spans are exported: replaced by a file, closed, and taken again by that file."""
        lab = self.lab()
        listener = rawhttp.listen()
        text = ("import http.client, os, sys, time\n"
                "def ask():\n"
                "    c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n"
                "    c.request('GET', '/x'); assert c.getresponse().read() == b'ok'; c.close()\n"
                "ask(); time.sleep(0.3)\n"
                "f = os.open('mine', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
                "for n in range(3, 1024):\n"
                "    if n != f: os.dup2(f, n)\n"
                "time.sleep(0.3)\n"
                "os.closerange(4, 1024); os.dup2(3, 4); os.closerange(5, 9)\n"
                "for n in range(5, 200): assert os.dup(4) == n\n"
                "ask(); time.sleep(0.3)\n"
                "os.write(4, b'all')\n")
        script = [[["head", 0, 65536], ["send", OK]]] * 2
        with listener, rawhttp.Background(rawhttp.serve, listener, script):
            done = lab.run([PYTHON, "-c", text, str(listener.getsockname()[1])])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        with open(lab.path("mine"), "rb") as f:
            self.assertEqual(f.read(), b"all")
        self.spans(lab, 2)

    def test_a_calls_that_dlsym_found(self):
        lab = self.lab()
        listener, server = serve(OK)
        text = ("import ctypes, socket, sys\n"
                "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
                "ask = b'GET /x HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'\n"
                "assert ctypes.CDLL(None).send(s.fileno(), ask, len(ask), 0) == len(ask)\n"
                "to = ctypes.create_string_buffer(999)\n"
                "n = ctypes.CDLL(None).recv(s.fileno(), to, 999, 0)\n"
                "print(to.raw[:n])\n")
        with listener, server:
            done = lab.run([PYTHON, "-c", text, str(listener.getsockname()[1])])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"%r\n" % OK, b""))
        self.assertEqual(len(told(server.records()[0])), 1)
        self.spans(lab, 1)

    def test_a_descriptors_above_1024(self):
        """And reused at once by another thread."""
        lab = self.lab()
        listener, server = serve(OK)
        text = ("import os, resource, socket, sys, threading\n"
                "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n"
                "held = [os.open('/dev/null', os.O_RDONLY) for _ in range(1500)]\n"
                "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
                "n = s.fileno(); assert n > 1024\n"
                "s.sendall(b'GET /x HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'); s.recv(999); s.close()\n"
                "def again():\n"
                "    r, w = os.pipe(); assert n in (r, w)\n"
                "    os.write(w, b'GET /y HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'); print(os.read(r, 999))\n"
                "t = threading.Thread(target=again); t.start(); t.join()\n")
        with listener, server:
            done = lab.run([PYTHON, "-c", text, str(listener.getsockname()[1])])
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, b"b'GET /y HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'\n", b""))
        self.assertEqual(len(told(server.records()[0])), 1)
        self.spans(lab, 1)

    def test_a_inherited_listener(self):
        """As from systemd: bound and listened to by another program, which then became this one."""
        lab = self.lab()
        text = ("import os, socket, sys\n"
                "l = socket.create_server(('127.0.0.1', 0)); os.dup2(l.fileno(), 3); os.set_inheritable(3, True)\n"
                "print(l.getsockname()[1], flush=True)\n"
                f"os.execv('{PYTHON}', ['python3', '-c', '''\n"
                "import socket\n"
                "c, _ = socket.socket(fileno=3).accept(); c.recv(999)\n"
                "c.sendall(b\"HTTP/1.1 200 OK\\\\r\\\\nContent-Length: 2\\\\r\\\\n\\\\r\\\\nok\"); c.close()\n"
                "'''])\n")
        server = lab.start([PYTHON, "-c", text], "inherited", service="inherited")
        deadline = time.monotonic() + 5
        while not server.text() and time.monotonic() < deadline:
            time.sleep(0.02)
        done = lab.run(["curl", "-sS", f"http://127.0.0.1:{server.text().strip()}/x"], traced=False)
        self.assertEqual(done.stdout, b"ok")
        self.assertEqual(self.spans(lab, 1)[0]["service"], "inherited")


class TrueTraces(Feature):
    def server_span(self, lab, request):
        """What a preloaded raw server makes of one request."""
        port_file, script = lab.path("port"), lab.write("script.json", rawhttp.json.dumps(
            rawhttp.to_json([[["head", 0, 65536], ["send", OK]]])))
        server = lab.start([PYTHON, rawhttp.__file__, "serve", port_file, script,
                            lab.path("record")], "raw")
        deadline = time.monotonic() + 5
        while not os.path.exists(port_file) and time.monotonic() < deadline:
            time.sleep(0.02)
        with open(port_file, encoding="ascii") as f:
            port = int(f.read())
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(request)
            self.assertTrue(s.recv(999))
        server.process.wait(5)

    def test_b_heads_of_any_size_with_the_header_deep_inside(self):
        lab = self.lab()
        sizes = (500, 1000, 4000, 9000, 17000, 33000, 64000)
        for size in sizes:
            fill = b"".join(b"X-Fill-%05d: %s\r\n" % (i, b"v" * 80) for i in range(size // 95))
            os.path.exists(lab.path("port")) and os.unlink(lab.path("port"))
            self.server_span(lab, b"GET /%d HTTP/1.1\r\nHost: h\r\n%sTrAcEpArEnT:  00-%s-%s-01 \r\n\r\n"
                             % (size, fill, TRACE.encode(), PARENT.encode()))
        spans = self.spans(lab, len(sizes))
        self.assertEqual(sorted(int(s["attributes"]["url.path"][1:]) for s in spans), sorted(sizes))
        self.assertEqual({(s["trace_id"], s["parent_span_id"]) for s in spans}, {(TRACE, PARENT)})

    def test_b_one_header_in_a_large_request_of_our_own(self):
        lab = self.lab()
        for size in (0, 1000, 5000, 20000, 60000):
            listener, server = serve(OK)
            with listener, server:
                done = lab.run(["curl", "-sS", f"http://127.0.0.1:{listener.getsockname()[1]}/x",
                                *(a for i in range(size // 500)
                                  for a in ("-H", f"X-Fill-{i}: {'v' * 480}"))])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(told(server.records()[0])), 1)
        self.spans(lab, 5)

    def test_b_context_ends_with_its_request(self):
        """The same thread calls somebody when its request is over: nobody's child."""
        lab = self.lab()
        with Backend(0.001) as backend:
            front = lab.python_server("executor.py", backend.url(), service="after")
            for ident in ("one", "two", "three"):
                done = lab.run(["curl", "-sS", "-d", ident, front.url("/after")], traced=False)
                self.assertEqual(done.stdout, b"done")
            spans = self.spans(lab, 6)
        self.assertEqual({s["parent_span_id"] for s in spans}, {""})
        self.assertEqual(len({s["trace_id"] for s in spans}), 6)

    def test_b_body_by_sendfile_takes_as_long_as_it_takes(self):
        lab = self.lab()
        size = 8 << 20
        with open(lab.path("big"), "wb") as f:
            f.truncate(size)
        front = lab.nginx(free_port(), service="edge",
                          location=f"location /big {{ alias {lab.path('big')}; sendfile on; }}")
        with socket.create_connection(("127.0.0.1", front.port)) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            s.sendall(b"GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            began = time.monotonic()
            got = len(s.recv(65536))
            time.sleep(0.5)
            while data := s.recv(1 << 20):
                got += len(data)
            took = time.monotonic() - began
        self.assertGreater(got, size)
        span, = self.spans(lab, 1)
        seconds = (span["end"] - span["start"]) / 1e9
        self.assertGreater(seconds, 0.4)
        self.assertLess(seconds, took + 0.2)
        self.assertEqual(span["attributes"]["http.response.status_code"], 200)


class Pools(Causality):
    def test_b_thread_pool_fed_by_a_queue(self):
        """Missing is allowed, another request's trace is not."""
        self.both("executor", lambda lab, port: lab.python_server(
            "executor.py", f"http://127.0.0.1:{port}"), False)
