/* SPDX-License-Identifier: Apache-2.0 */
/* Members of baggage as attributes, those that the user has named. */
#include "capture.h"
#include "config.h"
#include "http_attrs.h"
#include "store.h"
#include "url.h"

/* One member: "key = value;properties". */
static void set_member(struct span *s, struct bytes member, char *buf)
{
	struct bytes value = member;
	struct bytes key = bytes_trim(bytes_split(&value, '='));
	size_t len;

	if (!key.len || key.len > ITEM_NAMED_KEY_MAX || !value.ptr || capture_is_secret(key))
		return;
	value = bytes_trim(bytes_split(&value, ';'));
	buf[0] = (char)(unsigned char)key.len;
	memcpy(buf + 1, key.ptr, key.len);
	len = 1 + key.len;
	len += url_decode(buf + len, CAPTURE_BYTES - len, value);
	span_set_named(s, ATTR_BAGGAGE_KEY, (struct bytes){ buf, len });
}

static bool list_has(struct bytes list, struct bytes word)
{
	while (list.ptr)
		if (bytes_equal(bytes_trim(bytes_split(&list, ',')), word))
			return true;
	return false;
}

void attrs_baggage(struct span *s, struct bytes list, char *buf)
{
	if (!config.baggage_keys.len || !span_is_recording(s))
		return;
	while (list.ptr) {
		struct bytes member = bytes_split(&list, ',');
		struct bytes rest = member;

		if (list_has(config.baggage_keys, bytes_trim(bytes_split(&rest, '='))))
			set_member(s, member, buf);
	}
}
