/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_WORD_H
#define SQL_WORD_H
/* Keywords of SQL, in any case.  Pure. */
#include "bytes.h"

enum sql_word {
	KW_NONE, /* a name, or a keyword that means nothing to us */
#define KEYWORD(name) KW_##name,
#include "sql_word.def"
#undef KEYWORD
	KEYWORDS
};

enum sql_word sql_word(struct bytes text);

#endif
