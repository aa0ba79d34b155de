# SPDX-License-Identifier: Apache-2.0
"""Programs that have nothing to do with HTTP must not be able to tell that we are there: same output,
same exit code, and in the process nothing but the object itself."""
import os
import re
import shutil
import subprocess
import tempfile
import time

from support.case import Transparency
from support.progs import OBJECT, PYTHON, Lab

EMPTY = {"OTEL_INTERSPAN_LOG": None, "OTEL_BSP_SCHEDULE_DELAY": None}


class Same(Transparency):
    """Each program runs bare, then preloaded (bare again with --bare), each in a fresh directory."""

    def once(self, bare, argv, prepare, env, stdin):
        with Lab(bare=bare) as lab:
            work = lab.path("work")
            os.mkdir(work)
            if prepare:
                prepare(work)
            done = lab.run(argv, cwd=work, stdin=stdin, timeout=120, **env)
            place = lab.directory.encode()
            told = [text.replace(place, b"LAB") for text in (done.stdout, done.stderr)]
            for exe, count in self.loaded.items():
                if not bare:
                    self.assert_loaded(lab, exe, count)
            if not bare:
                self.assertEqual(lab.total("spans_started"), 0)
                self.assertEqual(lab.collector.requests, [])
            return done.returncode, *told

    def assert_same(self, argv, loaded, prepare=None, stdin=b"", status=0, **env):
        """loaded: in how many processes of which program the object must have been."""
        self.loaded = loaded
        bare = self.once(True, argv, prepare, env, stdin)
        self.assertEqual(bare[0], status, bare)
        self.assertEqual(self.once(self.is_bare(), argv, prepare, env, stdin), bare)

    def test_true_and_false(self):
        self.assert_same(["/bin/true"], {"true": 1})
        self.assert_same(["/bin/false"], {"false": 1}, status=1)

    def test_shell_loops(self):
        loop = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); /bin/true || exit 9; done; echo $i; exit 7"
        self.assert_same(["sh", "-c", loop], {"true": 50, "dash": 1}, status=7)
        pipes = ("for i in 1 2 3 4 5; do echo $i | tr 1-5 a-e | cat; done; "
                 "(echo sub; exit 3); echo $?; x=$(seq 3 | sort -r); echo $x; cat <<E\nhere\nE\n"
                 "kill -TERM $$")
        self.assert_same(["bash", "-c", pipes], {"tr": 5, "cat": 6}, status=-15)

    def test_closed_descriptors(self):
        """Output closed, every descriptor closed, numbers taken again at once."""
        self.assert_same(["sh", "-c", "exec 1>&- 2>&-; /bin/echo lost; echo $? >told; cat told >&3"],
                         {"echo": 1}, status=2)
        text = ("import os; os.closerange(3, 65536); a = os.open('/dev/null', os.O_RDONLY); "
                "b = os.dup(a); os.dup2(a, 9); print(a, b, sorted(os.listdir('/proc/self/fd')))")
        self.assert_same([PYTHON, "-c", text], {"python3.11": 1})

    def test_find_over_100000_files(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="interspan-find-", dir=memory) as tree:
            for outer in range(100):
                os.makedirs(f"{tree}/d{outer}")
                for inner in range(1000):
                    os.mknod(f"{tree}/d{outer}/f{inner}")
            self.assert_same(["sh", "-c", f"cd {tree}; find . -type f | sort | md5sum; "
                                          "find . | wc -l; find . -name 'f99?' -exec echo {} +"],
                             {"find": 3, "sort": 1, "wc": 1})

    def test_git(self):
        script = ("git init -q -b main . && echo one >a && git add a && git commit -qm one && "
                  "echo two >>a && git commit -qam two && git log --format='%H %s' && git status && "
                  "git diff HEAD~1 && git gc -q && git fsck && git clone -q . copy && ls copy")
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "n"), ("EMAIL", "e@x"),
                                   ("DATE", "2020-01-01T00:00:00Z"))}
        self.assert_same(["sh", "-c", script], {"git": 10}, GIT_CONFIG_GLOBAL="/dev/null", **who)

    def test_gcc(self):
        def prepare(work):
            with open(f"{work}/a.c", "w", encoding="ascii") as f:
                f.write("#include <stdio.h>\nint main(void) { int x; puts(\"hi\"); return 3; }\n")
        self.assert_same(["sh", "-c", "gcc -Wall -O2 -o a a.c && md5sum a; ./a"],
                         {"cc1": 1, "collect2": 1, "a": 1}, prepare, status=3)

    def test_apt_get(self):
        self.need("apt-get")
        self.assert_same(["apt-get", "-s", "install", "hello"], {"apt-get": 1},
                         status=subprocess.run(["apt-get", "-s", "install", "hello"],
                                               capture_output=True, check=False).returncode)

    def test_tmux(self):
        self.need("tmux")
        script = ("export TMUX_TMPDIR=$PWD; t='tmux -f /dev/null -S s'; "
                  "$t new-session -d -x 80 -y 10 'printf \"one\\ntwo\\n\"; tty >/dev/null && "
                  "echo terminal; sleep 60'; n=0; "
                  "until $t capture-pane -p 2>&1 | grep -q terminal; do n=$((n+1)); "
                  "[ $n -lt 100 ] || exit 4; sleep 0.05; done; $t capture-pane -p; "
                  "$t list-windows -F '#{window_width}x#{window_height}'; $t kill-server")
        self.assert_same(["sh", "-c", script], {"tmux": 3}, TERM="xterm")

    def test_python(self):
        self.assert_same(
            [PYTHON, "-c", "import ssl, ctypes, threading, subprocess as s; "
             "t = [threading.Thread(target=lambda: None) for _ in range(9)]; "
             "[x.start() for x in t]; [x.join() for x in t]; "
             "print(s.run(['echo', 'child'], capture_output=True).stdout, sum(range(999)))"],
            {"python3.11": 1, "echo": 1})

    def test_tar(self):
        def prepare(work):
            shutil.copytree("/usr/include/linux", f"{work}/tree")
        self.assert_same(["sh", "-c", "tar --sort=name --mtime=@0 -czf - tree | md5sum; "
                          "tar -cf - tree | tar -tf - | sort | tail -3"],
                         {"tar": 3, "gzip": 1, "sort": 1, "md5sum": 1}, prepare)


class Traces(Transparency):
    """What a process that finished no span can see of us."""

    def both(self, argv, hooked=None, **env):
        """hooked: the program whose sockets the object must have watched."""
        outputs = []
        for bare in (True, self.is_bare()):
            with Lab(bare=bare) as lab:
                done = lab.run(argv, **{**({} if hooked else EMPTY), **env})
                self.assertEqual(done.returncode, 0, done.stderr)
                outputs.append(done.stdout.decode())
                if hooked and not bare:
                    self.assert_loaded(lab, hooked, 1, hooked=True)
        return outputs

    def test_no_thread_and_no_descriptor(self):
        bare, ours = self.both(["sh", "-c", "ls /proc/self/task | wc -l; "
                                            "ls -l /proc/self/fd | wc -l; ls /proc/self/fd"])
        self.assertEqual(ours, bare)

    def test_no_environment_entry(self):
        for argv in (["env"], ["cat", "/proc/self/environ"], ["sh", "-c", "env"],
                     [PYTHON, "-c", "import os; print(sorted(os.environ.items()))"]):
            bare, ours = self.both(argv)
            mask = re.compile(r"127\.0\.0\.1:\d+|/tmp/interspan-e2e-[a-z0-9_]+")
            preload = re.compile(r"LD_PRELOAD=[^\n\0]*[\n\0]|\('LD_PRELOAD', '[^']*'\), ")
            self.assertEqual(mask.sub("", preload.sub("", ours)), mask.sub("", bare))

    def test_no_library_and_no_mapping(self):
        """The object, with the libraries that the program has anyway; nothing shared."""
        for argv in (["cat", "/proc/self/maps"], [PYTHON, "-c", "print(open('/proc/self/maps').read())"]):
            bare, ours = ({" ".join(line.split()[5:]) for line in text.splitlines()
                           if len(line.split()) > 5} for text in self.both(argv))
            self.assertEqual(ours - {OBJECT}, bare)
            if not self.is_bare():
                self.assertIn(OBJECT, ours)

    def test_client_that_only_connects(self):
        """A socket on which no HTTP went finishes no span, and so starts nothing either."""
        text = ("import os, socket; a = socket.create_server(('127.0.0.1', 0)); "
                "b = socket.create_connection(a.getsockname()); c, _ = a.accept(); "
                "b.sendall(b'SSH-2.0-x\\r\\n'); print(c.recv(99)); "
                "print(len(os.listdir('/proc/self/task')), sorted(os.listdir('/proc/self/fd')))")
        bare, ours = self.both([PYTHON, "-c", text], "python3.11")
        self.assertEqual(ours, bare)

    def test_exit_is_not_held_up(self):
        """A receiver that does not listen costs nothing to who has no spans."""
        with Lab() as lab:
            began = time.monotonic()
            for _ in range(20):
                lab.run(["/bin/true"], OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
            self.assertLess(time.monotonic() - began, 3)
            self.assert_loaded(lab, "true", 20)
