# SPDX-License-Identifier: Apache-2.0
"""A Flask application for gunicorn; environment: BACKEND, an URL."""
import http.client
import os
import threading

import common
import flask
import requests

app = flask.Flask(__name__)
BACKEND = os.environ.get("BACKEND", "")
LOCAL = threading.local()


def session():
    if not hasattr(LOCAL, "session"):
        LOCAL.session = requests.Session()
    return LOCAL.session


@app.post("/work")
def work():
    ident = flask.request.get_data()
    return session().post(common.leaf(BACKEND), ident[::-1], headers=common.KIND).content


@app.get("/users/<int:user>")
def get_user(user):
    """One call below; also when nobody gave an id."""
    return requests.get(f"{BACKEND}/profile/{user}").content


@app.get("/call")
def call():
    """A call to whatever URL is given, its status passed on."""
    try:
        answer = requests.get(flask.request.args["url"], allow_redirects=False)
    except requests.ConnectionError as error:
        return type(error).__name__, 502
    return answer.content, answer.status_code


@app.get("/twice")
def twice():
    first = requests.get(f"{BACKEND}/first").status_code
    return f"{first} {requests.get(f'{BACKEND}/second').status_code}"


@app.get("/many/<int:count>")
def many(count):
    """One call after another."""
    for number in range(count):
        session().get(f"{BACKEND}/item/{number}")
    return "done"


@app.get("/fan/<int:count>")
def fan(count):
    """As many at once, on connections of their own, in this thread."""
    connections = []
    for number in range(count):
        connections.append(http.client.HTTPConnection(BACKEND.partition("//")[2], timeout=20))
        connections[-1].request("GET", f"/meet/{count}/{number}")
    for connection in connections:
        connection.getresponse().read()
    return "done"


@app.get("/status/<int:status>")
def get_status(status):
    return "as asked", status
