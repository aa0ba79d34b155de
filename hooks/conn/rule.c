/* SPDX-License-Identifier: Apache-2.0 */
#include "rule.h"

#include "url.h"

unsigned rule_of_head(const struct head *h, const char *text)
{
	struct url u = url_split(head_get(h, text, HEAD_TARGET), false);

	return sampler_rule(head_get(h, text, HEAD_METHOD), u.path);
}

void keep_rule_of_head(struct span *s, const struct head *h, const char *text)
{
	struct url u = url_split(head_get(h, text, HEAD_TARGET), false);

	keep_request(s, head_get(h, text, HEAD_METHOD), u.path);
}
