# SPDX-License-Identifier: Apache-2.0
"""interspan in a real terminal, tmux's: colours, a window that changes, and ctrl-C."""
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from support.traces import otlp
from test_tools import TOOL, post

TRACE = """1 - shop SERVER 0 100000 GET /orders/1234 500 ! trace=%02x
2 1 shop CLIENT 1000 50000 GET http://stock/items/a-path-that-is-long-enough-to-be-cut-at-eighty-columns 200 trace=%02x"""


@unittest.skipUnless(shutil.which("tmux"), "needs tmux")
class TerminalTest(unittest.TestCase):
    def setUp(self):
        self.number = 0
        self.dir = self.enterContext(tempfile.TemporaryDirectory())
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40",
                  "env PS1='ready> ' LC_ALL=C.UTF-8 ENV= sh")
        self.addCleanup(self.tmux, "kill-server")
        self.wait("^ready>")

    def tmux(self, *args):
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")}
        return subprocess.run(["tmux", "-u", "-S", os.path.join(self.dir, "socket"), *args], capture_output=True,
                              check=True, timeout=30, env={**env, "LC_ALL": "C.UTF-8"}).stdout.decode()

    def wait(self, pattern):
        """The screen, once it has this."""
        end = time.monotonic() + 30
        while True:
            screen = self.tmux("capture-pane", "-p")
            if re.search(pattern, screen, re.M):
                return screen
            self.assertLess(time.monotonic(), end, f"{pattern} is not in\n{screen}")
            time.sleep(0.02)

    def type(self, text):
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def clean(self, words):
        """Types words; returns a pattern for the line behind which their output stands."""
        self.number += 1
        self.type(f"clear; echo number {self.number}; {words}")
        return rf"^number {self.number}\n"

    def state(self):
        """The terminal's modes, told by the shell in it; not its size."""
        begin = self.clean("stty -a | grep -v rows | cksum")
        return re.search(begin + r"(\d+ \d+)\n", self.wait(begin + r"\d+ \d+\n"), re.M)[1]

    def start(self, words):
        begin = self.clean(f"{words} {TOOL} view --port 0 --grace 0")
        screen = self.wait(begin + r"listening on http://127.0.0.1:\d+$")
        return int(re.search(r"127.0.0.1:(\d+)", screen)[1])

    def resize(self, columns):
        """tmux tells the terminal a little later."""
        self.tmux("resize-window", "-x", str(columns), "-y", "40")
        tty = os.open(self.tmux("display-message", "-p", "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY)
        self.addCleanup(os.close, tty)
        end = time.monotonic() + 30
        while os.get_terminal_size(tty).columns != columns:
            self.assertLess(time.monotonic(), end, "tmux does not resize")
            time.sleep(0.02)

    def send(self, port, number):
        """The screen with the trace of this number as the last on it."""
        self.assertEqual(post(port, otlp(TRACE % (number, number)).encode())[0], 200)
        self.wait(rf"^trace {number:02x}{number:02x}[^~]*^  error ")
        return self.tmux("capture-pane", "-p", "-e")

    def test_view_in_a_terminal(self):
        before = self.state()
        port = self.start("TERM=screen-256color")
        screen = self.send(port, 0x11)
        self.assertRegex(screen, "\033\\[31m")
        self.assertRegex(screen, "(?m)^.*GET /items/a-path-that-is-lon.*\u2588")
        # Of a window that is larger all is used for the next trace, at once.
        self.resize(160)
        self.assertIn("a-path-that-is-long-enough-to-be-cut-at-eighty-columns 200", self.send(port, 0x12))
        self.resize(80)
        screen = self.send(port, 0x13)
        self.assertRegex(screen[screen.index("1313"):], "a-path-that[^ ]{0,3}\u2026 200")
        self.tmux("send-keys", "C-c")
        self.wait(r"^(\^C)?ready>$")
        self.assertEqual(self.state(), before)

    def test_view_in_a_dumb_terminal(self):
        for words in ("TERM=dumb", "NO_COLOR=1 TERM=screen"):
            port = self.start(words)
            self.assertNotIn("\033", self.send(port, 0x21))
            self.tmux("send-keys", "C-c")
            self.wait(r"^(\^C)?ready>$")

    def test_run_view_in_a_terminal(self):
        """ctrl-C goes to the program; what came until then is told, and the terminal is the shell's again."""
        before = self.state()
        begin = self.clean(f"{TOOL} run --view sh -c 'trap \"exit 7\" INT; echo going; while :; do sleep 0.05; done'"
                           "; echo status $?")
        self.wait(begin + "going$")
        self.tmux("send-keys", "C-c")
        self.wait("^status 7$")
        self.wait("no span came")
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
