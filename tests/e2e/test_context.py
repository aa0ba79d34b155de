# SPDX-License-Identifier: Apache-2.0
"""W3C Trace Context level 2 and Baggage, end to end: what a service, and a proxy, makes of the headers
of a request.  Rows C of the specification's digest; the parsers' own tables: tests/unit."""
import json
import re
import time

from support import rawhttp
from support.case import Feature

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{PARENT}-01"


class Row:
    """name; header lines that are sent; what is expected of those that go out."""

    def __init__(self, name, *lines, trace="kept", flags="01", state="", baggage=""):
        self.name, self.lines = name, list(lines)
        self.is_kept, self.flags, self.state, self.baggage = trace == "kept", flags, state, baggage
        if not self.is_kept:
            self.flags = "03"  # C19: a trace of ours is sampled, and random


def kept(name, value, **more):
    return Row(name, f"traceparent: {value}", **more)


def new(name, value):
    """As if none had come (C11): no parent, and no trace state (C29)."""
    return Row(name, f"traceparent: {value}", "tracestate: a=1", trace="new")


def state(name, *lines, out):
    return Row(name, f"traceparent: {VALID}", *(f"tracestate: {line}" for line in lines), state=out)


def members(count, size=6):
    return ",".join(f"k{n:02d}=" + "v" * (size - 4) for n in range(count))


TRACEPARENT = [
    Row("C16: none", trace="new"),
    kept("C4", VALID),
    Row("C1: other case", f"TraceParent: {VALID}"),
    Row("C1: upper case", f"TRACEPARENT: {VALID}"),
    Row("C1: trace-parent", f"trace-parent: {VALID}", trace="new"),
    kept("C2: blanks", f" \t {VALID} \t "),
    Row("C2: none", f"traceparent:{VALID}"),
    Row("C3: twice the same", *[f"traceparent: {VALID}"] * 2, "tracestate: a=1", trace="new"),
    Row("C3: two", f"traceparent: {VALID}", f"traceparent: 00-{'1' * 32}-{'2' * 16}-01",
        trace="new"),
    new("C3: joined", f"{VALID},{VALID}"),
    new("C4: upper case", VALID.upper()),
    new("C5: more", VALID + "-extra"), new("C5: dash", VALID + "-"),
    new("C5: short", VALID[:-1]), new("C5: empty", ""),
    new("C6: ff", "ff" + VALID[2:]),
    new("C7: no trace", f"00-{'0' * 32}-{PARENT}-01"),
    new("C7: no parent", f"00-{TRACE}-{'0' * 16}-01"),
    kept("C8: 01", "01" + VALID[2:]),
    kept("C8, C9: more fields", "cc" + VALID[2:] + "-what-the-future-will-be-like"),
    kept("C8: fe", "fe" + VALID[2:] + "-"),
    new("C8: dot", "cc" + VALID[2:] + ".what"),
    new("C8: short", "cc" + VALID[2:-1]),
    new("C10: version", "0x" + VALID[2:]), new("C10: long", "000" + VALID[2:]),
    new("C10: no dash", VALID.replace("-", "_", 1)),
    kept("C12: 00", VALID[:-2] + "00", flags="00"),
    kept("C20: 02", VALID[:-2] + "02", flags="02"),
    kept("C20: 03", VALID[:-2] + "03", flags="03"),
    kept("C13, C21: ff", VALID[:-2] + "ff", flags="03"),
    kept("C13, C21: fe", VALID[:-2] + "fe", flags="02"),
    kept("C13, C21: 09", VALID[:-2] + "09", flags="01"),
]

TRACESTATE = [
    Row("C29: alone", "tracestate: a=1,b=2", trace="new"),
    state("C30: lines", "a=1,b=2", "c=3", out="a=1,b=2,c=3"),
    Row("C30: in other case, around", "TraceState: a=1", f"traceparent: {VALID}", "TRACESTATE: b=2",
        state="a=1,b=2"),
    state("C31: empty", "", out=""),
    state("C31: empty ones", ",a=1,, ,\t,b=2,", " ", out="a=1,b=2"),
    state("C32: blanks", " a=1 \t,\tb=2 ", out="a=1,b=2"),
    state("C34: keys", "0a_-*/@z=1,foo@=2,a@b@c=3,f@@b=4", out="0a_-*/@z=1,foo@=2,a@b@c=3,f@@b=4"),
    state("C34: 256", "t" * 242 + "@" + "v" * 13 + "=1", out="t" * 242 + "@" + "v" * 13 + "=1"),
    state("C36: 257", "k" * 257 + "=1,a=2", out=""),
    state("C36: @ first", "a=1,@b=2", out=""), state("C36: upper", "A=1", out=""),
    state("C36: dot", "a.b=1", out=""), state("C36: blank", "a =1", out=""),
    state("C37: value", "a=  !#$%&'()*+-./:;<>?@[]^_`{|}~", out="a=  !#$%&'()*+-./:;<>?@[]^_`{|}~"),
    state("C37: 256", "a=" + "v" * 256, out="a=" + "v" * 256),
    state("C37: 257", "a=" + "v" * 257, out=""),
    state("C37: tab", "a=b\tc", out=""), state("C37: not ASCII", "a=\xe9", out=""),
    state("C38: no value", "a=1,b=", out=""), state("C38: two", "a=1=2", out=""),
    state("C39: 32", members(32), out=members(32)),
    state("C39: 33", members(33), out=""),
    state("C39: 33, of two lines", members(32), "z=1", out=""),
    state("C41: twice", "a=1,b=2,a=3", out="a=1,b=2"),
    state("C43: 8191 bytes", members(32, 255), out=members(32, 255)),
]

BAGGAGE = [
    Row("C61: lines", "baggage: a=1", f"traceparent: {VALID}", "Baggage: b=2,c=3",
        baggage="a=1,b=2,c=3"),
    Row("C62, C63, C68: as it was", "baggage: a = 1 ;p;q=r , aB!#$%&'*+-.^_`|~=%20+",
        trace="new", baggage="a = 1 ;p;q=r,aB!#$%&'*+-.^_`|~=%20+"),
    Row("C66: 64 members, 8192 bytes", "baggage: " + members(64, 127) + "v", trace="new",
        baggage=members(64, 127) + "v"),
    Row("C66: one byte more", "baggage: " + members(64, 127) + "vv", trace="new",
        baggage=members(63, 127)),
    Row("C66: 30 KiB", "baggage: " + members(99, 310), trace="new", baggage=members(26, 310)),
    Row("C67: twice", "baggage: a=1,a=2", trace="new", baggage="a=1,a=2"),
    Row("C69: one is malformed", "baggage: a,b=2", trace="new", baggage="b=2"),
    Row("C70: with a traceparent that is not valid", "baggage: a=1", "traceparent: x", trace="new",
        baggage="a=1"),
    Row("C71: empty", "baggage: ,", trace="new"),
]


def request(row):
    lines = "".join(line + "\r\n" for line in row.lines)
    return ("POST /work HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n"
            f"{lines}\r\n7").encode("latin-1")


def told(answer):
    """The headers that the service at the bottom was sent: {name: [values]}."""
    found = {}
    for name, value in json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


class Rows(Feature):
    def start(self, lab):
        """The program that is asked: a service in front of one that tells what it was sent."""
        second = lab.python_server("second.py", traced=False)
        return lab.python_server("threads.py", second.url(""), service="front")

    def ask(self, lab, rows, size):
        front = self.start(lab)
        answers = {}
        for row in rows:
            send = ["drip", request(row), size] if size else ["send", request(row)]
            answers[row.name], = rawhttp.connect(front.port, [[send, ["eof", 65536]]])
        return {name: told(answer) for name, answer in answers.items()}

    def check(self, rows, size=0):
        lab = self.lab()
        answers = self.ask(lab, rows, size)
        time.sleep(0 if self.is_bare() else 0.5)
        spans = {s["span_id"]: s for s in lab.collector.spans}
        for row in rows:
            with self.subTest(row.name):
                self.check_row(row, answers[row.name], spans)

    def check_row(self, row, sent, spans):
        match = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})",
                             ",".join(sent.get("traceparent", [])))
        self.assertTrue(match, sent.get("traceparent"))  # C15, C16: one, and version 00 (C9)
        trace, parent, flags = match.groups()
        self.assertEqual((trace == TRACE, flags), (row.is_kept, row.flags))
        self.assertNotEqual(parent, PARENT)  # C17
        self.assert_lists(row, sent)
        if int(flags) & 1:
            self.assert_line(row, trace, parent, spans)

    def assert_line(self, row, trace, ident, spans):
        """From the call at the bottom up to the caller, or to the top of a trace of ours."""
        line = []
        while ident in spans:
            line.append(spans[ident])
            ident = line[-1]["parent_span_id"]
        self.assertEqual(ident, PARENT if row.is_kept else "")
        self.assertEqual([s["kind"] for s in line[:2]], ["CLIENT", "SERVER"])
        for span in line:
            self.assertEqual((span["trace_id"], span["trace_state"]), (trace, row.state))  # C47

    def assert_lists(self, row, sent):
        self.assertEqual(sent.get("tracestate", []), [row.state] if row.state else [])
        self.assertEqual(sent.get("baggage", []), [row.baggage] if row.baggage else [])


class Service(Rows):
    """A program that passes nothing on by itself."""

    def test_traceparent(self):
        self.check(TRACEPARENT)

    def test_tracestate(self):
        self.check(TRACESTATE)

    def test_baggage(self):
        self.check(BAGGAGE)

    def test_all_in_pieces_of_a_thousand_bytes(self):
        """Heads that no read brings as a whole."""
        self.check([r for r in TRACESTATE + BAGGAGE if len(request(r)) > 1000], 1000)


class Proxies(Rows):
    """The same behind proxies, which copy headers, and know nothing of them."""

    rows = [r for r in TRACEPARENT + TRACESTATE + BAGGAGE if len(request(r)) < 4000]

    def test_behind_nginx(self):
        self.start = lambda lab: lab.nginx(Rows.start(self, lab).port, service="edge")
        self.check(self.rows)

    def test_behind_haproxy(self):
        self.need("haproxy")
        self.start = lambda lab: lab.haproxy(Rows.start(self, lab).port, service="edge")
        self.check(self.rows)
