# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of one's own: a new data directory, a socket in it and a port of 127.0.0.1.  It tells
which statements each user has run, which is what spans are compared with."""
import atexit
import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

from support.progs import free_port

STATEMENT = re.compile(r"(\w+)\|(\d+)\|LOG:  (?:statement|execute [^:]*): ")
CONF = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{directory}'
port = {port}
fsync = off
max_connections = 60
log_statement = all
log_line_prefix = '%u|%p|'
password_encryption = scram-sha-256
"""
HBA = """
local all secret scram-sha-256
hostssl all tls 127.0.0.1/32 trust
hostnossl all tls 127.0.0.1/32 reject
host all secret 127.0.0.1/32 scram-sha-256
local all all trust
host all all 127.0.0.1/32 trust
"""
TLS_CONF = """
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
log_connections = on
"""
TLS_HBA = """
local all all trust
hostssl all all 127.0.0.1/32 trust
"""


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    return os.path.dirname(found[-1]) if found else None


def unprivileged(directory):
    """It refuses to run as root."""
    if os.getuid() != 0:
        return []
    shutil.chown(directory, "nobody", "nogroup")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


class Postgres:
    def __init__(self, ca=None):
        """ca: by TCP nothing but TLS, with its certificate."""
        self.bin = programs()
        self.directory = tempfile.mkdtemp(prefix="interspan-pg-")
        os.chmod(self.directory, 0o755)
        self.data = os.path.join(self.directory, "data")
        self.port = free_port()
        self.log = os.path.join(self.directory, "log")
        self.process = None
        self.as_user = unprivileged(self.directory)
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        subprocess.run([*self.as_user, self.program("initdb"), "-D", self.data, "-U", "postgres",
                        "-A", "trust", "-N", "-E", "UTF8"], check=True, stdout=subprocess.DEVNULL, env=self.env,
                       cwd=self.directory)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as f:
            f.write(CONF.format(directory=self.directory, port=self.port) + (TLS_CONF if ca else ""))
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="ascii") as f:
            f.write(TLS_HBA if ca else HBA)
        if ca:
            self.take_certificate(ca)
        self.start()

    def take_certificate(self, ca):
        for name, path in (("server.pem", ca.certificate), ("server.key", ca.key)):
            to = os.path.join(self.data, name)
            shutil.copy(path, to)
            os.chmod(to, 0o600)
            if self.as_user:
                shutil.chown(to, "nobody", "nogroup")

    @classmethod
    def for_tests(cls, *args):
        """One for all tests of a run."""
        server = cls(*args)
        atexit.register(server.close)
        return server

    def program(self, name):
        return os.path.join(self.bin, name)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.as_user, self.program("postgres"), "-D", self.data], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env=self.env, cwd=self.directory)
        deadline = time.monotonic() + 60
        while subprocess.run([self.program("pg_isready"), "-q", "-h", self.directory, "-p",
                              str(self.port)], check=False, env=self.env).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                with open(self.log, encoding="utf-8") as log:
                    raise AssertionError(log.read())
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()  # "smart": so no client may be left
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def sql(self, text):
        """By a client that nobody watches."""
        done = subprocess.run([self.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h",
                               self.directory, "-p", str(self.port), "-U", "postgres", "postgres"],
                              input=text.encode(), capture_output=True, check=False, env=self.env)
        if done.returncode:
            raise AssertionError(done.stderr.decode())
        return done.stdout.decode()

    def statements(self, user):
        """How many that user has run, of which the server was told one by one."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return sum(match[1] == user for match in map(STATEMENT.match, log) if match)

    def dsn(self, user, host=None, **more):
        words = {"host": host or self.directory, "port": self.port, "user": user,
                 "dbname": "postgres", **more}
        return " ".join(f"{k}={v}" for k, v in words.items())


class Shared:
    """One for all tests of a run."""
    server = None

    @classmethod
    def get(cls):
        if not cls.server:
            cls.server = Postgres.for_tests()
        return cls.server
