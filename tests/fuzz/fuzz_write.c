/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write door against the model: an application and a kernel that do what the input says (see
 * write_app.h), and the bytes on the wire must be those that were written but for our edits.
 */
#include "write_app.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	app_run(data, size);
	return 0;
}
