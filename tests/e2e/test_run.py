# SPDX-License-Identifier: Apache-2.0
"""interspan run: what it says of programs that cannot be preloaded, and what --view tells of a run."""
import os
import pwd
import re
import signal
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "interspan")
LOADER = b"/lib64/ld-linux-x86-64.so.2"
PYTHON = "/usr/bin/python3"

# Serves itself, calls itself, fails once, and ends with status 3.
APP = """
import http.client, http.server, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/orders"):
            for i in range(6):
                fetch(f"/items/{i}")
        self.send_response(500 if self.path.endswith("13") else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass
def fetch(path):
    conn = http.client.HTTPConnection("127.0.0.1", server.server_port)
    conn.request("GET", path)
    conn.getresponse().read()
    conn.close()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for i in range(int(sys.argv[1])):
    fetch(f"/orders/{i}")
print("output of the program")
sys.exit(3)
"""


def run(*args, **env):
    env = {k: v for k, v in {**os.environ, "LC_ALL": "C.UTF-8", **env}.items()
           if k in env or not k.startswith(("LD_", "OTEL_"))}
    return subprocess.run([TOOL, "run", *args], env=env, capture_output=True, text=True, timeout=60,
                          check=False)


class Programs(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.realpath(self.enterContext(tempfile.TemporaryDirectory()))
        os.chmod(self.dir, 0o755)

    def write(self, name, data, mode=0o755):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        return path

    def patched(self, name, *edits):
        """A copy of /bin/true with bytes replaced."""
        with open("/bin/true", "rb") as file:
            data = bytearray(file.read())
        for at, new in edits:
            at = data.index(at) if isinstance(at, bytes) else at
            data[at:at + len(new)] = new
        return self.write(name, bytes(data))

    def assert_refused(self, path, why, status=126, **env):
        done = run(path, **env)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(why, done.stderr)
        return done.stderr

    def test_run_tells_what_cannot_be_preloaded(self):
        self.assert_refused(self.patched("musl", (LOADER, b"/lib/ld-musl-x86_64.so.1\0")), "is linked with musl")
        self.assert_refused(self.patched("other", (LOADER, b"/lib/ld-uClibc.so.0\0")), "ld-uClibc.so.0, which is not")
        self.assert_refused(self.patched("small", (4, b"\1")), "is a program of 32 bits")
        self.assert_refused(self.patched("risc", (18, b"\xf3\0")), "another kind of processor")
        source = self.write("x.c", b"int main(void) { return 7; }\n")
        static = os.path.join(self.dir, "static")
        subprocess.run(["cc", "-static", "-o", static, source], check=True)
        self.assert_refused(static, "is linked statically")
        self.assertEqual(run("--force", static).returncode, 7)

    def test_run_of_a_program_with_gccs_asan(self):
        """H15: it ends a program in which another object comes first, unless it is told not to look."""
        source = self.write("asan.c", b'#include <stdio.h>\n#include <stdlib.h>\nint main(void) '
                                      b'{ const char *s = getenv("ASAN_OPTIONS"); return puts(s ? s : "none") < 0; }')
        path, plain = os.path.join(self.dir, "asan"), os.path.join(self.dir, "plain")
        subprocess.run(["gcc", "-fsanitize=address", "-o", path, source], check=True)
        subprocess.run(["gcc", "-o", plain, source], check=True)
        lenient = "verify_asan_link_order=0"
        for program, options, status, told in (
                (path, {}, 0, f"{lenient}\n"), (path, {"ASAN_OPTIONS": ""}, 0, f"{lenient}\n"),
                (path, {"ASAN_OPTIONS": "detect_leaks=0"}, 0, f"detect_leaks=0:{lenient}\n"),
                (path, {"ASAN_OPTIONS": "verify_asan_link_order=1"}, 1, ""),  # as was asked for
                (plain, {}, 0, "none\n"), (plain, {"ASAN_OPTIONS": "a=1"}, 0, "a=1\n")):
            done = run(program, **options)
            self.assertEqual((done.returncode, done.stdout), (status, told), done.stderr)

    def test_run_tells_that_privileges_are_in_the_way(self):
        path = self.patched("other_user")
        if os.geteuid() or os.statvfs(self.dir).f_flag & os.ST_NOSUID:
            self.skipTest("needs root, to give a file to somebody else, and a file system with setuid")
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        os.chmod(path, 0o4755)
        self.assert_refused(path, "is setuid: the loader ignores LD_PRELOAD")
        os.chmod(path, 0o755)
        self.assertEqual(run(path).returncode, 0)
        # One's own identity is no other.
        mine = self.patched("mine")
        os.chmod(mine, 0o4755)
        self.assertEqual(run(mine).returncode, 0)

    def test_run_follows_scripts(self):
        musl = self.patched("musl", (LOADER, b"/lib/ld-musl-x86_64.so.1\0"))
        direct = self.write("direct", f"#!{musl} -x\n".encode())
        for name, text in (("direct2", f"#! {musl}"), ("twice", f"#!{direct}\n"), ("env", "#!/usr/bin/env musl\n"),
                           ("split", "#!/usr/bin/env -S A=b musl -x\n")):
            said = self.assert_refused(self.write(name, text.encode()), "is linked with musl",
                                       PATH=self.dir + ":/usr/bin:/bin")
            self.assertIn(f"{self.dir}/{name}: its interpreter {musl} ", said)
        self.assert_refused(self.write("gone", b"#!/none/python\n"), "its interpreter /none/python: No such file", 127)
        for options in (b"-S -i", b"-iS", b"-", b"-u A -i"):
            self.assert_refused(self.write("clean", b"#!/usr/bin/env " + options + b" sh\n"),
                                "clears the environment by env -i")
        self.assertEqual(run(self.write("good", b"#!/usr/bin/env sh\nexit 9\n")).returncode, 9)
        self.assertEqual(run(self.write("shell's", b"exit 8\n")).returncode, 8)

    def test_run_tells_who_hands_nothing_on(self):
        for name, why in (("sudo", "put interspan behind it"), ("docker", "set the variables there")):
            self.assert_refused(self.patched(name), why)

    def test_run_prints_the_variables(self):
        args = ("--service", "a'b", "--endpoint", "http://h:1", "--sample", "0.5", "--log", "/x y")
        shell = run("--env", *args).stdout
        got = subprocess.run(["sh", "-c", shell + "env"], capture_output=True, text=True, check=True,
                             env={"LD_PRELOAD": "", "PATH": "/usr/bin:/bin"}).stdout.splitlines()
        self.assertEqual(sorted(line for line in got if line.startswith("OTEL_")), [
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://h:1", "OTEL_INTERSPAN_LOG=/x y", "OTEL_SERVICE_NAME=a'b",
            "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5"])
        self.assertIn(f"LD_PRELOAD={os.path.dirname(TOOL)}/libinterspan.so", got)
        drop_in = run("--env=systemd", "--service", "a\"b%c\\").stdout.splitlines()
        self.assertEqual(drop_in[0], "[Service]")
        self.assertEqual(drop_in[2], 'Environment="OTEL_SERVICE_NAME=a\\"b%%c\\\\"')

    def test_run_sets_sampler_and_log(self):
        done = run("--sample", "0", "--log", "stderr", "env")
        self.assertIn("OTEL_TRACES_SAMPLER_ARG=0\n", done.stdout)
        self.assertIn("OTEL_INTERSPAN_LOG=stderr\n", done.stdout)

    def test_run_refuses_what_does_not_fit(self):
        for args, why in ((["--sample", "2", "true"], "--sample needs a share"), (["--env", "true"], "runs no program"),
                          (["--view", "--endpoint", "http://h", "true"], "an endpoint of its own"),
                          (["--env=x"], "shell or systemd"), (["--service", "a\nb", "true"], "more than one line")):
            done = run(*args)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (125, 1))
            self.assertIn(why, done.stderr)


class ViewTest(unittest.TestCase):
    def app(self, count, *options, **env):
        return run("--view", "--service", "shop", *options, "--", PYTHON, "-c", APP, str(count), **env)

    def test_run_view_tells_of_the_run_behind_it(self):
        done = self.app(1)
        self.assertEqual((done.returncode, done.stdout), (3, "output of the program\n"))
        head, _, verdict = done.stderr.partition("interspan: 1 trace, 14 spans in ")
        self.assertIn("shop CLIENT GET /orders/0 200 ", head)
        self.assertRegex(head, r"\n  N\+1      6 x GET shop/items/\{\}, serial, ")
        self.assertIn(" x shop CLIENT GET shop/items/{}, ", verdict)
        self.assertRegex(verdict, r"\n +7 +.* shop -> shop\n")

    def test_run_view_chooses_the_failed_and_the_slow(self):
        done = self.app(14)
        shown = re.findall(r"^shop CLIENT GET /orders/(\d+) ", done.stderr, re.M)
        self.assertEqual(len(shown), 10)
        self.assertEqual(shown, sorted(shown, key=int))
        self.assertIn("13", shown)
        self.assertIn("interspan: 14 traces, 196 spans in ", done.stderr)
        self.assertIn(", 1 with errors; 4 not shown above", done.stderr)
        verdict = done.stderr[done.stderr.index("interspan: 14"):]
        self.assertLessEqual(verdict.count("\n"), 24)

    def test_run_view_takes_the_traces_whatever_else_is_set(self):
        done = self.app(1, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:1/x", OTEL_TRACES_EXPORTER="none",
                        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
        self.assertIn("interspan: 1 trace, 14 spans", done.stderr)

    def test_run_view_says_that_nothing_came(self):
        done = run("--view", "sh", "-c", "exit 5")
        self.assertEqual((done.returncode, done.stdout), (5, ""))
        self.assertIn("no span came", done.stderr)

    def test_run_view_has_the_status_of_a_shell(self):
        self.assertEqual(run("--view", "sh", "-c", "kill -9 $$").returncode, 137)
        self.assertEqual(run("--view", "no-such-program").returncode, 127)

    def test_run_view_hands_signals_on(self):
        script = "trap 'echo got it; exit 4' TERM; echo ready; while :; do sleep 0.05; done"
        with subprocess.Popen([TOOL, "run", "--view", "sh", "-c", script], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as proc:
            self.assertEqual(proc.stdout.readline(), "ready\n")
            proc.send_signal(signal.SIGTERM)
            self.assertEqual((proc.communicate(timeout=60)[0], proc.returncode), ("got it\n", 4))

    def test_run_view_leaves_signals_to_the_program_as_they_were(self):
        """What the program finds blocked and ignored is what interspan found."""
        masks = [PYTHON, "-c", "print([l for l in open('/proc/self/status') if l[:6] in ('SigBlk', 'SigIgn')])"]
        ignore = [PYTHON, "-c", "import os, signal, sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
                  "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\nos.execvp(sys.argv[1], sys.argv[1:])"]
        bare = subprocess.run(ignore + masks, capture_output=True, text=True, check=True).stdout
        ours = subprocess.run(ignore + [TOOL, "run", "--view"] + masks, capture_output=True, text=True,
                              check=True).stdout
        self.assertEqual(ours, bare)


class CompletionTest(unittest.TestCase):
    def complete(self, *words):
        script = ("source docs/completion/interspan.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _interspan;"
                  " printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", script, "bash", *words], cwd=ROOT, capture_output=True, text=True,
                              timeout=30, check=True)
        return [w for w in done.stdout.split("\n") if w]

    def test_completion(self):
        self.assertEqual(self.complete(TOOL, "vi"), ["view"])
        self.assertEqual(self.complete(TOOL, "--v"), ["--version"])
        self.assertEqual(self.complete(TOOL, "view", "--m"), ["--map", "--min-duration"])
        self.assertEqual(self.complete(TOOL, "view", "--trace", ""), [])
        self.assertEqual(self.complete(TOOL, "view", "--file", "READ"), ["README.md"])
        self.assertEqual(self.complete(TOOL, "run", "--se"), ["--service"])
        self.assertIn("gunzip", self.complete(TOOL, "run", "--view", "gunzi"))
        # What stands behind the program is the program's.
        self.assertEqual(self.complete(TOOL, "run", "--service", "x", "--", "ls", "--se"), [])
        self.assertEqual(self.complete(TOOL, "run", "ls", "--se"), [])


if __name__ == "__main__":
    unittest.main()
