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


def old():
    if isinstance(libraries(), str):
        print(f"SKIPPED: no OpenSSL 1.1: {libraries()}", file=sys.stderr)
        raise unittest.SkipTest(libraries())
    return [*libraries(), f"-Wl,-rpath,{os.path.dirname(libraries()[0])}"]


def build(name, out, *args):
    """A program of tests/preload."""
    source, out = os.path.join(ROOT, "tests", "preload", f"{name}.c"), os.path.join(HERE, out)
    subprocess.run(["cc", "-O1", "-w", "-I", os.path.dirname(source), "-o", out, source, *args,
                    "-pthread"], check=True, timeout=60)
    return out


TWO = r"""
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static char **args;

static void *run(void *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int (*ends)(int, char **) = library ? (int (*)(int, char **))dlsym(library, "ends") : NULL;

	if (!ends) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return (void *)(long)ends(2, args);
}

int main(int argc, char **argv)
{
	pthread_t thread[8];
	int bad = 0;

	args = argv;
	for (int i = 2; i < argc; i++)
		pthread_create(&thread[i - 2], NULL, run, argv[i]);
	for (int i = 2; i < argc; i++) {
		void *result;

		pthread_join(thread[i - 2], &result);
		bad |= result != NULL;
	}
	return bad;
}
"""


class Contract(Feature):
    def run_host(self, name):
        program = build(name, name, *old())
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


class Two(Feature):
    def test_two_copies_at_work(self):
        """The system's and 1.1, each RTLD_LOCAL and with two users, all in threads of their own: each
        writes and reads by its own, and has what it has alone."""
        shared = ["-shared", "-fPIC", "-Dmain=ends"]
        users = [build("host_tls_write", f"{name}{n}.so", *shared, *libs) for n in (1, 2)
                 for name, libs in (("old", old()), ("new", ["-l:libssl.so.3", "-l:libcrypto.so.3"]))]
        lab = self.lab(OTEL_TRACES_SAMPLER="always_off")
        program = lab.path("two")
        subprocess.run(["cc", "-O1", "-w", "-o", program, lab.write("two.c", TWO), "-pthread"],
                       check=True, timeout=60)
        done = lab.run([program, certificates.make().both, *users], timeout=170)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, b"6561 requests, 6557 lines\n" * 4)
        # As four of them alone: who comes again with other bytes (BAD_WRITE_RETRY) is not followed.
        self.assertEqual(lab.total("connections_blind"), 4 * 4, lab.counters())
