# SPDX-License-Identifier: Apache-2.0
"""Programs beside each other, in turns: what each answers at a fixed rate, and as fast as it can."""
import signal

from kit import stats
from kit.client import load

GET = b"GET / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
CONNECTIONS, PACED, PERIOD_US, BURST = 32, 1200, 8000, 6000


class Host:
    """A server and its lab; asked: requests so far, all of which it has answered with that status."""

    def __init__(self, name, lab, program, status=200):
        self.name, self.lab, self.program, self.status, self.asked = name, lab, program, status, 0
        lab.collector.take = lambda *_: None

    def load(self, count, period_us=0):
        self.asked += count
        return load(self.program.port, GET, CONNECTIONS, count, period_us,
                            status=self.status)["rps"]

    def turn(self):
        self.lab.collector.requests.clear()
        return self.load(PACED, PERIOD_US), self.load(BURST)

    def end(self):
        self.program.process.send_signal(signal.SIGQUIT)
        self.program.process.wait(30)


class Turns:
    """Requests a second of each, by round: at the rate, and in the burst."""

    def __init__(self, hosts, pairs):
        self.found = {host.name: ({}, {}) for host in hosts}
        for host in hosts:
            host.load(500)
        for number in range(pairs):
            for at in stats.turns(len(hosts), number):
                for kind, rps in enumerate(hosts[at].turn()):
                    self.found[hosts[at].name][kind][0, number] = rps

    def ratios(self, to, name):
        return [stats.Ratio(a, b) for a, b in zip(self.found[to], self.found[name])]
