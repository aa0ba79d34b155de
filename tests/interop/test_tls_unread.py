# SPDX-License-Identifier: Apache-2.0
"""TLS that cannot be read, since it is linked into the program: it works as ever, is counted, and
`interspan status` names it."""
import subprocess
import time

from support import certificates
from support.case import WAIT, Feature
from test_handshakes import Peer
from test_status import TOOL

NODE = """
const fs = require("fs"), https = require("https");
https.get(process.argv[1], {agent: false}, (answer) => {
  answer.on("data", () => {}).on("end", () => {
    console.log(answer.statusCode, process.versions.openssl);
    setInterval(() => fs.existsSync("done") && process.exit(0), 20);
  });
});
"""


def answer(sock):
    with certificates.make().server_context().wrap_socket(sock, server_side=True) as session:
        session.recv(65536)
        session.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


class Unread(Feature):
    def test_official_node(self):
        self.need("node")
        done = subprocess.run(["node", "-p", "process.config.variables.node_shared_openssl"],
                              capture_output=True, text=True, check=True)
        if done.stdout.strip() != "false":
            self.skipTest("this node has its OpenSSL from the distribution")
        lab, peer = self.lab(), Peer(answer)
        self.addCleanup(peer.listener.close)
        node = lab.start(["node", "-e", NODE, peer.url], "node", **certificates.make().trusted)
        deadline = time.monotonic() + WAIT
        while "204" not in node.text() and time.monotonic() < deadline:
            time.sleep(0.05)
        version = node.text().split()[1]
        told = subprocess.run([TOOL, "status", str(node.pid)], capture_output=True, text=True,
                              check=False).stdout
        self.assertRegex(told, rf"TLS +OpenSSL {version.partition('+')[0]}, linked into /.*/node: "
                         "cannot be read, and is not traced\\n")
        lab.write("done", "")
        self.assertEqual(node.process.wait(60), 0)
        self.assertEqual(lab.collector.spans, [])
        self.assertEqual(lab.total("connections_tls_unread"), 1, lab.counters())
