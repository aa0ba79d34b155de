# SPDX-License-Identifier: Apache-2.0
"""docs/recipes does what docs/recipes.md says: each file is taken as it is, other paths and ports are put
into it, it is run, and its spans are looked at."""
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from support import backends
from support.case import WAIT, Feature
from support.progs import APPS, BUILD, OBJECT, PYTHON, ROOT, Program, free_port
from test_debians import Root, all_roots

RECIPES = os.path.join(ROOT, "docs", "recipes")
INSTALLED, ENDPOINT, SHOP = "/usr/lib/interspan/libinterspan.so", "http://127.0.0.1:4318", "http://127.0.0.1:8080"
# Settings of other programs than ours that a recipe may name.
FOREIGN = {"OTLP_HOST"}


def text_of(name):
    with open(os.path.join(RECIPES, name), encoding="utf-8") as f:
        return f.read()


def environment_of(drop_in):
    """What systemd makes of the Environment= lines."""
    return dict(shlex.split(line.partition("=")[2])[0].split("=", 1) for line in drop_in.splitlines()
                if line.startswith("Environment="))


class Recipe(Feature):
    def recipe(self, name, lab, **places):
        """The text, with what of this test takes the place of what it names."""
        text = text_of(name)
        for word, other in places.items():
            self.assertIn(word, text)
            text = text.replace(word, other)
        return text.replace(INSTALLED, "" if lab.bare else OBJECT).replace(ENDPOINT, lab.collector.endpoint)

    def program(self, lab, argv, name, env, port=0):
        """With the recipe's environment alone."""
        base = {k: v for k, v in lab.env(traced=False).items() if k != "LD_PRELOAD"}
        program = Program(argv, {**base, "OTEL_BSP_SCHEDULE_DELAY": "100", **env}, lab.directory, name, port)
        lab.programs.append(program)
        return program.wait_listening() if port else program

    def back_end(self, lab):
        return lab.python_server("second.py", service="second", traced=False)


class RunTest(Recipe):
    def test_shell(self):
        lab = self.lab()
        shop = self.back_end(lab)
        script = lab.write("job.sh", self.recipe("shell.sh", lab))
        done = subprocess.run(["sh", script], env={**lab.env(traced=False), "SHOP": shop.url("").rstrip("/")},
                              capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        # Of the inner shell, of each curl, and of the shell's waiting for each; and the requests.  The outer
        # shell has exported the preload, and was itself started without.
        spans = self.spans(lab, 10)
        self.assertEqual({s["service"] for s in spans}, {"nightly"})
        self.assertEqual(len({s["trace_id"] for s in spans}), 1)
        calls = [s for s in spans if s["name"] == "GET"]
        self.assertEqual(sorted(s["attributes"]["url.full"] for s in calls),
                         [shop.url(f"/orders/{n}") for n in (1, 2, 3)])
        kinds = {s["span_id"]: s["kind"] for s in spans}
        self.assertEqual([kinds[s["parent_span_id"]] for s in calls], ["INTERNAL"] * 3)

    def test_systemd(self):
        lab = self.lab()
        text = self.recipe("systemd-shop.conf", lab)
        shop = self.back_end(lab)
        argv = [PYTHON, "-c", "import sys, urllib.request as u; u.urlopen(sys.argv[1]).read()", shop.url("/x")]
        self.program(lab, argv, "shop", environment_of(text)).process.wait(60)
        span, = self.spans(lab, 1)
        self.assertEqual((span["service"], span["kind"]), ("shop", "CLIENT"))

    def nginx(self, lab, text, port, env):
        """A configuration, to which is added what keeps its files in the lab."""
        prefix = lab.path("nginx")
        own = "".join(f"{name}_temp_path {prefix}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user www-data; " if os.getuid() == 0 else ""
        config = lab.write("nginx/nginx.conf", f"{user}pid {prefix}/pid; error_log {prefix}/error.log; "
                           + text.replace("http {", "http { " + own, 1))
        # As a daemon: else it does not listen to USR2.
        argv = ["/usr/sbin/nginx", "-p", prefix, "-e", f"{prefix}/error.log", "-c", config]
        self.assertEqual(self.program(lab, argv, "nginx", env).process.wait(60), 0)
        pid = int(self.until(lambda: self.pid_in(f"{prefix}/pid", 0)))
        self.addCleanup(self.end, pid)
        return pid

    def test_nginx(self):
        """Also the new program that USR2 starts, which has what the `env` lines name."""
        self.need("nginx")
        lab = self.lab()
        shop, port = self.back_end(lab), free_port()
        prefix = lab.path("nginx")
        os.mkdir(prefix)
        text = self.recipe("nginx.conf", lab, **{
            "127.0.0.1:8080": f"127.0.0.1:{port}", "127.0.0.1:8081": f"127.0.0.1:{shop.port}",
            "/var/log/nginx/access.log": f"{prefix}/access.log"})
        first = self.nginx(lab, text, port, environment_of(self.recipe("systemd-shop.conf", lab)))
        trace = "0af7651916cd43dd8448eb211c80319c"
        ask = ["curl", "-sS", "-H", f"traceparent: 00-{trace}-00f067aa0ba902b7-01", f"http://127.0.0.1:{port}/1"]
        self.assertEqual(lab.run(ask, traced=False).returncode, 0)
        server, = (s for s in self.spans(lab, 2) if s["kind"] == "SERVER")
        with open(f"{prefix}/access.log", encoding="ascii") as f:
            self.assertIn(f'"GET /1 HTTP/1.1" 200 00-{trace}-{server["span_id"]}-01', f.read())
        os.kill(first, signal.SIGUSR2)
        second = int(self.until(lambda: self.pid_in(f"{prefix}/pid", first)))
        self.addCleanup(self.end, second)
        os.kill(first, signal.SIGQUIT)
        self.until(lambda: not os.path.exists(f"{prefix}/pid.oldbin"))
        self.assertEqual(lab.run(ask, traced=False).returncode, 0)
        self.assertEqual({s["service"] for s in self.spans(lab, 4)}, {"shop"})

    @staticmethod
    def pid_in(path, but):
        try:
            with open(path, encoding="ascii") as f:
                pid = f.read().strip()
        except FileNotFoundError:
            return None
        return pid if pid and pid != str(but) else None

    @staticmethod
    def end(pid):
        """A master, and its workers with it."""
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass

    def until(self, look):
        end = time.monotonic() + 60
        while not look():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        return look()

    def test_haproxy(self):
        self.need("haproxy")
        lab = self.lab()
        shop = self.back_end(lab)

        def asked(text, port):
            if os.getuid() == 0:
                text = text.replace("user haproxy", "user nobody").replace("group haproxy", "group nogroup")
            else:
                text = text.replace("    user haproxy\n    group haproxy\n", "")
            argv = ["/usr/sbin/haproxy", "-db", "-f", lab.write(f"{port}.cfg", text)]
            self.program(lab, argv, f"haproxy-{port}", environment_of(self.recipe("systemd-shop.conf", lab)), port)
            self.assertEqual(lab.run(["curl", "-sS", f"http://127.0.0.1:{port}/x"], traced=False).returncode, 0)

        for port in (free_port(), free_port()):
            text = self.recipe("haproxy.cfg", lab, **{"127.0.0.1:8080": f"127.0.0.1:{port}",
                                                      "127.0.0.1:8081": f"127.0.0.1:{shop.port}"})
            self.assertIn("    insecure-fork-wanted\n", text)
            # The second one without the line: the spans of the first are all that come.
            asked(text if not lab.collector.spans else text.replace("    insecure-fork-wanted\n", ""), port)
            self.assertEqual({s["kind"] for s in self.spans(lab, 2)}, {"SERVER", "CLIENT"})

    def test_php_fpm(self):
        """nginx -> php-fpm by FastCGI, which is not read -> a call of PHP's: by itself a trace of its own; or PHP
        passes on what nginx has marked, and the next program is nginx's child."""
        fpm = next(iter(sorted(glob.glob("/usr/sbin/php-fpm*"))), None)
        self.need("nginx")
        if not fpm:
            self.skipTest("needs php-fpm")
        lab = self.lab()
        shop, port, inner = lab.python_server("second.py", service="second"), free_port(), free_port()
        os.chmod(lab.directory, 0o777)
        root_user = "user = www-data\ngroup = www-data\n" if os.getuid() == 0 else ""
        config = lab.write("fpm.conf", f"[global]\nerror_log = {lab.path('fpm.log')}\ndaemonize = no\n[www]\n{root_user}"
                           f"listen = 127.0.0.1:{inner}\npm = static\npm.max_children = 1\n")
        page = lab.write("page.php", "<?php $h = isset($_GET['pass']) ? 'traceparent: ' . $_SERVER['HTTP_TRACEPARENT'] : '';\n"
                         "echo file_get_contents('%s', false, stream_context_create(['http' => ['header' => $h]]));\n"
                         % shop.url("/stock"))
        fpm_env = environment_of(self.recipe("systemd-php-fpm.conf", lab))
        self.program(lab, [fpm, "-n", "-F", "-y", config, "-d", "allow_url_fopen=1"], "php-fpm", fpm_env, inner)
        os.mkdir(lab.path("nginx"))
        self.nginx(lab, "events {} http { access_log off; server { listen 127.0.0.1:%d; location / { fastcgi_pass 127.0.0.1:%d; "
                   "include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME %s; } } }" % (port, inner, page),
                   port, {**fpm_env, "OTEL_SERVICE_NAME": "edge"})
        trace = "0af7651916cd43dd8448eb211c80319c"
        ask = ["curl", "-sS", "-H", f"traceparent: 00-{trace}-00f067aa0ba902b7-01"]
        self.assertEqual(lab.run([*ask, f"http://127.0.0.1:{port}/x"], traced=False).returncode, 0)
        by = {s["service"]: s for s in self.spans(lab, 3)}
        self.assertEqual({n: s["kind"] for n, s in by.items()}, {"edge": "SERVER", "shop-php": "CLIENT", "second": "SERVER"})
        self.assertEqual((by["edge"]["trace_id"], by["shop-php"]["parent_span_id"]), (trace, ""))
        self.assertEqual(by["second"]["parent_span_id"], by["shop-php"]["span_id"])
        self.assertEqual(lab.run([*ask, f"http://127.0.0.1:{port}/x?pass"], traced=False).returncode, 0)
        by = {s["service"]: s for s in self.spans(lab, 5) if s["trace_id"] == trace and s["span_id"] != by["edge"]["span_id"]}
        self.assertEqual(set(by), {"edge", "second"})
        self.assertEqual(by["second"]["parent_span_id"], by["edge"]["span_id"])

    def test_cron(self):
        """By cron itself; the job's own time is put off: @reboot is when cron starts."""
        if os.getuid() != 0:
            self.skipTest("needs root")
        self.need("cron", "unshare")
        lab = self.lab()
        shop = self.back_end(lab)
        text = self.recipe("crontab", lab, **{SHOP: shop.url("").rstrip("/"), "30 2 * * *": "@reboot"})
        os.mkdir(lab.path("crontabs"))
        os.chmod(lab.write("crontabs/nobody", text.replace("LD_PRELOAD=\n", "")), 0o600)
        shutil.chown(lab.path("crontabs/nobody"), "nobody")
        script = ("mount -t tmpfs none /etc/cron.d && mount -t tmpfs none /run && mount -t tmpfs none /var/spool/cron && "
                  f"mkdir /var/spool/cron/crontabs && cp -p {lab.path('crontabs/nobody')} /var/spool/cron/crontabs/ && "
                  "mount --bind /dev/null /etc/crontab && exec cron -f")
        lab.start(["unshare", "-m", "sh", "-c", script], "cron", traced=False)
        span, = lab.collector.wait_for(1, 3 if lab.bare else 60) or [None]
        self.assertIsNotNone(span, lab.programs[-1].text())
        self.assertEqual((span["service"], span["attributes"]["url.full"]), ("nightly", shop.url("/reports")))


class DockerTest(Feature):
    def test_dockerfile(self):
        """Step by step, by a reader of the five words that it uses, in a Debian of the same release."""
        why, status = all_roots()["bookworm"]
        if status:
            self.skipTest(why)
        made = subprocess.run(["make", "-s", "-C", ROOT, "dist", f"BUILD={os.path.relpath(BUILD, ROOT)}"], check=True,
                              capture_output=True, timeout=600, env={**os.environ, "MAKEFLAGS": ""})
        tarball = os.path.join(ROOT, made.stdout.decode().split()[-1])
        lab = self.lab()
        port, env, steps, command = free_port(), {}, [], None
        for line in text_of("Dockerfile").splitlines():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                self.assertEqual(rest, "debian:12-slim")
            elif word == "RUN":  # no network here: what it installs is in the root
                self.assertEqual(rest, "apt-get update && apt-get install -y --no-install-recommends python3")
            elif word == "ADD":
                name, to = rest.split()
                self.assertEqual(name, os.path.basename(tarball))
                steps.append(f"mount -t tmpfs none {to} && tar -C {to} -xf {tarball}")
            elif word == "ENV":
                env.update([rest.split("=", 1)])
            elif word == "CMD":
                command = shlex.join(json.loads(rest)).replace("8080", str(port))
            else:
                self.assertIn(word, ("#", ""), line)
        self.assertEqual(env.pop("OTEL_EXPORTER_OTLP_ENDPOINT"), "http://collector:4318")
        preload = env.pop("LD_PRELOAD")
        env = {**env, "OTEL_EXPORTER_OTLP_ENDPOINT": lab.collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        if not lab.bare:
            env["LD_PRELOAD"] = preload
        root = Root("bookworm", os.path.dirname(tarball), lab.directory)
        words = " ".join(f"{k}={shlex.quote(v)}" for k, v in env.items())
        argv = root.argv(["sh", "-c", " && ".join(steps) + f" && cd {lab.directory} && exec env {words} {command}"])
        program = Program(argv, root.env({}), lab.directory, "image", port)
        lab.programs.append(program)
        program.wait_listening()
        lab.run(["curl", "-sS", "-o", "/dev/null", program.url("/x")], traced=False)
        spans = self.spans(lab, 1)
        self.assertEqual((spans[0]["service"], spans[0]["kind"]), ("shop", "SERVER"))


class WellFormedTest(unittest.TestCase):
    def yaml(self, name):
        try:
            import yaml  # pylint: disable=import-outside-toplevel
        except ImportError:
            self.skipTest("needs python3-yaml")
        return yaml.safe_load(text_of(name))

    def test_settings_exist(self):
        with open(os.path.join(ROOT, "include", "config.def"), encoding="utf-8") as f:
            known = set(re.findall(r'^VAR\([a-z0-9_]+, *"([A-Z0-9_]+)"', f.read(), re.M))
        for path in glob.glob(os.path.join(RECIPES, "**"), recursive=True):
            if os.path.isfile(path):
                for name in re.findall(r"\b(?:OTEL|K8S)_[A-Z0-9_]+\b", text_of(path)):
                    self.assertIn(name, known, path)

    def test_page_names_each_file(self):
        with open(os.path.join(ROOT, "docs", "recipes.md"), encoding="utf-8") as f:
            named = set(re.findall(r"`docs/recipes/([^`]+)`", f.read()))
        there = {os.path.relpath(p, RECIPES) for p in glob.glob(os.path.join(RECIPES, "**"), recursive=True)
                 if os.path.isfile(p)}
        self.assertEqual(named, there)

    def test_systemd_verifies(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("needs systemd-analyze")
        with tempfile.TemporaryDirectory() as top:
            for name in ("systemd-shop.conf", "systemd-php-fpm.conf"):
                unit = os.path.join(top, f"{name[8:-5]}.service")
                os.mkdir(unit + ".d")
                with open(unit, "w", encoding="ascii") as f:
                    f.write("[Unit]\nDescription=a test's\n[Service]\nExecStart=/bin/true\n")
                shutil.copy(os.path.join(RECIPES, name), unit + ".d/interspan.conf")
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True,
                                      timeout=60, check=False, env={**os.environ, "SYSTEMD_UNIT_PATH": top + ":"})
                said = [line for line in (done.stdout + done.stderr).splitlines() if "interspan.conf" in line]
                self.assertEqual(said, [])
                self.assertEqual(len(environment_of(text_of(name))), 3)

    def test_interspan_writes_the_same_drop_in(self):
        done = subprocess.run([os.path.join(BUILD, "interspan"), "run", "--env=systemd", "--service", "shop", "--endpoint",
                               ENDPOINT], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(environment_of(done.stdout.replace(OBJECT, INSTALLED)),
                         environment_of(text_of("systemd-shop.conf")))

    def test_compose(self):
        services = self.yaml("compose.yaml")["services"]
        self.assertEqual(set(services), {"shop", "collector", "jaeger"})
        env = services["shop"]["environment"]
        source, target = services["shop"]["volumes"][0].split(":")[:2]
        self.assertTrue(env["LD_PRELOAD"].startswith(target + "/lib/interspan/"))
        self.assertEqual(source, f"./interspan-0.1.0-linux-{os.uname().machine}")
        self.assertIn(services["collector"]["volumes"][0].split(":")[0][2:], ("collector/jaeger.yaml",))

    def test_kubernetes(self):
        pod = self.yaml("kubernetes.yaml")["spec"]["template"]["spec"]
        volume, = (v["name"] for v in pod["volumes"])
        init, main = pod["initContainers"][0], pod["containers"][0]
        self.assertEqual({m["name"] for c in (init, main) for m in c["volumeMounts"]}, {volume})
        env = {e["name"]: e.get("value") for e in main["env"]}
        self.assertEqual(env["LD_PRELOAD"], main["volumeMounts"][0]["mountPath"] + "/libinterspan.so")
        self.assertEqual(init["command"][-1], init["volumeMounts"][0]["mountPath"] + "/")

    def test_collectors(self):
        """By Jaeger 2, which is a Collector with what tail sampling needs; exporters that it lacks are left out."""
        if not os.path.exists(backends.program("jaeger")):
            self.skipTest("needs Jaeger: scripts/backends says why there is none")
        env = {**os.environ, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "none"}
        lacks = {"zipkin.yaml": "zipkin", "azure.yaml": "azuremonitor", "googlecloud.yaml": "googlecloud"}
        for path in sorted(glob.glob(os.path.join(RECIPES, "collector", "*.yaml"))):
            with self.subTest(path):
                text = text_of(path)
                lacking = lacks.get(os.path.basename(path))
                if lacking:
                    self.assertIn(f"exporters: [{lacking}]", text)
                    text = re.sub(r"(?m)^exporters:\n(  .*\n)+", "exporters:\n  nop:\n", text)
                    text = text.replace(f"exporters: [{lacking}]", "exporters: [nop]")
                self.assertEqual(self.validate(text, env), (0, ""))
                # And it does look.
                self.assertNotEqual(self.validate(text.replace("sampling_percentage", "percentage"), env)[0], 0)

    def validate(self, text, env):
        done = subprocess.run([backends.program("jaeger"), "validate", "--config", "yaml:" + text], env=env, text=True,
                              capture_output=True, timeout=60, check=False)
        return done.returncode, "\n".join(l for l in done.stderr.splitlines() if "application version" not in l)


class ConfinedTest(unittest.TestCase):
    is_feature = True

    def test_memory_deny_write_execute(self):
        """docs/recipes.md says that it is no hindrance: not even to libinterspan-tls.so, which we map ourselves."""
        code = ("import ctypes, os, sys\nif ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):\n sys.exit(77)\n"  # PR_SET_MDWE
                "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])")
        done = subprocess.run([PYTHON, "-c", code, os.path.join(ROOT, "tests", "e2e", "run.py"), "-k", "test_https",
                               os.path.join(ROOT, "tests", "e2e", "test_grpc.py")], capture_output=True, text=True,
                              timeout=150, check=False)
        if done.returncode == 77:
            self.skipTest("this kernel has no such limit (Linux 6.3)")
        self.assertEqual(done.stdout.splitlines()[-1:], ["1 passed, 0 failed, 0 skipped"], done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
