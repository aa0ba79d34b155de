# SPDX-License-Identifier: Apache-2.0
"""bench_sink: a receiver of spans that counts them and costs next to nothing."""
import os
import subprocess

from support.progs import BUILD


class Sink:
    """Until the end of the block; requests, spans, bytes: what look() found, and what there was at
    the end."""
    requests = spans = bytes = 0

    def __enter__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "bench", "bench_sink")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"
        return self

    def take(self, line):
        assert line, "the receiver has ended"
        self.requests, self.spans, self.bytes = map(int, line.split())

    def look(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.take(self.process.stdout.readline())
        return self.spans

    def __exit__(self, *_):
        self.take(self.process.communicate()[0])
