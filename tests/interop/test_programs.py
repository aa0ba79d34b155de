# SPDX-License-Identifier: Apache-2.0
"""Programs of the daily round, bare and preloaded: what they say, how they end, and what is left of
them is the same.  Where a program keeps the preload, its counters or its spans prove that it was
there."""
import ctypes
import glob
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import termios
import time
import unittest

from support.case import Feature, Transparency
from support.progs import BARE, PYTHON, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 60


def until(what, seconds=SECONDS):
    """Waits for something; what it was, or None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    return None


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def is_there(pid):
    return os.path.exists(f"/proc/{pid}") and " Z " not in read(f"/proc/{pid}/stat")


def adopt():
    """Daemons that end are ours to wait for: not every init does."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def reap(pid):
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def get(port, path="/"):
    """Status and body, by a bystander."""
    done = subprocess.run(["curl", "-sS", "-m", "20", "-w", " %{http_code}",
                           f"http://127.0.0.1:{port}{path}"],
                          env={"PATH": os.environ["PATH"], "no_proxy": "*"}, capture_output=True,
                          check=False)
    return done.stdout.decode() + done.stderr.decode()


def as_user(name, *argv):
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups", *argv]


class Same(Transparency):
    def same(self, scenario, *args):
        """scenario(lab, ...) says what it saw; the lab of the preloaded run."""
        outcomes = []
        for bare in (True, False):
            lab = self.lab()
            lab.bare = lab.bare or bare
            outcomes.append(scenario(lab, *args))
        self.assertEqual(outcomes[0], outcomes[1])
        return lab, outcomes[0]

    def need_root(self):
        if os.getuid() != 0:
            self.skipTest("needs root")

    def ran(self, done, *hidden):
        """What a program that has ended has to say, without what is different each time."""
        texts = [done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")]
        for pattern in hidden:
            texts = [re.sub(pattern, "-", text) for text in texts]
        return (done.returncode, *texts)


class Shells(Same):
    def test_bash_with_job_control(self):
        """On a terminal of its own: stopped, in the foreground, in the background, interrupted."""
        steps = (b"PS1='' PS2=''\n", b"sleep 300\n", "stop", b"jobs\n",
                 b"bg\n", b"jobs\n", b"fg\n", "interrupt", b"echo status $?\n",
                 b"(kill -9 $BASHPID); echo status $?\n", b"sleep 0.1 & wait; jobs; echo waited\n",
                 b"cat <(echo one) <(echo two) | tac\n", b"coproc cat; echo x >&${COPROC[1]}; "
                 b"read -u ${COPROC[0]} y; echo got $y; kill %; wait 2>&-; echo over\n", b"exit 7\n")
        lab, said = self.same(self.on_a_terminal, ["bash", "--norc", "--noprofile", "--noediting", "-i"],
                              steps)
        self.assertEqual([word for word in ("130", "137", "Stopped", "Running", "Killed", "got", "over")
                          if word not in " ".join(said[1])], [], said)
        self.assertEqual(said[0], 7)
        self.assert_loaded(lab, "bash", 3)

    def on_a_terminal(self, lab, argv, steps):
        pid, master = pty.fork()
        if pid == 0:
            os.read(0, 6)
            os.chdir(lab.directory)
            os.execvpe(argv[0], argv, dict(lab.env(), TERM="dumb", HISTFILE="/dev/null"))
        modes = termios.tcgetattr(master)
        modes[3] = modes[3] & ~termios.ECHO | termios.NOFLSH
        termios.tcsetattr(master, termios.TCSANOW, modes)
        os.write(master, b"ready\n")
        text = b""
        for number, step in enumerate(steps):
            if step in ("stop", "interrupt"):
                until(lambda: self.is_asleep_in_front(master, pid))
                os.write(master, b"\x1a" if step == "stop" else b"\x03")
                until(lambda: os.tcgetpgrp(master) == pid)
            elif step.startswith((b"sleep 300", b"fg", b"exit")):
                os.write(master, step)
            else:
                mark = b"over with %d\r\n" % number
                os.write(master, step + b"echo over with %d\n" % number)
                text += self.take(master, mark)
        text += self.take(master, None)
        os.close(master)
        _, status = os.waitpid(pid, 0)
        text = text.decode("utf-8", "replace").replace("\r", "")
        text = re.sub(r"\[\d+\] +\d+|line 1: +\d+|\b\d{4,}\b|\x1b\[[?0-9]*[a-z]", "-", text)
        return os.waitstatus_to_exitcode(status), text.splitlines()

    @staticmethod
    def is_asleep_in_front(master, shell):
        try:
            group = os.tcgetpgrp(master)
        except OSError:
            return False
        return group != shell and read(f"/proc/{group}/comm") == "sleep\n"

    @staticmethod
    def take(master, mark):
        """All that it says up to that, or to its end."""
        text = b""
        while not (mark and mark in text) and select.select([master], [], [], SECONDS)[0]:
            try:
                text += os.read(master, 65536)
            except OSError:
                break
        return text

    def test_make_with_jobs(self):
        lines = ["all: $(addprefix t,$(shell seq 60)) sub; @echo all",
                 "t%:; @sh -c 'exit 0' && echo $$((6 * $*)) | tee $@",
                 "sub:; +@$(MAKE) --no-print-directory -f Makefile t61 t62 t63",
                 "fails:; @exit 3"]

        def scenario(lab):
            lab.write("Makefile", "\n".join(lines) + "\n")
            good = self.ran(lab.run(["make", "-j4"]))
            bad = self.ran(lab.run(["make", "-j4", "fails"]))
            return good[0], sorted(good[1].splitlines()), good[2], bad, len(glob.glob(lab.path("t*")))

        lab, said = self.same(scenario)
        self.assertEqual((said[0], said[3][0], said[4]), (0, 2, 63))
        self.assert_loaded(lab, "make", 2)

    def test_tmux(self):
        self.need("tmux")

        def scenario(lab):
            def tmux(*args):
                return self.ran(lab.run(["tmux", "-S", lab.path("socket"), "-f", "/dev/null", *args],
                                        TERM="screen", SHELL="/bin/sh"))

            said = [tmux("new-session", "-d", "-x", "80", "-y", "24", "-s", "one"),
                    tmux("send-keys", "-t", "one", "echo $((6 * 7)) > first; tty > tty", "Enter"),
                    tmux("split-window", "-t", "one", "echo second > second; exec cat")]
            until(lambda: read(lab.path("tty")) and read(lab.path("second")))
            said += [read(lab.path("first")), read(lab.path("second")),
                     tmux("list-panes", "-t", "one", "-F", "#{pane_index} #{pane_current_command}"),
                     tmux("kill-server")]
            until(lambda: tmux("list-sessions")[0] == 1)
            return said

        lab, said = self.same(scenario)
        self.assertEqual(said[3:5], ["42\n", "second\n"])
        self.assert_loaded(lab, "tmux", 2)


class Tools(Same):
    def test_apt_get_simulates(self):
        self.need("apt-get")
        if not glob.glob("/var/lib/dpkg/info/bash.list"):
            self.skipTest("not a Debian system")
        for _ in range(3):  # somebody else may install something meanwhile
            lab = self.lab()
            runs = []
            for bare in (True, BARE, True):
                lab.bare = bare
                runs.append([self.ran(lab.run(["apt-get", "-s", *args])) for args in (
                    ["install", "--reinstall", "bash"], ["install", "no-such"])])
            if runs[0] == runs[2]:
                break
        self.assertEqual(runs[0], runs[1])
        self.assert_loaded(lab, "apt-get", 2)

    def test_strace(self):
        self.need("strace")

        def scenario(lab):
            done = lab.run(["strace", "-f", "-qq", "-e", "trace=execve", "-o", lab.path("trace"), "sh",
                            "-c", "echo one | cat; (exit 4)"])
            if "ptrace" in done.stderr.decode() and "ermitted" in done.stderr.decode():
                self.skipTest("ptrace is refused here")
            calls = re.findall(r"execve\(\"[^\"]*/(\w+)\"", read(lab.path("trace")))
            return self.ran(done), sorted(calls)

        lab, said = self.same(scenario)
        self.assertEqual(said, ((4, "one\n", ""), ["cat", "sh"]))
        self.assert_loaded(lab, "strace")

    def test_gdb_attaches(self):
        """And the program goes on, and sends its spans."""
        self.need("gdb")

        def scenario(lab):
            server = lab.python_server("second.py", service="stock")
            said = [get(server.port, "/1")[-3:]]
            done = lab.run(["gdb", "-nx", "-batch", "-p", str(server.pid), "-ex", "bt 1", "-ex",
                            "info threads", "-ex", "detach"], timeout=120)
            text = done.stdout.decode() + done.stderr.decode()
            if "ptrace" in text and "not permitted" in text:
                self.skipTest("ptrace is refused here")
            said += [done.returncode, "poll" in text,
                     re.findall(r"\[Inferior 1 \(process -\) detached\]", text.replace(
                         str(server.pid), "-"))]
            said += [get(server.port, "/2")[-3:], server.process.poll()]
            if not lab.bare:
                self.assertEqual(len(lab.collector.wait_for(2, 20)), 2)
            return said

        _, said = self.same(scenario)
        self.assertEqual(said, ["200", 0, True, ["[Inferior 1 (process -) detached]"], "200", None])

    def test_su_and_sudo(self):
        """Whoever gets other rights by them is not followed: AT_SECURE."""
        self.need_root()
        self.need("su", "sudo", "setpriv")
        say = "id -u; id -g; echo ${LD_PRELOAD:-none}"

        def scenario(lab):
            os.chmod(lab.directory, 0o777)
            return [self.ran(lab.run(argv), r"\S*/libinterspan\.so") for argv in (
                ["su", "nobody", "-s", "/bin/sh", "-c", "id -u; id -g"],
                ["sudo", "-n", "-u", "nobody", "sh", "-c", say],
                ["sudo", "-n", "sh", "-c", "exit 9"],
                as_user("nobody", "sudo", "-n", "true"),
                as_user("nobody", "su", "root", "-c", "true"))]

        lab, said = self.same(scenario)
        self.assertEqual(said[0], (0, "65534\n65534\n", ""))
        self.assertEqual(said[1], (0, "65534\n65534\nnone\n", ""))
        self.assertEqual([s[0] for s in said[2:]], [9, 1, 1])
        self.assert_loaded(lab, "su")  # root's own
        if not BARE:
            by = [c["exe"] for c in lab.counters()]
            self.assertEqual((by.count("su"), by.count("sudo")), (2, 4 if "sudo" in by else 0), by)


DAEMON = """
import os, resource, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir('/'); os.umask(0)
for fd in range(resource.getrlimit(resource.RLIMIT_NOFILE)[1] if False else 4096):
    try: os.close(fd)
    except OSError: pass
assert os.open('/dev/null', os.O_RDWR) == 0
os.dup2(0, 1); os.dup2(0, 2)
with open(sys.argv[2], 'w') as f: f.write('%d\\n' % os.getpid())
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass
    def do_GET(self):
        said = repr((sorted(os.listdir('/proc/self/fd'))[:3], os.getsid(0) == os.getpid(), os.getcwd()))
        self.send_response(200); self.send_header('Content-Length', str(len(said))); self.end_headers()
        self.wfile.write(said.encode())
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
"""


# As systemd starts a service: the socket is there before it (3, LISTEN_FDS), and it says when it is ready.
ACTIVATE = """
import os, socket, sys
listens = socket.socket()
listens.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listens.bind(('127.0.0.1', int(sys.argv[1])))
listens.listen()
if listens.fileno() != 3: os.dup2(listens.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), TRACEPARENT='00-' + '5' * 32 + '-' + '6' * 16 + '-01')
os.execv(sys.executable, [sys.executable, '-c', sys.argv[2]])
"""
SERVICE = """
import http.server, os, signal, socket, sys
assert (os.environ.pop('LISTEN_FDS'), os.environ.pop('LISTEN_PID')) == ('1', str(os.getpid()))
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        said = repr((sorted(os.listdir('/proc/self/fd'))[:4], os.getppid() == server.started_by))
        self.send_response(200); self.send_header('Content-Length', str(len(said))); self.end_headers()
        self.wfile.write(said.encode())
server = http.server.HTTPServer(('127.0.0.1', 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket, server.started_by = socket.socket(fileno=3), os.getppid()
def leave(*_): sys.exit(7)
signal.signal(signal.SIGTERM, leave)
tells = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
tells.sendto(b'READY=1\\nMAINPID=%d' % os.getpid(), os.environ['NOTIFY_SOCKET'])
tells.close()
server.serve_forever()
"""


class Daemons(Same):
    def test_as_systemd_starts_it(self):
        """New-style (daemon(7)): in the foreground, with a socket that was open before it, and a word when it
        is ready, from the process that was started.  Who started it is no cause of what it is asked."""
        def scenario(lab):
            port, notify = free_port(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(notify.close)
            notify.bind(lab.path("notify"))
            notify.settimeout(SECONDS)
            service = lab.start([PYTHON, "-c", ACTIVATE, str(port), SERVICE], "service",
                                NOTIFY_SOCKET=lab.path("notify"))
            said = [notify.recv(100) == b"READY=1\nMAINPID=%d" % service.pid]
            said += [get(port, "/1"), get(port, "/2")]
            if not lab.bare:
                spans = lab.collector.wait_for(2, 20)
                self.assertEqual([s["parent_span_id"] for s in spans], ["", ""])
                self.assertEqual({s["resource"]["process.pid"] for s in spans}, {service.pid})
            return [*said, service.stop(SECONDS), service.text()]

        _, said = self.same(scenario)
        answer = "(['0', '1', '2', '3'], True) 200"
        self.assertEqual(said, [True, answer, answer, 7, ""])

    def test_double_fork_that_closes_everything(self):
        def scenario(lab):
            port, pid_file = free_port(), lab.path("pid")
            said = [self.ran(lab.run([PYTHON, "-c", DAEMON, str(port), pid_file]))]
            pid = int(until(lambda: read(pid_file)))
            until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
            said += [get(port, "/1"), get(port, "/2")]
            if not lab.bare:
                self.assertEqual(len(lab.collector.wait_for(2, 20)), 2)
            os.kill(pid, signal.SIGTERM)
            said.append(until(lambda: not is_there(pid)))
            return said

        _, said = self.same(scenario)
        self.assertEqual(said, [(0, "", ""), "(['0', '1', '2'], False, '/') 200",
                                "(['0', '1', '2'], False, '/') 200", True])

    def test_nginx_reload_and_upgrade(self):
        """A new configuration (HUP), then a new program beside the old one (USR2, WINCH, QUIT)."""
        self.need("nginx")

        def scenario(lab):
            port, prefix = free_port(), lab.path("nginx")
            os.mkdir(prefix)
            os.chmod(lab.directory, 0o755)
            user = "user www-data;" if os.getuid() == 0 else ""
            # Else the new program gets nothing of the environment, and so not the preload either.
            keeps = "".join(f"env {name}; " for name in lab.env(service="edge")
                            if name.startswith(("OTEL_", "LD_PRELOAD")))
            text = (f"{user} {keeps}worker_processes 2; pid {prefix}/pid; error_log {prefix}/log warn;\n"
                    "events {} http { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p;"
                    " fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n"
                    "server { listen 127.0.0.1:%d; location / { return 200 'NAME\\n'; } } }\n"
                    % (prefix, prefix, prefix, prefix, prefix, port))
            config = lab.write("nginx/nginx.conf", text.replace("NAME", "one"))
            nginx = ["/usr/sbin/nginx", "-p", prefix, "-e", f"{prefix}/log", "-c", config]
            said = [self.ran(lab.run(nginx, service="edge"))]
            first = int(until(lambda: read(f"{prefix}/pid")))
            try:
                said.append(get(port, "/1"))
                lab.write("nginx/nginx.conf", text.replace("NAME", "two"))
                os.kill(first, signal.SIGHUP)
                said.append(until(lambda: get(port, "/2") == "two\n 200"))
                os.kill(first, signal.SIGUSR2)
                old = until(lambda: read(f"{prefix}/pid.oldbin"))
                said.append(old == f"{first}\n")
                second = int(until(lambda: read(f"{prefix}/pid")))
                said.append(get(port, "/3"))
                os.kill(first, signal.SIGWINCH)
                os.kill(first, signal.SIGQUIT)
                said += [until(lambda: not is_there(first)), get(port, "/4")]
                os.kill(second, signal.SIGQUIT)
                said.append(until(lambda: not is_there(second)))
            finally:
                for pid in {first, int(read(f"{prefix}/pid") or first)}:
                    if is_there(pid):
                        os.kill(pid, signal.SIGKILL)
            said.append(re.sub(r"\S+ \S+ |\d+#\d+:", "", read(f"{prefix}/log")))
            if not lab.bare:
                paths = {s["attributes"].get("url.path")
                         for s in lab.collector.wait_until(
                             lambda spans: len({s["attributes"].get("url.path")
                                                for s in spans}) >= 4, 20)}
                self.assertEqual(paths, {"/1", "/2", "/3", "/4"}, lab.counters())
            return said

        lab, said = self.same(scenario)
        self.assertEqual(said[1:-1], ["one\n 200", True, True, "two\n 200", True, "two\n 200", True])
        self.assert_loaded(lab, "nginx", 5)

    def test_postgres_starts_recovers_and_stops(self):
        self.need_root()
        self.need("setpriv")
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not programs or "postgres" not in read("/etc/passwd"):
            self.skipTest("needs postgresql")
        where = programs[-1]
        adopt()

        def scenario(lab):
            os.chmod(lab.directory, 0o777)
            port, data, log = free_port(), lab.path("data"), lab.path("postgres.log")

            def run(*argv):
                return self.ran(lab.run(as_user("postgres", *argv), timeout=120, LC_ALL="C"),
                                re.escape(lab.directory), str(port), r"PID: \d+", r"\.{3,}")

            def psql(text):
                return run(f"{where}/psql", "-XAtq", "-h", "127.0.0.1", "-p", str(port), "-d",
                           "postgres", "-c", text)

            def pg_ctl(*args):
                return run(f"{where}/pg_ctl", "-D", data, "-w", "-t", "100", "-l", log, *args)

            options = f"-p {port} -c listen_addresses=127.0.0.1 -k {lab.directory} -c fsync=off"
            said = [run(f"{where}/initdb", "-D", data, "-A", "trust", "--no-sync")[0],
                    pg_ctl("-o", options, "start"),
                    psql("create table t (n int); insert into t select generate_series(1, 1000)"),
                    psql("select sum(n) from t"), psql("select 1 / 0")]
            pid = int(read(f"{data}/postmaster.pid").split()[0])
            try:
                # One that crashes takes all others with it, and they are started anew.
                backend = lab.run(["pgrep", "-P", str(pid), "-f", "walwriter"], traced=False)
                os.kill(int(backend.stdout), signal.SIGKILL)
                said.append(until(lambda: "all server processes terminated" in read(log)) and
                            until(lambda: psql("select sum(n) from t")[:2] == (0, "500500\n")))
                family = [pid, *map(int, lab.run(["pgrep", "-P", str(pid)],
                                                 traced=False).stdout.split())]
                os.kill(pid, signal.SIGKILL)
                until(lambda: not any(map(is_there, family)))  # they notice by themselves
                for one in family:
                    reap(one)
                said += [pg_ctl("-o", options, "start")[0], psql("select count(*) from t"),
                         "automatic recovery in progress" in read(log),
                         pg_ctl("-o", options, "restart")[0], psql("select max(n) from t"),
                         pg_ctl("-m", "fast", "stop"), pg_ctl("status")[0]]
            finally:
                lab.run(as_user("postgres", f"{where}/pg_ctl", "-D", data, "-m", "immediate", "stop"))
            return said

        lab, said = self.same(scenario)
        self.assertEqual((said[3], said[5], said[6], said[7]),
                         ((0, "500500\n", ""), True, 0, (0, "1000\n", "")))
        self.assert_loaded(lab, "postgres", 8)

    def test_cron(self):
        """Once a minute: so bare and preloaded at once, each in a mount namespace of its own."""
        self.need_root()
        self.need("cron", "unshare")
        labs = []
        for bare in (True, False):
            lab = self.lab()
            lab.bare = lab.bare or bare
            os.mkdir(lab.path("cron.d"))
            os.chmod(lab.write("cron.d/job", "* * * * * nobody id -u >>DIR/out; "
                               "ps -o comm= -p $PPID >>DIR/out; touch DIR/done\n"
                               .replace("DIR", lab.directory)), 0o644)
            os.chmod(lab.directory, 0o777)
            script = (f"mount --bind {lab.path('cron.d')} /etc/cron.d && mount -t tmpfs none /run && "
                      "mount -t tmpfs none /var/spool/cron && mkdir -p /var/spool/cron/crontabs && "
                      "mount --bind /dev/null /etc/crontab && exec cron -f")
            lab.start(["unshare", "-m", "sh", "-c", script], "cron")
            labs.append(lab)
        said = []
        for lab in labs:
            until(lambda: os.path.exists(lab.path("done")), 150)
            said.append(read(lab.path("out")).splitlines()[:2] or lab.programs[0].text())
            said.append(lab.programs[0].stop())
        self.assertEqual(said[:2], said[2:])
        self.assertEqual(said[0][0], "65534", said)
        self.assert_loaded(labs[1], "cron")


class Remote(Same):
    def test_sshd_lets_in(self):
        """With its privileges separated, its sandbox, a terminal, and files that are copied."""
        self.need_root()
        self.need("sshd", "ssh", "ssh-keygen", "sftp")

        def scenario(lab):
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
            port = free_port()
            for name in ("host", "user"):
                lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.path(name)],
                        traced=False)
            shutil.copy(lab.path("user.pub"), lab.path("authorized"))
            config = lab.write("sshd_config", "\n".join((
                f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {lab.path('host')}",
                f"AuthorizedKeysFile {lab.path('authorized')}", "StrictModes no", "UsePAM no",
                f"PidFile {lab.path('pid')}", "PermitRootLogin yes", "UseDNS no",
                "PasswordAuthentication no", "Subsystem sftp internal-sftp")) + "\n")
            server = lab.start(["/usr/sbin/sshd", "-D", "-e", "-f", config], "sshd", port)
            options = ["-F", "/dev/null", "-i", lab.path("user"), "-o", "BatchMode=yes", "-o",
                       "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={lab.path('known')}",
                       "-o", "LogLevel=ERROR"]
            ssh = ["ssh", *options, "-p", str(port), "root@127.0.0.1"]
            said = []
            for _ in range(3):
                done = lab.run([*ssh, "id -u; cat; exit 5"], stdin=b"through", timeout=60)
                said.append(self.ran(done))
            said.append(self.ran(lab.run([*ssh, "-tt", "tty >/dev/null && echo a terminal"],
                                         timeout=60)))
            lab.write("data", "x" * 500_000)
            said.append(self.ran(lab.run(["sftp", *options, "-b", "-", "-P", str(port),
                                          "root@127.0.0.1"], timeout=60, stdin=(
                f"put {lab.path('data')} {lab.path('copy')}\nget {lab.path('copy')} "
                f"{lab.path('back')}\n").encode()), re.escape(lab.directory)))
            said.append(len(read(lab.path("back"))))
            done = lab.run(["ssh", *options, "-i", lab.path("host"), "-o", "IdentitiesOnly=yes", "-p",
                            str(port), "nobody-at-all@127.0.0.1", "true"], timeout=60)
            said += [done.returncode, done.stderr.decode().rpartition(":")[0]]
            said.append(server.stop())
            said.append(re.findall(r"fatal.*|error.*|.*sandbox.*|.*signal.*", server.text().replace(
                str(port), "PORT")))
            return said

        lab, said = self.same(scenario)
        self.assertEqual(said[:3], [(5, "0\nthrough", "")] * 3)
        self.assertEqual(said[3][:2], (0, "a terminal\r\n"))
        self.assertEqual((said[4][0], said[5], said[6]), (0, 500_000, 255))
        self.assert_loaded(lab, "sshd", 3)

    def test_git_clones_over_http(self):
        self.need("git")
        lab = self.lab(service="")
        lab.bare = True
        port = self.git_server(lab)

        def scenario(lab):
            said = []
            for url in (f"http://127.0.0.1:{port}/plain/repo.git",
                        f"http://127.0.0.1:{port}/cgi-bin/git/repo.git",
                        f"http://127.0.0.1:{port}/plain/none.git"):
                name = f"copy{len(said)}"
                said.append(self.ran(lab.run(["git", "clone", "-q", url, name],
                                             GIT_CONFIG_NOSYSTEM="1", HOME=lab.directory, LC_ALL="C"),
                                     str(port)))
                said.append(self.ran(lab.run(["git", "log", "--oneline"], HOME=lab.directory,
                                             cwd=lab.path(name) if os.path.isdir(lab.path(name))
                                             else None), r"\b[0-9a-f]{7}\b"))
            return said

        lab, said = self.same(scenario)
        self.assertEqual([s[0] for s in said], [0, 0, 0, 0, 128, 128], said)
        self.assertEqual(said[1][1].count("\n"), 3)
        self.assertEqual(said[3][1], said[1][1])
        self.assert_loaded(lab, "git-remote-http", 3, hooked=True)

    def git_server(self, lab):
        git = ["git", "-c", "user.name=n", "-c", "user.email=e@e", "-c", "init.defaultBranch=main"]
        os.makedirs(lab.path("cgi-bin"))
        for argv in (["init", "-q", "work"], *(["-C", "work", "commit", "-q", "--allow-empty", "-m",
                                               f"number {i}"] for i in range(3)),
                     ["clone", "-q", "--bare", "work", "plain/repo.git"],
                     ["-C", "plain/repo.git", "update-server-info"]):
            done = lab.run([*git, *argv], HOME=lab.directory, traced=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        os.chmod(lab.write("cgi-bin/git", "#!/bin/sh\nexport GIT_HTTP_EXPORT_ALL=1 "
                           f"GIT_PROJECT_ROOT={lab.path('plain')} HOME={lab.directory}\n"
                           "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory "
                           "GIT_CONFIG_VALUE_0='*'\nexec git http-backend\n"), 0o755)
        port = free_port()
        text = ("import http.server, sys\n"
                "class H(http.server.CGIHTTPRequestHandler):\n"
                "    have_fork = True\n"
                "    def log_message(self, *a): pass\n"
                "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n")
        lab.start([PYTHON, "-c", text, str(port)], "git-server", port)
        for base, names, _ in os.walk(lab.directory):
            os.chmod(base, 0o755)
            del names
        return port


if __name__ == "__main__":
    unittest.main()
