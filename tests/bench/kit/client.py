# SPDX-License-Identifier: Apache-2.0
"""bench_load: requests that come evenly, or as fast as they are answered."""
import os
import subprocess

from support.progs import BUILD


class Client:
    """Of one server, with connections that stay open from load to load."""

    def __init__(self, port, request, connections, reply=0, status=200, tls=False):
        argv = [os.path.join(BUILD, "bench", "bench_load"), str(port), str(connections), str(reply),
                str(status), "tls" if tls else "plain", request]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def load(self, count, period_us=0):
        """Exactly count requests.  Returns what was told: requests a second, latencies in us."""
        self.process.stdin.write(b"%d %d\n" % (count, period_us))
        self.process.stdin.flush()
        told = self.process.stdout.readline().split()
        if not told:
            raise AssertionError(f"load: {self.process.communicate()[1].decode()}")
        answers, took_us, p50, p99 = map(float, told)
        assert answers == count, f"{answers} answers, {count} requests"
        return {"rps": count / took_us * 1e6, "p50_us": p50, "p99_us": p99}

    def close(self):
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def load(port, request, connections, count, period_us=0, **more):
    """Once, on connections of its own."""
    with Client(port, request, connections, **more) as client:
        return client.load(count, period_us)
