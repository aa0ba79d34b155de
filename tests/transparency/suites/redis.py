# SPDX-License-Identifier: Apache-2.0
"""redis's, of Debian's sources (scripts/others-suites); a part is one of its units."""
import os
import re
import shutil

from support.progs import ROOT

SOURCE = os.path.join(ROOT, "build", "suites", "redis")
SHORT = []
ALL = ["unit/protocol", "unit/pubsub", "unit/multi", "unit/other", "unit/introspection",
       "unit/querybuf", "unit/limits", "unit/tracking", "unit/type/string", "unit/type/list",
       "unit/type/stream", "integration/aof", "integration/rdb", "integration/replication",
       "integration/block-repl", "integration/redis-cli", "integration/shutdown"]
LINE = re.compile(r"\[(ok|err|exception|ignore|skip)\]: (.*?)(?: \(\d+ ms\))?$", re.MULTILINE)
WORDS = {"ok": "ok", "ignore": "skipped", "skip": "skipped"}


def missing():
    if not shutil.which("tclsh"):
        return "needs tcl"
    return None if os.path.exists(SOURCE) else "needs scripts/others-suites"


def command(part, work):
    place = os.path.join(work, "redis")
    os.mkdir(place)
    shutil.copytree(os.path.join(SOURCE, "tests"), os.path.join(place, "tests"), symlinks=True)
    shutil.copy(os.path.join(SOURCE, "runtest"), place)
    os.mkdir(os.path.join(place, "src"))
    for name in os.listdir(os.path.join(SOURCE, "src")):
        if name.startswith("redis-") and "." not in name:
            shutil.copy(os.path.join(SOURCE, "src", name), os.path.join(place, "src"))
    return (["./runtest", "--clients", "1", "--single", part, "--dont-clean"],
            {"HOME": work, "LC_ALL": "C.UTF-8"}, place)


def results(_part, _work, output):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    return {re.sub(r"\d{3,}", "N", name): WORDS.get(word, "failed")
            for word, name in LINE.findall(plain)}
