# SPDX-License-Identifier: Apache-2.0
"""What fork() takes in programs that are not ours: with an exporter that is always at work where they send
requests, as shells do not."""
import time

from support.progs import PYTHON, Lab

CALLS = 400
SENDS = 40  # requests, one before every tenth call
# Each prints the least of its calls, in microseconds.
SENDERS = {
    "python3": [PYTHON, "-c", """if True:
        import os, socket, sys, time
        least = 1 << 60
        for i in range(400):
            if i % 10 == 0:
                with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
                    s.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n")
                    while s.recv(4096):
                        pass
            start = time.monotonic_ns()
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            least = min(least, time.monotonic_ns() - start)
            os.waitpid(pid, 0)
        print(least / 1000)"""],
    "perl": ["perl", "-e", """
        use IO::Socket::INET; use POSIX (); use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
        my $least = 1;
        for my $i (0 .. 399) {
            if ($i % 10 == 0) {
                my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die;
                $s->syswrite("GET / HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n");
                1 while $s->sysread(my $got, 4096);
                close $s;
            }
            my $start = clock_gettime(CLOCK_MONOTONIC);
            my $pid = fork();
            POSIX::_exit(0) if !$pid;
            my $took = clock_gettime(CLOCK_MONOTONIC) - $start;
            $least = $took if $took < $least;
            waitpid($pid, 0);
        }
        print $least * 1e6, "\\n";"""],
}
# From a child's beginning to its end, all of them together.
SHELLS = ["dash", "bash"]
LOOP = "i=0; while [ $i -lt 400 ]; do ( : ); i=$((i + 1)); done"


def least_of(argv, bare):
    with Lab(bare=bare, OTEL_BSP_SCHEDULE_DELAY="1") as lab:
        server = lab.python_server("second.py", traced=False)
        done = lab.run([*argv, str(server.port)], 120)
        wanted = 0 if bare else SENDS
        assert len(lab.collector.wait_for(wanted, 10)) == wanted, done
        return float(done.stdout)


def loop_of(shell, bare):
    with Lab(bare=bare) as lab:
        began = time.monotonic()
        done = lab.run([shell, "-c", LOOP], 120)
        took = time.monotonic() - began
        assert done.returncode == 0, done
        return took / CALLS * 1e6


def bench_fork_hosts(row, rounds=3):
    for names, figure, what in ((SENDERS, lambda name, bare: least_of(SENDERS[name], bare), "fork()"),
                                (SHELLS, loop_of, "( : )")):
        for name in names:
            took = [(figure(name, True), figure(name, False)) for _ in range(rounds)]
            bare, ours = min(t[0] for t in took), min(t[1] for t in took)
            row(f"{what} in {name}, least, microseconds", f"{bare:.1f}", f"{ours:.1f}",
                f"ratio {ours / bare:.2f}, wanted <= 1.3")
