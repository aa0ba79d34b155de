# SPDX-License-Identifier: Apache-2.0
"""The one binary object, from its package, in Debian 11, 12 and 13 (glibc 2.31, 2.36, 2.41): it is
installed, traces curl and Python, plain and by HTTPS, ends cleanly, and is removed.  And the tests of
`tests/preload` in the newest of them.  The roots are made by scripts/debian-root, once."""
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from support import certificates
from support.collector import Collector
from support.progs import APPS, BUILD, ROOT

ROOTS = os.path.join(ROOT, "build", "debians")
GLIBC = {"bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41"}
# proc, the devices, and nothing else of this machine; all of it goes with the process.
ENTER = ("mount -t proc proc $R/proc && mount --rbind /dev $R/dev && mount -t tmpfs none $R/run && "
         "mount -t tmpfs none $R/tmp && mount -t tmpfs none $R/mnt && "
         'for d in $SHOWN; do mkdir -p "$R$d" && mount --bind "$d" "$R$d" || exit; done; '
         'exec chroot $R "$@"')
# None of its own: who preloads is told by what is run.
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "NO_PROXY": "*"}


@functools.lru_cache(None)
def all_roots():
    """What cannot be had, by suite; made side by side, since it is waiting for the most part."""
    making = {s: subprocess.Popen([os.path.join(ROOT, "scripts", "debian-root"), s, os.path.join(ROOTS, s)],
                                  stderr=subprocess.PIPE) for s in GLIBC}
    return {s: (p.communicate()[1].decode().strip(), p.returncode) for s, p in making.items()}


@functools.lru_cache(None)
def package():
    made = subprocess.run(["make", "-s", "-C", ROOT, "deb", f"BUILD={os.path.relpath(BUILD, ROOT)}"], check=True,
                          capture_output=True, timeout=600, env={**os.environ, "MAKEFLAGS": ""})
    return os.path.join(ROOT, made.stdout.decode().split()[-1])


class Root:
    """A root that is entered; with directories of this machine that are seen in it, too."""

    def __init__(self, suite, *shown):
        self.path = os.path.join(ROOTS, suite)
        self.shown = shown

    def argv(self, words):
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", ENTER, "sh", *words]

    def env(self, more):
        return {**ENV, "R": self.path, "SHOWN": " ".join(self.shown), **more}

    def run(self, *words, timeout=120, **env):
        done = subprocess.run(self.argv(words), env=self.env(env), capture_output=True, timeout=timeout, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def start(self, *words, **env):
        return subprocess.Popen(self.argv(words), env=self.env(env), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)


class DebiansTest(unittest.TestCase):
    maxDiff = None

    def root(self, suite, *shown):
        why, status = all_roots()[suite]
        if status == 77:
            self.skipTest(why)
        self.assertEqual((status, why), (0, ""))
        root = Root(suite, *shown)
        status, _, why = root.run("true")
        if status != 0:
            self.skipTest(f"no root can be entered here: {why.strip()}")
        return root

    def installed(self, suite, *shown):
        root = self.root(suite, os.path.dirname(package()), *shown)
        # dpkg's word, whatever a run that was cut off has left.
        self.assertEqual(root.run("dpkg", "--install", package())[::2], (0, ""))
        self.addCleanup(root.run, "dpkg", "--purge", "interspan")
        return root

    def check_first_waterfall(self, suite):
        """From the package to a picture: two commands, and at most half a minute."""
        self.root(suite)
        package()
        began = time.monotonic()
        root = self.installed(suite, APPS)
        self.assertIn("glibc", root.run("ldd", "--version")[1].lower())
        self.assertIn(GLIBC[suite], root.run("ldd", "--version")[1].splitlines()[0])
        self.assertEqual(root.run("interspan", "--version"), (0, "interspan 0.1.0\n", ""))
        server = root.start("python3", os.path.join(APPS, "debian_tour.py"))
        self.addCleanup(server.communicate)
        self.addCleanup(server.terminate)
        port = server.stdout.readline().strip()
        for user in ([], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]):
            status, out, told = root.run(*user, "interspan", "run", "--view", "--service", "shell", "--", "curl", "-sS",
                                         f"http://127.0.0.1:{port}/orders")
            self.assertEqual((status, out), (0, "/stock"), told)
            self.assertRegex(told, r"(?m)^trace [0-9a-f]{32} .* 1 span  1 service\n(.*\n)?shell CLIENT GET /orders 200 ")
        self.assertLess(time.monotonic() - began, 30)

    def check_traced(self, suite, scheme):
        ca = certificates.make()
        root = self.installed(suite, APPS, ca.directory)
        with Collector() as collector:
            by = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_INTERSPAN_LOG": "/tmp/log"}
            run = ["interspan", "run", "--endpoint", collector.endpoint, "--service"]
            tls = [ca.certificate, ca.key] if scheme == "https" else []
            server = root.start(*run, "shop", "--", "python3", os.path.join(APPS, "debian_tour.py"), *tls, **by)
            port = server.stdout.readline().strip()
            got = root.run(*run, "shell", "--", "curl", "-sS", "--cacert", ca.file, f"{scheme}://127.0.0.1:{port}/x", **by)
            self.assertEqual(got, (0, "/stock", ""))
            spans = collector.wait_for(4, 30)
            state = self.looked_at(root, server.pid)
            server.terminate()
            self.assertEqual(server.communicate(timeout=60), ("", ""))
            self.assertEqual(server.returncode, 0)
        self.assertEqual(state["spans_dropped"], 0)
        self.assertEqual(collector.errors, [])
        self.assert_chain(spans)

    def looked_at(self, root, pid):
        """By the package's own doctor and status, from inside."""
        # unshare and sh have become the program, as interspan run has.
        status, out, told = root.run("interspan", "doctor", "--json", str(pid))
        found = {json.loads(line)["finding"] for line in out.splitlines()}
        self.assertIn("loaded", found, out + told)
        self.assertEqual(status, 0, out + told)
        status, out, told = root.run("interspan", "status", "--json", str(pid))
        self.assertEqual(status, 0, told)
        counters = json.dumps(json.loads(out.splitlines()[0]))
        self.assertIn('"spans_exported": 3', counters)
        return {"spans_dropped": sum(int(n) for n in re.findall(r'"spans_dropped\w*": (\d+)', counters))}

    def assert_chain(self, spans):
        """curl -> shop -> itself, each the next one's parent, in one trace."""
        self.assertEqual(sorted((s["service"], s["kind"]) for s in spans), [
            ("shell", "CLIENT"), ("shop", "CLIENT"), ("shop", "SERVER"), ("shop", "SERVER")])
        self.assertEqual(len({s["trace_id"] for s in spans}), 1)
        at = {s["parent_span_id"]: s for s in spans}
        chain, parent = [], ""
        while parent in at:
            chain.append((at[parent]["service"], at[parent]["kind"]))
            parent = at[parent]["span_id"]
        self.assertEqual(chain, [("shell", "CLIENT"), ("shop", "SERVER"), ("shop", "CLIENT"), ("shop", "SERVER")])

    def check_removed(self, suite):
        root = self.installed(suite)
        files = [f for f in root.run("dpkg", "--listfiles", "interspan")[1].split() if "interspan" in f]
        for file in ("/usr/bin/interspan", "/usr/lib/interspan/libinterspan.so", "/usr/lib/interspan/libinterspan-tls.so",
                     "/usr/share/man/man1/interspan.1.gz", "/usr/share/bash-completion/completions/interspan"):
            # What Debian's small images leave out is documentation, and not left out here.
            self.assertIn(file, files)
            self.assertTrue(os.path.exists(root.path + file), file)
        self.assertEqual(root.run("dpkg", "--verify", "interspan"), (0, "", ""))
        self.assertEqual(root.run("dpkg", "--purge", "interspan")[::2], (0, ""))
        self.assertEqual([f for f in files if os.path.exists(root.path + f)], [])
        # Where LD_PRELOAD is left behind, the README's word for it.
        status, out, told = root.run("sh", "-c", "LD_PRELOAD=/usr/lib/interspan/libinterspan.so uname")
        self.assertEqual((status, out), (0, "Linux\n"))
        self.assertRegex(told, r"\AERROR: ld\.so: object '/usr/lib/interspan/libinterspan\.so' .*: ignored\.\n\Z")

    def test_names_that_libc_has_got_since(self):
        """Of what came after the libc that we build with (2.36), nothing reads, writes, waits, or starts a program,
        but for what hooks.def says."""
        self.root("trixie")
        libc = os.path.join(ROOTS, "trixie", "lib", f"{os.uname().machine}-linux-gnu", "libc.so.6")
        names = subprocess.run(["nm", "-D", "--defined-only", libc], check=True, capture_output=True, text=True,
                               timeout=60).stdout
        new = {m[1] for m in re.finditer(r" [TWi] (\w+)@@?GLIBC_2\.(?:3[7-9]|4\d)$", names, re.M)}
        harmless = re.compile(r"__isoc23_|stdc_|(__)?(str|wcs)lc(py|at)|posix_spawnattr_|sched_[gs]etattr")
        self.assertIn("__isoc23_strtol", new)
        self.assertEqual({name for name in new if not harmless.match(name)},
                         {"pidfd_spawn", "pidfd_spawnp", "pidfd_getpid"})

    def test_newer_libc(self):
        """Every hook beside the bare call, in a libc that came four years after ours."""
        root = self.root("trixie", ROOT)
        if not os.path.exists(os.path.join(BUILD, "tests", "host_differ")):
            subprocess.run(["make", "-s", "-C", ROOT, "hosts", f"BUILD={os.path.relpath(BUILD, ROOT)}"], check=True,
                           capture_output=True, timeout=600, env={**os.environ, "MAKEFLAGS": ""})
        tests = [os.path.join(ROOT, "tests", "preload", f"test_{name}.py") for name in
                 ("differ", "process", "threads", "signals", "waits", "environ", "family", "ends")]
        status, out, told = root.run("python3", "-B", os.path.join(ROOT, "tests", "preload", "run.py"), *tests,
                                     timeout=500, BUILD=BUILD)
        self.assertEqual(status, 0, out + told)
        self.assertRegex(out.splitlines()[-1], r"^[1-9]\d+ passed, 0 failed")


for name in GLIBC:
    for part in ("first_waterfall", "removed"):
        def test(self, name=name, part=part):
            getattr(self, f"check_{part}")(name)
        setattr(DebiansTest, f"test_{part}_{name}", test)
    for way in ("http", "https"):
        def test(self, name=name, way=way):
            self.check_traced(name, way)
        setattr(DebiansTest, f"test_traced_{way}_{name}", test)


class PackageTest(unittest.TestCase):
    def test_same_bytes_again(self):
        """Whenever they are packed, by whomever: the dates are the release's, the owner is root."""
        def packed(kind):
            made = subprocess.run(["make", "-s", "-C", ROOT, kind, f"BUILD={os.path.relpath(BUILD, ROOT)}"],
                                  check=True, capture_output=True, text=True, timeout=600,
                                  env={**os.environ, "MAKEFLAGS": "", "TZ": "Asia/Tokyo"}).stdout.split()
            name, = (name for name in made if name.endswith((".deb", ".gz")))
            with open(os.path.join(ROOT, name), "rb") as f:
                return name, hashlib.sha256(f.read()).hexdigest()

        for kind, name in (("dist", "interspan-0.1.0-linux-x86_64.tar.gz"), ("deb", "interspan_0.1.0_amd64.deb")):
            first = packed(kind)
            self.assertEqual(os.path.basename(first[0]), name)
            self.assertEqual(first, packed(kind))
        listed = subprocess.run(["dpkg-deb", "--contents", os.path.join(ROOT, first[0])], check=True,
                                capture_output=True, text=True, timeout=60, env={**os.environ, "TZ": "UTC"}).stdout
        self.assertEqual({tuple(line.split()[i] for i in (1, 3, 4)) for line in listed.splitlines()},
                         {("root/root", "2026-11-26", "00:00")})

    def test_tarball_works_where_it_lies(self):
        """Unpacked anywhere, by anybody: the program finds the library beside itself."""
        made = subprocess.run(["make", "-s", "-C", ROOT, "dist", f"BUILD={os.path.relpath(BUILD, ROOT)}"], check=True,
                              capture_output=True, text=True, timeout=600, env={**os.environ, "MAKEFLAGS": ""})
        with tempfile.TemporaryDirectory() as top:
            subprocess.run(["tar", "-C", top, "-xf", os.path.join(ROOT, made.stdout.split()[-1])], check=True, timeout=60)
            here, = os.listdir(top)
            done = subprocess.run([os.path.join(top, here, "bin", "interspan"), "run", "--env", "--service", "x"],
                                  check=True, capture_output=True, text=True, timeout=60)
            self.assertIn(os.path.join(os.path.realpath(top), here, "lib/interspan/libinterspan.so"), done.stdout)
            for name in ("README.md", "LICENSE", "THIRD-PARTY", "CHANGELOG.md", "SECURITY.md", "notice-curl",
                         "recipes/crontab", "recipes/collector/jaeger.yaml"):
                self.assertTrue(os.path.exists(os.path.join(top, here, "share/doc/interspan", name)), name)

    @unittest.skipUnless(shutil.which("lintian"), "needs lintian")
    def test_lintian(self):
        user = ["--allow-root"] if os.getuid() == 0 else []
        done = subprocess.run(["lintian", *user, "--profile", "debian", package()], capture_output=True, timeout=600,
                              check=False)
        self.assertEqual((done.stdout.decode(), done.returncode), ("", 0))


if __name__ == "__main__":
    unittest.main()
