# SPDX-License-Identifier: Apache-2.0
"""The instrument itself: its arithmetic, and how it reads the kernel's files."""
import collections
import http.client
import http.server
import os
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import bench
import servers
from kit import again, client, procfs, report, sink, stats, subject, variants


class Turns(unittest.TestCase):
    def test_rounds_rotate_and_every_other_one_runs_backwards(self):
        self.assertEqual([stats.turns(3, n) for n in range(6)],
                         [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]])

    def test_pairs_flip_their_order(self):
        self.assertEqual([stats.turns(2, n) for n in range(4)], [[0, 1], [1, 0], [1, 0], [0, 1]])

    def test_each_is_before_each_other_equally_often(self):
        before = collections.Counter()
        for number in range(14):
            order = stats.turns(7, number)
            before.update((a, b) for at, a in enumerate(order) for b in order[at + 1:])
        self.assertEqual(set(before.values()), {7})
        self.assertEqual(len(before), 42)


class Intervals(unittest.TestCase):
    """The ranks are those that tables of the binomial distribution give."""

    def test_interval_of_the_median_has_the_ranks_of_the_tables(self):
        for count, low, high in ((6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (20, 6, 15),
                                 (30, 10, 21), (50, 18, 33)):
            values = list(range(count, 0, -1))
            self.assertEqual(stats.interval(values), (low, high), count)

    def test_too_few_values_have_the_widest_interval(self):
        self.assertEqual(stats.interval([5]), (5, 5))
        self.assertEqual(stats.interval([3, 1]), (1, 3))
        self.assertEqual(stats.interval([5, 1, 4, 2, 3]), (1, 5))

    def test_quartiles(self):
        self.assertEqual(stats.quartiles([4, 1, 3, 2, 5]), (2, 4))
        self.assertEqual(stats.quartiles([1, 2, 3, 4]), (1.75, 3.25))
        self.assertEqual(stats.quartiles([7]), (7, 7))

    def test_nine_of_ten(self):
        self.assertEqual(stats.nine_of_ten(list(range(101))[::-1]), (5, 95))
        self.assertEqual(stats.nine_of_ten([1, 2]), (1.05, 1.95))
        self.assertEqual(stats.nine_of_ten([7]), (7, 7))

    def test_second_run_is_compared_with_the_first_ones_pairs(self):
        def run(bare, ours):
            lines = [{"what": "bench", "bench": "b", "about": "a", "variants": ["bare", "on"]}]
            lines += [{"what": "round", "bench": "b", "variant": v, "round": 0, "process": n,
                       "cpu_us": us} for v, all_us in (("bare", bare), ("on", ours))
                      for n, us in enumerate(all_us)]
            return report.Bench(lines, "b")
        first = run([10] * 21, range(100, 121))  # 10.0 to 12.0: nine of ten are 10.1 to 11.9
        for second, is_as_before, is_inner in ((110, True, True), (118, True, False),
                                               (120, False, False), (100, False, False)):
            row, = again.rows_of(first, run([10] * 21, [second] * 21))
            self.assertEqual((row.is_as_before(), row.is_as_before(stats.quartiles)),
                             (is_as_before, is_inner), second)
        self.assertEqual(again.in_one_alone({"b": first}, {"b": first}), [])
        self.assertEqual(again.in_one_alone({"b": first}, {}), ["b"])
        self.assertEqual(again.in_one_alone({"b": first}, {"b": run([10], [])}), ["b, on, CPU"])

    def test_ratios_are_those_of_rounds_that_both_have(self):
        base = {(0, 0): 10.0, (0, 1): 20.0, (0, 2): 5.0, (0, 4): 0.0}
        other = {(0, 0): 11.0, (0, 1): 30.0, (0, 3): 9.0, (0, 4): 1.0}
        self.assertEqual(stats.ratios(base, other), {(0, 0): 1.1, (0, 1): 1.5})
        self.assertEqual(str(stats.Ratio(base, other)), "1.300 [1.100, 1.500]")
        self.assertEqual(str(stats.Ratio({}, other)), "")

    def test_rounds_of_one_process_count_once(self):
        base = {(process, number): 10.0 for process in (0, 1) for number in (0, 1, 2)}
        other = {(0, 0): 11.0, (0, 1): 12.0, (0, 2): 90.0, (1, 0): 14.0, (1, 1): 14.0, (1, 2): 14.0}
        self.assertEqual(str(stats.Ratio(base, other)), "1.300 [1.200, 1.400]")
        self.assertEqual(stats.of_processes(other), [12.0, 14.0])


class Kernel(unittest.TestCase):
    def test_schedstat_begins_with_the_time_on_a_cpu(self):
        self.assertEqual(procfs.schedstat_ns("123456789012 42 7\n"), 123456789012)

    def test_our_thread_is_told_from_the_others_by_its_name(self):
        with tempfile.TemporaryDirectory() as proc:
            for task, name, spent in ((10, "nginx", 700), (11, "interspan", 50), (12, "worker", 9)):
                os.makedirs(f"{proc}/10/task/{task}")
                for file, text in (("comm", f"{name}\n"), ("schedstat", f"{spent} 1 1\n")):
                    with open(f"{proc}/10/task/{task}/{file}", "w", encoding="ascii") as f:
                        f.write(text)
            os.makedirs(f"{proc}/10/task/13")  # it ended while it was looked at
            self.assertEqual(procfs.threads_ns(10, proc), (50, 709))

    def test_clock_of_a_process_is_its_cpu_time(self):
        before = time.process_time_ns()
        told = procfs.process_ns(os.getpid())
        self.assertLessEqual(before, told)
        self.assertLessEqual(told, time.process_time_ns())

    def test_pss(self):
        text = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:  2048 kB\nPss:     1234 kB\n"
        self.assertEqual(procfs.pss_kib(text + "Pss_Dirty:  7 kB\n"), 1234)


class Spans(unittest.TestCase):
    def test_spans_of_all_resources_and_scopes_are_counted(self):
        span = b"\x12\x02\x2a\x00"  # ScopeSpans.spans, of two bytes
        scope = b"\x0a\x00" + span + span  # ScopeSpans.scope, and two spans
        scopes = b"\x12" + bytes([len(scope)]) + scope
        resource = b"\x0a\x00" + scopes + scopes
        body = b"\x0a" + bytes([len(resource)]) + resource
        with sink.Sink() as receiver:
            connection = http.client.HTTPConnection(receiver.endpoint.removeprefix("http://"), timeout=5)
            for number, sent in ((1, body + body), (2, iter([body[:9], body[9:], body]))):
                connection.request("POST", "/v1/traces", sent)  # an iterator: in chunks
                with connection.getresponse() as answer:
                    self.assertEqual(answer.status, 200)
                self.assertEqual(receiver.look(), 8 * number)
            connection.close()
        self.assertEqual((receiver.requests, receiver.spans, receiver.bytes), (2, 16, 4 * len(body)))

    def test_every_burst_fits_into_the_queue(self):
        self.assertEqual([b.name for b in servers.SERVERS if not subject.queue_holds(b)], [])


class Answers(http.server.BaseHTTPRequestHandler):
    """Keeps connections, and closes each behind its second answer, without a word, if the path says so."""
    protocol_version, wbufsize = "HTTP/1.1", -1
    asked = collections.Counter()

    def do_GET(self):
        Answers.asked[self.client_address] += 1
        Answers.asked[self.headers["traceparent"]] += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.close_connection = self.path == "/two" and Answers.asked[self.client_address] == 2

    def log_message(self, *_):
        pass


class Load(unittest.TestCase):
    REQUEST = (b"GET / HTTP/1.1\r\nHost: a\r\n"
               b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n")

    def setUp(self):
        Answers.asked.clear()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def asked(self, kind):
        return sorted(n for key, n in Answers.asked.items() if isinstance(key, kind))

    def test_connections_stay_and_one_that_was_closed_meanwhile_is_opened_anew(self):
        request = self.REQUEST.replace(b"/", b"/two", 1)
        with client.Client(self.server.server_port, request, 3) as asks:
            asks.load(6, 30000)
            self.assertEqual(self.asked(tuple), [2, 2, 2])
            time.sleep(0.1)  # until they are closed
            asks.load(3)
        self.assertEqual(self.asked(tuple), [1, 1, 1, 2, 2, 2])
        self.assertEqual(self.asked(str), [1] * 9)  # a trace each

    def test_rate_is_kept(self):
        told = client.load(self.server.server_port, self.REQUEST, 2, 20, 10000)
        self.assertTrue(150 < told["rps"] < 220, told)  # two in 10 ms, and no wait behind the last

    def test_another_answer_is_no_figure(self):
        with self.assertRaisesRegex(AssertionError, "not a good answer"):
            client.load(self.server.server_port, self.REQUEST, 1, 1, status=204)


class Words(unittest.TestCase):
    NAMES = ["nginx", "nginx static", "nginx proxy", "redis"]

    def test_a_whole_name_is_that_bench_and_a_part_all_that_have_it(self):
        self.assertEqual(bench.chosen("nginx", self.NAMES), ["nginx"])
        self.assertEqual(bench.chosen("nginx ", self.NAMES), ["nginx static", "nginx proxy"])
        with self.assertRaises(SystemExit):
            bench.chosen("squid", self.NAMES)

    def test_no_name_means_all(self):
        self.assertEqual(len(bench.Plan([], 30, None).servers), len(servers.SERVERS))
        one = bench.Plan(["redis"], 30, None)
        self.assertEqual(([b.name for b in one.servers], one.commands, one.basics, one.counts),
                         (["redis"], [], [], []))

    def test_full_form_has_its_time(self):
        self.assertLessEqual(bench.Plan([], 30, None).seconds(), 29.8 * 60)

    def test_setting_is_known_by_its_whole_name(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"\0OTEL_TRACES_SAMPLER_ARG\0")
            f.flush()
            self.assertFalse(variants.setting_exists("OTEL_TRACES_SAMPLER", f.name))
            self.assertTrue(variants.setting_exists("OTEL_TRACES_SAMPLER_ARG", f.name))


class Tables(unittest.TestCase):
    LINES = [
        {"what": "run", "date": "2026-11-26", "version": "v", "cores": 2, "cpu": "C",
         "memory_mib": 2048, "system": "S", "kernel": "6", "load": 0.5, "pairs": 2, "programs": {}},
        {"what": "bench", "bench": "b", "about": "some work", "variants": ["bare", "100 %"]},
        *({"what": "round", "bench": "b", "variant": v, "round": n, "cpu_us": cpu, "rps": 1000,
           "exporter_us": 0, "p50_us": 1, "p99_us": 2, "burst_cpu_us": 3}
          for v, n, cpu in (("bare", 0, 4.0), ("100 %", 0, 5.0), ("100 %", 1, 6.0), ("bare", 1, 4.0))),
        {"what": "sum", "bench": "b", "variant": "100 %", "received": 2, "requests": 2},
    ]

    def test_row_has_the_median_of_the_pairs(self):
        row = [line for line in report.summary(self.LINES) if line.startswith("| 100 %")]
        self.assertEqual(row, ["| 100 % | 5.5 (5.25–5.75) | 1.375 [1.250, 1.500] | 0 | 3 | "
                               "1.000 [1.000, 1.000] | 1,000 | 1.000 [1.000, 1.000] | 1 | 2 |"])

    def test_bench_that_failed_has_no_figures(self):
        text = report.summary(self.LINES + [{"what": "failed", "bench": "b", "why": "lost one"}])
        self.assertEqual([line for line in text if line.startswith("|")], [])
        self.assertIn("**Failed, and without figures: b.**", text)

    def test_tables_are_put_between_the_marks(self):
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as f:
            f.write("before\n<!-- overhead -->\nold\n<!-- /overhead -->\nafter\n")
            f.flush()
            report.put(f.name, ["new"])
            f.seek(0)
            self.assertEqual(f.read(), "before\n<!-- overhead -->\nnew\n<!-- /overhead -->\nafter\n")


if __name__ == "__main__":
    unittest.main()
