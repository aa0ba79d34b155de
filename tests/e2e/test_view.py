# SPDX-License-Identifier: Apache-2.0
"""interspan view on files: what it reads, selects and says about many traces.  How one trace looks is
test_golden's."""
import gzip
import json
import os
import resource
import signal
import subprocess
import tempfile
import time
import unittest

from support.traces import otlp
from test_tools import View, post

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "interspan")

ONE = "1 - shop SERVER 0 10000 GET /a 200 trace=a1"
TWO = "1 - shop SERVER 0 20000 GET /b 500 ! trace=b2"


def view(*args, stdin=b"", **env):
    """Status, standard output, standard error."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "100", **env}
    done = subprocess.run([TOOL, "view", *args], input=stdin, capture_output=True, check=False,
                          timeout=60, env=env)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines(*traces):
    return "".join(otlp(t) + "\n" for t in traces).encode()


class FileTest(unittest.TestCase):
    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory())

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def ids(self, path, *args, **kwargs):
        status, out, err = view("--file", path, "--json", *args, **kwargs)
        self.assertEqual((status, err), (0, ""))
        return [json.loads(line)["traceId"][:2] for line in out.splitlines()]

    def test_view_reads_files_plain_gzipped_and_from_a_pipe(self):
        data = lines(ONE, TWO)
        self.assertEqual(self.ids(self.write("a.jsonl", data)), ["a1", "b2"])
        self.assertEqual(self.ids(self.write("a.gz", gzip.compress(data))), ["a1", "b2"])
        self.assertEqual(self.ids("-", stdin=data), ["a1", "b2"])
        self.assertEqual(self.ids("-", stdin=b"\r\n".join(data.splitlines())), ["a1", "b2"])
        self.assertEqual(self.ids("-", stdin=b""), [])

    def test_view_joins_what_lines_have_of_one_trace(self):
        parts = lines(ONE, "2 1 stock SERVER 100 200 GET /c 200 trace=a1")
        status, out, _ = view("--file", "-", "--json", stdin=parts)
        self.assertEqual(status, 0)
        self.assertEqual(len(json.loads(out)["spans"]), 2)

    def test_view_goes_on_behind_a_bad_line_and_says_which(self):
        data = lines(ONE) + b"{\"resourceSpans\":7}\nnonsense\n\n{\"resourceMetrics\":[]}\n" + lines(TWO)
        path = self.write("a.jsonl", data)
        status, out, err = view("--file", path, "--json")
        self.assertEqual((status, len(out.splitlines())), (1, 2))
        self.assertEqual(err.splitlines(), [
            f"interspan view: {path}:2: resourceSpans is not an array",
            f"interspan view: {path}:3: not JSON in UTF-8",
            "interspan view: 2 lines were refused"])

    def test_view_tells_of_a_file_that_it_cannot_read(self):
        for path, why in ((os.path.join(self.dir, "none"), "No such file or directory"),
                          (self.dir, "Is a directory"),
                          (self.write("cut.gz", gzip.compress(lines(ONE, TWO))[:-9]), "damaged, or cut off")):
            status, _, err = view("--file", path)
            self.assertEqual((status, err), (1, f"interspan view: {path}: {why}\n"))

    def test_view_reads_100000_spans_in_512_mib_and_three_seconds(self):
        """Seconds are a machine's own, so they are told in those that Python's parser, which is C, needs
        for the same text: 0.37 where three are promised and 1.3 were taken."""
        spans = ["1 - shop SERVER 0 100000 GET /orders 200"]
        spans += [f"{n} {n // 7 + 1} s{n // 25} CLIENT {n} 3 GET http://stock/items/{n} 200"
                  for n in range(2, 102)]
        text = otlp("\n".join(spans))
        text = [text.replace("a1" * 16, f"{i:032x}") for i in range(1, 991)]
        path = self.write("many.jsonl", "\n".join(text).encode())
        begin = time.process_time()
        for line in text:
            json.loads(line)
        yardstick = time.process_time() - begin
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(["sh", "-c", 'ulimit -v 524288 && exec "$0" view --file "$1"', TOOL, path],
                              capture_output=True, check=False, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.count(b"\ntrace ") + 1, 990)
        self.assertLess(after.ru_utime - before.ru_utime, 8 * yardstick)


class SelectTest(unittest.TestCase):
    def shown(self, *args):
        status, out, err = view("--file", "-", "--json", *args, stdin=lines(ONE, TWO))
        self.assertEqual(status, 0)
        return [json.loads(line)["traceId"][:2] for line in out.splitlines()], err

    def test_view_shows_what_is_asked_for(self):
        for args, want in (
                ((), ["a1", "b2"]), (("--trace", "b2b2"), ["b2"]), (("--service", "shop"), ["a1", "b2"]),
                (("--min-duration", "15ms"), ["b2"]), (("--error",), ["b2"]),
                (("--attr", "url.path=/a"), ["a1"]), (("--attr", "http.response.status_code=500"), ["b2"]),
                (("--attr", "url.path=/a", "--error"), []), (("--since", "2023-11-14"), ["a1", "b2"]),
                (("--since", "1h"), []), (("--once", "--error"), ["b2"])):
            self.assertEqual(self.shown(*args)[0], want, args)
        self.assertEqual(self.shown("--service", "x")[1],
                         "interspan view: none of 2 traces is as asked for\n")

    def test_view_refuses_what_it_does_not_understand(self):
        for args, why in (
                (["--trace", "xyz"], "--trace needs up to 32 hex digits, not 'xyz'"),
                (["--min-duration", "5"], "--min-duration needs a time such as 250ms, not '5'"),
                (["--since", "x"], "--since needs 10m, 2h, or 2026-11-26T07:00:00Z, not 'x'"),
                (["--attr", "=x"], "--attr needs KEY=VALUE, 16 times at most: '=x'"),
                (["--map=svg"], "--map is text, mermaid or dot, not 'svg'"),
                (["--trace"], "--trace needs a value"), (["--tree"], "no option --tree"),
                (["x"], "what is 'x'? see interspan view --help")):
            self.assertEqual(view(*args), (2, "", f"interspan view: {why}\n"))

    def test_view_tables_in_json(self):
        data = lines(ONE, TWO, TWO.replace("b2", "b3").replace("20000", "40000"),
                     "1 - a CLIENT 0 9000 GET http://shop/ 200 trace=c3\n2 1 shop SERVER 10 20 GET / 200 trace=c3")
        _, out, _ = view("--file", "-", "--top", "--json", stdin=data)
        top = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(t["name"], t["count"], t["errors"]) for t in top],
                         [("shop GET /b", 2, 2), ("shop GET /a", 1, 0), ("a GET /", 1, 0)])
        self.assertEqual((top[0]["p50Nano"], top[0]["p95Nano"], top[0]["slowestTraceId"][:4]),
                         (20000000, 40000000, "b3b3"))
        _, out, _ = view("--file", "-", "--map", "--json", stdin=data)
        self.assertEqual([(e["caller"], e["callee"], e["calls"], e["errors"], e["p50Nano"])
                          for e in map(json.loads, out.splitlines())],
                         [(None, "shop", 3, 2, 20000000), ("a", "shop", 1, 0, 9000000)])

    def test_view_prints_tables_when_asked_to_end(self):
        with View("--map", "--json") as live:
            self.assertEqual(post(live.port, lines(ONE, TWO).splitlines()[0])[0], 200)
            status, out, _ = live.end(signal.SIGINT)
        self.assertEqual((status, json.loads(out)["callee"]), (0, "shop"))

    def test_view_compare_needs_its_file(self):
        status, out, err = view("--file", "-", "--compare", "/none/x", stdin=lines(ONE))
        self.assertEqual((status, out, err), (1, "", "interspan view: /none/x: No such file or directory\n"))


if __name__ == "__main__":
    unittest.main()
