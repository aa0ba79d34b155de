# SPDX-License-Identifier: Apache-2.0
"""Node with the distribution's OpenSSL, over HTTPS: it hands ciphertext on through BIOs and a loop of
its own, so a connection and its session find each other by the bytes alone.  The contracts of
test_https.py, bodies of all sizes, and which request caused which call: of that none may be wrong."""
import functools
import hashlib
import unittest

import test_causality
import test_clients
import test_https
import test_servers
from support import certificates, servers_tls
from support.case import Feature, Transparency
from support.progs import NO_DEBIAN_NODE, debian_node
from support.servers import Server
from test_https import SIZES, body_of
from test_servers import of_kind

NODE = debian_node()
CLIENTS = {f"node {how}": test_clients.Client(
    [*(NODE or ()), test_clients.path("client.js"), how], [], connections)
           for how, connections in (("http", 1), ("fetch", 3))}
SERVERS = {"node": Server(servers_tls.node, [])}


def setUpModule():  # pylint: disable=invalid-name
    if not NODE:
        raise unittest.SkipTest(NO_DEBIAN_NODE)


@functools.lru_cache(None)
def client_runs(name, bare):
    return test_https.ClientRun(CLIENTS[name], True), test_https.ClientRun(CLIENTS[name], bare)


@functools.lru_cache(None)
def server_runs(name, bare):
    return test_https.ServerRun(SERVERS[name], True), test_https.ServerRun(SERVERS[name], bare)


@test_clients.one_for_each
class ClientsSameBytes(test_clients.CheckBytes):
    clients, runs = CLIENTS, staticmethod(client_runs)


@test_clients.one_for_each
class ClientsSpans(test_https.CheckClients):
    clients, runs = CLIENTS, staticmethod(client_runs)


@test_servers.one_for_each
class ServersSameBytes(test_servers.CheckBytes):
    servers, runs = SERVERS, staticmethod(server_runs)


@test_servers.one_for_each
class ServersSpans(test_https.CheckServers):
    servers, runs = SERVERS, staticmethod(server_runs)


ECHO = """
const crypto = require('crypto'), fs = require('fs'), https = require('https');
const [url, ...paths] = process.argv.slice(1);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });

function send(path, done) {
	const body = fs.readFileSync(path);
	https.request(url, { agent, method: 'POST', headers: { 'Content-Length': body.length } },
		(answer) => {
			const sum = crypto.createHash('md5');
			answer.on('data', (part) => sum.update(part)).on('end', () => {
				console.log(sum.digest('hex'));
				done();
			});
		}).end(body);
}
(async () => {
	for (const path of paths)
		await new Promise((done) => send(path, done));
	agent.destroy();
})();
"""


class Echo:
    """Node asks node, and both bodies are of each size."""

    def run_both(self):
        lab = self.lab()
        server = servers_tls.node(lab, 1)
        paths = [lab.path(f"body-{size}") for size in SIZES]
        for size, path in zip(SIZES, paths):
            with open(path, "wb") as f:
                f.write(body_of(size))
        done = lab.run([*NODE, "-e", ECHO, f"https://localhost:{server.port}/echo", *paths],
                       timeout=120, **certificates.make().trusted)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return lab, done.stdout.decode().split()


class SameBodies(Echo, Transparency):
    def test_sizes(self):
        lab, sums = self.run_both()
        self.assertEqual(sums, [hashlib.md5(body_of(size)).hexdigest() for size in SIZES])
        self.assert_loaded(lab, "node", hooked=True)


class Joined(Echo, Feature):
    def test_sizes(self):
        lab, _ = self.run_both()
        spans = self.spans(lab, 2 * len(SIZES))
        clients, servers = of_kind(spans, "CLIENT"), of_kind(spans, "SERVER")
        self.assertEqual([(s["trace_id"], s["parent_span_id"]) for s in servers],
                         [(s["trace_id"], s["span_id"]) for s in clients])
        self.assertEqual({s["parent_span_id"] for s in clients}, {""})
        self.assertEqual(len({s["trace_id"] for s in clients}), len(SIZES))
        self.assertEqual(lab.total("headers_injected"), len(SIZES), lab.counters())


class NeverWrong(test_causality.Causality):
    """Node's order of events does not tell which request a call is for."""

    def check(self, shape):
        below = test_causality.Cell(tls=certificates.make().server_context())
        for with_header in (False, True):
            self.measure(f"node over TLS, {shape}", lambda lab, port: servers_tls.node(
                lab, port, shape), with_header, cell=below)

    def test_call_at_once(self):
        self.check("plain")

    def test_call_by_a_timer(self):
        self.check("timer")

    def test_call_by_fetch(self):
        self.check("fetch")
