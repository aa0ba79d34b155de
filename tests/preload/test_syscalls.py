# SPDX-License-Identifier: Apache-2.0
"""No system calls but those of include/syscalls.def (docs/syscalls.md), by host_sandbox.c under filters
that kill whoever makes another one."""
import unittest

from support.case import Feature, Transparency
from test_rights import AT_ONCE, HOW, Rights


def settings(lab):
    """Names are looked up, too."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{lab.collector.port}"}


class Listed(Rights, Feature):
    def check(self, name):
        for how in HOW:
            with self.subTest(how):
                lab = self.lab(**AT_ONCE)
                self.run_sandbox(lab, name, how, **settings(lab))
                self.spans(lab, 3, settle=0.0)

    def test_suffice(self):
        self.check("listed")

    def test_suffice_on_old_kernels(self):
        """Without close_range(2) and clone3(2)."""
        self.check("old")


class Refused(Rights, Transparency):
    def test_no_descriptor_table(self):
        """Neither by close_range(2) nor by unshare(2): nothing is sent, and that is counted."""
        for how in HOW:
            with self.subTest(how):
                lab = self.lab(**AT_ONCE)
                self.run_sandbox(lab, "refused", how, **settings(lab))
                if how != "child" and not self.is_bare():  # a child's parent sends
                    self.assertEqual((lab.total("exporter_refused"), lab.total("spans_exported"),
                                      lab.total("spans_dropped_shutdown")), (1, 1, 2),
                                     lab.counters())


if __name__ == "__main__":
    unittest.main()
