/* SPDX-License-Identifier: Apache-2.0 */
#include "resource.h"

#include <sys/utsname.h>

#include "percent.h"
#include "rawsys.h"
#include "utf8.h"
#include "version.h"

/* A copy in r->text, NUL-terminated and valid UTF-8 (O40); false: no room. */
static bool keep(struct resource *r, struct bytes s, struct bytes *ret)
{
	size_t room = sizeof(r->text) - r->text_len;
	char *to = r->text + r->text_len;

	if (s.len > room / 3 || 3 * s.len + 1 > room)
		return false;
	*ret = (struct bytes){ to, otlp_utf8_repair(to, s) };
	r->text_len += ret->len + 1;
	return true;
}

/* Last write wins (O39). */
static bool set(struct resource *r, struct bytes key, struct bytes value)
{
	struct bytes kept;
	size_t i = 0;

	if (!keep(r, value, &kept))
		return false;
	while (i < r->n && !bytes_equal(r->attrs[i].key, key))
		i++;
	if (i == r->n) {
		if (i == RESOURCE_ATTRS || !keep(r, key, &r->attrs[i].key))
			return false;
		r->n++;
	}
	r->attrs[i].value = kept;
	return true;
}

static bool set_encoded(struct resource *r, struct bytes key, struct bytes value)
{
	char key_buf[256];
	char value_buf[4096];
	struct text k = TEXT_IN(key_buf);
	struct text v = TEXT_IN(value_buf);

	return percent_decode(&k, key) && percent_decode(&v, value) &&
	       set(r, text_bytes(&k), text_bytes(&v));
}

/* All or nothing (E20): one malformed pair, and none is taken. */
static bool set_from_env(struct resource *r, struct bytes list)
{
	size_t n = r->n;
	size_t text_len = r->text_len;
	struct resource_attr before[RESOURCE_ATTRS];

	memcpy(before, r->attrs, sizeof(before));
	while (list.ptr) {
		struct bytes key;
		struct bytes value;

		if (percent_pair(&list, &key, &value) && set_encoded(r, key, value))
			continue;
		memcpy(r->attrs, before, sizeof(before));
		r->n = n;
		r->text_len = text_len;
		return false;
	}
	return true;
}

static struct bytes base_name(struct bytes path)
{
	static const char deleted[] = " (deleted)";
	size_t n = sizeof(deleted) - 1;

	/* What the kernel appends when the file is gone, as after an upgrade. */
	if (path.len > n && memcmp(path.ptr + path.len - n, deleted, n) == 0)
		path.len -= n;
	for (size_t i = path.len; i > 0; i--)
		if (path.ptr[i - 1] == '/')
			return bytes_skip(path, i);
	return path;
}

/* D120 */
static void set_service_name(struct resource *r, const struct config *cfg, struct bytes exe)
{
	char buf[256];
	struct text name = TEXT_IN(buf);

	if (cfg && cfg->service_name.len) {
		set(r, BYTES("service.name"), cfg->service_name);
		return;
	}
	text_add_str(&name, "unknown_service");
	if (exe.len) {
		text_add_char(&name, ':');
		text_add(&name, exe);
	}
	set(r, BYTES("service.name"), text_bytes(&name));
}

void resource_init_for(struct resource *r, const struct config *cfg, struct bytes exe,
		       struct bytes host)
{
	r->n = 0;
	r->text_len = 0;
	exe = base_name(exe);
	set_service_name(r, NULL, exe);
	set(r, BYTES("telemetry.sdk.name"), BYTES(SCOPE_NAME));
	set(r, BYTES("telemetry.sdk.language"), BYTES("c"));
	set(r, BYTES("telemetry.sdk.version"), BYTES(INTERSPAN_VERSION));
	if (exe.len)
		set(r, BYTES("process.executable.name"), exe);
	if (host.len)
		set(r, BYTES("host.name"), host);
	r->is_refused = cfg->resource_attributes.len && !set_from_env(r, cfg->resource_attributes);
	if (cfg->service_name.len)
		set_service_name(r, cfg, exe);
	r->has_pid = false;
	for (size_t i = 0; i < r->n; i++)
		r->has_pid |= bytes_equal(r->attrs[i].key, BYTES("process.pid"));
}

void resource_init(struct resource *r, const struct config *cfg)
{
	char path[1024];
	struct utsname host;
	long n = raw_readlink("/proc/self/exe", path, sizeof(path));

	memset(&host, 0, sizeof(host));
	raw_syscall3(SYS_uname, (long)&host, 0, 0);
	resource_init_for(r, cfg, (struct bytes){ path, n > 0 ? (size_t)n : 0 },
			  bytes_from_str(host.nodename));
}
