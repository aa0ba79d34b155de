# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL and those who talk to it through libpq: as many spans as the server was told
statements, with their texts, errors and parents; and what they print is what they print bare."""
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from support.case import SETTLE, WAIT, Feature, Transparency, brief
from support.postgres import Shared, programs
from support.progs import BUILD, PYTHON, ROOT, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
APPS = os.path.join(HERE, "apps")
LOCAL = "127.0.0.1"
JDBC = "/usr/share/java/postgresql.jar"
NODE = os.path.join(ROOT, "build", "neighbours", "node", "node_modules")  # scripts/neighbours


def app(name):
    return os.path.join(APPS, name)


def has_module(name):
    return subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True,
                          check=False).returncode == 0


def says(*argv):
    """Can that interpreter do this?"""
    return shutil.which(argv[0]) and subprocess.run(argv, capture_output=True,
                                                    check=False).returncode == 0


class Base:
    def server(self):
        if not programs():
            self.skipTest("needs postgresql")
        return Shared.get()

    def user(self, name):
        """A role for one test, so that the server's log tells what it did."""
        server = self.server()
        server.sql(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} SUPERUSER LOGIN;")
        return server, name

    def clients(self):
        """name, arguments for a user; None: not there."""
        pg = self.server()
        port = str(pg.port)
        yield "psql", lambda user: [pg.program("psql"), "-XAt", "-v", "VERBOSITY=sqlstate", *(
            x for c in PSQL for x in ("-c", c)), pg.dsn(user)]
        if has_module("psycopg2"):
            yield "psycopg2", lambda user: [PYTHON, app("pg_psycopg2.py"), pg.dsn(user, LOCAL)]
            yield "green", lambda user: [PYTHON, app("pg_psycopg2.py"), pg.dsn(user, LOCAL), "green"]
        else:
            print("     SKIPPED: python3-psycopg2 is not there")
        if says("php", "-r", "exit(function_exists('pg_connect') && "
                "in_array('pgsql', PDO::getAvailableDrivers()) ? 0 : 1);"):
            yield "php", lambda user: ["php", app("pg_php.php"), LOCAL, port, user]
        else:
            print("     SKIPPED: php-pgsql is not there")
        if says("ruby", "-rpg", "-e", ""):
            yield "ruby", lambda user: ["ruby", app("pg_ruby.rb"), pg.dsn(user, LOCAL)]
        else:
            print("     SKIPPED: ruby-pg is not there")
        if says("perl", "-MDBD::Pg", "-e", ""):
            yield "perl", lambda user: ["perl", app("pg_perl.pl"), LOCAL, port, user]
        else:
            print("     SKIPPED: libdbd-pg-perl is not there")
        yield from self.speakers(port)
        for mode in ("simple", "extended", "prepared"):
            yield f"bench_{mode}", lambda user, mode=mode: [
                pg.program("pgbench"), "-n", "-M", mode, "-t", "5", "-f", app("pg_bench.sql"), "-h",
                LOCAL, "-p", port, "-U", user, "postgres"]
        yield "bench_pipeline", lambda user: [
            pg.program("pgbench"), "-n", "-M", "extended", "-t", "5", "-f",
            app("pg_pipeline.sql"), "-h", LOCAL, "-p", port, "-U", user, "postgres"]


    def speakers(self, port):
        """Those that speak the protocol by themselves."""
        pg = self.server()
        if has_module("psycopg"):  # Debian's finds libpq by dlsym(), where no hook is
            yield "psycopg3", lambda user: [PYTHON, app("pg_psycopg3.py"), pg.dsn(user, LOCAL)]
            yield "psycopg3_async", lambda user: [PYTHON, app("pg_psycopg3_async.py"),
                                                  pg.dsn(user, LOCAL)]
        else:
            print("     SKIPPED: python3-psycopg is not there")
        if has_module("asyncpg"):
            yield "asyncpg", lambda user: [PYTHON, app("pg_asyncpg.py"), LOCAL, port, user]
        else:
            print("     SKIPPED: python3-asyncpg is not there")
        jdbc = self.jdbc()
        if jdbc:
            yield "jdbc", lambda user: ["java", "-cp", jdbc, "PgJdbc",
                                        f"jdbc:postgresql://{LOCAL}:{port}/postgres", user]
        else:
            print("     SKIPPED: java or libpostgresql-jdbc-java is not there")
        if os.path.isdir(os.path.join(NODE, "pg")) and shutil.which("node"):
            yield "node", lambda user: ["env", f"NODE_PATH={NODE}", "node",
                                        app("pg_node.js"), LOCAL, port, user]
        else:
            print("     SKIPPED: node-pg: its registry refused")

    @staticmethod
    def jdbc():
        """The class path, once it is compiled."""
        if not os.path.exists(JDBC) or not shutil.which("javac"):
            return None
        to = os.path.join(Shared.get().directory, "classes")
        if not os.path.isdir(to):
            subprocess.run(["javac", "-d", to, app("PgJdbc.java")], check=True)
        return f"{JDBC}:{to}"


PSQL = ("SELECT 'secret', 1", "SELECT relname FROM pg_class WHERE oid IN (1259, 1249) ORDER BY 1",
        "CREATE TEMP TABLE z (a int)", "SELECT * FROM nowhere", "BEGIN; SELECT 7; COMMIT",
        "ALTER ROLE psql PASSWORD 'hidden'", "\\copy (SELECT 1) TO STDOUT")
# (name, text, SQLSTATE) of every span, in order; None: not looked at.
WANTED = {
    "psql": [
        ("SELECT", "SELECT ?, ?", None),
        ("SELECT pg_class", "SELECT relname FROM pg_class WHERE oid IN (?) ORDER BY ?", None),
        ("CREATE TABLE z", "CREATE TEMP TABLE z (a int)", None),
        ("SELECT nowhere", "SELECT * FROM nowhere", "42P01"),
        ("BEGIN SELECT COMMIT", "BEGIN; SELECT ?; COMMIT", None),
        ("ALTER ROLE", "ALTER ROLE psql PASSWORD ?", None),
        ("COPY SELECT", "COPY  ( SELECT ? ) TO STDOUT", None)],
    "psycopg2": [
        ("SELECT pg_class", "SELECT relname FROM pg_class WHERE oid = ?", None),
        ("CREATE TABLE x", "CREATE TEMP TABLE x (a int, b text)", None),
        ("COPY x", "COPY x FROM STDIN", None), ("COPY x", "COPY x TO STDOUT", None),
        *[("INSERT x", "INSERT INTO x VALUES (?, ?)", None)] * 3,
        ("SELECT", "SELECT ?/?", "22012"), ("BEGIN", "BEGIN", None),
        ("SELECT x", "SELECT count(*) FROM x WHERE a IN (?)", None), ("COMMIT", "COMMIT", None)],
    "php": [
        ("SELECT", "SELECT $1::int AS a", None), ("SELECT", "SELECT ? AS b", None),
        ("PREPARE SELECT pg_class", "SELECT oid FROM pg_class WHERE relname = $1", None),
        ("SELECT pg_class", "SELECT oid FROM pg_class WHERE relname = $1", None),
        ("SELECT nowhere", "SELECT * FROM nowhere", "42P01"),
        ("PREPARE SELECT pg_class", "SELECT $1::int + 1 AS c FROM pg_class LIMIT 1", None),
        ("SELECT pg_class", "SELECT $1::int + 1 AS c FROM pg_class LIMIT 1", None),
        ("SET", "SET search_path = public", None), ("DEALLOCATE", None, None)],
    "ruby": [
        ("SELECT", "SELECT ?", None),
        ("SELECT pg_class", "SELECT $1::int FROM pg_class LIMIT 1", None),
        ("PREPARE SELECT", "SELECT $1::text", None), ("SELECT", "SELECT $1::text", None),
        ("SELECT nowhere", "SELECT * FROM nowhere", "42P01"),
        ("SELECT SELECT", "SELECT ?; SELECT ?", None)],
    "perl": [
        ("SELECT", "SELECT ?", None),
        ("SELECT pg_class", "SELECT relname FROM pg_class WHERE oid = $1", None),
        ("PREPARE SELECT pg_class", "SELECT relname FROM pg_class WHERE oid = $1", None),
        ("SELECT pg_class", "SELECT relname FROM pg_class WHERE oid = $1", None),
        ("CREATE TABLE y", "CREATE TEMP TABLE y (a int)", None), ("begin", "begin", None),
        ("INSERT y", "INSERT INTO y VALUES ($1)", None), ("commit", "commit", None),
        ("SELECT nowhere", "SELECT * FROM nowhere", "42P01"), ("DEALLOCATE", None, None)],
}
ASKED = "SELECT relname FROM pg_class WHERE oid = $1"
WANTED.update({
    "psycopg3": [
        ("SELECT", "SELECT ?", None), ("SELECT", "SELECT $1::int", None),
        *[("SELECT", f"SELECT $1::int AS n{i}", None) for i in range(20)],
        *[("SELECT pg_class", ASKED, None)] * 5, ("PREPARE SELECT pg_class", ASKED, None),
        *[("SELECT pg_class", ASKED, None)] * 3,
        ("SELECT nowhere", "SELECT * FROM nowhere WHERE a = $1", "42P01")],
    "psycopg3_async": [
        ("SELECT", "SELECT ?", None), *[("SELECT pg_class", ASKED, None)] * 3,
        *[("SELECT", f"SELECT $1::int AS n{i}", None) for i in range(5)],
        ("CREATE TABLE p", "CREATE TEMP TABLE p (a int, b text)", None),
        ("COPY p", "COPY p FROM STDIN", None), ("SELECT", "SELECT ?/?", "22012")],
    "asyncpg": [
        ("PREPARE SELECT", "SELECT ?", None), ("SELECT", "SELECT ?", None),
        ("PREPARE SELECT pg_class", ASKED, None), *[("SELECT pg_class", ASKED, None)] * 2,
        ("CREATE TABLE q", "CREATE TEMP TABLE q (a int, b text)", None),
        ("PREPARE INSERT q", "INSERT INTO q VALUES ($1, $2)", None),
        ("BATCH INSERT q", "INSERT INTO q VALUES ($1, $2)", None),
        ("PREPARE SELECT \"q\"", None, None), ("COPY \"q\"", None, None),
        ("PREPARE SELECT", "SELECT ?/?", None), ("SELECT", "SELECT ?/?", "22012"),
        ("BEGIN", "BEGIN;", None),
        ("PREPARE SELECT q", "SELECT count(*) FROM q WHERE a IN (?)", None),
        ("SELECT q", "SELECT count(*) FROM q WHERE a IN (?)", None), ("COMMIT", "COMMIT;", None)],
    "jdbc": [
        ("SET", None, None), ("SET", None, None), ("SELECT", "SELECT ?, ?", None),
        *[("SELECT pg_class", ASKED, None)] * 7,
        ("CREATE TABLE j", "CREATE TEMP TABLE j (a int, b text)", None),
        ("PREPARE INSERT j", "INSERT INTO j VALUES ($1, $2)", None),
        ("BATCH INSERT j", "INSERT INTO j VALUES ($1, $2)", None),
        ("SELECT nowhere", "SELECT * FROM nowhere", "42P01"), ("BEGIN", "BEGIN", None),
        ("SELECT j", "SELECT count(*) FROM j WHERE a IN (?)", None), ("COMMIT", "COMMIT", None)],
    "node": [
        ("SELECT", "SELECT ? AS a", None), *[("SELECT pg_class", ASKED, None)] * 2,
        ("SELECT", "SELECT $1::int AS b", None), ("SELECT nowhere", "SELECT * FROM nowhere", "42P01")],
})
# What is found wrong before it is run, the server does not tell.
UNTOLD = {"psycopg3": 1, "jdbc": 1, "asyncpg": 1}
WANTED["green"] = [row for row in WANTED["psycopg2"] if row[0] != "COPY x"]
ONE, OTHER = "SELECT relname FROM pg_class WHERE oid = {};", "SELECT {}::int + {};"
for _mode, _a, _b in (("simple", "?", "?"), ("extended", "$1", "$2"), ("prepared", "$1", "$2")):
    WANTED[f"bench_{_mode}"] = [("SELECT pg_class", ONE.format(_a), None),
                                ("SELECT", OTHER.format(_a, _b), None)] * 5
for _at in (1, 0):  # each is prepared when it is first run
    _name, *_rest = WANTED["bench_prepared"][_at]
    WANTED["bench_prepared"].insert(_at, (f"PREPARE {_name}", *_rest))


class Same(Base, Transparency):
    def test_what_they_print(self):
        for name, argv in self.clients():
            with self.subTest(client=name):
                _, user = self.user(name)
                lab = self.lab()
                bare = lab.run(argv(user), traced=False, timeout=60)
                done = lab.run(argv(user), timeout=60)
                if name.startswith("bench"):  # times
                    self.assertEqual((done.returncode, done.stderr), (0, bare.stderr))
                    continue
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (bare.returncode, bare.stdout, bare.stderr))
                self.assertTrue(done.stdout)
                self.assert_loaded(lab, lab.counters()[0]["exe"] if lab.counters() else "")

    def test_dump_and_restore(self):
        server, user = self.user("dump")
        server.sql("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT g AS a, 'row ' || g AS b "
                   "FROM generate_series(1, 5000) g; COMMENT ON TABLE kept IS 'it''s kept';")
        lab = self.lab()
        dumps = [lab.run([server.program("pg_dump"), "-t", "kept", *more, server.dsn(user)],
                         traced=traced, timeout=60)
                 for traced in (False, True) for more in ((), ("-Fc",))]
        self.assertEqual([d.returncode for d in dumps], [0] * 4, dumps[2].stderr)
        plain = [b"\n".join(line for line in d.stdout.splitlines() if b"restrict" not in line)
                 for d in (dumps[0], dumps[2])]
        self.assertEqual(plain[0], plain[1])
        self.assertIn(b"5000\trow 5000", plain[1])
        with open(lab.path("dump"), "wb") as f:
            f.write(dumps[3].stdout)
        restored = lab.run([server.program("pg_restore"), "--clean", "-d", server.dsn(user),
                            lab.path("dump")], timeout=60)
        self.assertEqual((restored.returncode, restored.stderr), (0, b""))
        self.assertEqual(server.sql("SELECT count(*), max(b) FROM kept"), "5000|row 999\n")
        server.sql("DROP TABLE kept")


class Statements(Base, Feature):
    def told(self, lab, count):
        spans = [s for s in lab.collector.wait_for(count, WAIT, SETTLE) if s["kind"] == "CLIENT"]
        self.assert_sound(lab.collector)
        return sorted(spans, key=lambda s: s["start"])

    def check(self, name, argv, wanted):
        server, user = self.user(name)
        lab = self.lab()
        before = server.statements(user)
        done = lab.run(argv(user), timeout=60)
        spans = self.told(lab, len(wanted))
        rows = [(s["name"], s["attributes"].get("db.query.text"),
                 s["attributes"].get("db.response.status_code")) for s in spans]
        rows = [tuple(None if w is None and i == 1 else h for i, (h, w) in enumerate(zip(row, want)))
                for row, want in zip(rows, wanted)] + rows[len(wanted):]
        self.assertEqual(rows, wanted, done.stderr)
        ran = [s for s in spans if not s["name"].startswith("PREPARE")]
        # One text of several statements is one call, and one line of the log.
        self.assertEqual(
            sum(s["attributes"].get("db.operation.batch.size", 1) for s in ran),
            server.statements(user) - before + UNTOLD.get(name, 0))
        for span in spans:
            host = span["attributes"].get("server.address")
            self.assertIn(host, (server.directory, LOCAL))
            # D9, D13: no call of theirs names a table or a procedure, and texts are not taken apart.
            self.assert_attributes(span, db_system_name="postgresql", db_namespace="postgres",
                                   server_port=server.port, db_collection_name=None,
                                   db_stored_procedure_name=None)
            self.assertNotIn("secret", str(span["attributes"]))

    def test_each_client(self):
        for name, argv in self.clients():
            if name in WANTED:
                with self.subTest(client=name):
                    self.check(name, argv, WANTED[name])

    def test_pgbench_pipeline(self):
        name, argv = [c for c in self.clients() if c[0] == "bench_pipeline"][0]
        server, user = self.user(name)
        lab = self.lab()
        before = server.statements(user)
        lab.run(argv(user), timeout=60)
        spans = self.told(lab, 50)
        self.assertEqual(len(spans), 50, brief(spans))
        self.assertEqual(server.statements(user) - before, 50)
        self.assertEqual({s["attributes"]["db.query.text"] for s in spans}, {"SELECT $1::int;"})

    def test_dump(self):
        server, user = self.user("dumped")
        lab = self.lab()
        lab.run([server.program("pg_dump"), "-s", "-t", "pg_class", server.dsn(user)], timeout=60)
        count = server.statements(user)
        spans = self.told(lab, count)
        self.assertEqual(len(spans), count)
        self.assertGreater(count, 10)

    def test_one_database_many_schemas(self):
        """D40: the schema that the connection was opened with."""
        server, user = self.user("schemas")
        lab = self.lab()
        lab.run([server.program("psql"), "-XAtc", "SELECT 1", server.dsn(user)],
                PGOPTIONS="-c search_path=pg_catalog,public")
        spans = self.told(lab, 1)
        self.assert_attributes(spans[0], db_namespace="postgres|pg_catalog")

    def test_where_the_server_is(self):
        """D17, D18: as the connection was asked for, by whichever word."""
        server, user = self.user("places")
        lab = self.lab()
        services = lab.path("services")
        with open(services, "w", encoding="ascii") as f:
            f.write(f"[shop]\nhost=localhost\nport={server.port}\ndbname=postgres\n")
        rest = f"port={server.port} dbname=postgres user={user}"
        for dsn, address in ((f"host={server.directory} {rest}", server.directory),
                             (f"host={LOCAL} {rest}", LOCAL), (f"hostaddr={LOCAL} {rest}", LOCAL),
                             (f"host=db.example.com hostaddr={LOCAL} {rest}", "db.example.com"),
                             (f"service=shop user={user}", "localhost")):
            with self.subTest(dsn=dsn):
                lab = self.lab()
                done = lab.run([server.program("psql"), "-XAtwc", "SELECT 1", dsn],
                               PGSERVICEFILE=services)
                self.assertEqual(done.stdout, b"1\n", done.stderr)
                self.assert_attributes(self.told(lab, 1)[0], server_address=address,
                                       server_port=server.port)


class Bouncer(Base, Feature):
    """pgbouncer in between, and watched, too: what it says to the server is told of there."""
    INI = """[databases]
postgres = host={directory} port={server} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
"""

    def test_both_sides(self):
        if not shutil.which("pgbouncer"):
            self.skipTest("needs pgbouncer")
        server, user = self.user("bounced")
        for mode in ("session", "transaction"):
            with self.subTest(mode=mode):
                self.both_sides(server, user, mode)

    def both_sides(self, server, user, mode):
        lab = self.lab()
        os.chmod(lab.directory, 0o777)
        port = free_port()
        ini = lab.write("bouncer.ini", self.INI.format(
            directory=server.directory, server=server.port, port=port, mode=mode).replace(
                "dbname=postgres", f"dbname=postgres user={user}"))
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        lab.start([*(as_user if os.getuid() == 0 else []), "pgbouncer", ini], "pgbouncer", port,
                  service="bouncer")
        before = server.statements(user)
        done = lab.run([server.program("psql"), "-XAt", "-c", "SELECT 'x' FROM pg_class LIMIT 1",
                        "-c", "SELECT * FROM nowhere", "-h", LOCAL, "-p", str(port), "-U", user,
                        "postgres"], service="psql")
        self.assertIn(b"nowhere", done.stderr)
        spans = lab.collector.wait_for(4, WAIT, SETTLE)
        wanted = [("SELECT pg_class", "SELECT ? FROM pg_class LIMIT ?", None),
                  ("SELECT nowhere", "SELECT * FROM nowhere", "42P01")]
        for service, where in (("psql", port), ("bouncer", server.port)):
            told = sorted((s for s in spans if s["service"] == service), key=lambda s: s["start"])
            told = [s for s in told if not s["name"].startswith(("SET", "RESET", "DISCARD"))]
            self.assertEqual([(s["name"], s["attributes"].get("db.query.text"),
                               s["attributes"].get("error.type")) for s in told], wanted)
            for span in told:
                self.assert_attributes(span, server_port=where, db_namespace="postgres")
        self.assertGreaterEqual(server.statements(user) - before, 2)


class Parents(Base, Feature):
    def test_request_and_its_statements(self):
        """gunicorn: each statement below its request, which sums them up; by libpq's calls, and by
        the protocol."""
        for driver in ("psycopg2", "psycopg"):
            with self.subTest(driver=driver):
                if not has_module(driver):
                    print(f"     SKIPPED: python3-{driver} is not there")
                    continue
                self.requests(driver)

    def requests(self, driver):
        server, user = self.user(f"web_{driver}")
        lab = self.lab()
        shutil.copy(app("pg_wsgi.py"), lab.directory)
        web = lab.gunicorn("pg_wsgi:app", workers=1, service="web", DSN=server.dsn(user, LOCAL),
                           DRIVER=driver, PYTHONPATH=lab.directory)
        for path in ("/", "/", "/fail"):
            lab.run(["curl", "-sS", web.url(path)], traced=False)
        spans = lab.collector.wait_for(3 + 13, WAIT, SETTLE)
        served = {s["span_id"]: s for s in spans if s["kind"] == "SERVER"}
        asked = [s for s in spans if s["kind"] == "CLIENT"]
        asked = [s for s in asked if not s["name"].startswith("PREPARE")]
        self.assertEqual((len(served), len(asked)), (3, 13), brief(spans))
        for span in asked:
            parent = served.get(span["parent_span_id"])
            self.assertTrue(parent, brief(spans))
            self.assertEqual(span["trace_id"], parent["trace_id"])
            self.assertTrue(parent["start"] <= span["start"] <= span["end"] <= parent["end"])
        called = [s for s in served.values() if "interspan.calls.count" in s["attributes"]]
        self.assertEqual(len(called), 3)
        for span in called:
            self.assert_attributes(
                span, interspan_calls_repeated_summary="SELECT pg_class",
                interspan_calls_repeated_operation="SELECT",
                interspan_calls_repeated_peer=f"{LOCAL}:{server.port}")
            self.assertGreaterEqual(span["attributes"]["interspan.calls.repeated.count"], 4)


class Loop(Base, Feature):
    def test_requests_that_take_turns(self):
        """Requests of one event loop, on connections that they hand to each other: each statement is
        its request's, or nobody's, and never another one's."""
        self.need("module:aiohttp", "module:psycopg")
        server, user = self.user("web_loop")
        lab, port, count = self.lab(), free_port(), 60
        web = lab.start([PYTHON, app("pg_aiohttp.py"), str(port), server.dsn(user, LOCAL)], "web", port)
        urls = [web.url(f"/{n}") for n in range(count)]
        lab.run(["curl", "-sS", "--parallel", "--parallel-immediate", "--parallel-max", "20", *urls],
                traced=False, timeout=60)
        spans = lab.collector.wait_for(4 * count, WAIT, SETTLE)
        served = {s["span_id"]: s for s in spans if s["kind"] == "SERVER"}
        asked = [s for s in spans if s["kind"] == "CLIENT"]
        self.assertEqual((len(served), len(asked)), (count, 3 * count), brief(spans))
        right = 0
        for span in asked:
            number = re.fullmatch(r"SELECT \? AS n(\d+), pg_sleep\(\?\)",
                                  span["attributes"]["db.query.text"])[1]
            if not span["parent_span_id"]:
                continue
            parent = served[span["parent_span_id"]]
            self.assertEqual((parent["attributes"]["url.path"], parent["trace_id"]),
                             (f"/{number}", span["trace_id"]))
            right += 1
        print(f"     psycopg 3 on a loop: {right} of {3 * count} with a parent", flush=True)


CLASSES = (  # of SQLSTATE, and what brings one of them about
    ("0A000", "SELECT DISTINCT ON (a) a FROM (SELECT 1 AS a) t FOR UPDATE"),
    ("21000", "SELECT (SELECT g FROM generate_series(1, 2) g)"),
    ("22012", "SELECT 1/0"), ("23502", "CREATE TEMP TABLE n (a int NOT NULL); INSERT INTO n "
                              "VALUES (NULL)"),
    ("25P02", "BEGIN; SELECT 1/0"), ("28000", None),
    ("2BP01", "DROP ROLE postgres"), ("34000", "FETCH nocursor"), ("3B001", "ROLLBACK TO nosuch"),
    ("3D000", "DROP DATABASE nosuch"), ("3F000", "CREATE TABLE nosuch.t (a int)"),
    ("42601", "SELEC 1"), ("53400", None), ("54001", None),
    ("55000", "SELECT currval(s) FROM (SELECT pg_get_serial_sequence('nosuch', 'a')) t(s)"),
    ("57014", "SET statement_timeout = 50; SELECT pg_sleep(10)"),
    ("P0001", "DO $$BEGIN RAISE EXCEPTION 'secret'; END$$"),
)

# One of each class of the manual's appendix A, but for 00, which is success.
STATES = (
    "01004", "02000", "03000", "08006", "09000", "0A000", "0B000", "0F001", "0L000", "0P000", "0Z002",
    "20000", "21000", "22P02", "23505", "24000", "25P02", "26000", "27000", "28P01", "2B000", "2D000",
    "2F005", "34000", "38001", "39004", "3B001", "3D000", "3F000", "40P01", "42501", "44000", "53300",
    "54001", "55P03", "57014", "58030", "72000", "F0001", "HV00J", "P0001", "XX000")


class Failures(Base, Feature):
    def psql(self, lab, dsn, *commands, **env):
        argv = [self.server().program("psql"), "-XAtw"]
        for command in commands:
            argv += ["-c", command]
        return lab.run([*argv, dsn], timeout=60, **env)

    def failed(self, lab, count=1):
        spans = lab.collector.wait_for(count, WAIT, SETTLE)
        return [s for s in sorted(spans, key=lambda s: s["start"]) if s["status"] == "ERROR"]

    def test_every_class(self):
        """D41, D42: the state, as psql prints it, is that of the span."""
        server, user = self.user("classes")
        for _, sql in CLASSES:
            if not sql:
                continue
            with self.subTest(sql=sql):
                lab = self.lab()
                done = self.psql(lab, server.dsn(user), "\\set VERBOSITY sqlstate", sql,
                                 PGOPTIONS="-c client_min_messages=error")
                state = done.stderr.decode().split()[-1]
                spans = self.failed(lab)
                self.assertEqual([(s["attributes"]["db.response.status_code"],
                                   s["attributes"]["error.type"]) for s in spans], [(state, state)],
                                 done.stderr)
                self.assertNotIn("secret", str(spans))

    def test_every_class_there_is(self):
        """D41: all are errors but warnings; by libpq's calls, and by the protocol."""
        server, user = self.user("states")
        raised = [f"DO $$BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{s}'; END$$" for s in STATES]
        by = {"psql": [server.program("psql"), "-XAtw", "-v", "VERBOSITY=sqlstate", *(
            x for sql in raised for x in ("-c", sql)), server.dsn(user)]}
        if has_module("psycopg"):
            by["psycopg3"] = [PYTHON, app("pg_states.py"), server.dsn(user, LOCAL), *STATES]
        for name, argv in by.items():
            with self.subTest(client=name):
                lab = self.lab()
                done = lab.run(argv, timeout=60)
                told = (done.stderr if name == "psql" else done.stdout).decode().split()
                self.assertEqual([word for word in told if word != "ERROR:"], list(STATES))
                spans = sorted(lab.collector.wait_for(len(STATES), WAIT, SETTLE),
                               key=lambda s: s["start"])
                self.assertEqual(
                    [(s["name"], s["status"], s["attributes"].get("db.response.status_code"),
                      s["attributes"].get("error.type")) for s in spans],
                    [("DO", "UNSET", None, None) if state < "02" else
                     ("DO", "ERROR", state, state) for state in STATES])
                self.assertNotIn("secret", str(spans))

    def test_connections_that_fail(self):
        server, _ = self.user("refused")
        server.sql("DROP ROLE IF EXISTS secret; CREATE ROLE secret LOGIN PASSWORD 'right';"
                   "DROP ROLE IF EXISTS tls; CREATE ROLE tls LOGIN;")
        for what, dsn in (
                ("refused", server.dsn("postgres", LOCAL).replace(f"port={server.port}", "port=1")),
                ("nobody", server.dsn("no_such_role")), ("tls", server.dsn("tls", LOCAL)),
                ("password", server.dsn("secret", LOCAL, password="wrong_hidden"))):
            with self.subTest(what=what):
                lab = self.lab()
                done = self.psql(lab, dsn, "SELECT 1")
                self.assertEqual(done.returncode, 2)
                spans = self.failed(lab)
                self.assertEqual([(s["name"], s["attributes"]["error.type"]) for s in spans],
                                 [("CONNECT postgres", "08001")])
                self.assertNotIn("hidden", str(spans))

    def test_where_it_was_made(self):
        """Of a statement that failed: the program is in the stack."""
        server, user = self.user("stacks")
        lab = self.lab()
        self.psql(lab, server.dsn(user), "SELECT 1/0")
        stack = self.failed(lab)[0]["attributes"].get("code.stacktrace", "")
        self.assertRegex(stack, r"\A#0 \S*(psql|/proc/self/exe)\+0x[0-9a-f]+ ")

    def test_cancelled(self):
        server, user = self.user("cancelled")
        lab = self.lab()
        psql = lab.start([server.program("psql"), "-XAtc", "SELECT pg_sleep(60)",
                          server.dsn(user)], "psql")
        self.wait_for(server, "cancelled")
        psql.process.send_signal(signal.SIGINT)
        self.assertEqual(psql.process.wait(20), 1)
        self.assertEqual([s["attributes"]["error.type"] for s in self.failed(lab)], ["57014"])

    def wait_for(self, server, user):
        deadline = time.monotonic() + 20
        sql = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}' AND query ~ 'pg_sl'"
        while server.sql(sql) != "1\n":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_server_goes_away(self):
        """In the middle of a statement: told by the server, or by nobody."""
        server, user = self.user("killed")
        for call, state in (("pg_terminate_backend(pid)", "57P01"), (None, "08006")):
            with self.subTest(call=call):
                lab = self.lab()
                psql = lab.start([server.program("psql"), "-XAtc", "SELECT pg_sleep(60)",
                                  server.dsn(user)], "psql")
                self.wait_for(server, "killed")
                if call:
                    server.sql(f"SELECT {call} FROM pg_stat_activity WHERE usename = '{user}'")
                else:
                    server.process.send_signal(signal.SIGQUIT)
                    server.process.wait(20)
                    server.start()
                psql.process.wait(20)
                spans = self.failed(lab)
                self.assertIn([s["attributes"]["error.type"] for s in spans],
                              ([state], ["57P02"]), brief(spans))


class Regression(Transparency):
    """The SQL of PostgreSQL's own tests, all of it, through what the fuzzer of SQL checks."""

    def test_its_own_sql(self):
        files = glob.glob(os.path.join(ROOT, "build", "postgres-sql", "*.sql"))  # scripts/postgres-sql
        if not files:
            self.skipTest("scripts/postgres-sql has fetched nothing")
        program = os.path.join(BUILD, "once_sql")
        done = subprocess.run([program, *sorted(files)], capture_output=True, timeout=170, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        statements = int(done.stdout.split()[0])
        self.assertGreater(statements, 30000)


if __name__ == "__main__":
    sys.exit("run by tests/e2e/run.py")
