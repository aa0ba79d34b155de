# SPDX-License-Identifier: Apache-2.0
"""What broke hosts (a) and made traces lie (b) elsewhere, as far as HTTP/1 or any host is concerned, and
the tests that show that it does not here: file: words that the names of its tests have behind test_."""

NOTES = """\
a: a signal handler writes while the main thread is in a hook, 5,000 times a second
    preload/test_process.py: signal_handler_at_5_khz signals_and_longjmp
a: every descriptor is closed, and ours is another's file by then
    e2e/test_transparency.py: closed_descriptors
    e2e/test_field_notes.py: a_every_number_is_somebody_else_s
    preload/test_sockets.py: close_range_by_number close_by_number
a: dup2() onto our descriptor
    e2e/test_field_notes.py: a_every_number_is_somebody_else_s
    e2e/test_transparency.py: apt_get
    preload/test_sockets.py: dup_over_a_connection
a: limits of nothing, seccomp
    e2e/test_hosts.py: limits
    preload/test_process.py: rights_are_given_up_by_all_threads
    unit/test_worker_hostile.c: hostile_shared_table_is_refused hostile_exporter_is_refused
a: a sandbox that wants to be single-threaded
    preload/test_process.py: single_threaded
    e2e/test_transparency.py: no_thread_and_no_descriptor
a: a program that needs each signal itself
    e2e/test_field_notes.py: a_signals_are_the_host_s
a: other allocators, before and behind us
    e2e/test_field_notes.py: a_other_allocators_before_and_behind_us
    e2e/test_transparency.py: shell_loops
a: a host that exports names of libraries that we carry
    e2e/test_field_notes.py: a_odd_calls_and_names_of_our_libraries
a: fork while a lock of a library is held
    preload/test_process.py: fork_while_exporting fork_child
a: vfork and posix_spawn
    preload/test_process.py: vfork_and_exec vfork_and_descriptors python_subprocess
a: a name that this libc has not
    unit/test_real.c: real_missing_name_is_enosys
    preload/test_process.py: syscall
a: variadic functions; iovec arrays, no bytes, no buffer, read-only buffers
    e2e/test_field_notes.py: a_odd_calls_and_names_of_our_libraries
    preload/test_sockets.py: pointers_to_nowhere memory_that_is_not_there
    preload/test_random.py: all
a: MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE, MSG_OOB, recvmmsg, sendmmsg, SCM_RIGHTS
    preload/test_sockets.py: trunc_of_bodies flags_of_calls urgent_bytes many_messages rights_to_a_child
    e2e/test_tag.py: nobody_sees_two_versions
a: libraries loaded with RTLD_DEEPBIND and RTLD_LOCAL, dlsym(), code without a PLT
    preload/test_process.py: deepbind_is_cleared local_library
    e2e/test_field_notes.py: a_calls_by_pointers_and_without_a_plt a_calls_that_dlsym_found
a: no executable memory may be made, no /proc, no /tmp, a chroot
    e2e/test_field_notes.py: a_no_new_executable_memory a_chroot_before_the_first_span
a: setuid programs
    preload/test_process.py: setuid_program
a: two copies of the preload, another preload, a preload for children
    preload/test_process.py: two_copies next_preload_is_reached
    e2e/test_field_notes.py: a_programs_with_a_preload_of_their_own_for_children
    e2e/test_tools.py: run_appends_to_a_preload_once
a: an object with an empty hash table
    unit/test_resolve.c: resolve_survives_an_empty_gnu_table
a: a start that costs
    e2e/test_transparency.py: true_and_false no_library_and_no_mapping
a: nobody listens; wake-ups of an idle process
    preload/test_process.py: single_threaded_without_a_collector
    unit/test_worker.c: worker_never_wakes_when_idle
a: data at the end of a short life, and no time lost there
    preload/test_process.py: return exit quick_exit exec end_is_not_held_up
    e2e/test_transparency.py: exit_is_not_held_up
a: a cleared environment
    preload/test_process.py: environment_cleared_before_our_constructor
    e2e/test_causality.py: nginx
a: syscall(SYS_close)
    preload/test_process.py: syscall
    preload/test_sockets.py: close_by_number unseen_close_client
a: calls inside libc: stdio on a socket, system, popen, execlp
    preload/test_sockets.py: stdio_answers dprintf_answers stdio_closes_client
    e2e/test_children.py: request_starts_programs
a: programs of the terminal
    e2e/test_transparency.py: tmux
b: a pool of threads that a queue feeds
    e2e/test_field_notes.py: b_thread_pool_fed_by_a_queue
    e2e/test_causality.py: pool_of_workers java
b: a loop that serves many
    e2e/test_causality.py: node gevent aiohttp nginx lighttpd
b: a header although there is one; two from two layers
    e2e/test_framing.py: header_of_the_application_is_left_alone
    e2e/test_edits.py: later_version
    interop/test_neighbours.py: opentelemetry_instrument_with_flask_and_requests java_agent \
auto_instrumentations_node
b: a head in several writes, vectors, byte by byte
    e2e/test_framing.py: request_cut_in_two_at_every_byte
    e2e/test_insertion.py: every_call_and_every_cut
b: heads of any size
    e2e/test_field_notes.py: b_heads_of_any_size_with_the_header_deep_inside \
b_one_header_in_a_large_request_of_our_own
b: odd methods, targets, versions and names
    e2e/test_framing.py: server_spans_whatever_the_framing client_spans_whatever_the_framing
b: HEAD, 304, 204, 1xx, upgrades, CONNECT, chunks, trailers, pipelining
    e2e/test_framing.py: server_spans_whatever_the_framing client_spans_whatever_the_framing
    e2e/test_ends.py: websocket_ends_with_its_101 connect_ends_with_its_200
b: numbers from 1024 on, reused, dup'ed, passed on, inherited
    e2e/test_field_notes.py: a_descriptors_above_1024 a_inherited_listener
    preload/test_sockets.py: rights_get_an_old_number dup_leads_to_the_same
b: a proxy that passes traceparent on as it is
    e2e/test_trace.py: header_that_nginx_copies_is_rewritten_in_place
    e2e/test_edits.py: haproxy
b: sampling as the parent decided
    e2e/test_trace.py: unsampled_parent_is_honoured
b: bodies by sendfile and splice
    e2e/test_field_notes.py: b_body_by_sendfile_takes_as_long_as_it_takes
    preload/test_sockets.py: splice_of_bodies sendfile_of_bodies
b: an SDK in the program
    interop/test_neighbours.py: opentelemetry_instrument_with_flask_and_requests java_agent \
auto_instrumentations_node
    unit/test_tracer.c: tracer_that_writes_headers tracer_that_may_be_a_proxy
b: a context that outlives its request
    e2e/test_field_notes.py: b_context_ends_with_its_request
b: a proxy's address as that of the server
    e2e/test_trace.py: attributes_of_every_span
b: raw paths as names, passwords in URLs
    e2e/test_trace.py: names_from_a_route_table secrets_stay_inside
"""


def read(text=NOTES):
    """[(note, file, [test, ...])]"""
    rows, note = [], None
    for line in text.splitlines():
        if not line.startswith(" "):
            note = line
            continue
        path, _, names = line.strip().partition(": ")
        rows.append((note, path, names.split()))
    return rows
