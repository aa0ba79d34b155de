/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and layouts are those of jni.h and jvmti.h, which are part of no package that we build
 * with; both are fixed since Java 5.
 */
#include "jvm.h"

#include <link.h>
#include <stdatomic.h>
#include <stddef.h>

#include "bytes.h"
#include "compiler.h"
#include "config.h"
#include "resolve.h"

/* --- the interfaces --- */

#define JNI_VERSION_1_2 0x00010002
#define JVMTI_VERSION_1_0 0x30010000

/* An object of theirs begins with the address of its table of functions. */
typedef void *const *const table;

enum jni_function {
	JNI_GET_ENV = 6, /* of a JavaVM */
	JNI_DELETE_LOCAL_REF = 23,
};

/* As they are numbered in the specification, from 1. */
enum jvmti_function {
	JVMTI_GET_FRAME_COUNT = 16,
	JVMTI_DEALLOCATE = 47,
	JVMTI_GET_CLASS_SIGNATURE = 48,
	JVMTI_GET_METHOD_NAME = 64,
	JVMTI_GET_METHOD_CLASS = 65,
	JVMTI_GET_STACK_TRACE = 104,
	JVMTI_DISPOSE = 127,
};

struct frame {
	void *method;
	int64_t location;
};

struct jvm {
	table *jni;   /* of the calling thread */
	table *jvmti; /* of the process */
};

typedef int32_t created_vms(table **vms, int32_t room, int32_t *count);
typedef int32_t get_env(table *vm, void **ret, int32_t version);
typedef void delete_local(table *jni, void *ref);
typedef int32_t get_frame_count(table *jvmti, void *thread, int32_t *ret);
typedef int32_t get_stack_trace(table *jvmti, void *thread, int32_t first, int32_t room,
				struct frame *ret, int32_t *ret_count);
typedef int32_t get_method_name(table *jvmti, void *method, char **name, char **signature,
				char **generic);
typedef int32_t get_method_class(table *jvmti, void *method, void **ret);
typedef int32_t get_class_signature(table *jvmti, void *class, char **signature, char **generic);
typedef int32_t deallocate(table *jvmti, void *memory);
typedef int32_t dispose(table *jvmti);

#define CALL(type, object, at) ((type *)(*(object))[at])
#define JVMTI(type, jvm, function) CALL(type, (jvm)->jvmti, (function)-1)

static _Atomic(table *) the_vm, the_jvmti;

/* --- who calls --- */

#define OBJECTS 8u

/* Of an object that has called: where it lies, and whether it is one of those. */
static struct {
	_Atomic uintptr_t from; /* 0: free; 1: being written */
	uintptr_t to;
	bool is_jdk;
} objects[OBJECTS];

static bool ends_with(const char *path, struct bytes name)
{
	struct bytes s = bytes_from_str(path);

	return s.len > name.len && s.ptr[s.len - name.len - 1] == '/' &&
	       bytes_equal(bytes_skip(s, s.len - name.len), name);
}

static void remember_object(const struct link_map *m, bool is_jdk)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		uintptr_t was = 0;

		if (!atomic_compare_exchange_strong(&objects[i].from, &was, 1))
			continue;
		objects[i].to = (uintptr_t)m->l_ld;
		objects[i].is_jdk = is_jdk;
		atomic_store_explicit(&objects[i].from, m->l_addr, memory_order_release);
		return;
	}
}

/*
 * The walk ends at an object that is on the stack; it is made once for each, and those that the JDK
 * loads before its libnio stay.
 */
static bool is_jdk_object(const void *address)
{
	const struct link_map *m = resolve_first_object();
	bool is_jdk;

	while (m && !resolve_is_in(m, address))
		m = m->l_next;
	if (!m)
		return false;
	is_jdk = m->l_name && (ends_with(m->l_name, BYTES("libnio.so")) ||
			       ends_with(m->l_name, BYTES("libnet.so")));
	remember_object(m, is_jdk);
	return is_jdk;
}

static bool is_jdk(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	size_t i;

	if (!caller)
		return false;
	for (i = 0; i < OBJECTS; i++) {
		uintptr_t from = atomic_load_explicit(&objects[i].from, memory_order_acquire);

		if (!from)
			break;
		if (from > 1 && from <= at && at < objects[i].to)
			return objects[i].is_jdk;
	}
	return i < OBJECTS && is_jdk_object(caller);
}

/* --- the machine --- */

/* Of HotSpot: it alone has these structures for its debugger. */
static table *find_vm(void)
{
	void *created = resolve("JNI_GetCreatedJavaVMs");
	const struct link_map *m = resolve_first_object();
	table *vm = NULL;
	int32_t count = 0;

	while (created && m && !resolve_is_in(m, created))
		m = m->l_next;
	if (!created || !m || !resolve_in(m, "gHotSpotVMStructs"))
		return NULL;
	if (((created_vms *)created)(&vm, 1, &count) != 0 || count != 1)
		return NULL;
	return vm;
}

static table *new_jvmti(table *vm)
{
	void *made = NULL;
	table *was = NULL;

	if (CALL(get_env, vm, JNI_GET_ENV)(vm, &made, JVMTI_VERSION_1_0) != 0)
		return NULL;
	if (atomic_compare_exchange_strong(&the_jvmti, &was, (table *)made))
		return made;
	CALL(dispose, (table *)made, JVMTI_DISPOSE - 1)(made);
	return was;
}

static bool jvm_get(struct jvm *ret)
{
	table *vm = atomic_load(&the_vm);
	void *jni = NULL;

	if (!vm) {
		vm = find_vm();
		if (!vm)
			return false;
		atomic_store(&the_vm, vm);
	}
	/* Refused to threads that are not its own. */
	if (CALL(get_env, vm, JNI_GET_ENV)(vm, &jni, JNI_VERSION_1_2) != 0)
		return false;
	ret->jni = jni;
	ret->jvmti = atomic_load(&the_jvmti);
	if (!ret->jvmti)
		ret->jvmti = new_jvmti(vm);
	return ret->jvmti != NULL;
}

/* --- methods --- */

enum kind {
	KIND_UNKNOWN,
	KIND_PLAIN,
	KIND_THREAD, /* Thread.run: the oldest frame of a thread of the system's */
	KIND_HANDS_OVER /* runs tasks that may be others' */,
	KIND_SERVES, /* this and above: servers[kind - KIND_SERVES] */
};

/* Each activation reads the request that it serves, and ends with it or reads the next. */
static const struct {
	char class[48], method[8];
} servers[] = {
	{ "Lsun/net/httpserver/ServerImpl$Exchange;", "run" },
	{ "Lorg/apache/coyote/http11/Http11Processor;", "service" }, /* Tomcat */
};

static const char hands_over[][36] = {
	"Ljava/util/concurrent/",
	"Ljdk/internal/vm/",
	"Lkotlinx/coroutines/",
	"Lscala/concurrent/",
	"Lcom/google/common/util/concurrent/",
	"Lio/netty/",
	"Lio/vertx/",
	"Lio/reactivex/",
	"Lreactor/",
	"Lrx/",
	"Lakka/",
	"Lorg/apache/pekko/",
	"Lcom/lmax/disruptor/",
};

static enum kind kind_by_name(struct bytes class, struct bytes method)
{
	for (size_t i = 0; i < ARRAY_LEN(servers); i++)
		if (bytes_equal(class, bytes_from_str(servers[i].class)) &&
		    bytes_equal(method, bytes_from_str(servers[i].method)))
			return KIND_SERVES + i;
	if (bytes_equal(class, BYTES("Ljava/lang/Thread;")) && bytes_equal(method, BYTES("run")))
		return KIND_THREAD;
	for (size_t i = 0; i < ARRAY_LEN(hands_over); i++)
		if (bytes_start_with(class, bytes_from_str(hands_over[i])))
			return KIND_HANDS_OVER;
	return KIND_PLAIN;
}

/* What cannot be known counts as what is worst. */
static enum kind ask_kind(const struct jvm *jvm, void *method)
{
	enum kind kind = KIND_HANDS_OVER;
	char *name = NULL, *signature = NULL;
	void *class = NULL;

	if (JVMTI(get_method_class, jvm, JVMTI_GET_METHOD_CLASS)(jvm->jvmti, method, &class) != 0)
		return kind;
	if (JVMTI(get_method_name, jvm, JVMTI_GET_METHOD_NAME)(jvm->jvmti, method, &name, NULL,
							       NULL) == 0 &&
	    JVMTI(get_class_signature, jvm, JVMTI_GET_CLASS_SIGNATURE)(jvm->jvmti, class,
								       &signature, NULL) == 0)
		kind = kind_by_name(bytes_from_str(signature), bytes_from_str(name));
	JVMTI(deallocate, jvm, JVMTI_DEALLOCATE)(jvm->jvmti, name);
	JVMTI(deallocate, jvm, JVMTI_DEALLOCATE)(jvm->jvmti, signature);
	CALL(delete_local, jvm->jni, JNI_DELETE_LOCAL_REF)(jvm->jni, class);
	return kind;
}

#define METHODS 1024u /* more are asked for each time */
#define PROBES 8u

/* HotSpot never uses the id of a method again, whatever becomes of its class. */
static struct {
	_Atomic uintptr_t id;
	_Atomic uint8_t kind;
} methods[METHODS];

static enum kind method_kind(const struct jvm *jvm, void *method)
{
	uintptr_t id = (uintptr_t)method;
	size_t at = (size_t)((id >> 3) * 0x9e3779b97f4a7c15u >> 54);
	enum kind kind;

	for (size_t i = 0; i < PROBES; i++, at = (at + 1) % METHODS) {
		uintptr_t was = atomic_load_explicit(&methods[at].id, memory_order_relaxed);

		if (!was && atomic_compare_exchange_strong(&methods[at].id, &was, id))
			was = id;
		if (was != id)
			continue;
		kind = atomic_load(&methods[at].kind);
		if (!kind) {
			kind = ask_kind(jvm, method);
			atomic_store(&methods[at].kind, kind);
		}
		return kind;
	}
	return ask_kind(jvm, method);
}

/* --- the stack --- */

/* Whatever is asked, the JVM walks all of it: most stacks are had by one question. */
#define CHUNK 128
#define OLDEST 16
#define DEEPEST 1024

static int32_t frame_count(const struct jvm *jvm)
{
	int32_t n = 0;

	if (JVMTI(get_frame_count, jvm, JVMTI_GET_FRAME_COUNT)(jvm->jvmti, NULL, &n) != 0)
		return 0;
	return n;
}

/* The frames from first on, 0 being the newest; how many there are. */
static int32_t frames(const struct jvm *jvm, int32_t first, int32_t room, struct frame *ret)
{
	int32_t n = 0;

	if (JVMTI(get_stack_trace, jvm, JVMTI_GET_STACK_TRACE)(jvm->jvmti, NULL, first, room, ret,
							       &n) != 0)
		return 0;
	return n;
}

static _Atomic bool has_unseen;

void jvm_request_unseen(void)
{
	atomic_store_explicit(&has_unseen, true, memory_order_relaxed);
}

static bool is_askable(const void *caller, struct jvm *ret)
{
	return config.jvm_frames && !atomic_load_explicit(&has_unseen, memory_order_relaxed) &&
	       is_jdk(caller) && jvm_get(ret);
}

/* Which server it is, and how far above the oldest frame: 1 is next to it. */
#define PLACE(kind, height) ((jvm_place)((kind) << 8 | (height)))
#define PLACE_KIND(place) ((enum kind)((place) >> 8))
#define PLACE_HEIGHT(place) ((int32_t)((place)&255))

jvm_place jvm_place_get(const void *caller)
{
	struct frame f[CHUNK];
	struct jvm jvm;
	int32_t n;

	if (!is_askable(caller, &jvm))
		return 0;
	n = frames(&jvm, 0, CHUNK, f);
	if (n == CHUNK)
		n = frames(&jvm, -OLDEST, OLDEST, f);
	if (n < 2 || method_kind(&jvm, f[n - 1].method) != KIND_THREAD)
		return 0;
	for (int32_t height = 1; height < n && height < OLDEST; height++) {
		enum kind kind = method_kind(&jvm, f[n - 1 - height].method);

		if (kind >= KIND_SERVES)
			return PLACE(kind, height);
	}
	return 0;
}

bool jvm_is_at(const void *caller, jvm_place place)
{
	struct frame f[CHUNK];
	struct jvm jvm;
	int32_t n, total;

	if (!place || !is_askable(caller, &jvm))
		return false;
	n = frames(&jvm, 0, CHUNK, f);
	total = n < CHUNK ? n : frame_count(&jvm);
	if (total > DEEPEST)
		return false;
	for (int32_t first = 0; first < total; first += n) {
		if (first)
			n = frames(&jvm, first, CHUNK, f);
		if (n <= 0)
			return false;
		for (int32_t i = 0; i < n; i++) {
			enum kind kind = method_kind(&jvm, f[i].method);

			if (first + i == total - 1 - PLACE_HEIGHT(place))
				return kind == PLACE_KIND(place);
			if (kind == KIND_HANDS_OVER)
				return false;
		}
	}
	return false;
}
