/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that calls back.  NAME and ROOM tell one from another: of the same code but for the
 * size of a frame, so that what is true of one is false of the next one in its place.
 */
int NAME(int (*f)(int), int arg);
int entry(int (*f)(int), int arg);

__attribute__((noinline)) int NAME(int (*f)(int), int arg)
{
	volatile char room[ROOM];

	room[0] = 2;
	return f(arg) * room[0];
}

int entry(int (*f)(int), int arg)
{
	return NAME(f, arg) + 1;
}
