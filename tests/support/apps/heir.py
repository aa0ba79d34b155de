# SPDX-License-Identifier: Apache-2.0
"""heir.py URL FIFO: asks the URL; once the FIFO is written, it forks and ends, and its child asks
again when it is gone.  (No signal is waited for: with one blocked, no exporter is started.)"""
import os
import sys
import time
import urllib.request


def ask():
    with urllib.request.urlopen(sys.argv[1]) as answer:
        answer.read()


ask()
with open(sys.argv[2], "rb") as fifo:
    fifo.read()
parent = os.getpid()
if os.fork():
    os._exit(0)  # pylint: disable=protected-access
while os.getppid() == parent:
    time.sleep(0.001)
ask()
