/* SPDX-License-Identifier: Apache-2.0 */
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void number_add_digits(struct text *to, const char *digits)
{
	bool is_point = false;

	for (; *digits; digits++) {
		bool is_part = strchr("+-0123456789e", *digits) != NULL;

		if (is_part)
			text_add_char(to, *digits);
		else if (!is_point)
			text_add_char(to, '.');
		is_point = !is_part;
	}
}

void number_add(struct text *to, double d)
{
	char digits[64];
	int precision = 15;

	if (isnan(d)) {
		text_add_str(to, "NaN");
		return;
	}
	if (isinf(d)) {
		text_add_str(to, d > 0 ? "Infinity" : "-Infinity");
		return;
	}
	for (bool is_same = false; !is_same && precision <= 17; precision++) {
		double again;

		snprintf(digits, sizeof(digits), "%.*g", precision, d);
		again = strtod(digits, NULL);
		is_same = memcmp(&again, &d, sizeof(d)) == 0;
	}
	number_add_digits(to, digits);
}
