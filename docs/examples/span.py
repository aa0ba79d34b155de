# SPDX-License-Identifier: Apache-2.0
"""A span around a block, in Python by ctypes; without the preload it is nothing."""
import contextlib
import ctypes

_HERE = ctypes.CDLL(None)  # what this process has loaded
IS_TRACED = hasattr(_HERE, "interspan_start_span")
if IS_TRACED:
    _HERE.interspan_start_span.restype = ctypes.c_uint64
    _HERE.interspan_end_span.argtypes = [ctypes.c_uint64]


@contextlib.contextmanager
def span(name, **attributes):
    if not IS_TRACED:
        yield
        return
    started = _HERE.interspan_start_span(name.encode())
    for key, value in attributes.items():
        _HERE.interspan_set_attribute(key.encode(), str(value).encode())
    try:
        yield
    except Exception as error:
        _HERE.interspan_set_error(type(error).__name__.encode())
        raise
    finally:
        _HERE.interspan_end_span(started)


with span("import", file="orders.csv"):
    with contextlib.suppress(ValueError), span("parse"):
        if IS_TRACED:
            _HERE.interspan_add_event(b"half of it")
        int("bad line")
