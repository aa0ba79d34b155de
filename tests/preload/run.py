# SPDX-License-Identifier: Apache-2.0
"""Runs the tests with host programs of our own: the same runner as tests/e2e, on this directory.

    run.py [--bare] [-k PATTERN] [FILE...]
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE)]
sys.dont_write_bytecode = True

from e2e import run  # pylint: disable=wrong-import-position

run.HERE = HERE
run.main()
