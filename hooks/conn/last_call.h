/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAST_CALL_H
#define LAST_CALL_H
/*
 * What tells the last call of a connection apart from others (calls.h): that of the next one, where
 * what their spans have in common (common.h) and their URLs are the same.  Whoever holds the half
 * that carries responses has it.
 */
#include <stdint.h>

/* Of longer texts nothing is kept. */
#define LAST_CALL_URL 160u
#define LAST_CALL_PEER 72u
#define LAST_CALL_OPERATION 24u
#define LAST_CALL_SUMMARY 96u

struct last_call {
	uint32_t common; /* struct exchange's; 0: nothing is kept */
	uint8_t url_len;
	uint8_t peer_len;
	uint8_t operation_len;
	uint8_t summary_len;
	uint64_t hash;
	char url[LAST_CALL_URL];
	char peer[LAST_CALL_PEER];
	char operation[LAST_CALL_OPERATION];
	char summary[LAST_CALL_SUMMARY];
};

#endif
