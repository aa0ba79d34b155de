# SPDX-License-Identifier: Apache-2.0
"""Descriptors and calls that are out of the ordinary, by host_bytes.c, host_memory.c and
host_sockets.c: their cases print the same bare and preloaded, and give these spans."""
import os
import unittest

from support.case import Feature, Transparency
from support.progs import BUILD

HOSTS = os.path.join(BUILD, "tests")


def both(*paths, status=204):
    return [f"{kind} {path} {status}" for path in paths for kind in ("CLIENT", "SERVER")]


# Of each host's cases: the spans that it must give, as kind, path, status and error.
BYTES = {
    # A body may be thrown away unseen: its end is known.
    "trunc_of_bodies": both("/1", "/2", "/4") + both("/3", status=200),
    # A head may not: from then on the server's end is opaque.
    "trunc_of_a_head": [*both("/1"), "CLIENT /2 204", "CLIENT /3 204"],
    "trunc_beside_an_old_head": [*both("/1"), "CLIENT /2 204"],
    "trunc_of_nothing": both("/1", "/2"),
    "sendfile_of_bodies": both("/1", "/2", "/3", status=200),
    "sendfile_of_half_a_head": ["CLIENT /1 200", "SERVER /1", "CLIENT /2 204"],
    "splice_of_bodies": both("/1", status=200) + both("/2", "/3"),
    # Sockets that no line of ours goes to (design 3): a request each, and it is counted.
    "zerocopy_before": both("/1"),
    "zerocopy_after": both("/1", "/2"),
    "timestamping_before": both("/1"),
    "timestamping_after": both("/1", "/2"),
    "fastopen_connect": both("/1"),
    "kernel_tls": both("/1", "/2"),
    "repair": both("/1", "/2"),
    "option_refused": both("/1"),
    "zerocopy_is_told_once": ["CLIENT /1 204", *both("/1", "/2")[1::2]],
    "fastopen": ["SERVER /1 204", "SERVER /2 204"] * 2,
    "not_a_stream": both("/1"),
    "urgent_bytes": [*both("/1"), "SERVER /2 204"],
    "urgent_bytes_of_the_server": ["CLIENT /1 closed_by_peer", "SERVER /1"],
    "vectors_with_flags": both("/1", "/2", "/3"),
    "many_messages": both("/1", "/2", "/3"),
    # It is the rest of a head that was to get a line of ours, and gets none; 60 times.
    "control_data_ahead_of_our_line": both("/1") * 60,
    "control_data_behind_our_line": both("/1") * 60,
    "flags_of_calls": both("/1", "/2"),
}
MEMORY = {
    # A client that sends what cannot be read is watched no more.
    "pointers_to_nowhere": [*both("/1"), "SERVER /2 204"],
    "memory_that_is_not_there": [*both("/1"), "SERVER /2 204", *both("/1", "/2")] * 3,
    "memory_that_is_not_there_in_a_head": [*both("/1"), "SERVER /2 204"] * 3,
    "body_that_is_not_there": both("/1"),
    "waits_for_nothing_there": both("/1", "/2"),
    "lengths_that_cannot_be_written": both("/1", "/2", "/2"),
}
SOCKETS = {
    "close_fails": both("/1"),
    # The target of a dup2() that fails is what it was.
    "dup_fails": both("/1", "/2", "/3"),
    "dup_is_interrupted": both("/1", "/2"),
    "dup_over_a_connection": [*both("/1"), "CLIENT /2", "SERVER /2 no_response"],
    "dup_leads_to_the_same": [*both("/1", "/2", "/3"), "CLIENT /4", "SERVER /4 no_response"],
    # What stdio does with a descriptor nobody sees: no status, and no error either.
    "stdio_closes_client": both("/1"),
    "stdio_closes_server": ["CLIENT /1 closed_by_peer", "SERVER /1"],
    "stdio_answers": ["CLIENT /1 204", "SERVER /1"],
    "dprintf_answers": [f"{s} /{n}{t}" for n in (1, 2, 3, 4)
                        for s, t in (("CLIENT", " 204"), ("SERVER", ""))],
    # The file that has the number of a connection is no connection.
    "unseen_answer": ["CLIENT /1 204", "SERVER /1"] * 2,
    "unseen_close_client": both("/1"),
    "unseen_close_server": both("/1"),
    "unseen_close_before_socketpair": ["CLIENT /1"],
    "unseen_close_before_bind": [*both("/after", "/after"), "CLIENT /1", "SERVER /1 no_response",
                                 "CLIENT /2", "SERVER /2 no_response"],
    "bind_of_a_connection": both("/1", "/2"),
    # Who has sent a connection away knows no more of it.
    "rights_to_a_child": [*both("/1"), "CLIENT /2 204"] * 2,
    "a_child_answers": [*both("/1"), "CLIENT /2 204"],
    "rights_to_ourselves": both("/1"),
    "rights_refused": both("/1"),
    "rights_get_an_old_number": [*both("/1"), "CLIENT /2", "SERVER /2 no_response"],
    "accepted_as_asked": both(*["/1"] * 5),
    "connect_again": both("/port", "/port"),
    "close_by_number": [f"{side} /{n} {error}" for n in (1, 2, 3, 4) for side, error in
                        (("CLIENT", "closed_by_peer"), ("SERVER", "no_response"))],
    "close_range_by_number": [*both("/1"), "CLIENT /2", "SERVER /2 no_response"],
    "close_range_by_name": [*both("/1"), "CLIENT /2", "SERVER /2 no_response"],
    "the_last_number": both("/1"),
    "a_number_beyond_the_table": both("/1", "/2"),
}
# headers_not_injected_refused
REFUSED = dict.fromkeys(("zerocopy_before", "zerocopy_after", "timestamping_before",
                         "timestamping_after", "fastopen_connect", "kernel_tls", "repair",
                         "zerocopy_is_told_once"), 1) | {"control_data_ahead_of_our_line": 60}


def told(span):
    attributes = span["attributes"]
    path = attributes.get("url.path") or "/" + attributes["url.full"].split("/", 3)[3]
    words = (span["kind"], path, attributes.get("http.response.status_code"),
             attributes.get("error.type"))
    return " ".join(str(word) for word in words if word is not None)


def run(test, host, case):
    lab = test.lab()
    done = lab.run([os.path.join(HOSTS, host), case])
    if done.returncode == 77:
        test.skipTest(done.stderr.decode().strip())
    return lab, done


class Same(Transparency):
    def check(self, host, case, _):
        lab, done = run(self, host, case)
        self.assertEqual((done.returncode, done.stdout.decode(), done.stderr),
                         (0, f"{case}: ok\n", b""))
        self.assert_loaded(lab, host, 1, hooked=True)

    def test_sendfile_of_the_end_of_a_head(self):
        self.check("host_bytes", "sendfile_of_the_end_of_a_head", None)

    def test_flags_of_sends_with_our_line(self):
        self.check("host_bytes", "flags_of_sends_with_our_line", None)


class Spans(Feature):
    def check(self, host, case, expected):
        lab, _ = run(self, host, case)
        spans = self.spans(lab, len(expected), settle=0.1)
        self.assertEqual(sorted(map(told, spans)), sorted(expected))
        self.assertEqual(lab.total("headers_not_injected_refused"), REFUSED.get(case, 0))


class Peers(Feature):
    def test_peer_of_a_socket_that_is_connected_again(self):
        lab, _ = run(self, "host_sockets", "connect_again")
        ports = [(s["attributes"]["network.peer.port"], s["attributes"]["server.port"])
                 for s in self.spans(lab, 4) if s["kind"] == "CLIENT"]
        self.assertEqual([peer for peer, _ in ports], [named for _, named in ports])
        self.assertEqual(len(set(ports)), 2)


class Order(Feature):
    def test_unseen_close_ends_before_bind_returns(self):
        lab, _ = run(self, "host_sockets", "unseen_close_before_bind")
        spans = {told(s): s for s in self.spans(lab, 8)}
        after = sorted(s["start"] for s in self.spans(lab, 8) if told(s) == "CLIENT /after 204")
        for text, begun in zip(("CLIENT /1", "SERVER /2 no_response"), after):
            self.assertLessEqual(spans[text]["end"], begun, text)


def add_cases():
    def test_of(*row):
        return lambda self: self.check(*row)

    for kind in (Same, Spans):
        for host, cases in (("host_bytes", BYTES), ("host_memory", MEMORY),
                            ("host_sockets", SOCKETS)):
            for case, expected in cases.items():
                setattr(kind, "test_" + case, test_of(host, case, expected))


add_cases()
if __name__ == "__main__":
    unittest.main()
