# SPDX-License-Identifier: Apache-2.0
"""A Flask application over PostgreSQL for gunicorn; environment: DSN.  /fine/N, /fail/N, /slow/N."""
import os
import threading

import flask
import psycopg2

app = flask.Flask(__name__)
LOCAL = threading.local()


def query(sql, *values):
    if not hasattr(LOCAL, "connection"):
        LOCAL.connection = psycopg2.connect(os.environ["DSN"])
        LOCAL.connection.autocommit = True
    with LOCAL.connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


@app.get("/<how>/<int:number>")
def order(how, number):
    if how == "slow":
        query("SELECT pg_sleep(0.4)")
    total = query("SELECT %s + 1", number)
    return str(total), 500 if how == "fail" else 200
