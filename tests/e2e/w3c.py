# SPDX-License-Identifier: Apache-2.0
"""Runs the public validation suite of W3C Trace Context, which is not part of this tree:

    make w3c W3C_TEST_DIR=<the folder `test` of github.com/w3c/trace-context>

against an unmodified threaded Python service, and against the same behind nginx and behind haproxy:
41 cases each.  The suite takes port 7777, and needs aiohttp."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = 41


def verdict(output):
    """(cases run, those that did not pass), or None when the suite did not come to its end."""
    ran = re.search(r"^Ran (\d+) tests? in", output, re.M)
    bad = re.findall(r"^(?:FAIL|ERROR): (\w+)", output, re.M)
    return (int(ran[1]), bad) if ran else None


def run_suite(lab, suite, port):
    env = lab.env(traced=False, SERVICE_ENDPOINT=f"http://127.0.0.1:{port}/test", STRICT_LEVEL="2",
                  SPEC_LEVEL="2", PYTHONDONTWRITEBYTECODE="1")
    with tempfile.TemporaryFile("w+") as out:
        subprocess.run(["/usr/bin/python3", "-u", "test.py", env["SERVICE_ENDPOINT"]], env=env,
                       cwd=suite, stdout=out, stderr=out, stdin=subprocess.DEVNULL, timeout=300,
                       check=False)
        out.seek(0)
        return out.read()


def fronts(lab, service):
    yield "ThreadingHTTPServer", service.port
    yield "behind nginx", lab.nginx(service.port, service="nginx").port
    yield "behind haproxy", lab.haproxy(service.port, service="haproxy").port


def main():
    suite = os.path.abspath(sys.argv[1])
    sys.path[:0] = [HERE, os.path.dirname(HERE)]
    sys.dont_write_bytecode = True

    from support.progs import Lab
    passed, failed = 0, 0
    with Lab() as lab:
        service = lab.python_server("w3c.py", service="service")
        for name, port in fronts(lab, service):
            output = run_suite(lab, suite, port)
            ran, bad = verdict(output) or (0, ["the suite itself"])
            good = ran == CASES and not bad
            passed, failed = passed + ran - len(bad), failed + CASES - ran + len(bad)
            print(f"{'ok' if good else 'FAIL':4} w3c.{name}: {ran - len(bad)} of {CASES}"
                  f" {' '.join(bad)}", flush=True)
            if not good:
                print("     " + output.rstrip().replace("\n", "\n     "), flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
