# SPDX-License-Identifier: Apache-2.0
"""psycopg 3: DSN, and SQLSTATEs that the server is made to raise; prints what arrived."""
import sys

import psycopg

with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    for state in sys.argv[2:]:
        try:
            conn.execute(f"DO $$BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END$$")
        except psycopg.Error as error:
            print(error.sqlstate)
