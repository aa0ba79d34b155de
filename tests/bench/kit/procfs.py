# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of other processes: CPU time to the nanosecond, memory."""
import os
import re
import time

EXPORTER = "interspan"  # the name that our thread has


def text_of(*names):
    with open(os.path.join(*names), encoding="utf-8", errors="replace") as f:
        return f.read()


def schedstat_ns(text):
    """Of "time on a CPU, time waiting for one, slices": the first, in ns."""
    return int(text.split()[0])


def threads_ns(pid, proc="/proc"):
    """CPU time of the live threads: (ours, all others)."""
    ours = others = 0
    directory = os.path.join(proc, str(pid), "task")
    for task in os.listdir(directory):
        try:
            spent = schedstat_ns(text_of(directory, task, "schedstat"))
            name = text_of(directory, task, "comm").strip()
        except OSError:  # it ended meanwhile
            continue
        if name == EXPORTER:
            ours += spent
        else:
            others += spent
    return ours, others


def process_ns(pid):
    """CPU time of the whole process, threads that ended included: its clock, as clock_getcpuclockid(3)
    makes the name of it."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def cpu_ns(pids):
    """User and system time of processes: (all but our thread, our thread)."""
    ours = sum(threads_ns(pid)[0] for pid in pids)
    return sum(map(process_ns, pids)) - ours, ours


def pss_kib(text):
    """Of smaps_rollup: each page divided by the number of those who map it."""
    return int(re.search(r"^Pss:\s*(\d+) kB$", text, re.M)[1])


def memory_kib(pids):
    return sum(pss_kib(text_of("/proc", str(pid), "smaps_rollup")) for pid in pids)


def machine():
    """What figures depend on; no names."""
    cpu = re.search(r"^model name\s*: (.*)$", text_of("/proc/cpuinfo"), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", text_of("/proc/meminfo"), re.M)
    release = re.search(r'^PRETTY_NAME="(.*)"$', text_of("/etc/os-release"), re.M)
    return {"cpu": cpu[1] if cpu else os.uname().machine, "cores": os.cpu_count(),
            "memory_mib": int(memory[1]) // 1024, "kernel": os.uname().release.split("-")[0],
            "system": release[1] if release else "?", "load": os.getloadavg()[0]}
