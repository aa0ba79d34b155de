# SPDX-License-Identifier: Apache-2.0
"""Runs the tests with real programs.

    run.py [--bare] [-k PATTERN] [FILE...]

--bare runs them without the preload: a feature test that passes then proves nothing and counts as
failed, and so does a transparency test that fails.
"""
import argparse
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Result(unittest.TestResult):
    """One line per test."""

    def __init__(self, bare):
        super().__init__()
        self.bare = bare
        self.passed, self.failed, self.skips = 0, 0, 0
        self.began, self.unlike = 0.0, False

    def startTest(self, test):  # pylint: disable=invalid-name
        super().startTest(test)
        self.began, self.unlike = time.monotonic(), False

    def line(self, word, test, note=""):
        name = test.id().rpartition(".test_")[2] or test.id()
        took = time.monotonic() - self.began
        print(f"{word:4} {type(test).__module__}.{name} ({took:.1f} s){note}", flush=True)

    def verdict(self, test, held, details=""):
        note = ""
        if self.bare and getattr(test, "is_feature", False):
            why = (details.strip().splitlines() or [""])[-1]
            note = f": fails as it must: {why[:90]}" if why else ""
            held, details = not held, "passes without the preload: proves nothing\n"
        if held:
            self.passed += 1
            self.line("ok", test, note)
        else:
            self.failed += 1
            self.line("FAIL", test)
            print("     " + details.rstrip().replace("\n", "\n     "), flush=True)

    def addSuccess(self, test):  # pylint: disable=invalid-name
        if not self.unlike:
            self.verdict(test, True)

    def addFailure(self, test, err):  # pylint: disable=invalid-name
        self.verdict(test, False, self._exc_info_to_string(err, test))

    def addError(self, test, err):  # pylint: disable=invalid-name
        self.verdict(test, False, self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):  # pylint: disable=invalid-name
        proves = self.bare and getattr(test, "is_feature", False)
        if err is not None:
            self.unlike = True
            if not proves:
                self.verdict(subtest, False, self._exc_info_to_string(err, test))
        elif proves:
            self.verdict(subtest, True)

    def addSkip(self, test, reason):  # pylint: disable=invalid-name
        self.skips += 1
        self.line("SKIP", test, f": {reason}")

    def stopTest(self, test):  # pylint: disable=invalid-name
        super().stopTest(test)
        if self.unlike and self.bare and getattr(test, "is_feature", False):
            self.verdict(test, False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("-k", dest="patterns", action="append")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    if args.bare:
        os.environ["E2E_BARE"] = "1"
    sys.path[:0] = [HERE, os.path.dirname(HERE)]
    sys.path.extend({os.path.dirname(os.path.abspath(f)) for f in args.files})
    sys.dont_write_bytecode = True

    from support import progs  # after E2E_BARE is set: read once
    if not args.bare and not os.path.exists(progs.OBJECT):
        sys.exit(f"{progs.OBJECT} is missing: make first")
    loader = unittest.TestLoader()
    if args.patterns:
        loader.testNamePatterns = [f"*{p}*" for p in args.patterns]
    files = args.files or sorted(f for f in os.listdir(HERE) if f.startswith("test_"))
    names = [os.path.splitext(os.path.basename(f))[0] for f in files]
    result = Result(args.bare)
    loader.loadTestsFromNames(names).run(result)
    print(f"{result.passed} passed, {result.failed} failed, {result.skips} skipped")
    sys.exit(1 if result.failed or not (result.passed or result.skips) else 0)


if __name__ == "__main__":
    main()
