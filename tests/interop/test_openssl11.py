# SPDX-License-Identifier: Apache-2.0
"""OpenSSL 1.1: the contract of writes and reads (tests/preload/test_tls.py) with the libssl.so.1.1 that a
wheel of psycopg2's brings along.  A real curl with it: tests/interop/test_debians.py, Debian 11."""
import functools
import glob
import os
import subprocess
import sys
import unittest
import zipfile

from support import certificates
from support.case import Feature
from support.progs import BUILD, PYTHON, ROOT

WHEEL = ["psycopg2-binary==2.9.5", "--no-deps", "--only-binary", ":all:", "--python-version", "3.9",
         "--platform", "manylinux2014_x86_64"]
HERE = os.path.join(BUILD, "openssl11")


@functools.lru_cache(None)
def libraries():
    """The two files; or why there are none."""
    if not glob.glob(f"{HERE}/*.libs/libssl-*.so.1.1"):
        os.makedirs(HERE, exist_ok=True)
        try:
            done = subprocess.run([PYTHON, "-m", "pip", "download", "-q", "-d", HERE, *WHEEL],
                                  capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return "the registry does not answer"
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        with zipfile.ZipFile(glob.glob(f"{HERE}/*.whl")[0]) as wheel:
            wheel.extractall(HERE)
    return [glob.glob(f"{HERE}/*.libs/lib{name}-*.so.1.1")[0] for name in ("ssl", "crypto")]


def host(name):
    """A program of tests/preload, linked with them."""
    if isinstance(libraries(), str):
        print(f"SKIPPED: no OpenSSL 1.1: {libraries()}", file=sys.stderr)
        raise unittest.SkipTest(libraries())
    out, directory = os.path.join(HERE, name), os.path.dirname(libraries()[0])
    source = os.path.join(ROOT, "tests", "preload", f"{name}.c")
    subprocess.run(["cc", "-O1", "-w", "-I", os.path.dirname(source), "-o", out, source, *libraries(),
                    f"-Wl,-rpath,{directory}", "-pthread"], check=True, timeout=60)
    return out


class Contract(Feature):
    def run_host(self, name):
        program = host(name)
        lab = self.lab(OTEL_TRACES_SAMPLER="always_off")
        done = lab.run([program, certificates.make().both], timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout, lab

    def test_every_cut(self):
        """All but what is written after the renegotiations."""
        self.assertEqual(self.run_host("host_tls_write")[0], b"6561 requests, 6557 lines\n")

    def test_jumps(self):
        out, lab = self.run_host("host_tls_jump")
        self.assertEqual(out, b"1 line\n" * 8)
        self.assertEqual(lab.total("connections_blind"), 0, lab.counters())
