/* SPDX-License-Identifier: Apache-2.0 */
#include "transport.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <curl/curl.h>

#include "alloc.h"
#include "clock.h"
#include "partial.h"
#include "rawsys.h"
#include "retry_after.h"
#include "sleep.h"
#include "text.h"
#include "version.h"

#ifdef WITH_TLS
#include "grpc.h"
#include "h2_watch.h"
#include "options.h"
#endif

/*
 * A request under way looks at its deadline so often.  Nothing else could wake it: our descriptors
 * are ours alone.  A local receiver has answered long before.
 */
#define SLICE_MS 20

/* Of c-ares, if libcurl was built with it: else its memory would be the host's. */
extern int ares_library_init_mem(int flags, void *(*get)(size_t), void (*put)(void *),
				 void *(*resize)(void *, size_t)) __attribute__((weak));
#define ARES_ALL 1

struct transport {
	struct transport_head head;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers; /* the first one tells what is compressed, and may be skipped */
	bool is_grpc;
	bool is_gzip;
	bool is_stuck; /* the connection, perhaps: its last request was given up */
	char unix_path[ENDPOINT_UNIX_MAX];
#ifdef WITH_TLS
	struct grpc_answer answer;
	struct tls_files files;
#endif
	size_t kept;
	size_t received;
	uint64_t retry_after_ms;
	char body[RESPONSE_KEPT];
	char error[CURL_ERROR_SIZE];
};

static bool global_init(void)
{
	static bool is_done; /* also in a forked child: libcurl's own state was inherited, too */

	if (is_done)
		return true;
	if (ares_library_init_mem &&
	    ares_library_init_mem(ARES_ALL, pool_malloc, pool_free, pool_realloc) != 0)
		return false;
	is_done = curl_global_init_mem(CURL_GLOBAL_NOTHING, pool_malloc, pool_free, pool_realloc,
				       pool_strdup, pool_calloc) == CURLE_OK;
	return is_done;
}

/* --- callbacks --- */

static void keep(struct transport *t, const char *from, size_t len)
{
	size_t room = sizeof(t->body) - t->kept;

	t->received += len;
	if (room > len)
		room = len;
	memcpy(t->body + t->kept, from, room);
	t->kept += room;
}

/* Taking less than there was makes libcurl give up (O11). */
static size_t take_body(char *from, size_t size, size_t n, void *arg)
{
	struct transport *t = arg;

	if (!t->is_grpc)
		keep(t, from, size * n);
	return t->received > RESPONSE_BYTES_MAX ? 0 : size * n;
}

/* A line of an answer's head.  libcurl's own reading of dates is not built in. */
static size_t take_header(char *from, size_t size, size_t n, void *arg)
{
	struct transport *t = arg;
	struct bytes line = { from, size * n };
	struct bytes value = bytes_split(&line, '\r');
	struct bytes name = bytes_split(&value, ':');

	if (bytes_equal_nocase(name, BYTES("retry-after")))
		t->retry_after_ms = retry_after_ms(value, clock_realtime_ns());
	return size * n;
}

#ifdef WITH_TLS
/* Whose multi handle is at work; an answer to a request that was given up is nobody's. */
static struct transport *performing;

static bool is_ours(const void *easy)
{
	return performing && performing->is_grpc && performing->easy == easy;
}

void transport_h2_header(const void *easy, struct bytes name, struct bytes value)
{
	if (is_ours(easy))
		grpc_take_header(&performing->answer, name, value);
}

void transport_h2_data(const void *easy, struct bytes data)
{
	if (is_ours(easy))
		keep(performing, data.ptr, data.len);
}

static void is_performing(struct transport *t)
{
	performing = t;
}
#else
static void is_performing(struct transport *t)
{
	(void)t;
}
#endif

/*
 * libcurl has an address of the Internet in mind, and connects to that next: rawsys.c lets it
 * believe that this was done.
 */
static curl_socket_t open_unix(struct transport *t)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	long fd = raw_syscall3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	memcpy(to.sun_path, t->unix_path, sizeof(to.sun_path));
	if (raw_syscall3(SYS_connect, fd, (long)&to, sizeof(to)) == 0)
		return (curl_socket_t)fd;
	raw_close((int)fd);
	return CURL_SOCKET_BAD;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transport *t = arg;

	(void)purpose;
	if (t->unix_path[0])
		return open_unix(t);
	return (curl_socket_t)raw_syscall3(SYS_socket, address->family,
					   address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* --- life --- */

static bool header_add(struct transport *t, const char *line)
{
	struct curl_slist *more = curl_slist_append(t->headers, line);

	if (!more)
		return false;
	t->headers = more;
	return true;
}

/* "Expect:" takes out what libcurl would put in for a long body, and wait a second for. */
static bool headers_init(struct transport *t, const struct endpoint *e)
{
	const char *type = e->protocol == PROTOCOL_HTTP_JSON ?
				   "Content-Type: application/json" :
				   "Content-Type: application/x-protobuf"; /* O4 */

	if (t->is_grpc ? !header_add(t, "grpc-encoding: gzip") ||
				 !header_add(t, "Content-Type: application/grpc") ||
				 !header_add(t, "TE: trailers") : /* O31 */
		    !header_add(t, "Content-Encoding: gzip") || !header_add(t, type))
		return false;
	if (!header_add(t, "Expect:"))
		return false;
	for (size_t i = 0; i < e->n_headers; i++)
		if (!header_add(t, e->headers[i]))
			return false;
	return true;
}

#define SET(option, value) (curl_easy_setopt(t->easy, (option), (value)) == CURLE_OK)

/* Without TLS there is nobody to agree with: gRPC's receivers speak HTTP/2 from the first byte. */
static long http_version(const struct endpoint *e)
{
	if (e->protocol != PROTOCOL_GRPC)
		return CURL_HTTP_VERSION_1_1;
	return e->kind == ENDPOINT_HTTPS ? CURL_HTTP_VERSION_2TLS :
					   CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

/* One address is enough to be believed in. */
static long addresses(const struct transport *t)
{
	return t->unix_path[0] ? CURL_IPRESOLVE_V4 : CURL_IPRESOLVE_WHATEVER;
}

static bool options_init(struct transport *t, const struct endpoint *e)
{
	return SET(CURLOPT_URL, e->url) && SET(CURLOPT_POST, 1L) &&
	       SET(CURLOPT_HTTPHEADER, t->headers->next) && SET(CURLOPT_USERAGENT, USER_AGENT) &&
	       SET(CURLOPT_PROTOCOLS_STR, e->kind == ENDPOINT_HTTPS ? "https" : "http") &&
	       SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_HTTP_VERSION, http_version(e)) &&
	       SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_TCP_NODELAY, 1L) &&
	       SET(CURLOPT_WRITEFUNCTION, take_body) && SET(CURLOPT_WRITEDATA, t) &&
	       SET(CURLOPT_HEADERFUNCTION, take_header) && SET(CURLOPT_HEADERDATA, t) &&
	       SET(CURLOPT_OPENSOCKETFUNCTION, open_socket) && SET(CURLOPT_OPENSOCKETDATA, t) &&
	       SET(CURLOPT_IPRESOLVE, addresses(t)) && SET(CURLOPT_ERRORBUFFER, t->error) &&
	       SET(CURLOPT_PRIVATE, t);
}

/* A libcurl that was built without proxies does not know the option, and needs it not. */
static bool proxy_off(struct transport *t)
{
	CURLcode r = curl_easy_setopt(t->easy, CURLOPT_PROXY, "");

	return r == CURLE_OK || r == CURLE_UNKNOWN_OPTION || r == CURLE_NOT_BUILT_IN;
}

#ifdef WITH_TLS
static bool tls_init(struct transport *t, const struct endpoint *e)
{
	return tls_options(t->easy, e, &t->files);
}
#else
static bool tls_init(struct transport *t, const struct endpoint *e)
{
	(void)t;
	return e->kind == ENDPOINT_HTTP;
}
#endif

static void do_free(struct transport *t);

static struct transport *do_make(const struct endpoint *e)
{
	struct transport *t;

	if (!global_init())
		return NULL;
	t = pool_calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->is_grpc = e->protocol == PROTOCOL_GRPC;
	memcpy(t->unix_path, e->unix_path, sizeof(t->unix_path));
	t->multi = curl_multi_init();
	t->easy = curl_easy_init();
	if (t->multi && t->easy && headers_init(t, e) && options_init(t, e) && proxy_off(t) &&
	    tls_init(t, e) && curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, 1L) == CURLM_OK)
		return t;
	do_free(t);
	return NULL;
}

static void do_set_gzip(struct transport *t, bool is_gzip)
{
	t->is_gzip = is_gzip;
	(void)SET(CURLOPT_HTTPHEADER, is_gzip ? t->headers : t->headers->next); /* O5 */
}

static void do_free(struct transport *t)
{
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	curl_slist_free_all(t->headers);
#ifdef WITH_TLS
	tls_files_free(&t->files);
#endif
	pool_free(t);
}

/* --- one request --- */

static void note(struct response *r, const char *what)
{
	struct text to = { r->text, sizeof(r->text) - 1, 0, false };

	text_add_str(&to, what);
	r->text[to.len] = '\0';
}

#ifdef WITH_TLS
/* O30-O37: it is the trailers that count. */
static enum outcome outcome_of_grpc(struct transport *t, CURLcode code, struct response *r)
{
	struct text to = { r->text, sizeof(r->text) - 1, 0, false };
	enum outcome outcome = grpc_outcome(&t->answer, r->status);

	if (t->answer.status == GRPC_NO_STATUS && code != CURLE_OK) {
		note(r, t->error[0] ? t->error : curl_easy_strerror(code));
		return OUTCOME_BROKEN; /* UNAVAILABLE, as a library of gRPC would have it */
	}
	r->grpc_answer = (uint16_t)(t->answer.status + 1);
	if (t->answer.has_retry_info)
		r->retry_after_ms = t->answer.retry_after_ms;
	if (outcome == OUTCOME_ACCEPTED) {
		if (t->kept == t->received)
			partial_read(grpc_unframe((struct bytes){ t->body, t->kept }),
				     BYTES("application/x-protobuf"), &r->rejected, r->text,
				     sizeof(r->text));
		return outcome;
	}
	text_add_str(&to, "grpc-status ");
	text_add_int(&to, t->answer.status);
	text_add_str(&to, t->answer.message[0] ? ": " : "");
	text_add_str(&to, t->answer.message);
	r->text[to.len] = '\0';
	return outcome;
}
#endif

static enum outcome outcome_of_status(struct transport *t, CURLcode code, struct response *r)
{
	const char *type = NULL;

#ifdef WITH_TLS
	if (t->is_grpc)
		return outcome_of_grpc(t, code, r);
#else
	(void)code;
#endif
	if (r->status >= 200 && r->status <= 299) {
		curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
		if (t->kept == t->received)
			partial_read((struct bytes){ t->body, t->kept }, bytes_from_str(type),
				     &r->rejected, r->text, sizeof(r->text));
		return OUTCOME_ACCEPTED;
	}
	note(r, "refused by the receiver");
	return r->status == 429 || (r->status >= 502 && r->status <= 504) ? OUTCOME_BUSY :
									    OUTCOME_REJECTED;
}

/* An answer that began counts, even if its body then broke off: the receiver had the request. */
static enum outcome outcome_of(struct transport *t, CURLcode code, struct response *r)
{
	if (code == CURLE_WRITE_ERROR) {
		note(r, "the receiver's answer is too long");
		return OUTCOME_REJECTED;
	}
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &r->status);
	if (r->status >= 200) {
		r->retry_after_ms = t->retry_after_ms;
		return outcome_of_status(t, code, r);
	}
	note(r, t->error[0] ? t->error : curl_easy_strerror(code));
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	/* To shake hands takes longer than to encode a batch: not for each one anew, in vain. */
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return OUTCOME_UNREACHED;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_OUT_OF_MEMORY:
		return OUTCOME_IMPOSSIBLE;
	default:
		return OUTCOME_BROKEN;
	}
}

static bool do_begin(struct transport *t, struct bytes body)
{
	t->kept = 0;
	t->received = 0;
	t->retry_after_ms = 0;
	t->error[0] = '\0';
#ifdef WITH_TLS
	grpc_answer_reset(&t->answer);
	if (t->is_grpc && body.ptr)
		body = grpc_frame(body, t->is_gzip);
#endif
	/*
	 * HTTP/2 would go on asking where nobody answers: given up was a stream, not a connection.
	 */
	(void)SET(CURLOPT_FRESH_CONNECT, t->is_stuck ? 1L : 0L);
	t->is_stuck = false;
	if (!body.ptr)
		return SET(CURLOPT_HTTPGET, 1L) &&
		       curl_multi_add_handle(t->multi, t->easy) == CURLM_OK;
	return SET(CURLOPT_POSTFIELDS, body.ptr) &&
	       SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) &&
	       curl_multi_add_handle(t->multi, t->easy) == CURLM_OK;
}

/* False: libcurl has not come to a verdict. */
static bool perform(struct transport *t, CURLcode *ret_code)
{
	int running = 0;
	int left;
	CURLMsg *m;
	CURLMcode code;

	is_performing(t);
	code = curl_multi_perform(t->multi, &running);
	is_performing(NULL);
	if (code != CURLM_OK) {
		*ret_code = CURLE_OUT_OF_MEMORY;
		return true;
	}
	while ((m = curl_multi_info_read(t->multi, &left)))
		if (m->msg == CURLMSG_DONE) {
			*ret_code = m->data.result;
			return true;
		}
	return false;
}

static enum outcome do_poll(struct transport *t, struct exporter *x, uint64_t until_ns,
			    struct response *ret)
{
	enum outcome outcome = OUTCOME_TIMEOUT;
	CURLcode code = CURLE_OK;

	*ret = (struct response){ .status = 0 };
	if (perform(t, &code))
		outcome = outcome_of(t, code, ret);
	else if (clock_monotonic_ns() < until_ns && !is_too_late(x))
		return OUTCOME_UNDERWAY;
	else
		note(ret, "no answer in time");
	t->is_stuck = outcome == OUTCOME_TIMEOUT;
	curl_multi_remove_handle(t->multi, t->easy);
	return outcome;
}

static void do_wait(struct transport *t)
{
	/* In poll(2), and there alone, Q is released: see rawsys.c. */
	curl_multi_poll(t->multi, NULL, 0, SLICE_MS, NULL);
}

static size_t do_fds(struct transport *t, struct pollfd *ret, size_t max)
{
	fd_set readable, writable, odd;
	int last = -1;
	size_t n = 0;

	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_ZERO(&odd);
	/* Our table has few descriptors: they are all below FD_SETSIZE. */
	if (curl_multi_fdset(t->multi, &readable, &writable, &odd, &last) != CURLM_OK)
		return 0;
	for (int fd = 0; fd <= last && n < max; fd++) {
		short events = (short)((FD_ISSET(fd, &readable) ? POLLIN : 0) |
				       (FD_ISSET(fd, &writable) ? POLLOUT : 0));

		if (events)
			ret[n++] = (struct pollfd){ fd, events, 0 };
	}
	return n;
}

static struct bytes do_body(struct transport *t)
{
	bool is_whole = t->kept == t->received;

	return (struct bytes){ is_whole ? t->body : NULL, is_whole ? t->kept : 0 };
}

void transport_ops_fill(struct transport_ops *ret)
{
	ret->make = do_make;
	ret->free = do_free;
	ret->set_gzip = do_set_gzip;
	ret->begin = do_begin;
	ret->poll = do_poll;
	ret->wait = do_wait;
	ret->fds = do_fds;
	ret->body = do_body;
}
