/* SPDX-License-Identifier: Apache-2.0 */
#include "signal_name.h"

#include <signal.h>
#include <string.h>

/* As its number says nothing, and differs between machines. */
struct bytes signal_name(int number)
{
	static const char names[] = "_OTHER\0SIGHUP\0SIGINT\0SIGQUIT\0SIGILL\0SIGTRAP\0SIGABRT\0"
				    "SIGBUS\0SIGFPE\0SIGKILL\0SIGUSR1\0SIGSEGV\0SIGUSR2\0"
				    "SIGPIPE\0SIGALRM\0SIGTERM\0_OTHER\0SIGCHLD\0SIGCONT\0SIGSTOP\0"
				    "SIGTSTP\0SIGTTIN\0SIGTTOU\0SIGURG\0SIGXCPU\0SIGXFSZ\0"
				    "SIGVTALRM\0SIGPROF\0SIGWINCH\0SIGIO\0SIGPWR\0SIGSYS";
	const char *name = names;

	if (number < 1 || number > SIGSYS)
		return BYTES("_OTHER");
	while (number--)
		name += strlen(name) + 1;
	return bytes_from_str(name);
}
