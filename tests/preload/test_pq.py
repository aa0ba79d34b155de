# SPDX-License-Identifier: Apache-2.0
"""libpq by a stand-in for it (lib_pq.c): extensions that bring their own copy with RTLD_LOCAL reach that
one, each statement is one span from its call to its last result, and what the program sees is as bare."""
import os
import unittest

from support.case import Feature, Transparency, brief
from support.progs import BUILD

HOST = os.path.join(BUILD, "tests", "host_pq")
ONE = os.path.join(BUILD, "tests", "lib_pq_user.so")
TWO = os.path.join(BUILD, "tests", "lib_pq_user2.so")
CASES = ("waiting", "commenting", "prepared", "replacing", "sending", "copying", "pipelining",
         "jumping", "losing", "opening", "describing", "resetting", "copying_as_once", "opening_else")
OPT_IN = "db.response.returned_rows,db.query.parameter"


class Same(Transparency):
    def test_every_case(self):
        for case in CASES:
            with self.subTest(case=case):
                lab = self.lab(OTEL_INTERSPAN_OPT_IN_ATTRIBUTES=OPT_IN)
                argv = [HOST, ONE, case, TWO, case, ONE, case]
                bare = lab.run(argv, traced=False)
                done = lab.run(argv)
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (0, bare.stdout, b""))
                self.assertIn(b"one", done.stdout)
                self.assertIn(b"two", done.stdout)
                self.assert_loaded(lab, "host_pq")

    def test_without_a_library(self):
        """A name that we export leads nowhere, and says so."""
        lab = self.lab()
        self.assertEqual(lab.run([HOST]).stdout, b"nothing\n")


class Statements(Feature):
    def told(self, case, count, **settings):
        lab = self.lab(**settings)
        lab.run([HOST, ONE, case])
        return sorted(self.spans(lab, count), key=lambda s: s["start"])

    def fields(self, spans, *names):
        self.assertEqual({s["kind"] for s in spans}, {"CLIENT"}, brief(spans))
        return [tuple(s["attributes"].get(name) if name != "name" else s["name"]
                      for name in names) for s in spans]

    def test_calls_that_wait(self):
        """D7, D14, D17, D18, D25, D26, D40-D42: outermost calls alone, values masked, class 01 is no
        error, opt-in attributes are not there."""
        spans = self.told("waiting", 5)
        self.assertEqual(self.fields(spans, "db.query.text", "db.response.status_code", "error.type"), [
            ("rows ?", None, None), ("fail ?P01", "42P01", "42P01"), ("fail ?", None, None),
            ("rows $1 'kept'", None, None), ("rows ?", None, None)])
        for span in spans:
            self.assert_attributes(span, db_system_name="postgresql", db_namespace="one|shop",
                                   server_address="db.example.com", server_port=None,
                                   db_response_returned_rows=None, db_collection_name=None)
            self.assertEqual(span["name"], "one")
        self.assertEqual([s["status"] for s in spans],
                         ["UNSET", "ERROR", "UNSET", "UNSET", "UNSET"])
        self.assertEqual([[name for name, _ in s["events"]] for s in spans],
                         [["connection.started", "connection.opened"], [], [], [], []])

    def test_what_is_asked_for(self):
        """D20, D21: 0-based, of what is there."""
        spans = self.told("waiting", 5, OTEL_INTERSPAN_OPT_IN_ATTRIBUTES=OPT_IN)
        self.assertEqual(self.fields(spans, "db.response.returned_rows", "db.query.parameter.0",
                                     "db.query.parameter.1", "db.query.parameter.2"), [
            (3, None, None, None), (None, None, None, None), (None, None, None, None),
            (0, "7", None, "x"), (0, None, None, None)])
        all_but_values = self.told("waiting", 5, OTEL_INTERSPAN_OPT_IN_ATTRIBUTES="*")
        self.assertEqual(self.fields(all_but_values, "db.response.returned_rows",
                                     "db.query.parameter.0")[3], (0, None))

    def test_prepared_statements_carry_their_text(self):
        """One that fails since its name is taken leaves the text of the one that has it."""
        first, second = "SELECT $1 FROM t", "DELETE FROM u WHERE a = ?"
        self.assertEqual(self.fields(self.told("prepared", 7), "name", "db.query.text",
                                     "db.query.summary", "db.operation.name", "error.type"), [
            ("PREPARE SELECT t", first, "SELECT t", "PREPARE", None),
            ("SELECT t", first, "SELECT t", None, None),
            ("PREPARE one", "fail 42P05 $1", None, "PREPARE", "42P05"),
            ("SELECT t", first, "SELECT t", None, None),
            ("PREPARE DELETE u", second, "DELETE u", "PREPARE", None),
            ("DELETE u", second, "DELETE u", None, None),
            ("one", None, None, None, None)])

    def test_statements_that_replace_others(self):
        """What was told of the last one is told again of no other one."""
        first, other, third = (f"SELECT {word} FROM t" for word in ("first", "other", "third"))
        a, b = "SELECT ? FROM a", "SELECT ? FROM b"
        spans = self.told("replacing", 16)
        self.assertEqual(
            [text for text, in self.fields(spans, "db.query.text")],
            [first] * 4 + [other, third, third, third] + [b, a, b, a] + [b, b, a, a])
        for span in spans[8:]:
            self.assertEqual(span["name"], span["attributes"]["db.query.text"].replace("? FROM ", ""))
            self.assert_attributes(span, db_namespace="one|shop", server_address="db.example.com",
                                   db_query_summary=span["name"])

    def test_sent_and_given_up(self):
        spans = self.told("sending", 5)
        self.assertEqual(self.fields(spans, "db.query.text", "error.type"), [
            ("rows ?", None), ("fail ?", "57014"), ("given up", None), ("rows ?", None),
            ("given up as well", None)])
        self.assertLessEqual(spans[2]["end"], spans[3]["end"])

    def test_copy(self):
        """It lasts until the result behind it, not until the call says that it has begun."""
        self.assertEqual(self.fields(self.told("copying", 2), "db.query.text", "error.type"),
                         [("copy", "22P04"), ("rows ?", None)])

    def test_copy_that_ends_without_a_result(self):
        self.assertEqual(self.fields(self.told("copying_as_once", 3), "db.query.text", "error.type"),
                         [("copy", None), ("copy", "_OTHER"), ("rows ?", None)])

    def test_describing(self):
        """D10: what the call does is told; what it describes, where that is known."""
        text = "SELECT $1 FROM t"
        self.assertEqual(self.fields(self.told("describing", 5), "name", "db.query.text",
                                     "db.operation.name", "error.type"), [
            ("PREPARE SELECT t", text, "PREPARE", None),
            ("DESCRIBE SELECT t", text, "DESCRIBE", None),
            ("DESCRIBE one", None, "DESCRIBE", "34000"),
            ("DESCRIBE SELECT t", text, "DESCRIBE", None),
            ("DESCRIBE one", None, "DESCRIBE", None)])

    def test_resetting(self):
        """It is a new connection, which knows of nothing that was prepared."""
        spans = self.told("resetting", 5)
        self.assertEqual(self.fields(spans, "db.query.text", "error.type"), [
            ("SELECT $1 FROM t", None), ("lose", "08006"), (None, None), ("lose", "08006"),
            ("rows ?", None)])
        opened = ["connection.started", "connection.opened"]
        self.assertEqual([[name for name, _ in s["events"]] for s in spans],
                         [opened, [], opened, [], opened])

    def test_opening_in_other_words(self):
        spans = self.told("opening_else", 6)
        self.assertEqual(self.fields(spans, "name", "error.type"), [
            ("one", None)] * 3 + [("CONNECT one", "08001")] * 3)
        self.assertEqual([len(s["events"]) for s in spans], [2, 2, 2, 0, 0, 0])

    def test_pipeline(self):
        """Each of them one, its own error; more than there is room for are counted."""
        lab = self.lab()
        lab.run([HOST, ONE, "pipelining"])
        spans = sorted(self.spans(lab, 257), key=lambda s: s["start"])
        self.assertEqual([i for i, s in enumerate(spans) if s["status"] == "ERROR"], [1])
        self.assertEqual(spans[-1]["attributes"]["db.query.text"], "rows ?")
        self.assertEqual(lab.total("pipeline_full"), 44)

    def test_longjmp(self):
        """What never returned is ended by the next call."""
        spans = self.told("jumping", 2)
        self.assertEqual(self.fields(spans, "db.query.text", "error.type"),
                         [("jump", None), ("rows ?", None)])

    def test_connection_is_lost(self):
        """D42: there is no SQLSTATE."""
        self.assertEqual(self.fields(self.told("losing", 2), "db.response.status_code", "error.type"),
                         [(None, "08006")] * 2)

    def test_connections_that_fail(self):
        """Opening one is a span only then."""
        self.assertEqual(self.fields(self.told("opening", 3), "name", "db.operation.name",
                                     "error.type", "db.namespace"), [
            ("CONNECT one", "CONNECT", "08001", "one|shop")] * 2 + [("one", None, None, "one|shop")])

    def test_comments(self):
        """D67-D71: of recorded statements of one call each, never ahead of the last semicolon, never of
        what is prepared or has a comment; what is told of it is without."""
        comment = r" /\*traceparent='00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]'\*/"
        rest = ["SELECT 1 -- a", "/* a */ SELECT 1", "SELECT '", "", "SELECT 1; SELECT 2",
                "CREATE VIEW v AS SELECT 1", "COPY t TO STDOUT", "SELECT 1", ""]
        lab = self.lab(OTEL_INTERSPAN_SQLCOMMENTER="true")
        said = lab.run([HOST, ONE, "commenting"]).stdout.decode().splitlines()
        said = [line.removeprefix("one: ") for line in said]
        self.assertEqual([said[2:-1]], [rest])
        self.assertRegex(said[0], r"\ASELECT 1" + comment + r"\Z")
        self.assertRegex(said[1], r"\ASELECT 1" + comment + r" ; \Z")
        self.assertRegex(said[-1], r"\AUPDATE t SET a = 1" + comment + r"\Z")
        spans = {s["span_id"]: s for s in self.spans(lab, 12)}
        for line in (said[0], said[1], said[-1]):
            trace, span = line.partition("'00-")[2].split("-")[:2]
            self.assertEqual(spans[span]["trace_id"], trace)
            self.assertNotIn("/*", spans[span]["attributes"]["db.query.text"])
        off = self.lab(OTEL_INTERSPAN_SQLCOMMENTER="true", OTEL_TRACES_SAMPLER="always_off")
        self.assertNotIn(b"traceparent", off.run([HOST, ONE, "commenting"]).stdout)

    def test_comment_with_tracestate(self):
        """D69."""
        lab = self.lab(OTEL_INTERSPAN_SQLCOMMENTER="true", TRACESTATE="congo=t61,rojo=00:f'",
                       TRACEPARENT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        said = lab.run([HOST, ONE, "commenting"]).stdout.decode().splitlines()
        said = [line.removeprefix("one: ") for line in said]
        self.assertRegex(said[0], r"\ASELECT 1 /\*traceparent='00-0af7651916cd43dd8448eb211c80319c-"
                         r"[0-9a-f]{16}-01',tracestate='congo%3Dt61%2Crojo%3D00%3Af%27'\*/\Z")

    def test_none_when_disabled(self):
        lab = self.lab(OTEL_SDK_DISABLED="true")
        lab.run([HOST, ONE, "waiting", ONE, "opening"])
        self.assertEqual(lab.collector.wait_for(1, 0.1, 0.1), [])
        self.assertEqual(lab.total("hook_names") > 0, True)


if __name__ == "__main__":
    unittest.main()
