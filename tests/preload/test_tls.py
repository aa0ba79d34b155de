# SPDX-License-Identifier: Apache-2.0
"""OpenSSL with records that are cut everywhere: host_tls_write.c."""
import os

from support import certificates
from support.case import Feature, Transparency
from test_process import host

REQUESTS = 6560
AFTER_RENEGOTIATION = 4  # another random: passed through


class Cuts:
    def run_host(self):
        if not os.path.exists(host("tls_write")):
            self.skipTest("no libssl.so.3 to link a host with")
        lab = self.lab(OTEL_TRACES_SAMPLER="always_off")
        done = lab.run([host("tls_write"), certificates.make().both], timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return lab, done.stdout


class SameBytes(Cuts, Transparency):
    def test_every_cut(self):
        lab, out = self.run_host()
        self.assertEqual(out.partition(b",")[0], b"%d requests" % REQUESTS)
        self.assert_loaded(lab, "host_tls_write", hooked=True)


class Told(Cuts, Feature):
    def test_each_request_once(self):
        _, out = self.run_host()
        self.assertEqual(out, b"%d requests, %d lines\n" % (
            REQUESTS, REQUESTS - AFTER_RENEGOTIATION))
