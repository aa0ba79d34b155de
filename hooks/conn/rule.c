/* SPDX-License-Identifier: Apache-2.0 */
#include "rule.h"

#include "config.h"
#include "route.h"
#include "url.h"

/* What goes into the span's name, too. */
static struct bytes method_of(const struct head *h, const char *text)
{
	struct bytes method = head_get(h, text, HEAD_METHOD);

	return url_method_is_known(method, config.known_methods) ? method : BYTES("HTTP");
}

unsigned rule_of_head(const struct head *h, const char *text, bool is_server)
{
	struct url u = url_split(head_get(h, text, HEAD_TARGET), false);
	struct bytes route = { NULL, 0 };

	if (is_server && config.http_routes.len)
		route = route_match(config.http_routes, u.path);
	return sampler_rule(head_get(h, text, HEAD_METHOD), u.path,
			    (struct sampler_name){ method_of(h, text), route });
}

void keep_rule_of_head(struct span *s, const struct head *h, const char *text)
{
	struct url u = url_split(head_get(h, text, HEAD_TARGET), false);

	keep_request(s, head_get(h, text, HEAD_METHOD), u.path);
}
