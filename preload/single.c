/* SPDX-License-Identifier: Apache-2.0 */
#include "single.h"

#include <link.h>
#include <stddef.h>

#include "resolve.h"

#define NAME "__libc_single_threaded"

/*
 * libc reads its own; a program that reads it, too (libstdc++'s headers do), has had the linker
 * make a copy, and libc writes both.
 */
static volatile char *of_libc(void)
{
	return resolve(NAME);
}

static volatile char *of_program(void)
{
	const struct link_map *program = resolve_first_object();

	return program ? resolve_in(program, NAME) : NULL;
}

bool single_survives(void *create)
{
	const struct link_map *own = resolve_own_object();

	for (const struct link_map *m = own ? own->l_next : NULL; m; m = m->l_next)
		if (resolve_in(m, NAME))
			return resolve_in(m, "pthread_create") == create;
	return false;
}

void single_init(void)
{
	const volatile char *word = of_libc();

	if (word)
		single_word = word;
}

bool single_get(void)
{
	volatile char *word = of_libc();

	return word && *word;
}

void single_set(bool is_so)
{
	volatile char *words[] = { of_libc(), of_program() };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i])
			*words[i] = is_so;
}
