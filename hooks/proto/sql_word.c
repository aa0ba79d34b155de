/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_word.h"

#include <stdint.h>

#include "compiler.h"

#define WORD_BYTES 14 /* the longest, and its NUL */

/* No pointers: they would be relocated in every process. */
static const char words[KEYWORDS][WORD_BYTES] = {
	"",
#define KEYWORD(name) #name,
#include "sql_word.def"
#undef KEYWORD
};

/* The first one of each letter that there is; KEYWORDS: none. */
static const uint8_t letters[] = {
	KW_ABORT,        KW_BEGIN,  KW_CALL,   KW_DEALLOCATE, KW_END,      KW_FALSE,
	KW_GLOBAL,       KW_HAVING, KW_IF,     KW_JOIN,       KW_LATERAL,  KW_LATERAL,
	KW_MATERIALIZED, KW_NOT,    KW_OFFSET, KW_PASSWORD,   KW_REASSIGN, KW_REASSIGN,
	KW_SAVEPOINT,    KW_TABLE,  KW_UNION,  KW_VACUUM,     KW_WHERE,    KEYWORDS,
	KEYWORDS,        KEYWORDS,  KEYWORDS,
};

_Static_assert(sizeof(letters) == 27, "a to z, and the end");

/* Of that length, and letter by letter from the second one on. */
static ALWAYS_INLINE bool is_word(const char *word, struct bytes text)
{
	if (word[text.len] || !word[text.len - 1])
		return false;
	for (size_t i = 1; i < text.len; i++)
		if (word[i] != (char)(text.ptr[i] & ~0x20)) /* NUL is none of a text's letters */
			return false;
	return true;
}

enum sql_word sql_word(struct bytes text)
{
	unsigned int letter = text.len ? (unsigned char)(ascii_lower(text.ptr[0]) - 'a') : 26;

	if (letter >= 26 || text.len >= WORD_BYTES)
		return KW_NONE;
	for (unsigned int i = letters[letter]; i < letters[letter + 1]; i++)
		if (is_word(words[i], text))
			return (enum sql_word)i;
	return KW_NONE;
}
