# SPDX-License-Identifier: Apache-2.0
"""psycopg 3: DSN"""
import sys

import psycopg

with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    print(conn.execute("SELECT 'x'").fetchall())
    print(conn.execute("SELECT %s::int", (2,)).fetchall())
    with conn.pipeline() as pipeline:
        cursors = [conn.execute(f"SELECT %s::int AS n{i}", (i,)) for i in range(20)]
        pipeline.sync()
        print([c.fetchone() for c in cursors])
    for i in range(8):  # prepared from the sixth on
        print(conn.execute("SELECT relname FROM pg_class WHERE oid = %s", (1259 + i,)).fetchall())
    try:
        conn.execute("SELECT * FROM nowhere WHERE a = %s", (1,))
    except psycopg.Error as error:
        print(error.sqlstate)
