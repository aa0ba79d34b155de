# SPDX-License-Identifier: Apache-2.0
"""OpenSSL and GnuTLS with records that are cut everywhere: host_tls_write.c, host_tls_gnutls.c."""
import os

from support import certificates
from support.case import Feature, Transparency
from test_process import host

REQUESTS = {"write": 6560, "gnutls": 4016}
AFTER_RENEGOTIATION = {"write": 4, "gnutls": 0}  # another random: passed through


class Cuts:
    def run_host(self, name):
        if not os.path.exists(host(f"tls_{name}")):
            self.skipTest("no such library to link a host with")
        lab = self.lab(OTEL_TRACES_SAMPLER="always_off")
        done = lab.run([host(f"tls_{name}"), certificates.make().both], timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return lab, done.stdout


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
