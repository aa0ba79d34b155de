/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer brings is taken when nghttp2 has it.  libcurl hands trailers on after the body,
 * and no more if the connection has ended by then: of a receiver that answers and says good-bye in
 * one go, as a proxy does with old connections, the status of the call would be lost.
 */
#include "h2_watch.h"

#include <nghttp2/nghttp2.h>

static nghttp2_on_header_callback header_next;
static nghttp2_on_data_chunk_recv_callback data_next;

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	transport_h2_header(nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id),
			    (struct bytes){ (const char *)name, name_len },
			    (struct bytes){ (const char *)value, value_len });
	return header_next(h2, frame, name, name_len, value, value_len, flags, arg);
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *data,
		   size_t len, void *arg)
{
	transport_h2_data(nghttp2_session_get_stream_user_data(h2, stream),
			  (struct bytes){ (const char *)data, len });
	return data_next(h2, flags, stream, data, len, arg);
}

/* ld --wrap: libcurl's calls of these come here. */
extern __typeof__(nghttp2_session_callbacks_set_on_header_callback)
	__real_nghttp2_session_callbacks_set_on_header_callback,
	__wrap_nghttp2_session_callbacks_set_on_header_callback;
extern __typeof__(nghttp2_session_callbacks_set_on_data_chunk_recv_callback)
	__real_nghttp2_session_callbacks_set_on_data_chunk_recv_callback,
	__wrap_nghttp2_session_callbacks_set_on_data_chunk_recv_callback;

void __wrap_nghttp2_session_callbacks_set_on_header_callback(nghttp2_session_callbacks *c,
							     nghttp2_on_header_callback theirs)
{
	header_next = theirs;
	__real_nghttp2_session_callbacks_set_on_header_callback(c, on_header);
}

void __wrap_nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
	nghttp2_session_callbacks *c, nghttp2_on_data_chunk_recv_callback theirs)
{
	data_next = theirs;
	__real_nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
}
