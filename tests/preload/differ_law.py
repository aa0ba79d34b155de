# SPDX-License-Identifier: Apache-2.0
"""All that may differ from bare (the README's "What it changes, exactly"), as one table: for each row
what it permits in what a program says, and in the system calls of its own threads.  Two runs are
compared line by line, and what no row permits is a difference.

A program's lines are those of the hosts of differ.h, its calls those of strace."""
import re
from dataclasses import dataclass, field

ALL = ("collector", "none", "disabled")
SPANS = ("collector", "none")  # modes in which spans are opened

SENT = re.compile(r'  sent (\d+) "(.*)"')

# --- bytes ---

# Ours, ahead of the empty line that ends a head.
LINES = re.compile(r"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\r\n"
                   r"(?:tracestate: [^\r\n]*\r\n)?(?:baggage: [^\r\n]*\r\n)?"
                   r"(?=\r(?:\n|\Z)|\n)")
# The application's, in place: names that are changed to others, a value that is changed to ours.
PASSING = (
    (re.compile(r"^(?:traceparent|x-discarded):( 00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?",
                re.M | re.I), lambda m: "T:" + "V" * len(m[1] or "")),
    (re.compile(r"^(?:tracestate|x-replaced):", re.M | re.I), lambda m: "S:"),
    # The one that the hosts read: its digits are ours, wherever they go on to.
    (re.compile(r"(00-0af7651916cd43dd8448eb211c80319c-)[0-9a-f]{16}"), lambda m: m[1]))


def without_lines(text):
    """What it may have been, without lines of ours: all that look like them, or one, or none."""
    yield LINES.sub("", text)
    for line in LINES.finditer(text):
        yield text[:line.start()] + text[line.end():]
    yield text


def plain(text):
    for pattern, to in PASSING:
        text = pattern.sub(to, text)
    return text


def is_line_inserted(was, now):
    return was != now and was in list(without_lines(now))


def is_passing_edited(was, now):
    return was != now and plain(was) in [plain(text) for text in without_lines(now)]


# --- what is said ---

def sent_with(is_so):
    def said(bare, ours):
        was, now = SENT.fullmatch(bare), SENT.fullmatch(ours)
        if not was or not now:
            return False
        was, now = [(int(m[1]), re.sub(r"\\x([0-9a-f]{2})", lambda x: chr(int(x[1], 16)), m[2]))
                    for m in (was, now)]
        return now[0] - was[0] == len(now[1]) - len(was[1]) and is_so(was[1], now[1])

    return said


DIGITS = re.compile(r'(00-[0-9a-f]{32}-)[0-9a-f]{16}(?=-[0-9a-f]{2}\\x0d\\x0a)')


def digits_read(bare, ours):
    """Sixteen digits of a traceparent, in what a program has read."""
    return (bare.startswith("  got") and len(bare) == len(ours) and
            DIGITS.sub(r"\1", bare) == DIGITS.sub(r"\1", ours))


# --- system calls ---

WRITES = ("write", "writev", "send", "sendto", "sendmsg", "pwritev2", "sendmmsg")
CALL = re.compile(r"(\w+)\((\d+), (.*)\) = (\d+|-1 .*|\? .*)")
DATA = re.compile(r'iov_base="([^"]*)"')
class Write:
    """A call that sends bytes of memory."""

    def __init__(self, call):
        match = CALL.fullmatch(call) if call.startswith(WRITES) else None
        self.is_one = bool(match) and match[1] in WRITES
        if self.is_one:
            self.fd, self.args, self.result = match[2], match[3], match[4]
            self.count = int(self.result) if self.result.isdigit() else None

    def data(self):
        one = self.args.startswith('"')
        data = self.args[1:].partition('"')[0] if one else "".join(DATA.findall(self.args))
        return bytes.fromhex(data.replace("\\x", "")).decode("latin-1")


def write_with(is_so):
    """Instead of one call one or two, whose bytes are the same but for that."""
    def instead(bare, ours, at):
        was = Write(bare)
        if not was.is_one or not ours[at].startswith(WRITES):
            return 0
        data, result = "", 0
        for n, call in enumerate(ours[at:at + 4], 1):
            now = Write(call)
            if not now.is_one or now.fd != was.fd:
                return 0
            data += now.data()
            is_same = is_so(was.data(), data)
            if now.count is None:
                return n if is_same and n == 1 and now.result == was.result else 0
            result += now.count
            if is_same and result - (len(data) - len(was.data())) == was.count:
                return n
        return 0

    return instead


COUNT = re.compile(r".*\], (\d+), [^,]*\) = ")


def sent_one_by_one(bare, ours, at):
    """As many sendmsg() as sendmmsg() has sent, and the one that failed."""
    if not bare.startswith("sendmmsg(") or not ours[at].startswith("sendmsg("):
        return 0
    was, wanted = Write(bare), COUNT.match(bare)
    if not was.is_one or not wanted:
        return 0
    data, sent, goal = "", 0, was.count or 0
    for i, call in enumerate(ours[at:at + 4096], 1):
        now = Write(call)
        if is_harmless(call):
            continue
        if not call.startswith("sendmsg(") or now.fd != was.fd:
            break
        data += now.data()
        sent += now.count is not None
        is_last = sent == min(int(wanted[1]), 1024) if now.count is not None else sent == goal
        if is_last:
            is_same = sent == goal and any(
                plain(was.data()).startswith(plain(text)) for text in without_lines(data))
            return i if is_same and (goal or now.result == was.result) else 0
    return 0


@dataclass
class Row:
    name: str
    law: str                   # where it is promised
    modes: tuple = ALL
    said: object = None        # (bare, ours): may this line be that one?
    more: tuple = ()           # lines that may come in addition, by how they begin
    instead: object = None     # (bare call, ours, at): how many of ours are the same as it
    calls: tuple = ()          # calls that may come in addition: patterns
    seen: set = field(default_factory=set)  # the modes in which it was of use


LAW = (
    Row("a line in a request", "README 1", SPANS, said=sent_with(is_line_inserted),
        instead=write_with(is_line_inserted)),
    Row("trace headers that pass through", "README 2", said=sent_with(is_passing_edited),
        instead=write_with(is_passing_edited)),
    Row("sendmmsg() as sendmsg() one after the other", "README 1", instead=sent_one_by_one),
    Row("digits of a traceparent that is read", "README 3", SPANS, said=digits_read),
    Row("entries in the environment of a program that is started", "README 5",
        more=("environ TRACEPARENT=00-", "environ TRACESTATE=")),
    Row("the thread that sends spans", "README 6", SPANS, more=("thread interspan",), calls=(
        r"OUR THREAD",
        # Its stack, with a guard below it: ours, or libc's.
        r"mprotect\(PTR, 4096, PROT_NONE\) = 0", r"madvise\(PTR, 4096, MADV_DONTFORK\) = 0",
        r"mmap\(PTR, 4096, PROT_NONE, MAP_PRIVATE\|MAP_ANONYMOUS\|MAP_FIXED_NOREPLACE, -1, 0\) = PTR",
        r"mmap\(NULL, 266240, PROT_NONE, MAP_PRIVATE\|MAP_ANONYMOUS\|MAP_STACK, -1, 0\) = PTR",
        r"mprotect\(PTR, 262144, PROT_READ\|PROT_WRITE\) = 0",
        r"rt_sigprocmask\((SIG_BLOCK|SIG_SETMASK), .*, 8\) = 0", r"tgkill\(N, SIGRT_1\) = 0",
        r"nanosleep\(\{tv_sec=0, tv_nsec=50000\}, NULL\) = 0")),  # until it has left, at the end
    Row("a file that was asked for", "README 8", calls=("OUR LOG",)),
    # What follows changes nothing: law 1 of the design lists what may differ, and this does not.
    Row("questions about a socket", "changes nothing", calls=(
        r"getsockopt\(\d+, SOL_SOCKET, (SO_TYPE|SO_COOKIE|SO_ZEROCOPY|SO_TIMESTAMPING_OLD|"
        r"SO_TIMESTAMPING_NEW|SO_PEEK_OFF|SO_ACCEPTCONN), .*",
        r"getsockopt\(\d+, SOL_TCP, (TCP_INFO|TCP_REPAIR|TCP_FASTOPEN_CONNECT|TCP_ULP), .*",
        r"(getpeername|getsockname)\(\d+, .*", r"fcntl\(\d+, F_GETFL\) = .*")),
    Row("is memory there?", "changes nothing", calls=(
        r"rt_sigprocmask\((0xffffffff /\* SIG_\?\?\? \*/|SIG_BLOCK), .* = -1 (EINVAL|EFAULT) .*",
        r"rt_sigprocmask\(SIG_BLOCK, NULL, (PTR|\[.*\]), 8\) = .*")),
    Row("who are we?", "changes nothing", calls=(
        r"getpid\(\) = N", r"gettid\(\) = N", r"getrandom\(.*, GRND_NONBLOCK\) = \d+",
        r"readlinkat\(AT_FDCWD, \"EXE\", .*")),
    Row("memory of our own", "changes nothing", calls=(
        r"mmap\(NULL, \d+, PROT_READ\|PROT_WRITE, (MAP_PRIVATE|MAP_SHARED)\|MAP_ANONYMOUS"
        r"(\|MAP_NORESERVE)?, -1, 0\) = PTR",
        # A stack to walk another one from, with a guard below it.
        r"mmap\(NULL, 65536, PROT_NONE, MAP_PRIVATE\|MAP_ANONYMOUS, -1, 0\) = PTR",
        r"mmap\(PTR, 61440, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_FIXED\|MAP_ANONYMOUS, "
        r"-1, 0\) = PTR",
        r"madvise\(PTR, \d+, MADV_(DONTDUMP|WIPEONFORK)\) = 0", r"munmap\(PTR, \d+\) = 0")),
)


HARMLESS = re.compile("|".join(f"(?:{c})" for row in LAW if row.law == "changes nothing"
                               for c in row.calls))


def is_harmless(call):
    return HARMLESS.fullmatch(call)


def rows(mode):
    return [row for row in LAW if mode in row.modes]


def compare(bare, ours, step, where=""):
    """Differences of two runs, line by line.  step(bare line or None, ours, at) says how many of
    either a row permits to be something else, or None."""
    found, i, j = [], 0, 0
    while i < len(bare) or j < len(ours):
        want = bare[i] if i < len(bare) else None
        have = ours[j] if j < len(ours) else None
        took = (1, 1) if want == have else step(want, ours, j) if have is not None else None
        if want is not None and want.startswith("case "):
            where = want
        if not took:
            found.append(f"{where}\n  bare: {str(want)[:600]}\n  ours: {str(have)[:600]}")
            if len(found) == 5:
                break
        i, j = i + (took or (1, 1))[0], j + (took or (1, 1))[1]
    return found


def compare_said(bare, ours, mode):
    def step(want, ours, at):
        for row in rows(mode):
            if row.said and want is not None and row.said(want, ours[at]):
                row.seen.add(mode)
                return 1, 1
            if row.more and ours[at].startswith(row.more):
                row.seen.add(mode)
                return 0, 1
        return None

    return compare(bare, ours, step)


def compare_calls(bare, ours, mode, where):
    """Of one thread."""
    permitted = [(row, re.compile("|".join(f"(?:{c})" for c in row.calls)))
                 for row in rows(mode) if row.calls]

    def step(want, ours, at):
        for row in rows(mode):
            took = row.instead(want, ours, at) if row.instead and want else 0
            if took:
                row.seen.add(mode)
                return 1, took
        for row, calls in permitted:
            if calls.fullmatch(ours[at]):
                row.seen.add(mode)
                return 0, 1
        return None

    return compare(bare, ours, step, where)
