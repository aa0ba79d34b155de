# SPDX-License-Identifier: Apache-2.0
"""A thread for each connection: threads.py PORT BACKEND."""
import sys
import threading
import urllib.parse

import common
import requests

LOCAL = threading.local()


class Front(common.Handler):
    def do_GET(self):  # pylint: disable=invalid-name
        ident = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["id"][0]
        if not hasattr(LOCAL, "session"):
            LOCAL.session = requests.Session()
        self.respond(200, LOCAL.session.get(common.leaf(sys.argv[2], ident)).content)


common.serve(Front, int(sys.argv[1]))
