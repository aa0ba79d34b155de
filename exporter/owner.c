/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"

#include <linux/futex.h>

#include "rawsys.h"
#include "shake.h"

/*
 * The kernel walks it when the thread ends: head -> entry -> head, and the futex word lies at a
 * fixed distance from each entry.  Nothing says that the entry must be beside the word, so it is
 * here, out of reach of other processes that have the store.
 */
static struct robust_list entry;
static struct robust_list_head head;
static struct {
	struct robust_list_head *head;
	size_t len;
} libc_list;

static bool list_set(struct robust_list_head *list, size_t len)
{
	return raw_syscall3(SYS_set_robust_list, (long)list, (long)len, 0) == 0;
}

/* Before the word is taken: the kernel touches it only while it holds this thread's tid. */
static bool list_enter(struct store *st)
{
	entry.next = &head.list;
	head.list.next = &entry;
	head.futex_offset = (long)((uintptr_t)&st->owner - (uintptr_t)&entry);
	head.list_op_pending = NULL;
	if (raw_syscall3(SYS_get_robust_list, 0, (long)&libc_list.head, (long)&libc_list.len) != 0)
		libc_list.head = NULL;
	return list_set(&head, sizeof(head));
}

static void list_leave(void)
{
	/* NULL with a right length is accepted, and means none. */
	list_set(libc_list.head, libc_list.head ? libc_list.len : sizeof(head));
}

bool owner_take(struct store *st)
{
	uint32_t seen = atomic_load(&st->owner);
	uint32_t self = (uint32_t)raw_gettid();

	if (!list_enter(st))
		return false;
	SHAKE();
	while (!(seen & STORE_OWNER_TID) || (seen & STORE_OWNER_DIED))
		if (atomic_compare_exchange_weak(&st->owner, &seen, self)) {
			if (seen & STORE_OWNER_DIED)
				store_inherit(st);
			return true;
		}
	list_leave();
	return false;
}

void owner_release(struct store *st)
{
	atomic_store(&st->owner, 0);
	SHAKE();
	list_leave();
}
