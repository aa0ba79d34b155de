/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VERSION_H
#define VERSION_H
/* What we call ourselves towards receivers. */

#ifndef INTERSPAN_VERSION /* the Makefile says it */
#define INTERSPAN_VERSION "0.1.0"
#endif

/* Scope of all spans, and the SDK: "opentelemetry" is reserved for official ones (D126). */
#define SCOPE_NAME "interspan"

/* The conventions that the attributes follow (O47, H111). */
#define SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"

/* O7: a distribution puts its own product first. */
#define USER_AGENT "interspan/" INTERSPAN_VERSION " OTel-OTLP-Exporter-C/" INTERSPAN_VERSION

#endif
