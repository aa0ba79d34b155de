# SPDX-License-Identifier: Apache-2.0
"""psycopg2: DSN [green]"""
import io
import select
import sys

import psycopg2
import psycopg2.extensions


def wait(conn):
    while True:
        state = conn.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        reads, writes = [], []
        (reads if state == psycopg2.extensions.POLL_READ else writes).append(conn)
        select.select(reads, writes, [])


if sys.argv[2:] == ["green"]:
    psycopg2.extensions.set_wait_callback(wait)
conn = psycopg2.connect(sys.argv[1])
conn.autocommit = True
cursor = conn.cursor()
cursor.execute("SELECT relname FROM pg_class WHERE oid = %s", (1259,))
print(cursor.fetchall())
cursor.execute("CREATE TEMP TABLE x (a int, b text)")
if sys.argv[2:] != ["green"]:
    cursor.copy_expert("COPY x FROM STDIN", io.StringIO("1\tsecret\n2\tb\n"))
    out = io.StringIO()
    cursor.copy_expert("COPY x TO STDOUT", out)
    print(repr(out.getvalue()))
cursor.executemany("INSERT INTO x VALUES (%s, %s)", [(i, "it's") for i in range(3)])
try:
    cursor.execute("SELECT 1/0")
except psycopg2.Error as error:
    print(error.pgcode)
conn.autocommit = False
cursor.execute("SELECT count(*) FROM x WHERE a IN (1, 2)")
print(cursor.fetchall())
conn.commit()
conn.close()
