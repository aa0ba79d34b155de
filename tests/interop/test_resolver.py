# SPDX-License-Identifier: Apache-2.0
"""Children of each kind, 200 of each, while the exporter of their parent waits for the resolver: a name server
that says nothing to that process until all of them have ended.  None hangs, each span is delivered once.
It takes root, for an /etc/resolv.conf of the host's own."""
import os
import re
import socket
import sys
import threading
import time
import unittest

from support.case import Feature
from support.progs import BUILD, ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "preload"))
# pylint: disable=wrong-import-position
from test_family import FORKS, STARTS  # noqa: E402
from test_process import WithServer  # noqa: E402

HOST = os.path.join(BUILD, "tests", "host_family")
CHILDREN = int(os.environ.get("FAMILY_CHILDREN", "200"))
NAME = "collector.test"
# Nothing is given up, however long it takes.
SETTINGS = {"OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT": "60000",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600000", "OTEL_BSP_EXPORT_TIMEOUT": "600000"}


def inode_of(port):
    """Of the UDP socket that is bound to it."""
    with open("/proc/net/udp", encoding="ascii") as f:
        for line in list(f)[1:]:
            field = line.split()
            if int(field[1].split(":")[1], 16) == port:
                return field[9]
    return None


def has_socket(pid, inode):
    """In any descriptor table of its threads: the exporter has one of its own."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    for tid in tasks:
        try:
            for fd in os.listdir(f"/proc/{pid}/task/{tid}/fd"):
                if os.readlink(f"/proc/{pid}/task/{tid}/fd/{fd}") == f"socket:[{inode}]":
                    return True
        except OSError:
            continue
    return False


class NameServer:
    """127.0.0.1 for every A, nothing for the rest; and no answer at all to `pid` while there is one."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        self.socket.bind((self.address, 53))
        self.pid = None
        self.left_alone = self.answered = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(512)
            except OSError:
                return
            if self.pid and has_socket(self.pid, inode_of(peer[1])):
                self.left_alone += 1
                continue
            self.answered += 1
            question = query[12:query.index(0, 12) + 5]
            is_a = question[-4:-2] == b"\0\1"
            answer = b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4\x7f\0\0\1" if is_a else b""
            self.socket.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([is_a]) + bytes(4) + question + answer, peer)


class Delivered(WithServer, Feature):
    def test_resolver_at_work(self):
        if os.getuid() != 0:
            self.skipTest("needs root")
        self.need("unshare")
        names = NameServer()
        self.addCleanup(names.socket.close)
        for how in FORKS + STARTS:
            with self.subTest(how):
                self.check(how, names)

    def check(self, how, names):
        names.left_alone = 0
        lab = self.lab(**SETTINGS)
        lab.settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{NAME}:{lab.collector.port}"
        conf = lab.write("resolv.conf", f"nameserver {names.address}\noptions timeout:1 attempts:9\n")
        server = self.server()
        host = lab.start(["unshare", "-m", "sh", "-c", f"mount --bind {conf} /etc/resolv.conf && "
                          f"exec {HOST} {server.port} {how} {CHILDREN}"], "host")
        names.pid = host.pid
        while host.process.poll() is None and len(server.paths) < 2 * CHILDREN:
            time.sleep(0.01)
        alone, names.pid = names.left_alone, None
        self.assertEqual(host.process.wait(120), 0, host.text())
        found = re.search(r"^children (\d+) parent (\d+)$", host.text(), re.M)
        self.assertTrue(found, host.text())
        self.assertEqual((int(found[1]), int(found[2])), (CHILDREN, CHILDREN))
        self.assertEqual(len(server.paths), 2 * CHILDREN)
        spans = self.spans(lab, 2 * CHILDREN, settle=0.0)
        self.assertGreater(alone, 0)  # it was waiting for an answer meanwhile
        self.assertEqual(len({s["span_id"] for s in spans}), len(spans))
        self.assertEqual(len({s["resource"]["process.pid"] for s in spans}), CHILDREN + 1)


if __name__ == "__main__":
    unittest.main()
