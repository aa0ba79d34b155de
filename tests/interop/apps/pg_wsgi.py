# SPDX-License-Identifier: Apache-2.0
"""A WSGI application over psycopg2 or psycopg, which makes the mistake of asking once for each row."""
import importlib
import os

DRIVER = importlib.import_module(os.environ["DRIVER"])

CONNS = []


def app(environ, start_response):
    if not CONNS:
        CONNS.append(DRIVER.connect(os.environ["DSN"]))
        CONNS[0].autocommit = True
    cursor = CONNS[0].cursor()
    cursor.execute("SELECT oid FROM pg_class ORDER BY oid LIMIT 3")
    names = []
    for (oid,) in cursor.fetchall():
        cursor.execute("SELECT relname FROM pg_class WHERE oid = %s", (oid,))
        names += cursor.fetchone()
    if environ["PATH_INFO"] == "/fail":
        try:
            cursor.execute("SELECT * FROM nowhere")
        except DRIVER.Error as error:
            names = [getattr(error, "sqlstate", None) or error.pgcode]
    body = " ".join(names).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
