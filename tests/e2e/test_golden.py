# SPDX-License-Identifier: Apache-2.0
"""What a person sees: each tests/golden/*.trace, as `interspan view` prints it in 80 columns of ASCII and
in 200 of UTF-8.  There is one that provokes each verdict and one that nearly does.  Tables, from *.many.
GOLDEN_WRITE=1 writes what is printed now; read it before you commit it."""
import glob
import os
import subprocess
import tempfile
import unittest

from support.traces import otlp

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "interspan")
WIDTHS = ((80, "C"), (200, "C.UTF-8"))


def view(text, *args, columns=80, locale="C.UTF-8"):
    env = {k: v for k, v in os.environ.items() if k not in ("LC_CTYPE", "NO_COLOR")}
    return subprocess.run([TOOL, "view", "--file", "-", *args], input=text.encode(), check=False,
                          capture_output=True, timeout=60,
                          env={**env, "COLUMNS": str(columns), "LC_ALL": locale})


class GoldenTest(unittest.TestCase):
    maxDiff = None

    def test_golden(self):
        paths = sorted(glob.glob(os.path.join(ROOT, "tests/golden/*.trace")))
        self.assertGreater(len(paths), 10)
        for path in paths:
            with open(path, encoding="utf-8") as file:
                request = otlp(file.read())
            for columns, locale in WIDTHS:
                with self.subTest(os.path.basename(path), columns=columns):
                    self.compare(path.replace(".trace", f".{columns}"),
                                 view(request, columns=columns, locale=locale), columns)

    def many(self, name):
        with open(os.path.join(ROOT, "tests/golden", name), encoding="utf-8") as file:
            return "\n".join(otlp(part) for part in file.read().split("\n\n"))

    def test_golden_tables(self):
        now = self.many("shop.many")
        with tempfile.NamedTemporaryFile() as old:
            old.write(self.many("shop_before.many").encode())
            old.flush()
            for name, status, args in (
                    ("top", 0, ["--top"]), ("map", 0, ["--map"]), ("mermaid", 0, ["--map=mermaid"]),
                    ("dot", 0, ["--map=dot"]), ("compare", 3, ["--compare", old.name]),
                    ("compare_same", 0, ["--compare", old.name, "--trace", "99"]),
                    ("compare_dot", 3, ["--map=dot", "--compare", old.name])):
                for columns, locale in WIDTHS:
                    with self.subTest(name, columns=columns):
                        path = os.path.join(ROOT, f"tests/golden/shop_{name}.{columns}")
                        got = view(now, *args, columns=columns, locale=locale)
                        limit = 1000 if "dot" in name or name == "mermaid" else columns
                        self.compare(path, got, limit, status)

    def compare(self, path, got, columns, status=0):
        self.assertEqual(got.returncode, status)
        if "same" not in path:
            self.assertEqual(got.stderr, b"")
        out = got.stdout.decode()
        if os.environ.get("GOLDEN_WRITE"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(out)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(out, file.read())
        for line in out.splitlines():
            self.assertLessEqual(len(line), columns)
            self.assertFalse([c for c in line if ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0], line)


if __name__ == "__main__":
    unittest.main()
