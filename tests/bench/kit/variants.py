# SPDX-License-Identifier: Apache-2.0
"""The ways in which the same program is run."""
import functools
import os
import socket

from support.progs import BUILD, OBJECT

# A caller that has a trace: every request brings a header of the same size, whoever looks at it.
CALLER = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}\r\n"
# What the instrument makes of a cost that is known.
LATER_NS, LATER = 500, "bare, 0.5 us later"
# A queue for a burst that goes as fast as it can; the default is for programs that pause now and then.
QUEUE = {"OTEL_BSP_MAX_QUEUE_SIZE": "32768"}


class Variant:
    """spans: of the requests, how many are recorded: "all", "some" (as a sampler draws), "none", or
    "roots" (what has no parent that says no); "lost": all are, and none can be delivered.  agent: somebody else's, not ours."""

    def __init__(self, name, spans="none", preload=None, agent=False, flags="01", **settings):
        self.name, self.spans, self.preload, self.agent = name, spans, preload, agent
        self.flags, self.settings = flags, {**QUEUE, **settings}

    def has_figures_of_ours(self):
        return self.preload is not None and self.name not in ("off", LATER)


def setting_exists(name, path=OBJECT):
    """Does this build of the object know the setting?  Names lie in it as they are."""
    with open(path, "rb") as f:
        return name.encode() + b"\0" in f.read()


@functools.lru_cache(None)
def nowhere():
    """A port of this machine that is taken, and where nobody listens; (URL, what takes it)."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{taken.getsockname()[1]}", taken


def bare():
    return Variant("bare")


def again():
    """The same once more: what the instrument makes of no difference."""
    return Variant("bare, again")


def later(writes):
    """A known time more for each request, in which it is sent or answered by so many writev()."""
    return Variant(LATER, preload=os.path.join(BUILD, "bench", "late.so"),
                   LATE_NS=str(LATER_NS // writes))


def unsampled(name, path):
    """The caller's flag says no; so does the sampler of what has no caller, where there is one."""
    if setting_exists("OTEL_TRACES_SAMPLER", path):
        return Variant(name, "none", path, flags="00",
                       OTEL_TRACES_SAMPLER="parentbased_always_off")
    return Variant(name, "roots", path, flags="00")


def kept():
    """What the sampler leaves out is recorded all the same, and forgotten when it ends well."""
    return Variant("1 %, kept", "some", OBJECT, OTEL_TRACES_SAMPLER="traceidratio",
                   OTEL_TRACES_SAMPLER_ARG="0.01", OTEL_INTERSPAN_KEEP="error,slow>1s")


def usual(keeps=False):
    """All that a table has."""
    found = [bare(), Variant("off", preload=OBJECT, OTEL_INTERSPAN_ENABLED="false"),
             unsampled("unsampled", OBJECT)]
    if setting_exists("OTEL_TRACES_SAMPLER"):
        found.append(Variant("1 %", "some", OBJECT, OTEL_TRACES_SAMPLER="traceidratio",
                             OTEL_TRACES_SAMPLER_ARG="0.01"))
    if keeps:
        found.append(kept())
    found.append(Variant("100 %", "all", OBJECT))
    found.append(Variant("collector down", "lost", OBJECT, OTEL_EXPORTER_OTLP_ENDPOINT=nowhere()[0]))
    return found


def opaque():
    """For programs that speak no HTTP: what is sampled makes no difference."""
    return [bare(), Variant("off", preload=OBJECT, OTEL_INTERSPAN_ENABLED="false"),
            Variant("on", preload=OBJECT)]


def edge():
    return [bare(), Variant("100 %", "all", OBJECT)]


def agent():
    """Traces alone, in the one encoding that our collector reads, and no look at the machine."""
    return Variant("OpenTelemetry's", "all", agent=True, OTEL_METRICS_EXPORTER="none",
                   OTEL_LOGS_EXPORTER="none", OTEL_TRACES_EXPORTER="otlp",
                   OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
                   OTEL_NODE_RESOURCE_DETECTORS="env")


def compared(old, spans="all"):
    """Another build beside this one; both sampled and not."""
    pair = [("old", os.path.abspath(old)), ("new", OBJECT)]
    found = [bare()] + [Variant(name, spans, path) for name, path in pair]
    if spans == "all":
        found += [unsampled(f"{name}, unsampled", path) for name, path in pair]
    return found
