/* SPDX-License-Identifier: Apache-2.0 */
#include "receiver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_body.h"
#include "otlp_reply.h"

/* What a request may take when decoded, besides its body. */
#define DECODE_MAX ((size_t)256 << 20)

/*
 * Idle connections are kept for longer than exporters usually pause: one that is closed just as the
 * next batch is written costs a retry.
 */
#define IDLE_SECONDS 120u
#define CONNECTIONS_MAX 4096u

/* At the end clients get this long to take answers that are on their way. */
#define ANSWER_MS 500

/* One request under way. */
struct exchange {
	struct body body;
	enum otlp_encoding encoding;
	bool is_gzip;
	unsigned status; /* of the answer; 0: nothing wrong so far */
	const char *why;
	size_t swallowed; /* bytes of a refused body */
	bool is_answering;
};

static void refuse(struct exchange *x, unsigned status, const char *why)
{
	if (x->status)
		return;
	x->status = status;
	x->why = why;
	body_done(&x->body);
}

static void refuse_body(struct exchange *x, enum body_verdict verdict)
{
	switch (verdict) {
	case BODY_GOOD:
		break;
	case BODY_TOO_LARGE:
		refuse(x, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than 64 MiB");
		break;
	case BODY_NO_ROOM:
		refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "too many bodies are under way");
		break;
	case BODY_DAMAGED:
		refuse(x, MHD_HTTP_BAD_REQUEST, "the body is not whole gzip data");
		break;
	}
}

/* Is the media type of a Content-Type, without its parameters, this one? */
static bool is_media_type(const char *header, const char *type)
{
	struct bytes rest = bytes_from_str(header);

	return bytes_equal_nocase(bytes_trim(bytes_split(&rest, ';')), bytes_from_str(type));
}

static const char *header_of(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static void judge_encodings(struct exchange *x, struct MHD_Connection *c)
{
	const char *type = header_of(c, MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *coding = header_of(c, MHD_HTTP_HEADER_CONTENT_ENCODING);

	if (type && is_media_type(type, "application/x-protobuf"))
		x->encoding = OTLP_PROTOBUF;
	else if (!type || !is_media_type(type, "application/json"))
		refuse(x, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		       "Content-Type is neither application/x-protobuf nor application/json");
	x->is_gzip = coding && strcasecmp(coding, "gzip") == 0;
	if (coding && !x->is_gzip && strcasecmp(coding, "identity") != 0)
		refuse(x, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding is not gzip");
}

static void judge_head(struct exchange *x, struct MHD_Connection *c, const char *url,
		       const char *method)
{
	const char *length = header_of(c, MHD_HTTP_HEADER_CONTENT_LENGTH);

	x->encoding = OTLP_JSON;
	if (strcmp(url, "/v1/metrics") == 0 || strcmp(url, "/v1/logs") == 0)
		refuse(x, MHD_HTTP_NOT_FOUND, "interspan view takes traces, not metrics or logs");
	else if (strcmp(url, "/v1/traces") != 0)
		refuse(x, MHD_HTTP_NOT_FOUND, "the path for traces is /v1/traces");
	else if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		refuse(x, MHD_HTTP_METHOD_NOT_ALLOWED, "traces are sent with POST");
	else
		judge_encodings(x, c);
	if (length && strtoull(length, NULL, 10) > BODY_MAX)
		refuse_body(x, BODY_TOO_LARGE);
}

static void decode(const struct receiver *r, struct exchange *x, struct otlp_batch *b)
{
	struct bytes body;
	enum otlp_verdict verdict;
	const char *why = "";

	if (x->is_gzip)
		refuse_body(x, body_gunzip(&x->body));
	if (x->status)
		return;
	body = (struct bytes){ x->body.ptr ? x->body.ptr : "", x->body.len };
	verdict = x->encoding == OTLP_JSON ? otlp_decode_json(b, body, &why) :
					     otlp_decode_pb(b, body, &why);
	if (verdict == OTLP_TOO_LARGE)
		refuse(x, MHD_HTTP_CONTENT_TOO_LARGE, why);
	else if (verdict != OTLP_GOOD)
		refuse(x, MHD_HTTP_BAD_REQUEST, why);
	else
		r->calls.accepted(r->calls.data, b);
}

static enum MHD_Result send_reply(struct MHD_Connection *c, const struct exchange *x,
				  const struct text *body)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(body->len, body->ptr, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				otlp_content_type(x->encoding));
	if (x->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "POST");
	if (x->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	result = MHD_queue_response(c, x->status ? x->status : MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(struct receiver *r, struct exchange *x, struct MHD_Connection *c)
{
	struct otlp_batch batch;
	struct text body = { 0 };
	enum MHD_Result result;

	x->is_answering = true;
	atomic_fetch_add(&r->answering, 1);
	otlp_batch_init(&batch, DECODE_MAX);
	if (!x->status)
		decode(r, x, &batch);
	if (x->status) {
		otlp_reply_refuse(&body, x->encoding, x->why);
		r->calls.refused(r->calls.data, x->status, x->why);
	} else {
		otlp_reply_accept(&body, x->encoding, batch.rejected, batch.reason);
	}
	otlp_batch_done(&batch);
	body_done(&x->body);
	result = send_reply(c, x, &body);
	text_done(&body);
	return result;
}

/*
 * A refused body is read to its end before the answer, since closing a socket with unread data
 * resets it and the client may never see why.  Up to a limit.
 */
static enum MHD_Result take_body(struct exchange *x, struct bytes more)
{
	if (!x->status) {
		refuse_body(x, body_add(&x->body, more));
		return MHD_YES;
	}
	x->swallowed += more.len;
	return x->swallowed > BODY_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(void *data, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	struct receiver *r = data;
	struct exchange *x = *state;
	enum MHD_Result result;

	(void)version;
	if (!x) {
		x = calloc(1, sizeof(*x));
		if (!x)
			return MHD_NO;
		*state = x;
		judge_head(x, c, url, method);
		return x->status == MHD_HTTP_CONTENT_TOO_LARGE ? answer(r, x, c) : MHD_YES;
	}
	if (*upload_len) {
		result = take_body(x, (struct bytes){ upload, *upload_len });
		*upload_len = 0;
		return result;
	}
	return answer(r, x, c);
}

static void completed(void *data, struct MHD_Connection *c, void **state,
		      enum MHD_RequestTerminationCode how)
{
	struct receiver *r = data;
	struct exchange *x = *state;

	(void)c;
	(void)how;
	if (!x)
		return;
	if (x->is_answering)
		atomic_fetch_sub(&r->answering, 1);
	body_done(&x->body);
	free(x);
	*state = NULL;
}

int receiver_open(struct receiver *r, uint16_t port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int on = 1, error;

	*r = (struct receiver){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
					     0) };
	if (r->fd < 0)
		return -errno;
	/* The port of a viewer that was just ended is free again. */
	if (setsockopt(r->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(r->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(r->fd, 1024) == 0 &&
	    getsockname(r->fd, (struct sockaddr *)&addr, &len) == 0) {
		r->port = ntohs(addr.sin_port);
		return 0;
	}
	error = errno;
	close(r->fd);
	r->fd = -1;
	return -error;
}

/* As many connections as descriptors allow: every traced process keeps one open. */
static unsigned connection_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 256;
	if (limit.rlim_cur < 2 * CONNECTIONS_MAX && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = 2 * CONNECTIONS_MAX;
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < 64)
		return 16;
	return limit.rlim_cur - 32 < CONNECTIONS_MAX ? (unsigned)limit.rlim_cur - 32 :
						       CONNECTIONS_MAX;
}

int receiver_start(struct receiver *r, const struct receiver_calls *calls)
{
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connection_limit(), NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, r },
		{ MHD_OPTION_END, 0, NULL },
	};

	r->calls = *calls;
	r->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL,
				     handle, r, MHD_OPTION_LISTEN_SOCKET, r->fd, MHD_OPTION_ARRAY,
				     options, MHD_OPTION_END);
	return r->daemon ? 0 : errno ? -errno : -EIO;
}

void receiver_close(struct receiver *r)
{
	if (r->daemon) {
		for (int ms = 0; ms < ANSWER_MS && atomic_load(&r->answering); ms++)
			usleep(1000);
		MHD_stop_daemon(r->daemon); /* closes fd */
	} else if (r->fd > 0) {
		close(r->fd);
	}
	*r = (struct receiver){ .fd = -1 };
}
