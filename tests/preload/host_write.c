/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

int main(void)
{
	return write(1, "hello", 5) == 5 ? 0 : 1;
}
