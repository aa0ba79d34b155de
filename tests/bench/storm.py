# SPDX-License-Identifier: Apache-2.0
"""An error storm: every request fails, one in a hundred is sampled, and failures are what is to be kept.
What a program's throughput is then, to what it is with tracing off, and with nothing sampled.  Each request
is accounted for by reason, or there are no figures."""
import contextlib

from kit import paced
from support.progs import Lab

KEPT = 100  # OTEL_INTERSPAN_KEPT_PER_SECOND, as it is without that setting

HOSTS = {
    "off": {"OTEL_INTERSPAN_ENABLED": "false"},
    "unsampled": {"OTEL_TRACES_SAMPLER": "always_off"},
    "storm": {"OTEL_TRACES_SAMPLER": "parentbased_probability", "OTEL_TRACES_SAMPLER_ARG": "0.01",
              "OTEL_INTERSPAN_KEEP": "error"},
}


def start(name, stack):
    """nginx, all of whose answers are 503."""
    lab = stack.enter_context(Lab(OTEL_BSP_SCHEDULE_DELAY="1000"))
    return paced.Host(name, lab, lab.nginx(1, location="location = / { return 503; }",
                                           **HOSTS[name]), 503)


def finish(host):
    """How many were kept for their failure, and how many were over the limit."""
    host.end()
    total = host.lab.total
    kept, over = total("selected_by_error"), total("over_keep_limit_error")
    if host.name != "off":
        assert total("spans_started") == host.asked, host.lab.counters()
        assert total("spans_ended") + total("spans_unsampled") == host.asked, host.lab.counters()
    if host.name == "storm":
        sampled = total("spans_ended") - kept
        assert kept and over and kept + over + sampled == host.asked, host.lab.counters()
    return kept, over


def bench_storm(row, pairs=8):
    with contextlib.ExitStack() as stack:
        hosts = [start(name, stack) for name in HOSTS]
        turns = paced.Turns(hosts, pairs)
        for host in hosts[1:]:
            kept, over = finish(host)
            steady, burst = turns.ratios("off", host.name)
            row(f"throughput, all fail, {host.name}", "", f"{steady.median:.3f}",
                f"at a fixed rate, to off (wanted >= 0.97); saturated {burst}; {kept:,} kept, "
                f"{over:,} over {KEPT} in a second")
