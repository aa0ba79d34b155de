/* SPDX-License-Identifier: Apache-2.0 */
#include "client_hello.h"

#include <stdint.h>

#define RECORD_HANDSHAKE 22u
#define MESSAGE_CLIENT_HELLO 1u
#define EXTENSION_SERVER_NAME 0u
#define NAME_IS_HOST 0u

/* Everything here is taken off the front; too little: NULL and 0, which stays so. */
static struct bytes take(struct bytes *from, size_t n)
{
	struct bytes it = { from->ptr, n };

	if (!from->ptr || n > from->len)
		return *from = (struct bytes){ NULL, 0 };
	*from = bytes_skip(*from, n);
	return it;
}

static size_t take_number(struct bytes *from, size_t size)
{
	struct bytes digits = take(from, size);
	size_t n = 0;

	for (size_t i = 0; i < digits.len; i++)
		n = n << 8 | (uint8_t)digits.ptr[i];
	return n;
}

/* What has its length, of so many bytes, ahead of it. */
static struct bytes take_vector(struct bytes *from, size_t size)
{
	size_t n = take_number(from, size);

	return take(from, n);
}

static struct bytes name_in(struct bytes extension)
{
	struct bytes list = take_vector(&extension, 2);

	while (list.len) {
		size_t type = take_number(&list, 1);
		struct bytes name = take_vector(&list, 2);

		if (name.ptr && type == NAME_IS_HOST)
			return name;
	}
	return (struct bytes){ NULL, 0 };
}

struct bytes client_hello_name(struct bytes first)
{
	bool is_hello = take_number(&first, 1) == RECORD_HANDSHAKE;

	take(&first, 4); /* version and length: how it is cut into records is of no concern */
	is_hello &= take_number(&first, 1) == MESSAGE_CLIENT_HELLO;
	take(&first, 3 + 2 + 32); /* length, version, random */
	take_vector(&first, 1);   /* session */
	take_vector(&first, 2);   /* ciphers */
	take_vector(&first, 1);   /* compression */
	take_number(&first, 2);   /* length of what follows */
	while (is_hello && first.len) {
		size_t type = take_number(&first, 2);
		struct bytes extension = take_vector(&first, 2);

		if (extension.ptr && type == EXTENSION_SERVER_NAME)
			return name_in(extension);
	}
	return (struct bytes){ NULL, 0 };
}
