# SPDX-License-Identifier: Apache-2.0
"""OpenSSL and GnuTLS with records that are cut everywhere, and written where few do: host_tls_*.c."""
import os
import subprocess

from support import certificates
from support.case import SETTLE, WAIT, Feature, Transparency
from support.progs import ROOT
from test_process import host

REQUESTS = {"write": 6561, "gnutls": 4016}
AFTER_RENEGOTIATION = {"write": 4, "gnutls": 0}  # another random: passed through


class Cuts:
    def run_host(self, name):
        if not os.path.exists(host(f"tls_{name}")):
            self.skipTest("no such library to link a host with")
        lab = self.lab(OTEL_TRACES_SAMPLER="always_off")
        done = lab.run([host(f"tls_{name}"), certificates.make().both], timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return lab, done.stdout


class Copies(Transparency):
    """A program with several libraries of OpenSSL's names, none of which it has linked."""

    @staticmethod
    def build(lab, out, source, *args):
        source = os.path.join(ROOT, "tests", "preload", source)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", lab.path(out), source, *args],
                       cwd=lab.directory, check=True, capture_output=True, timeout=60)
        return lab.path(out)

    def test_each_caller_reaches_its_own(self):
        lab, users = self.lab(), []
        for who in (1, 2, 3):
            self.build(lab, f"libcopy{who}.so", "copy_tls.c", f"-DWHO={who}",
                       f"-Wl,-soname,libcopy{who}.so")
            users.append(self.build(lab, f"user{who}.so", "copy_user.c", "-L.", f"-lcopy{who}",
                                    "-Wl,-rpath,$ORIGIN"))
        done = lab.run([host("copies"), *users])
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, b"3 users, 0 times another's\n", b""))
        self.assert_loaded(lab, "host_copies")


class Jumps(Cuts, Feature):
    def test_out_of_a_read(self):
        """siglongjmp() and cancellation: what follows is told, once each."""
        lab, out = self.run_host("jump")
        self.assertEqual(out, b"1 line\n" * 8)
        self.assertEqual(lab.total("connections_blind"), 0, lab.counters())


class Early(Cuts, Feature):
    def test_request_ahead_of_the_handshakes_end(self):
        _, out = self.run_host("early")
        self.assertEqual(out, b"as it was written, 1 line behind it\n")


class Callback(Cuts, Feature):
    def test_request_in_a_callback_of_the_handshake(self):
        _, out = self.run_host("callback")
        self.assertEqual(out, b"1 line, 1 line\n")


class Pairs(Feature):
    def check(self, spans, *args):
        """Returns the ids of requests that were made, and the parents of those that were served."""
        if not os.path.exists(host("tls_pair")):
            self.skipTest("no such library to link a host with")
        lab = self.lab()
        done = lab.run([host("tls_pair"), certificates.make().both, *args], timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, b"1 line, as it was shown\n" * 3)
        lab.collector.wait_for(spans, WAIT, SETTLE)
        made = [s["span_id"] for s in lab.collector.spans if s["kind"] == "CLIENT"]
        served = [s["parent_span_id"] for s in lab.collector.spans if s["kind"] == "SERVER"]
        self.assertEqual(len(made), 3)
        return sorted(made), sorted(served)

    def test_bytes_moved_by_the_program_itself(self):
        """By a pair of BIOs, to one who looks before he reads: what is read is what was shown."""
        made, served = self.check(6)
        self.assertEqual(served, made)

    def test_functions_found_in_the_library(self):
        """They are the library's own: who reads by them reads as without us, and is not seen."""
        self.assertEqual(self.check(3, "found")[1], [])


class Files(Cuts):
    def run_both(self, **env):
        lab = self.lab()
        argv = [host("tls_sendfile"), certificates.make().both]
        bare, done = (lab.run(argv, traced=traced, timeout=60, **env) for traced in (False, True))
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (bare.returncode, bare.stdout, bare.stderr))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return lab, done.stdout


class SameFiles(Files, Transparency):
    def test_what_fails_fails_as_it_does(self):
        lab, out = self.run_both()
        self.assertEqual([part.split(b",")[0] for part in out.split(b"; ")[:2]], [b"-1"] * 2)
        self.assert_loaded(lab, "host_tls_sendfile", hooked=True)


class ToldFiles(Files, Feature):
    def test_bytes_of_a_file_are_a_body(self):
        """The first span ends with the last of them, and what follows is another response."""
        lab, out = self.run_both(OTEL_INTERSPAN_OPT_IN_ATTRIBUTES="http.response.body.size")
        if not out.endswith(b"; sent\n"):
            self.skipTest(out.decode())
        lab.collector.wait_for(4, WAIT, SETTLE)
        told = [(s["attributes"]["http.response.status_code"],
                 s["attributes"].get("http.response.body.size"))
                for s in lab.collector.spans if s["kind"] == "SERVER"]
        self.assertEqual(sorted(told, key=str), [(200, 30), (204, 0)])


class SameBytes(Cuts, Transparency):
    def check(self, name):
        lab, out = self.run_host(name)
        self.assertEqual(out.partition(b",")[0], b"%d requests" % REQUESTS[name])
        self.assert_loaded(lab, f"host_tls_{name}", hooked=True)

    def test_every_cut(self):
        self.check("write")

    def test_every_cut_of_gnutls(self):
        self.check("gnutls")


class Told(Cuts, Feature):
    def check(self, name):
        _, out = self.run_host(name)
        self.assertEqual(out, b"%d requests, %d lines\n" % (
            REQUESTS[name], REQUESTS[name] - AFTER_RENEGOTIATION[name]))

    def test_each_request_once(self):
        self.check("write")

    def test_each_request_of_gnutls_once(self):
        self.check("gnutls")
