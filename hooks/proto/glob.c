/* SPDX-License-Identifier: Apache-2.0 */
#include "glob.h"

/* Only the last star ever needs to take more: what an earlier one leaves, the last one can take. */
bool glob_match(struct bytes pattern, struct bytes text)
{
	size_t p = 0, t = 0;
	size_t star = pattern.len,
	       from = 0; /* behind the last star, and where it started to take */
	bool has_star = false;

	while (t < text.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = ++p;
			from = t;
			has_star = true;
		} else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
			p++;
			t++;
		} else if (has_star) {
			p = star;
			t = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}
