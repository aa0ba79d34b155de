/* SPDX-License-Identifier: Apache-2.0 */
#include "service_name.h"

#include "compiler.h"
#include "config.h"
#include "runtime.h"

static struct bytes base_name(struct bytes path)
{
	const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;

	return slash ? bytes_skip(path, (size_t)(slash + 1 - path.ptr)) : path;
}

static struct bytes without_suffix(struct bytes name)
{
	const char *dot = name.len ? memrchr(name.ptr, '.', name.len) : NULL;

	return dot && dot > name.ptr ? (struct bytes){ name.ptr, (size_t)(dot - name.ptr) } : name;
}

/* The first that has the name; one that has none is nobody's. */
static struct bytes look_up(struct bytes list, struct bytes name)
{
	while (list.ptr && name.len) {
		struct bytes value = bytes_split(&list, ';');
		struct bytes key = bytes_trim(bytes_split(&value, '='));

		value = bytes_trim(value);
		if (value.len && bytes_equal(key, name))
			return value;
	}
	return (struct bytes){ NULL, 0 };
}

/* "python3.11" is an interpreter as "python3" is one. */
static bool is_interpreter(struct bytes program)
{
	static const char names[][8] = { "python", "perl", "ruby", "node", "nodejs",
					 "php",    "sh",   "bash", "dash", "lua" };

	while (program.len &&
	       (program.ptr[program.len - 1] == '.' ||
		(program.ptr[program.len - 1] >= '0' && program.ptr[program.len - 1] <= '9')))
		program.len--;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (bytes_equal(program, bytes_from_str(names[i])))
			return true;
	return false;
}

/* The first argument that is no option; or the module behind -m. */
static struct bytes script_of(char *const *argv, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct bytes arg = bytes_from_str(argv[i]);

		if (bytes_equal(arg, BYTES("-m")))
			return i + 1 < count ? bytes_from_str(argv[i + 1]) :
					       (struct bytes){ NULL, 0 };
		if (bytes_equal(arg, BYTES("-c")) || bytes_equal(arg, BYTES("-e")))
			break;
		if (arg.len && arg.ptr[0] != '-')
			return base_name(arg);
	}
	return (struct bytes){ NULL, 0 };
}

struct bytes service_name_find(struct bytes list, struct bytes program, char *const *argv,
			       size_t count)
{
	struct bytes script = { NULL, 0 }, found;

	if (is_interpreter(program))
		script = script_of(argv, count);
	found = look_up(list, script);
	if (!found.ptr)
		found = look_up(list, without_suffix(script));
	return found.ptr ? found : look_up(list, program);
}

void service_name_init(char *const *envp)
{
	intptr_t count = 0;
	char *const *argv;
	struct bytes found;

	if (!config.service_names.len)
		return;
	argv = runtime_arguments(envp, &count);
	found = service_name_find(config.service_names, runtime_program(envp), argv,
				  argv ? (size_t)count : 0);
	if (found.ptr)
		config.service_name = found;
}
