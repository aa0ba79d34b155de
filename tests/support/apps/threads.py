# SPDX-License-Identifier: Apache-2.0
"""A thread for each connection: threads.py PORT [BACKEND]."""
import sys

import common
import contract

contract.Contract.backend = "".join(sys.argv[2:])
common.serve(contract.Contract, int(sys.argv[1]))
