# SPDX-License-Identifier: Apache-2.0
"""An error storm: every request fails, one in a hundred is sampled, and failures are what is to be kept.
What a program's throughput is then, to what it is with tracing off, and with nothing sampled.  Each request
is accounted for by reason, or there are no figures."""
import contextlib
import signal

from kit import stats, subject
from support.progs import Lab

GET = b"GET / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
CONNECTIONS, PACED, THINK_US, BURST = 32, 1200, 8000, 6000
KEPT = 100  # OTEL_INTERSPAN_KEPT_PER_SECOND, as it is without that setting

HOSTS = {
    "off": {"OTEL_INTERSPAN_ENABLED": "false"},
    "unsampled": {"OTEL_TRACES_SAMPLER": "always_off"},
    "storm": {"OTEL_TRACES_SAMPLER": "parentbased_probability", "OTEL_TRACES_SAMPLER_ARG": "0.01",
              "OTEL_INTERSPAN_KEEP": "error"},
}


class Host:
    """nginx, all of whose answers are 503."""

    def __init__(self, name, stack):
        self.name, self.asked = name, 0
        self.lab = stack.enter_context(Lab(OTEL_BSP_SCHEDULE_DELAY="1000"))
        self.lab.collector.take = lambda *_: None
        self.program = self.lab.nginx(1, location="location = / { return 503; }", **HOSTS[name])

    def load(self, count, think_us=0):
        self.asked += count
        return subject.load(self.program.port, GET, CONNECTIONS, count, think_us, status=503)["rps"]

    def turn(self):
        self.lab.collector.requests.clear()
        return self.load(PACED, THINK_US), self.load(BURST)

    def finish(self):
        """How many were kept for their failure, and how many were over the limit."""
        self.program.process.send_signal(signal.SIGQUIT)
        self.program.process.wait(30)
        total = self.lab.total
        kept, over = total("selected_by_error"), total("over_keep_limit_error")
        if self.name != "off":
            assert total("spans_started") == self.asked, self.lab.counters()
            assert total("spans_ended") + total("spans_unsampled") == self.asked, self.lab.counters()
        if self.name == "storm":
            sampled = total("spans_ended") - kept
            assert kept and over and kept + over + sampled == self.asked, self.lab.counters()
        return kept, over


def bench_storm(row, pairs=8):
    with contextlib.ExitStack() as stack:
        hosts = [Host(name, stack) for name in HOSTS]
        for host in hosts:
            host.load(500)
        found = {name: ({}, {}) for name in HOSTS}
        for number in range(pairs):
            for at in stats.turns(len(hosts), number):
                for kind, rps in enumerate(hosts[at].turn()):
                    found[hosts[at].name][kind][number] = rps
        for host in hosts[1:]:
            kept, over = host.finish()
            paced, burst = (stats.Ratio(found["off"][kind], found[host.name][kind])
                            for kind in range(2))
            row(f"throughput, all fail, {host.name}", "", f"{paced.median:.3f}",
                f"at a fixed rate, to off (wanted >= 0.97); saturated {burst}; {kept:,} kept, "
                f"{over:,} over {KEPT} in a second")
