/* SPDX-License-Identifier: Apache-2.0 */
#include "resource.h"

#include <sys/utsname.h>

#include "machine.h"
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

/* Without what the kernel appends when the file is gone, as after an upgrade. */
static struct bytes without_deleted(struct bytes path)
{
	static const char deleted[] = " (deleted)";
	size_t n = sizeof(deleted) - 1;

	if (path.len > n && memcmp(path.ptr + path.len - n, deleted, n) == 0)
		path.len -= n;
	return path;
}

static struct bytes base_name(struct bytes path)
{
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

static void set_if(struct resource *r, struct bytes key, struct bytes value)
{
	if (value.len)
		set(r, key, value);
}

/* D148: only what the deployment says. */
static void set_kubernetes(struct resource *r, const struct config *cfg)
{
	set_if(r, BYTES("k8s.pod.name"), cfg->operator_pod_name);
	set_if(r, BYTES("k8s.pod.uid"), cfg->operator_pod_uid);
	set_if(r, BYTES("k8s.node.name"), cfg->operator_node_name);
	set_if(r, BYTES("k8s.pod.name"), cfg->k8s_pod_name);
	set_if(r, BYTES("k8s.pod.uid"), cfg->k8s_pod_uid);
	set_if(r, BYTES("k8s.namespace.name"), cfg->k8s_namespace);
	set_if(r, BYTES("k8s.node.name"), cfg->k8s_node_name);
	set_if(r, BYTES("k8s.container.name"), cfg->k8s_container);
	set_if(r, BYTES("k8s.deployment.name"), cfg->k8s_deployment);
}

/* What the library knows without asking anybody. */
static void set_known(struct resource *r, struct bytes path, struct bytes host)
{
	struct bytes exe = base_name(path);

	set_service_name(r, NULL, exe);
	set(r, BYTES("telemetry.sdk.name"), BYTES(SCOPE_NAME));
	set(r, BYTES("telemetry.sdk.language"), BYTES("c"));
	set(r, BYTES("telemetry.sdk.version"), BYTES(INTERSPAN_VERSION));
	set(r, BYTES("telemetry.distro.name"), BYTES(SCOPE_NAME));
	set(r, BYTES("telemetry.distro.version"), BYTES(INTERSPAN_VERSION));
	set_if(r, BYTES("process.executable.name"), exe);
	set_if(r, BYTES("process.executable.path"), path);
	set_if(r, BYTES("host.name"), host);
	set(r, BYTES("os.type"), BYTES("linux"));
}

/* D149: what the user says comes last, and stays. */
static void set_told(struct resource *r, const struct config *cfg, struct bytes path)
{
	set_kubernetes(r, cfg);
	r->is_refused = cfg->resource_attributes.len && !set_from_env(r, cfg->resource_attributes);
	if (cfg->service_name.len)
		set_service_name(r, cfg, base_name(path));
	r->has_pid = r->has_instance = false;
	for (size_t i = 0; i < r->n; i++) {
		r->has_pid |= bytes_equal(r->attrs[i].key, BYTES("process.pid"));
		r->has_instance |= bytes_equal(r->attrs[i].key, BYTES("service.instance.id"));
	}
}

static void resource_clear(struct resource *r)
{
	r->n = 0;
	r->text_len = 0;
	r->seed[0] = r->seed[1] = 0;
}

void resource_init_for(struct resource *r, const struct config *cfg, struct bytes exe,
		       struct bytes host)
{
	exe = without_deleted(exe);
	resource_clear(r);
	set_known(r, exe, host);
	set_told(r, cfg, exe);
}

/* D144, D145 */
static void detect_os(struct resource *r)
{
	char buf[4096];
	struct bytes text = machine_file("/etc/os-release", buf, sizeof(buf));

	if (!text.len)
		text = machine_file("/usr/lib/os-release", buf, sizeof(buf));
	set_if(r, BYTES("os.name"), machine_os_release(text, BYTES("NAME")));
	set_if(r, BYTES("os.version"), machine_os_release(text, BYTES("VERSION_ID")));
	set_if(r, BYTES("os.description"), machine_os_release(text, BYTES("PRETTY_NAME")));
}

/* D141, D146: a container has the machine's id, or one of its image. */
static void detect_container(struct resource *r)
{
	char cgroup_buf[4096], mounts_buf[16384];
	struct bytes cgroup = machine_file("/proc/self/cgroup", cgroup_buf, sizeof(cgroup_buf));
	struct bytes mounts = machine_file("/proc/self/mountinfo", mounts_buf, sizeof(mounts_buf));
	struct bytes id = machine_container(cgroup, mounts);

	if (id.len) {
		set(r, BYTES("container.id"), id);
		return;
	}
	id = machine_file("/etc/machine-id", cgroup_buf, sizeof(cgroup_buf));
	if (!id.len)
		id = machine_file("/var/lib/dbus/machine-id", cgroup_buf, sizeof(cgroup_buf));
	set_if(r, BYTES("host.id"), bytes_split(&id, '\n'));
}

void resource_init(struct resource *r, const struct config *cfg, const uint64_t seed[2])
{
	char path[1024];
	struct utsname host;
	long n = raw_readlink("/proc/self/exe", path, sizeof(path));
	struct bytes exe = without_deleted((struct bytes){ path, n > 0 ? (size_t)n : 0 });

	memset(&host, 0, sizeof(host));
	raw_syscall3(SYS_uname, (long)&host, 0, 0);
	resource_clear(r);
	set_known(r, exe, bytes_from_str(host.nodename));
	set_if(r, BYTES("host.arch"), machine_arch(bytes_from_str(host.machine)));
	detect_os(r);
	detect_container(r);
	set_told(r, cfg, exe);
	r->seed[0] = seed[0];
	r->seed[1] = seed[1];
}

/* A bijection (David Stafford's variant 13 of a finaliser of hashes). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void resource_instance(const struct resource *r, uint32_t pid, char to[RESOURCE_INSTANCE_LEN])
{
	uint64_t w[2] = { mix(r->seed[0] + pid * 0x9e3779b97f4a7c15u), 0 };
	uint8_t id[16];
	size_t at = 0;

	w[1] = mix(r->seed[1] ^ w[0]);
	memcpy(id, w, sizeof(id));
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* version 4 */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
	for (size_t i = 0; i < sizeof(id); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			to[at++] = '-';
		to[at++] = "0123456789abcdef"[id[i] >> 4];
		to[at++] = "0123456789abcdef"[id[i] & 15];
	}
}

struct bytes resource_service(const struct resource *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (bytes_equal(r->attrs[i].key, BYTES("service.name")))
			return r->attrs[i].value;
	return BYTES("unknown_service");
}
