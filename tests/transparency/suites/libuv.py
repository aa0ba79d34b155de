# SPDX-License-Identifier: Apache-2.0
"""libuv's, of Debian's sources (scripts/others-suites): a part is all of it.  It does not run as root."""
import os
import re
import shutil

from support.progs import ROOT

SOURCE = os.path.join(ROOT, "build", "suites", "libuv1")
SHORT = []
ALL = ["run-tests"]
AT_ONCE = 1  # its sockets have fixed names in /tmp: two runs at a time take them from each other
LINE = re.compile(r"^(not ok|ok) \d+ - (\S+)(?:.*?(# SKIP))?", re.MULTILINE)


def missing():
    return None if os.path.exists(SOURCE) else "needs scripts/others-suites"


def command(part, work):
    place = os.path.join(work, "libuv")
    os.mkdir(place)
    shutil.copytree(os.path.join(SOURCE, "test"), os.path.join(place, "test"), symlinks=True)
    argv = [f"test/{part}"]
    if os.getuid() == 0:
        for path, _, _ in os.walk(work):
            os.chown(path, 65534, 65534)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
    return argv, {"HOME": work, "TMPDIR": work, "UV_TEST_TIMEOUT_MULTIPLIER": "4"}, place


def results(_part, _work, output):
    return {name: "skipped" if skip else "ok" if word == "ok" else "failed"
            for word, name, skip in LINE.findall(output)}
