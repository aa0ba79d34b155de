# SPDX-License-Identifier: Apache-2.0
"""OTLP trace requests, decoded by hand from the wire tables of the protocol (O94-O112).

Independent of the encoder under test on purpose: no generated code, no library.  What the protocol
forbids raises Malformed, so a test that only looks at names still notices a bad request.
"""
import struct

KINDS = {0: "UNSPECIFIED", 1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
STATUSES = {0: "UNSET", 1: "OK", 2: "ERROR"}

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes break proto3 or a rule of OTLP."""


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("varint runs out of its message")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7


def fields(data):
    """Yields (field number, wire type, value) of one message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = varint(data, at)
        else:
            if wire == BYTES:
                size, at = varint(data, at)
            elif wire in (FIXED64, FIXED32):
                size = 8 if wire == FIXED64 else 4
            else:
                raise Malformed(f"field {number}: wire type {wire}")
            value, at = data[at:at + size], at + size
            if len(value) != size:
                raise Malformed(f"field {number} runs out of its message")
        yield number, wire, value


def text(value):
    try:
        return value.decode("utf-8")  # O40: one bad byte makes receivers refuse the request
    except UnicodeDecodeError as error:
        raise Malformed(f"string is not UTF-8: {value!r}") from error


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def any_value(data):
    value = None
    for number, _, raw in fields(data):
        if number == 1:
            value = text(raw)
        elif number == 2:
            value = bool(raw)
        elif number == 3:
            value = signed(raw)
        elif number == 4:
            value = struct.unpack("<d", raw)[0]
        elif number == 5:
            value = [any_value(item) for n, _, item in fields(raw) if n == 1]
        elif number == 6:
            value = key_values(item for n, _, item in fields(raw) if n == 1)
        elif number == 7:
            value = bytes(raw)
        else:
            raise Malformed(f"AnyValue field {number}")
    return value


def key_values(items):
    pairs = {}
    for item in items:
        key, value = "", None
        for number, _, raw in fields(item):
            if number == 1:
                key = text(raw)
            elif number == 2:
                value = any_value(raw)
            else:
                raise Malformed(f"KeyValue field {number}")
        if not key or key in pairs:
            raise Malformed(f"attribute key {key!r} is empty or appears twice")  # O39
        pairs[key] = value
    return pairs


def span_id(raw, size, what, empty_is_fine=False):
    if empty_is_fine and len(raw) == 0:
        return ""
    if len(raw) != size or not any(raw):
        raise Malformed(f"{what} is {bytes(raw).hex()!r}")  # O50
    return bytes(raw).hex()


def status(data):
    code, message = 0, ""
    for number, _, raw in fields(data):
        if number == 2:
            message = text(raw)
        elif number == 3:
            code = raw
        else:
            raise Malformed(f"Status field {number}")
    return STATUSES[code], message


def event(data):
    """Name and time, attributes, how many of those were dropped."""
    name, time, pairs, dropped = "", 0, [], 0
    for number, _, raw in fields(data):
        if number == 1:
            time = struct.unpack("<Q", raw)[0]
        elif number == 2:
            name = text(raw)
        elif number == 3:
            pairs.append(raw)
        elif number == 4:
            dropped = raw
        else:
            raise Malformed(f"Event field {number}")
    if not name or not time:
        raise Malformed("event without name or time")
    return (name, time), key_values(pairs), dropped


def link(data):
    made, pairs = {"trace_id": "", "span_id": "", "trace_state": "", "flags": 0, "dropped": 0}, []
    for number, _, raw in fields(data):
        if number in (1, 2):
            made["trace_id" if number == 1 else "span_id"] = span_id(raw, 24 - 8 * number, "link")
        elif number == 3:
            made["trace_state"] = text(raw)
        elif number == 4:
            pairs.append(raw)
        elif number == 5:
            made["dropped"] = raw
        elif number == 6:
            made["flags"] = struct.unpack("<I", raw)[0]
        else:
            raise Malformed(f"Link field {number}")
    return dict(made, attributes=key_values(pairs))


def span(data):
    s = {"trace_id": "", "span_id": "", "parent_span_id": "", "name": "", "kind": "UNSPECIFIED",
         "trace_state": "", "start": 0, "end": 0, "status": "UNSET", "status_message": "",
         "flags": 0, "dropped_attributes": 0, "events": [], "dropped_events": 0,
         "links": [], "dropped_links": 0, "event_attributes": [],
         "event_dropped_attributes": []}
    attributes = []
    for number, _, raw in fields(data):
        if number == 1:
            s["trace_id"] = span_id(raw, 16, "trace_id")
        elif number == 2:
            s["span_id"] = span_id(raw, 8, "span_id")
        elif number == 3:
            s["trace_state"] = text(raw)
        elif number == 4:
            s["parent_span_id"] = span_id(raw, 8, "parent_span_id", empty_is_fine=True)
        elif number == 5:
            s["name"] = text(raw)
        elif number == 6:
            s["kind"] = KINDS[raw]
        elif number == 7:
            s["start"] = struct.unpack("<Q", raw)[0]
        elif number == 8:
            s["end"] = struct.unpack("<Q", raw)[0]
        elif number == 9:
            attributes.append(raw)
        elif number == 10:
            s["dropped_attributes"] = raw
        elif number == 15:
            s["status"], s["status_message"] = status(raw)
        elif number == 16:
            s["flags"] = struct.unpack("<I", raw)[0]
        elif number == 11:
            what, pairs, dropped = event(raw)
            s["events"].append(what)
            s["event_attributes"].append(pairs)
            s["event_dropped_attributes"].append(dropped)
        elif number == 12:
            s["dropped_events"] = raw
        elif number == 13:
            s["links"].append(link(raw))
        elif number == 14:
            s["dropped_links"] = raw
        else:
            raise Malformed(f"Span field {number}")
    s["attributes"] = key_values(attributes)
    if not s["trace_id"] or not s["span_id"] or not s["name"]:
        raise Malformed("span without ids or name")
    if s["end"] < s["start"]:
        raise Malformed("span ends before it starts")  # O45
    return s


def scope_spans(data):
    scope, spans = {}, []
    for number, _, raw in fields(data):
        if number == 1:
            for n, _, item in fields(raw):
                if n in (1, 2):
                    scope["name" if n == 1 else "version"] = text(item)
        elif number == 2:
            spans.append(span(raw))
        elif number != 3:
            raise Malformed(f"ScopeSpans field {number}")
    return scope, spans


def resource_spans(data):
    resource, out = {}, []
    for number, _, raw in fields(data):
        if number == 1:
            resource = key_values(item for n, _, item in fields(raw) if n == 1)
        elif number == 2:
            out.append(scope_spans(raw))
        elif number != 3:
            raise Malformed(f"ResourceSpans field {number}")
    return resource, out


def decode(data):
    """An ExportTraceServiceRequest as a flat list of span dicts."""
    spans = []
    for number, _, raw in fields(data):
        if number != 1:
            raise Malformed(f"ExportTraceServiceRequest field {number}")
        resource, scopes = resource_spans(raw)
        for scope, found in scopes:
            for s in found:
                s["resource"], s["scope"] = resource, scope
                s["service"] = resource.get("service.name", "")
                spans.append(s)
    if not spans:
        raise Malformed("request without spans")  # O9
    return spans
