# SPDX-License-Identifier: Apache-2.0
"""What a program's throughput is while its spans cannot be delivered, to what it is with tracing off:
one program for each fault, all at once, in turns.  Every request is answered, and every span delivered or
counted as dropped, or there are no figures."""
import contextlib
import os
import time

from kit import paced
from support.faults import Always, Names, Partial, Rude, read_slowly, reset
from support.progs import OBJECT, Lab, free_port
from support.tls_files import certificates, expire, server_context

DROPPED = ("spans_dropped_queue_full", "spans_dropped_no_slot", "spans_dropped_export_failed",
           "spans_dropped_shutdown", "spans_dropped_damaged")


def endpoint(url, **more):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **more}


def answers(answer):
    def settings(lab, _):
        lab.collector.answers = Always(answer)
        return {}
    return settings


def rude(serve):
    return lambda _, stack: endpoint(stack.enter_context(Rude(serve)).endpoint)


def partial(_, stack):
    return endpoint(stack.enter_context(Partial()).endpoint)


def expired(lab, stack):
    certificates(lab.directory)
    expire(lab.directory)
    os.chmod(lab.path("ca.pem"), 0o644)
    context = server_context(lab.directory, alpn=())

    def serve(s):
        with context.wrap_socket(s, server_side=True) as tls:
            tls.recv(1)
    port = stack.enter_context(Rude(serve)).port
    return endpoint(f"https://localhost:{port}",
                    OTEL_EXPORTER_OTLP_CERTIFICATE=lab.path("ca.pem"))


def in_a_namespace(mount):
    return ["unshare", "-m", "sh", "-ec", f'{mount} && exec "$0" "$@"']


def no_name(lab, stack):
    names = stack.enter_context(Names())
    path = lab.write("resolv.conf", f"nameserver {names.address}\n")
    return {"under": in_a_namespace(f"mount --bind {path} /etc/resolv.conf"),
            **endpoint("http://silent.test:4318")}


def full_disk(lab, _):
    disk = lab.path("disk")
    os.mkdir(disk)
    return {"under": in_a_namespace(f"mount -t tmpfs -o size=1m none {disk} && chmod 777 {disk}"),
            "OTEL_TRACES_EXPORTER": "otlp/file", "OTEL_INTERSPAN_OTLP_FILE": f"{disk}/spans"}


FAULTS = {
    "off": lambda *_: {"OTEL_INTERSPAN_ENABLED": "false"},
    "none": lambda *_: {},
    "no listener": lambda *_: endpoint(f"http://127.0.0.1:{free_port()}"),
    "black hole": rude(None), "slow reader": rude(read_slowly), "reset": rude(reset),
    "400": answers(400), "429": answers((429, {"Retry-After": "1"})),
    "503": answers((503, {"Retry-After": "1"})), "500": answers(500), "partial success": partial,
    "expired certificate": expired, "no name": no_name, "full disk": full_disk,
}


def start(name, stack):
    """nginx with one fault."""
    lab = stack.enter_context(Lab(OTEL_BSP_SCHEDULE_DELAY="1000"))
    return paced.Host(name, lab, lab.nginx(1, location="location = / { return 200 ok; }",
                                           **FAULTS[name](lab, stack)))


def finish(host):
    host.end()
    started, exported = (host.lab.total(n) for n in ("spans_started", "spans_exported"))
    dropped = sum(map(host.lab.total, DROPPED))
    if host.name != "off":
        assert started == host.asked, f"{host.name}: {started} spans of {host.asked} requests"
    assert started == exported + dropped, f"{host.name}: {host.lab.counters()}"
    return exported, dropped


def bench_faults(row, pairs=12):
    assert os.path.exists(OBJECT) and os.getuid() == 0, "mounts need the superuser"
    with contextlib.ExitStack() as stack:
        hosts = [start(name, stack) for name in FAULTS]
        turns = paced.Turns(hosts, pairs)
        time.sleep(1)
        for host in hosts:
            exported, dropped = finish(host)
            steady, burst = turns.ratios("off", host.name)
            well = turns.ratios("none", host.name)[1]
            row(f"throughput, {host.name}", "", f"{steady.median:.3f}",
                f"at a fixed rate, to off (wanted >= 0.98); saturated {burst}; to a receiver that is "
                f"well {well}; {exported:,} delivered, {dropped:,} dropped")
