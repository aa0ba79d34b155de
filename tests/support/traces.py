# SPDX-License-Identifier: Apache-2.0
"""Traces by hand, for `interspan view --file`: a span a line,

    ID PARENT SERVICE KIND START TOOK WHAT... [!] [KEY=VALUE...] [xCOUNT +STEP]

ID and PARENT are numbers, PARENT - is none; START and TOOK are microseconds.  WHAT is METHOD URL CODE, or
a name in quotes; ! is status ERROR.  KEY=VALUE is an attribute, an int if VALUE is digits; host=, pid=,
of the resource; flags= and message= are the span's, trace= its trace.  xCOUNT makes COUNT of them, STEP
microseconds apart, with ids that go on from ID and {i} counted from 1.  Escapes are Python's (\\x1b);
# is a comment."""
import json
import re
import shlex

BASE = 1700000000000000  # us; 2023-11-14 22:13:20 UTC
KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


def unescape(word):
    return re.sub(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\n", lambda m: m[0].encode().decode("unicode_escape"), word)


def value(text):
    return {"intValue": text} if text.lstrip("-").isdigit() else {"stringValue": text}


def attributes(pairs):
    return [{"key": k, "value": value(v)} for k, v in pairs]


def http(kind, method, url, code):
    where = "url.full" if kind == "CLIENT" else "url.path"
    pairs = [("http.request.method", method), (where, url)]
    if kind == "CLIENT":
        host, _, port = url.split("/")[2].partition(":")
        pairs += [("server.address", host), ("server.port", port or "80")]
    return pairs + ([("http.response.status_code", code)] if code != "-" else [])


def one(words, i):
    """The resourceSpans of one line, for its i-th repetition."""
    number, parent, service, kind, start, took = words[:6]
    words = [w.replace("{i}", str(i + 1)) for w in words[6:]]
    options = dict(w.split("=", 1) for w in words if "=" in w and "://" not in w.split("=")[0])
    what = [w for w in words if w != "!" and not ("=" in w and w.split("=")[0] in options)]
    step = next((int(w[1:]) for w in what if w[0] == "+" and w[1:].isdigit()), 0)
    what = [w for w in what if not (w[0] in "+x" and w[1:].isdigit())]
    resource = [("service.name", service)]
    resource += [(key, options.pop(name)) for name, key in (
        ("host", "host.name"), ("pid", "process.pid")) if name in options]
    remote = 0x300 if kind in ("SERVER", "CONSUMER") else 0x100
    begin = (BASE + int(start) + i * step) * 1000
    span = {
        "traceId": options.pop("trace", "a1") * 16,
        "spanId": f"{int(number) + i:016x}",
        "parentSpanId": "" if parent == "-" else f"{int(parent):016x}",
        "kind": KINDS[kind], "flags": int(options.pop("flags", str(remote | 1)), 0),
        "startTimeUnixNano": str(begin), "endTimeUnixNano": str(begin + int(took) * 1000),
        "status": {"code": 2 if "!" in words else 0, "message": options.pop("message", "")},
        "name": what[0]}
    pairs = http(kind, *what) if len(what) == 3 else []
    span["attributes"] = attributes(pairs + list(options.items()))
    return {"resource": {"attributes": attributes(resource)}, "scopeSpans": [{"spans": [span]}]}


def otlp(text):
    """An ExportTraceServiceRequest in JSON; neighbours of one resource share it."""
    parts = []
    for line in text.splitlines():
        words = [unescape(w) for w in shlex.split(line, comments=True)]
        count = next((int(w[1:]) for w in words if w[0] == "x" and w[1:].isdigit()), 1)
        for i in range(count if words else 0):
            part = one(words, i)
            if parts and parts[-1]["resource"] == part["resource"]:
                parts[-1]["scopeSpans"][0]["spans"] += part["scopeSpans"][0]["spans"]
            else:
                parts.append(part)
    return json.dumps({"resourceSpans": parts})
