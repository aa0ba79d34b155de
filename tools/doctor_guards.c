/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor and SELinux: who confines the process, and what the logs that we may read say of it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "doctor.h"
#include "proc_file.h"

/* Where the kernel's and the audit daemon's lines are, as far as anybody keeps them in files. */
static const char *const logs[] = { "/var/log/audit/audit.log", "/var/log/kern.log",
				    "/var/log/syslog", "/var/log/messages" };

static bool has(struct bytes line, const char *what)
{
	return memmem(line.ptr, line.len, what, strlen(what)) != NULL;
}

/* A denial that is about this process, or about our files. */
static bool is_about(struct bytes line, pid_t pid)
{
	char own[32];
	const char *at;

	if (!has(line, "apparmor=\"DENIED\"") && !has(line, "avc:  denied"))
		return false;
	snprintf(own, sizeof(own), " pid=%d", (int)pid);
	at = memmem(line.ptr, line.len, own, strlen(own));
	if (at && (at + strlen(own) == line.ptr + line.len || at[strlen(own)] == ' '))
		return true;
	return has(line, "libinterspan");
}

static void last_denial(struct diagnosis *d, pid_t pid)
{
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		struct text file = { 0 };
		struct bytes rest, last = { 0 };

		(void)file_read_end(&file, logs[i]);
		rest = (struct bytes){ file.ptr, file.len };
		while (rest.len) {
			struct bytes line = bytes_split(&rest, '\n');

			if (is_about(line, pid))
				last = line;
		}
		if (last.len) {
			diagnose(d, LEVEL_BAD, "denied",
				 "the system's access control has refused it something");
			diagnosis_seen(d, "%s: %.*s", logs[i], (int)last.len, last.ptr);
			diagnosis_remedy(d, "the profile or policy must let it read and map the "
					    "library, and reach the endpoint");
		}
		text_done(&file);
		if (last.len)
			return;
	}
}

/* /proc/PID/attr/current: "profile (enforce)" of AppArmor, "user:role:type:level" of SELinux. */
void doctor_guards(struct diagnosis *d, pid_t pid)
{
	struct text label = { 0 };
	struct bytes word;

	(void)proc_read(&label, pid, "attr/current");
	word = (struct bytes){ label.ptr, label.len };
	while (word.len && (word.ptr[word.len - 1] == '\n' || !word.ptr[word.len - 1]))
		word.len--;
	if (word.len && !has(word, "unconfined") && !has(word, "(complain)")) {
		diagnose(d, LEVEL_NOTE, "confined",
			 "an access control of the system confines the process");
		diagnosis_seen(d, "%.*s in /proc/%d/attr/current", (int)word.len, word.ptr,
			       (int)pid);
		diagnosis_remedy(d, "if there is no data: journalctl -k has its denials");
	}
	text_done(&label);
	last_denial(d, pid);
}
