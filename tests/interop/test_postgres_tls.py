# SPDX-License-Identifier: Apache-2.0
"""What test_postgres.py says of each client, with a PostgreSQL that takes nothing but TLS from them,
which they verify: by libpq's calls, and where the protocol is read, behind OpenSSL."""
import functools
import sys

import test_postgres
from support import certificates
from support.case import Feature, Transparency
from support.postgres import Postgres, programs
from test_postgres import LOCAL, PSQL

# JDBC's TLS is Java, and node's is linked into it: neither is read.
UNREAD = ("jdbc", "node")


@functools.lru_cache(None)
def server():
    return Postgres.for_tests(certificates.make())


class Base(test_postgres.Base):
    def server(self):
        if not programs():
            self.skipTest("needs postgresql")
        return server()

    def env(self):
        """libpq and those that do as it does: whom to trust, and that it must be TLS."""
        ca = certificates.make()
        return {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": ca.file, **ca.trusted}

    def clients(self):
        pg = self.server()
        ca = certificates.make().file
        for name, argv in super().clients():
            if name == "psql":
                yield name, lambda user: [
                    pg.program("psql"), "-XAt", "-v", "VERBOSITY=sqlstate",
                    *(x for c in PSQL for x in ("-c", c)), pg.dsn(user, LOCAL)]
            elif name == "jdbc":
                yield name, lambda user, argv=argv: [
                    f"{a}?sslmode=verify-full&sslrootcert={ca}" if a.startswith("jdbc:") else a
                    for a in argv(user)]
            elif not name.startswith("bench") or name == "bench_prepared":
                yield name, argv

    def are_encrypted(self, user):
        """All that this user has done came by TLS: nothing else is let in, and the log tells."""
        with open(self.server().log, encoding="utf-8", errors="replace") as log:
            lines = [line for line in log if f"user={user} " in line and "authorized" in line]
        return lines and all("SSL enabled" in line for line in lines)


class Same(Base, Transparency):
    def test_what_they_print(self):
        for name, argv in self.clients():
            with self.subTest(client=name):
                _, user = self.user(name)
                lab = self.lab()
                bare = lab.run(argv(user), traced=False, timeout=60, **self.env())
                done = lab.run(argv(user), timeout=60, **self.env())
                self.assertTrue(self.are_encrypted(user), bare.stderr)
                if name.startswith("bench"):  # times
                    self.assertEqual((done.returncode, done.stderr), (0, bare.stderr))
                    continue
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (bare.returncode, bare.stdout, bare.stderr))
                self.assertTrue(done.stdout)
                self.assert_loaded(lab, lab.counters()[0]["exe"] if lab.counters() else "")

    def test_psql_moves_much(self):
        """8 MiB in and out, which no two reads cut alike: bit for bit, and nothing of it is read by
        us, since libpq's calls tell."""
        pg, user = self.user("much")
        rows = b"".join(b"%d\t%s\n" % (i, (b"%08x" % (i * 2654435761 % 2**32)) * 32)
                        for i in range(30000))
        lab = self.lab()
        dsn = pg.dsn(user, LOCAL)
        for traced in (False, True):
            done = lab.run([pg.program("psql"), "-XAtq", "-c", "DROP TABLE IF EXISTS much", "-c",
                            "CREATE TABLE much (a int, b text)", "-c", "\\copy much FROM STDIN",
                            "-c", "\\copy much TO STDOUT", dsn], traced=traced, stdin=rows, timeout=60,
                           PGOPTIONS="-c client_min_messages=error", **self.env())
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertTrue(done.stdout == rows)  # without a diff of it
        pg.sql("DROP TABLE much")
        if not self.is_bare():
            self.assertEqual(lab.total("connections_opaque"), 1)


class Statements(Base, test_postgres.Statements):
    def test_each_client(self):
        for name, argv in self.clients():
            if name in test_postgres.WANTED and name not in UNREAD:
                with self.subTest(client=name):
                    self.check(name, argv, test_postgres.WANTED[name])

    # The same whatever carries them.
    test_pgbench_pipeline = test_dump = test_one_database_many_schemas = None


class Unread(Base, Feature):
    def test_a_certificate_that_is_not_trusted(self):
        """By libpq the connection that fails is a span; nothing of it is told but that."""
        pg, user = self.user("distrusts")
        lab = self.lab()
        done = lab.run([pg.program("psql"), "-XAtc", "SELECT 1", pg.dsn(user, LOCAL)],
                       PGSSLMODE="verify-full", PGSSLROOTCERT=certificates.make().certificate)
        self.assertEqual(done.returncode, 2)
        spans = self.spans(lab, 1)
        self.assertEqual([(s["name"], s["attributes"]["error.type"]) for s in spans],
                         [("CONNECT postgres", "08001")])


if __name__ == "__main__":
    sys.exit("run by tests/e2e/run.py")
