# SPDX-License-Identifier: Apache-2.0
"""flask_app.py with an SDK that the program itself sets up: nothing outside tells of it.  own_sdk.py
PORT; environment: BACKEND."""
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
RequestsInstrumentor().instrument()

from flask_app import app  # noqa: E402  pylint: disable=wrong-import-position

FlaskInstrumentor().instrument_app(app)
app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
