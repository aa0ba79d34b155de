#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A batch job as one trace: the script, what it starts, and every call that they make.
set -eu

export LD_PRELOAD=/usr/lib/interspan/libinterspan.so
export OTEL_SERVICE_NAME=nightly
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
# Programs get spans of their own, which hold together what they call.
export OTEL_INTERSPAN_PROCESS_SPANS=true

sh -c '
	for order in 1 2 3; do
		curl -sS "$1/orders/$order"
	done
' job "${SHOP:-http://127.0.0.1:8080}"
