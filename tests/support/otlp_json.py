# SPDX-License-Identifier: Apache-2.0
"""OTLP trace requests in JSON, decoded by hand (O70-O80), as strictly as the strictest receiver would.

The same flat dicts as otlp_wire makes.  What the mapping forbids raises Malformed.
"""
import base64
import json
import re

from support.otlp_wire import KINDS, STATUSES, Malformed

MEMBERS = {"traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind",
           "startTimeUnixNano", "endTimeUnixNano", "attributes", "droppedAttributesCount", "events",
           "droppedEventsCount", "links", "droppedLinksCount", "status"}


def only(thing, *members):
    """An object with no members but these: snake_case is invalid (O71)."""
    if not isinstance(thing, dict) or not set(thing) <= set(members):
        raise Malformed(f"members of {thing!r}")
    return thing


def big(value):
    """O74: 64 bits are a decimal string."""
    if not isinstance(value, str) or not re.fullmatch(r"-?\d+", value):
        raise Malformed(f"64-bit number {value!r}")
    return int(value)


def small(value):
    if type(value) is not int:  # pylint: disable=unidiomatic-typecheck
        raise Malformed(f"number {value!r}")  # O73, O75
    return value


def string(value):
    if not isinstance(value, str):
        raise Malformed(f"string {value!r}")
    return value


def hex_id(value, size, empty_is_fine=False):
    if empty_is_fine and not value:
        return ""
    if not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", value) or not int(value, 16):
        raise Malformed(f"id {value!r}")  # O72
    return value


def any_value(value):
    if not isinstance(value, dict) or len(value) > 1:
        raise Malformed(f"value {value!r}")  # O77
    for kind, inner in value.items():
        if kind == "stringValue":
            return string(inner)
        if kind == "intValue":
            return big(inner)
        if kind == "boolValue" and isinstance(inner, bool):
            return inner
        if kind == "arrayValue":
            return [any_value(item) for item in only(inner, "values")["values"]]
        if kind == "bytesValue":
            return base64.b64decode(inner, validate=True)
        raise Malformed(f"value {value!r}")
    return None


def key_values(items):
    pairs = {}
    for item in items:
        key = string(only(item, "key", "value")["key"])
        if not key or key in pairs:
            raise Malformed(f"attribute key {key!r} is empty or appears twice")  # O39
        pairs[key] = any_value(item["value"])
    return pairs


def link(raw):
    only(raw, "traceId", "spanId", "traceState", "attributes", "droppedAttributesCount", "flags")
    return {"trace_id": hex_id(raw["traceId"], 16), "span_id": hex_id(raw["spanId"], 8),
            "trace_state": string(raw.get("traceState", "")), "flags": small(raw.get("flags", 0)),
            "dropped": small(raw.get("droppedAttributesCount", 0)),
            "attributes": key_values(raw.get("attributes", []))}


def span(raw):
    only(raw, *MEMBERS)
    status = only(raw.get("status", {}), "code", "message")
    s = {"trace_id": hex_id(raw["traceId"], 16), "span_id": hex_id(raw["spanId"], 8),
         "parent_span_id": hex_id(raw.get("parentSpanId", ""), 8, empty_is_fine=True),
         "name": string(raw["name"]), "kind": KINDS[small(raw["kind"])],
         "trace_state": string(raw.get("traceState", "")), "start": big(raw["startTimeUnixNano"]),
         "end": big(raw["endTimeUnixNano"]), "status": STATUSES[small(status.get("code", 0))],
         "status_message": string(status.get("message", "")), "flags": small(raw.get("flags", 0)),
         "dropped_attributes": small(raw.get("droppedAttributesCount", 0)),
         "dropped_events": small(raw.get("droppedEventsCount", 0)),
         "events": [(string(e["name"]), big(e["timeUnixNano"])) for e in raw.get("events", [])],
         "event_attributes": [key_values(e.get("attributes", [])) for e in raw.get("events", [])],
         "event_dropped_attributes": [small(e.get("droppedAttributesCount", 0))
                                      for e in raw.get("events", [])],
         "links": [link(item) for item in raw.get("links", [])],
         "dropped_links": small(raw.get("droppedLinksCount", 0)),
         "attributes": key_values(raw.get("attributes", []))}
    if not s["name"] or s["end"] < s["start"]:
        raise Malformed("span without a name, or that ends before it starts")
    return s


def decode(data):
    """An ExportTraceServiceRequest, or a line of an OTLP file, as a flat list of span dicts."""
    spans = []
    for rs in only(json.loads(data.decode("utf-8")), "resourceSpans")["resourceSpans"]:
        only(rs, "resource", "scopeSpans", "schemaUrl")
        resource = key_values(rs["resource"]["attributes"])
        for ss in rs["scopeSpans"]:
            only(ss, "scope", "spans", "schemaUrl")
            for s in map(span, ss["spans"]):
                s["resource"], s["scope"] = resource, only(ss["scope"], "name", "version")
                s["service"] = resource.get("service.name", "")
                spans.append(s)
    if not spans:
        raise Malformed("request without spans")  # O9
    return spans
