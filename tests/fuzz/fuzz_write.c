/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write door against the model: an application and a kernel that do what the input says (see
 * write_app.h), and the bytes on the wire must be those that were written but for our edits.
 *
 * The stored inputs are named after what happens: the requests that are written (the letter of
 * each one's path in app_texts), whether one is being served, and whether the kernel took a part,
 * said EAGAIN, EINTR or EPIPE, or the application went on with other bytes.  Each byte is a choice
 * modulo the number of them, so a text will do.  Together they reach what thousands of found
 * inputs do, but for three branches of 1423.
 */
#include "write_app.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	app_run(data, size);
	return 0;
}
