/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NUMBER_H
#define NUMBER_H
/* Floating-point numbers as text, whatever the locale of the program. */
#include "text.h"

/*
 * The shortest of 15 to 17 digits that reads as d again; "NaN", "Infinity" and "-Infinity" as JSON
 * of protobuf has them (O77), which puts those in quotes.
 */
void number_add(struct text *to, double d);

/* What printf() has made of one: what is no part of it is the decimal point of some language. */
void number_add_digits(struct text *to, const char *digits);

#endif
