// SPDX-License-Identifier: Apache-2.0
// A span for as long as a scope lasts, in C++.  c++ -Iinclude -o span docs/examples/span.cc
#include <interspan.h>

class Span {
public:
	explicit Span(const char *name) : id(interspan_start_span(name)) {}
	~Span() { interspan_end_span(id); }

private:
	Span(const Span &);
	Span &operator=(const Span &);
	uint64_t id;
};

int main()
{
	Span import("import");

	interspan_set_attribute("file", "orders.csv");
	{
		Span parse("parse");

		interspan_add_event("half of it");
		interspan_set_error("bad_line");
	}
	return 0;
}
