/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the exporter thread lives, with an exporter of our own that counts instead of sending.  Each
 * test runs in a child of its own, which nothing has been started in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../preload/alone.c"
#include "../../preload/exporter_life.c"
#include "counts.h"
#include "single.h"
#include "span.h"

#define BATCH 8
#define SHUTDOWN_MS 300

/* A forked child starts a thread here; the sanitizer's default is to refuse that. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

static void pause_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* --- an exporter --- */

static _Atomic uint32_t delivered;
static _Atomic bool refuses;    /* as without a descriptor table of its own */
static _Atomic bool hangs;      /* as with a receiver that does not answer */
static _Atomic bool is_second;  /* another process' delivers by the time that it looks */
static _Atomic bool is_leaving; /* and that one leaves in the same moment */
static _Atomic bool is_stuck;   /* as on a machine that gives it no processor */
static _Atomic uint64_t seen_deadline_ns;
static uint32_t lock_tries;
static const volatile uint64_t *_Atomic ran_at; /* a word of its stack, two pages deep */

static void deliver(struct store *st)
{
	uint32_t index[64];
	size_t n = store_collect(st, index, ARRAY_LEN(index));

	for (size_t i = 0; i < n; i++)
		slot_free(st, store_slot(st, index[i]));
	(void)store_account(st, n);
	atomic_fetch_add(&delivered, (uint32_t)n);
}

enum exporter_end exporter_run(struct exporter *x)
{
	struct store *st = x->store;
	volatile uint64_t words[8192 / sizeof(uint64_t)];

	words[0] = 0x5a5a5a5a5a5a5a5a;
	atomic_store(&ran_at, words);
	if (atomic_load(&refuses))
		return EXPORTER_REFUSED;
	if (atomic_load(&is_second)) {
		pause_ms(50);
		atomic_store(&st->owner, 1);
		if (atomic_exchange(&is_leaving, false)) {
			atomic_store(&is_second, false);
			atomic_store(&st->owner, 0);
		}
		return EXPORTER_ASKED;
	}
	atomic_store(&st->owner, (uint32_t)raw_gettid());
	while (!atomic_load(&x->stop) || atomic_load(&is_stuck)) {
		uint32_t wake_seen = atomic_load(&st->wake);
		uint32_t asked = atomic_load(&st->flush_asked);

		if (atomic_load(&x->deadline_ns))
			atomic_store(&seen_deadline_ns, atomic_load(&x->deadline_ns));
		if (!atomic_load(&hangs)) {
			deliver(st);
			if (atomic_exchange(&st->flushed, asked) != asked)
				raw_futex(&st->flushed, FUTEX_WAKE, INT32_MAX, NULL);
		}
		if (atomic_load(&x->main_gone))
			break;
		futex_wait_ns(&st->wake, wake_seen, 100000000);
	}
	atomic_store(&st->owner, 0);
	return atomic_load(&x->stop) ? EXPORTER_ASKED : EXPORTER_ALONE;
}

bool quiesce_lock(_Atomic uint32_t *q, uint32_t timeout_ms)
{
	uint32_t free = 0;

	(void)timeout_ms;
	lock_tries++;
	return atomic_compare_exchange_strong(q, &free, 1);
}

void quiesce_unlock(_Atomic uint32_t *q)
{
	atomic_store(q, 0);
}

/* --- a process of its own --- */

#define CHECK(what)                                                        \
	do {                                                               \
		if (!(what)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
			_exit(1);                                          \
		}                                                          \
	} while (0)

static void run_in_child(void (*body)(void))
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		alarm(20);
		body();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* As the kernel sees it; not by the number of threads, since a sanitizer has one of its own. */
static int our_threads(void)
{
	uint32_t who = atomic_load(&tid);

	return who && raw_syscall3(SYS_tgkill, getpid(), (long)who, 0) == 0;
}

static void come_up(void)
{
	static char batch[] = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=8";
	static char delay[] = "OTEL_BSP_SCHEDULE_DELAY=200";
	static char shutdown[] = "OTEL_INTERSPAN_SHUTDOWN_TIMEOUT=300";
	char *envp[] = { batch, delay, shutdown, NULL };

	config_load(envp);
	atomic_store(&span_ended_without_owner, exporter_wanted);
}

static void end_a_span(void)
{
	CHECK(guard_enter());
	span_end(span_start(SPAN_CLIENT, NULL));
	guard_leave();
}

/* Within a second. */
static bool comes_to(_Atomic uint32_t *word, uint32_t want)
{
	for (int i = 0; i < 200 && atomic_load(word) != want; i++)
		pause_ms(5);
	return atomic_load(word) == want;
}

static uint64_t flush_takes_ms(enum host_end how)
{
	uint64_t begin = clock_monotonic_ns();

	exporter_flush(how);
	return (clock_monotonic_ns() - begin) / MS_NS;
}

static void block_a_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* --- starting --- */

static void starts_with_the_first_span(void)
{
	come_up();
	exporter_chance();
	CHECK(our_threads() == 0);
	end_a_span();
	CHECK(comes_to(&delivered, 1));
	CHECK(our_threads() == 1);
	end_a_span();
	CHECK(comes_to(&delivered, 2));
	CHECK(stats_read(STAT_EXPORTER_STARTS) == 1);
}

static void never_starts_where_signals_are_blocked(void)
{
	come_up();
	block_a_signal();
	end_a_span();
	CHECK(our_threads() == 0);
	CHECK(atomic_load(&exporter_is_due));
	/* But in a call that nobody makes in a handler, the mask may be what it likes. */
	exporter_chance();
	CHECK(comes_to(&delivered, 1));
	CHECK(!atomic_load(&exporter_is_due));
}

static void on_signal(int number)
{
	(void)number;
	end_a_span();
}

static void never_starts_in_a_signal_handler(void)
{
	come_up();
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	CHECK(our_threads() == 0);
	end_a_span(); /* the next one outside does */
	CHECK(comes_to(&delivered, 2));
}

static void never_starts_when_forbidden(void)
{
	sigset_t set;

	come_up();
	exporter_forbid();
	end_a_span();
	exporter_chance();
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	end_a_span();
	CHECK(!atomic_load(&exporter_is_due));
	CHECK(flush_takes_ms(HOST_EXITS) < 50);
	CHECK(our_threads() == 0);
}

static void tries_again_after_a_second(void)
{
	come_up();
	atomic_store(&refuses, true);
	end_a_span();
	pause_ms(50);
	CHECK(stats_read(STAT_EXPORTER_REFUSED) == 1);
	atomic_store(&refuses, false);
	end_a_span();
	pause_ms(50);
	CHECK(stats_read(STAT_EXPORTER_STARTS) == 1);
	pause_ms(1000);
	end_a_span();
	CHECK(comes_to(&delivered, 3));
	CHECK(stats_read(STAT_EXPORTER_STARTS) == 2);
}

static void blocks_all_signals_but_libcs_own(void)
{
	char line[256];
	char path[64];
	unsigned long long blocked = 0;
	kernel_sigset mine;
	FILE *f;

	come_up();
	end_a_span();
	CHECK(comes_to(&delivered, 1));
	snprintf(path, sizeof(path), "/proc/self/task/%u/status", atomic_load(&tid));
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	/* 64 ones but for 9 and 19, which cannot be, 32 and 33. */
	CHECK(blocked == 0xfffffffe7ffbfeffull);
	mine = mask_swap(NULL);
	CHECK(mine == 0);
}

/* --- flushing --- */

static void flush_delivers_all(void)
{
	come_up();
	for (int i = 0; i < 50; i++)
		end_a_span();
	CHECK(flush_takes_ms(HOST_EXITS) < 200);
	CHECK(atomic_load(&delivered) == 50);
	CHECK(stats_read(STAT_SPANS_LATE) == 0);
	CHECK(atomic_load(&seen_deadline_ns) > clock_monotonic_ns());
	CHECK(atomic_load(&exporter.deadline_ns) == 0); /* a failed exec goes on */
}

static void flush_starts_what_signals_have_put_off(void)
{
	sigset_t set;

	come_up();
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	end_a_span();
	CHECK(flush_takes_ms(HOST_EXECS) < 50); /* may be a handler */
	CHECK(atomic_load(&delivered) == 0);
	CHECK(flush_takes_ms(HOST_EXITS) < 200);
	CHECK(atomic_load(&delivered) == 1);
}

static void flush_counts_what_a_handler_leaves_behind(void)
{
	sigset_t set;

	come_up();
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	end_a_span();
	end_a_span();
	CHECK(flush_takes_ms(HOST_STOPS) < 50);
	CHECK(our_threads() == 0);
	CHECK(stats_read(STAT_SPANS_LATE) == 2);
}

static void flush_has_one_budget(void)
{
	uint64_t took;

	come_up();
	atomic_store(&hangs, true);
	end_a_span();
	end_a_span();
	end_a_span();
	took = flush_takes_ms(HOST_EXECS);
	CHECK(took >= SHUTDOWN_MS && took < SHUTDOWN_MS + 150);
	CHECK(stats_read(STAT_SPANS_LATE) == 3); /* perhaps the end */
	CHECK(flush_takes_ms(HOST_EXECS) < 50);
	CHECK(flush_takes_ms(HOST_EXITS) < 50);
	CHECK(stats_read(STAT_SPANS_LATE) == 3);
}

/* A thread that comes to nothing by then counts nothing, either. */
static void flush_counts_what_is_being_sent(void)
{
	struct store *st;

	come_up();
	atomic_store(&hangs, true);
	end_a_span();
	st = store_get();
	for (int i = 0; i < 2000 && !atomic_load(&st->owner); i++)
		usleep(1000);
	atomic_store(&st->in_hand, 7);
	(void)flush_takes_ms(HOST_EXECS);
	(void)flush_takes_ms(HOST_STOPS);
	CHECK(stats_read(STAT_SPANS_LATE) == 1 + 7);
	CHECK(atomic_load(&st->in_hand) == 0); /* the thread does not count them once more */
}

static void flush_leaves_all_to_who_came_first(void)
{
	come_up();
	block_a_signal();
	end_a_span();
	atomic_store(&is_second, true);
	CHECK(flush_takes_ms(HOST_EXITS) < SHUTDOWN_MS);
	CHECK(stats_read(STAT_EXPORTER_STARTS) == 1);
	CHECK(atomic_load(&store_get()->done) == 1);
	CHECK(stats_read(STAT_SPANS_LATE) == 0);
}

/* By the deadline that it has had from the beginning. */
static void flush_takes_over_from_who_came_first(void)
{
	uint64_t begin = clock_monotonic_ns();

	come_up();
	block_a_signal();
	end_a_span();
	atomic_store(&is_leaving, true);
	atomic_store(&is_second, true);
	CHECK(flush_takes_ms(HOST_EXITS) < SHUTDOWN_MS);
	CHECK(stats_read(STAT_EXPORTER_STARTS) == 2);
	CHECK(atomic_load(&delivered) == 1);
	CHECK(stats_read(STAT_SPANS_LATE) == 0);
	CHECK(atomic_load(&seen_deadline_ns) > begin);
	CHECK(atomic_load(&seen_deadline_ns) < begin + SHUTDOWN_MS * (uint64_t)MS_NS);
}

/* Of two spans, its parent's and its own: what it counts as lost when it ends. */
static uint32_t told_by_forbidden_child(void)
{
	int status;
	pid_t child;

	block_a_signal();
	end_a_span();
	child = fork();
	if (child == 0) {
		process_forked();
		exporter_forget();
		exporter_forbid();
		end_a_span();
		exporter_flush(HOST_EXITS);
		_exit((int)stats_read(STAT_SPANS_LATE));
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return (uint32_t)WEXITSTATUS(status);
}

static void forbidden_child_leaves_all_to_its_parent(void)
{
	come_up();
	CHECK(told_by_forbidden_child() == 0);
	CHECK(flush_takes_ms(HOST_EXITS) < SHUTDOWN_MS);
	CHECK(atomic_load(&delivered) == 2);
}

/* As a filter makes it that kills whoever makes a call of ours. */
static void forbidden_child_of_a_mute_parent_counts(void)
{
	come_up();
	end_a_span();
	CHECK(comes_to(&delivered, 1));
	CHECK(exporter_park(1000));
	counts_go_mute();
	CHECK(told_by_forbidden_child() == 2);
}

/* With a parent that is dead, and waited for or (a zombie) not. */
static void check_forbidden_orphan(bool is_waited_for)
{
	int told_by[2], ended[2], told = -1, status;
	pid_t child;

	CHECK(pipe(told_by) == 0 && pipe(ended) == 0);
	child = fork();
	if (child == 0) {
		process_forked();
		come_up();
		block_a_signal();
		end_a_span();
		if (fork() != 0)
			_exit(0);
		process_forked();
		exporter_forget();
		exporter_forbid();
		end_a_span();
		CHECK(read(ended[0], &told, 1) == 1);
		exporter_flush(HOST_EXITS);
		told = (int)stats_read(STAT_SPANS_LATE);
		CHECK(write(told_by[1], &told, sizeof(told)) == sizeof(told));
		_exit(0);
	}
	CHECK(waitid(P_PID, (id_t)child, &(siginfo_t){ 0 },
		     WEXITED | (is_waited_for ? 0 : WNOWAIT)) == 0);
	CHECK(write(ended[1], "", 1) == 1);
	CHECK(read(told_by[0], &told, sizeof(told)) == sizeof(told) && told == 2);
	CHECK(is_waited_for || waitpid(child, &status, 0) == child);
}

static void forbidden_orphan_counts(void)
{
	check_forbidden_orphan(true);
	check_forbidden_orphan(false);
}

static void flush_without_a_span_is_nothing(void)
{
	come_up();
	CHECK(flush_takes_ms(HOST_EXITS) < 20);
	CHECK(store_get() == NULL);
	CHECK(our_threads() == 0);
}

/* --- fork --- */

static void children_leave_it_to_the_parent(void)
{
	int status;
	bool held;
	pid_t child;

	come_up();
	end_a_span();
	CHECK(comes_to(&delivered, 1));
	held = exporter_quiesce();
	CHECK(held && atomic_load(&process_words()->quiesce) == 1);
	CHECK(!exporter_quiesce() && lock_tries == 1); /* a handler that forks meanwhile */
	child = fork();
	if (child == 0) {
		process_forked();
		exporter_forget();
		CHECK(atomic_load(&process_words()->quiesce) == 0);
		end_a_span();
		CHECK(our_threads() == 0);
		CHECK(flush_takes_ms(HOST_EXITS) < 50);
		CHECK(stats_read(STAT_SPANS_LATE) == 0);
		_exit(0);
	}
	exporter_resume();
	CHECK(atomic_load(&process_words()->quiesce) == 0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(comes_to(&delivered, 2));
}

static void children_take_over_from_the_dead(void)
{
	come_up();
	end_a_span();
	CHECK(comes_to(&delivered, 1));
	if (fork() == 0) {
		process_forked();
		exporter_forget();
		/* What the kernel does when the parent ends. */
		atomic_fetch_or(&store_get()->owner, STORE_OWNER_DIED);
		end_a_span();
		CHECK(comes_to(&delivered, 2)); /* counted on from the parent's one */
		CHECK(our_threads() == 1);
		_exit(0);
	} else {
		int status;

		CHECK(wait(&status) > 0 && status == 0);
	}
}

static void quiesce_is_nothing_without_a_thread(void)
{
	come_up();
	CHECK(!exporter_quiesce());
}

/* --- leaving --- */

static void park_leaves_no_thread(void)
{
	come_up();
	end_a_span();
	end_a_span();
	CHECK(exporter_park(1000));
	CHECK(atomic_load(&delivered) == 2);
	CHECK(our_threads() == 0);
	CHECK(exporter_park(1000)); /* nothing to do */
	end_a_span();
	CHECK(comes_to(&delivered, 3));
	CHECK(stats_read(STAT_EXPORTER_STARTS) == 2);
}

/*
 * fork() copies no page of it; and it is not mapped anew for each thread.  A sanitizer's threads
 * want more, and have libc's.
 */
static void one_stack_serves(void)
{
	const volatile uint64_t *first;
	int status;
	pid_t child;

	if (!single_survives(resolve("pthread_create")))
		return;
	come_up();
	end_a_span();
	CHECK(comes_to(&delivered, 1));
	first = atomic_load(&ran_at);
	child = fork();
	if (child == 0)
		_exit(*first != 0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(*first == 0x5a5a5a5a5a5a5a5a);
	CHECK(exporter_park(1000));
	end_a_span();
	CHECK(comes_to(&delivered, 2));
	CHECK(atomic_load(&ran_at) == first);
}

static void park_gives_up_in_time(void)
{
	uint64_t begin;

	come_up();
	atomic_store(&hangs, true);
	atomic_store(&is_stuck, true);
	end_a_span();
	begin = clock_monotonic_ns();
	CHECK(!exporter_park(100));
	CHECK(clock_monotonic_ns() - begin < 300 * (uint64_t)MS_NS);
	/* It still knows that it is late, and leaves when it can. */
	CHECK(atomic_load(&exporter.deadline_ns) < clock_monotonic_ns());
	CHECK(atomic_load(&exporter.deadline_ns) > begin);
	atomic_store(&is_stuck, false);
	CHECK(exporter_park(1000));
}

static void without_main_it_stays_away(void)
{
	come_up();
	end_a_span();
	CHECK(comes_to(&delivered, 1));
	exporter_main_gone();
	CHECK(our_threads() == 0);
	end_a_span();
	pause_ms(20);
	CHECK(atomic_load(&delivered) == 1 && our_threads() == 0);
	/* A full batch is worth it; then it leaves again. */
	for (int i = 0; i < BATCH - 1; i++)
		end_a_span();
	CHECK(comes_to(&delivered, 1 + BATCH));
	pause_ms(20);
	CHECK(our_threads() == 0);
	/* So is one that has waited for the delay (200 ms), told by the next one. */
	end_a_span();
	pause_ms(20);
	CHECK(atomic_load(&delivered) == 1 + BATCH);
	pause_ms(250);
	end_a_span();
	CHECK(comes_to(&delivered, 3 + BATCH));
	/* And the end of the process is. */
	end_a_span();
	exporter_flush(HOST_EXITS);
	CHECK(atomic_load(&delivered) == 4 + BATCH);
}

#define IN_CHILD(body)                                      \
	static void test_exporter_life_##body(void **state) \
	{                                                   \
		(void)state;                                \
		run_in_child(body);                         \
	}
IN_CHILD(starts_with_the_first_span)
IN_CHILD(never_starts_where_signals_are_blocked)
IN_CHILD(never_starts_in_a_signal_handler)
IN_CHILD(never_starts_when_forbidden)
IN_CHILD(tries_again_after_a_second)
IN_CHILD(blocks_all_signals_but_libcs_own)
IN_CHILD(flush_delivers_all)
IN_CHILD(flush_starts_what_signals_have_put_off)
IN_CHILD(flush_counts_what_a_handler_leaves_behind)
IN_CHILD(flush_has_one_budget)
IN_CHILD(flush_counts_what_is_being_sent)
IN_CHILD(flush_leaves_all_to_who_came_first)
IN_CHILD(flush_takes_over_from_who_came_first)
IN_CHILD(forbidden_child_leaves_all_to_its_parent)
IN_CHILD(forbidden_child_of_a_mute_parent_counts)
IN_CHILD(forbidden_orphan_counts)
IN_CHILD(flush_without_a_span_is_nothing)
IN_CHILD(children_leave_it_to_the_parent)
IN_CHILD(children_take_over_from_the_dead)
IN_CHILD(quiesce_is_nothing_without_a_thread)
IN_CHILD(park_leaves_no_thread)
IN_CHILD(one_stack_serves)
IN_CHILD(park_gives_up_in_time)
IN_CHILD(without_main_it_stays_away)

/*
 * proc(5): the second field may hold blanks and brackets; state is the 3rd, num_threads the 20th.
 */
static void test_exporter_life_reads_proc_stat(void **state)
{
	struct bytes stat =
		BYTES("12 (a) Z (b c) S 1 12 12 0 -1 4194304 90 0 0 0 1 2 3 4 20 0 7 0 99\n");

	(void)state;
	assert_true(bytes_equal(stat_field(stat, 0), BYTES("S")));
	assert_true(bytes_equal(stat_field(stat, 1), BYTES("1")));
	assert_true(bytes_equal(stat_field(stat, 17), BYTES("7")));
	assert_int_equal(stat_field(stat, 40).len, 0);
	assert_int_equal(stat_field(BYTES(""), 0).len, 0);
	assert_int_equal(stat_field(BYTES("12 (a"), 0).len, 0);
	assert_int_equal(stat_field(BYTES("12 (a)"), 0).len, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exporter_life_starts_with_the_first_span),
		cmocka_unit_test(test_exporter_life_never_starts_where_signals_are_blocked),
		cmocka_unit_test(test_exporter_life_never_starts_in_a_signal_handler),
		cmocka_unit_test(test_exporter_life_never_starts_when_forbidden),
		cmocka_unit_test(test_exporter_life_tries_again_after_a_second),
		cmocka_unit_test(test_exporter_life_blocks_all_signals_but_libcs_own),
		cmocka_unit_test(test_exporter_life_flush_delivers_all),
		cmocka_unit_test(test_exporter_life_flush_starts_what_signals_have_put_off),
		cmocka_unit_test(test_exporter_life_flush_counts_what_a_handler_leaves_behind),
		cmocka_unit_test(test_exporter_life_flush_has_one_budget),
		cmocka_unit_test(test_exporter_life_flush_counts_what_is_being_sent),
		cmocka_unit_test(test_exporter_life_flush_leaves_all_to_who_came_first),
		cmocka_unit_test(test_exporter_life_flush_takes_over_from_who_came_first),
		cmocka_unit_test(test_exporter_life_forbidden_child_leaves_all_to_its_parent),
		cmocka_unit_test(test_exporter_life_forbidden_child_of_a_mute_parent_counts),
		cmocka_unit_test(test_exporter_life_forbidden_orphan_counts),
		cmocka_unit_test(test_exporter_life_flush_without_a_span_is_nothing),
		cmocka_unit_test(test_exporter_life_children_leave_it_to_the_parent),
		cmocka_unit_test(test_exporter_life_children_take_over_from_the_dead),
		cmocka_unit_test(test_exporter_life_quiesce_is_nothing_without_a_thread),
		cmocka_unit_test(test_exporter_life_park_leaves_no_thread),
		cmocka_unit_test(test_exporter_life_one_stack_serves),
		cmocka_unit_test(test_exporter_life_park_gives_up_in_time),
		cmocka_unit_test(test_exporter_life_without_main_it_stays_away),
		cmocka_unit_test(test_exporter_life_reads_proc_stat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
