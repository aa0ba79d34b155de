# SPDX-License-Identifier: Apache-2.0
"""gevent's WSGI server with greenlets that wait before they call: greenlets.py PORT BACKEND."""
# pylint: disable=wrong-import-position
from gevent import monkey

monkey.patch_all()

import random
import signal
import sys

import common
import gevent
import requests
from gevent.pywsgi import WSGIServer

SESSION = requests.Session()
SESSION.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))


def app(environ, start_response):
    ident = environ["wsgi.input"].read()
    gevent.sleep(random.random() / 100)
    body = SESSION.post(common.leaf(sys.argv[2]), ident[::-1], headers=common.KIND).content
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


SERVER = WSGIServer(("127.0.0.1", int(sys.argv[1])), app, log=None, backlog=256)
gevent.signal_handler(signal.SIGTERM, SERVER.stop)
SERVER.serve_forever()
