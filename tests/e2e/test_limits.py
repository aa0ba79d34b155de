# SPDX-License-Identifier: Apache-2.0
"""Span limits (E72-E85), end to end: what arrives, and what the span says of the rest."""
from support.case import Feature


class Limits(Feature):
    def test_span_tells_what_was_left_out(self):
        lab = self.lab(OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="3", OTEL_SPAN_EVENT_COUNT_LIMIT="0",
                       OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="5")
        second = lab.python_server("second.py", traced=False)
        lab.run(["curl", "-s", second.url("/")], service="shop")
        span, = self.spans(lab, 1)
        self.assertEqual(span["attributes"], {"http.request.method": "GET",
                                              "server.address": "127.0",
                                              "server.port": second.port})
        # peer address and port, version, full URL, status of the response
        self.assertEqual(span["dropped_attributes"], 5)
        self.assertEqual((span["events"], span["dropped_events"]), ([], 2))

    def test_links(self):
        for limit, links in (("1", 1), ("0", 0)):
            lab = self.lab(OTEL_SPAN_LINK_COUNT_LIMIT=limit, OTEL_INTERSPAN_TRUST_INBOUND="false")
            shop = lab.python_server("second.py", service="shop")
            lab.run(["curl", "-s", "-H", "traceparent: 00-%032x-%016x-01" % (7, 8), shop.url("/")],
                    traced=False)
            span, = self.spans(lab, 1)
            self.assertEqual((len(span["links"]), span["dropped_links"]), (links, 1 - links))
