# SPDX-License-Identifier: Apache-2.0
"""The system calls of a host of differ.h, thread by thread, without what differs from run to run."""
import os
import re

ARGS = ["strace", "-ff", "-xx", "-s", "1024", "-qq", "-a1"]
MARK = re.compile(r'write\(-1, "((?:\\x[0-9a-f]{2})*)", \d+\) = -1 EBADF .*')
CHILD = re.compile(r"(?:clone3?|fork|vfork)\(.* = (\d+)")
NORMAL = [(re.compile(pattern), to) for pattern, to in (
    (r"0x[0-9a-f]{11,12}\b", "PTR"), (r"htons\(\d+\)", "PORT"),
    (r'sun_path=@"[^"]*"', "AUTO"), (r"si_pid=\d+", "si_pid=N"),
    (r"^(gettid|getpid|getppid|setsid|set_tid_address)\((.*)\) = \d+", r"\1(\2) = N"),
    (r"^(kill|tgkill|wait4|waitid)\((?:P_PID, )?\d+, (?:\d+, )?", r"\1(N, "),
    (r"^wait4\((.*)\) = \d+", r"wait4(\1) = N"), (r"si_[us]time=\d+", ""),
    (r"^getrandom\(\"[^\"]*\"", "getrandom(BYTES"),
    (r"/\* \d+ vars \*/", "VARS"), (r"makedev\([^)]*\)", "DEVICE"), (r"left \{[^}]*\}", "left"),
    (r"^(clock_nanosleep.*, )\{[^}]*\}(\) = \? ERESTART)", r"\1LEFT\2"),
    (r"^(msgget|semget)\((.*)\) = \d+", r"\1(\2) = N"),
    (r"^(msg\w+|sem\w+)\(\d+", r"\1(N"))]
# Woken or not, is for the scheduler to say; and so is when a child is seen to end.
DROPPED = ("futex(", "--- SIGCHLD", "write(1, ", "+++ killed by SIGKILL")


def hexed(text):
    return "".join(f"\\x{b:02x}" for b in text.encode())


def text_of(mark):
    return bytes.fromhex(mark.replace("\\x", "")).decode()


# Our thread may end before it has given itself its name; no other one has so small a stack.
THREAD = re.compile(r"clone3\(\{flags=[^,]*CLONE_THREAD.*stack_size=0x([0-9a-f]+).* = (\d+)$")
OURS = 'prctl(PR_SET_NAME, "' + hexed("interspan")
EXE = hexed("/proc/thread-self/exe")


def without_log(lines, log):
    """Our log is opened, written and closed at once."""
    opens, end = f'openat(AT_FDCWD, "{hexed(log)}", ', ""
    for line in lines:
        if end and line.startswith(("prlimit64(0, RLIMIT_FSIZE, NULL, ", "write(", "fstat(")):
            continue
        if end and line == end:
            end = ""
            continue
        if line.startswith(opens) and line.rpartition(" = ")[2].isdigit():
            end, line = f"close({line.rpartition(' = ')[2]}) = 0", "OUR LOG"
        yield line


class Trace:
    """calls: of each thread, by its name: "main", "main.1" is the first that main started."""

    def __init__(self, directory, log):
        self.files = {}
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), encoding="ascii", errors="replace") as f:
                self.files[int(name.rpartition(".")[2])] = list(without_log(
                    f.read().splitlines(), log))
        self.exporters = {pid for pid, lines in self.files.items()
                          if any(line.startswith(OURS) for line in lines[:60])}
        self.exporters |= {int(m[2]) for lines in self.files.values()
                           for m in map(THREAD.match, lines) if m and int(m[1], 16) < 1 << 19}
        children = {int(m[1]) for lines in self.files.values() for m in map(CHILD.match, lines)
                    if m}
        roots = [pid for pid in self.files if pid not in children]
        assert len(roots) == 1, roots
        self.calls = {}
        self.take(roots[0], "main", False)

    def take(self, pid, name, is_begun):
        calls, is_hidden, children = [], False, 0
        for line in self.files[pid]:
            mark = MARK.fullmatch(line)
            if mark:
                line = text_of(mark[1])
                is_begun = True
                if line in "()":
                    is_hidden = line == "("
                    continue
                if line == "helper":
                    return False
            elif line.startswith("execve(") and line.endswith(" = 0"):
                calls.append("execve")  # what follows is the dynamic linker's, up to a mark
                is_begun = False
                continue
            child = CHILD.match(line)
            if is_hidden or line.startswith(DROPPED):
                continue
            if child and int(child[1]) in self.exporters:
                line = "OUR THREAD"
            elif child:
                children += 1
                if not self.take(int(child[1]), f"{name}.{children}", is_begun):
                    children -= 1
                line = child.re.sub(lambda m: m[0].partition("(")[0], line)
            if line == "OUR LOG":
                calls.append(line)
            elif is_begun and not (line.startswith("wait4") and "ERESTARTSYS" in line):
                calls.append(line if mark else self.normal(line))
        self.calls[name] = calls
        return True

    def normal(self, line):
        for pattern, to in NORMAL:
            line = pattern.sub(to, line)
        return line.replace(EXE, "EXE")
