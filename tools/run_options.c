/* SPDX-License-Identifier: Apache-2.0 */
#include "run_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const char help[] =
	"Usage: interspan run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
	"       interspan run --env[=systemd] [OPTIONS]\n"
	"Runs PROGRAM with libinterspan.so preloaded.\n"
	"\n"
	"  --view           receive its traces here, and print them on standard error with a\n"
	"                   verdict when it has ended\n"
	"  --service NAME   name of the service (OTEL_SERVICE_NAME)\n"
	"  --endpoint URL   where traces go (OTEL_EXPORTER_OTLP_ENDPOINT);\n"
	"                   http://localhost:4318 unless the environment says otherwise\n"
	"  --sample SHARE   of the traces that begin here so many are recorded, 0 to 1\n"
	"  --log FILE       a line of counters and warnings there when it ends; stderr is\n"
	"                   possible (OTEL_INTERSPAN_LOG)\n"
	"  --env[=FORM]     print the variables instead of running: shell (default, for\n"
	"                   eval) or systemd (a drop-in)\n"
	"  --force          run it even if it is known that nothing will be seen of it\n"
	"  --help           print this\n"
	"\n"
	"An LD_PRELOAD that is there already is kept, ours is put behind it.\n"
	"The exit status is PROGRAM's; 125 if interspan itself failed, 126 if PROGRAM cannot be\n"
	"executed, or is one that cannot be preloaded (static, musl, 32 bits, setuid, Go, ...),\n"
	"127 if there is none.\n";

static const struct option options[] = {
	{ "service", required_argument, NULL, 's' },
	{ "endpoint", required_argument, NULL, 'e' },
	{ "sample", required_argument, NULL, 'S' },
	{ "log", required_argument, NULL, 'l' },
	{ "env", optional_argument, NULL, 'E' },
	{ "view", no_argument, NULL, 'v' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static bool read_env(struct run_options *o)
{
	o->env = RUN_ENV_SHELL;
	if (!optarg || strcmp(optarg, "shell") == 0)
		return true;
	o->env = RUN_ENV_SYSTEMD;
	if (strcmp(optarg, "systemd") == 0)
		return true;
	command_error("run", "--env is shell or systemd, not '%s'", optarg);
	return false;
}

static bool read_option(struct run_options *o, int c)
{
	switch (c) {
	case 's':
		o->service = optarg;
		return true;
	case 'e':
		o->endpoint = optarg;
		return true;
	case 'S':
		o->sample = optarg;
		return true;
	case 'l':
		o->log = optarg;
		return true;
	case 'v':
		o->is_view = true;
		return true;
	case 'f':
		o->is_forced = true;
		return true;
	default:
		return read_env(o);
	}
}

static bool is_share(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	return *text && !*end && n >= 0 && n <= 1;
}

/* Lines would end a variable, and a drop-in, too early. */
static bool is_one_line(const char *text)
{
	return !text || !strpbrk(text, "\n\r");
}

static bool is_usable(const struct run_options *o)
{
	if (o->service && !*o->service)
		command_error("run", "--service needs a name that is not empty");
	else if (o->endpoint && strncmp(o->endpoint, "http://", 7) != 0 &&
		 strncmp(o->endpoint, "https://", 8) != 0)
		command_error("run", "--endpoint must begin with http:// or https://: %s",
			      o->endpoint);
	else if (o->sample && !is_share(o->sample))
		command_error("run", "--sample needs a share from 0 to 1, not '%s'", o->sample);
	else if (!is_one_line(o->service) || !is_one_line(o->endpoint) || !is_one_line(o->log))
		command_error("run", "a value has more than one line");
	else if (o->is_view && (o->endpoint || o->env))
		command_error("run", "--view is an endpoint of its own, and runs the program");
	else if (o->env && *o->program)
		command_error("run", "--env runs no program");
	else if (!o->env && !*o->program)
		command_error("run", "no program given, see interspan run --help");
	else
		return true;
	return false;
}

int run_options_read(struct run_options *ret, int argc, char **argv)
{
	int c;

	*ret = (struct run_options){ 0 };
	opterr = 0;
	optind = 1;
	/* "+": the program's options are not ours. */
	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return EXIT_SUCCESS;
		}
		if (c == ':' || c == '?') {
			command_error("run",
				      c == ':' ? "%s needs a value" :
						 "no option %s, see interspan run --help",
				      argv[optind - 1]);
			return EXIT_OURS;
		}
		if (!read_option(ret, c))
			return EXIT_OURS;
	}
	ret->program = argv + optind;
	return is_usable(ret) ? -1 : EXIT_OURS;
}

unsigned run_variables(const struct run_options *o, const char *viewer_url,
		       struct run_variable ret[RUN_VARIABLES_MAX])
{
	unsigned n = 0;

	if (o->service)
		ret[n++] = (struct run_variable){ "OTEL_SERVICE_NAME", o->service };
	if (o->endpoint)
		ret[n++] = (struct run_variable){ "OTEL_EXPORTER_OTLP_ENDPOINT", o->endpoint };
	if (o->sample) {
		ret[n++] =
			(struct run_variable){ "OTEL_TRACES_SAMPLER", "parentbased_traceidratio" };
		ret[n++] = (struct run_variable){ "OTEL_TRACES_SAMPLER_ARG", o->sample };
	}
	if (o->log)
		ret[n++] = (struct run_variable){ "OTEL_INTERSPAN_LOG", o->log };
	if (!viewer_url)
		return n;
	/* Whatever else is set for traces would send them elsewhere. */
	ret[n++] = (struct run_variable){ "OTEL_EXPORTER_OTLP_ENDPOINT", viewer_url };
	ret[n++] = (struct run_variable){ "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", NULL };
	ret[n++] = (struct run_variable){ "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf" };
	ret[n++] = (struct run_variable){ "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", NULL };
	ret[n++] = (struct run_variable){ "OTEL_TRACES_EXPORTER", "otlp" };
	/* Who looks on wants to see soon. */
	if (!getenv("OTEL_BSP_SCHEDULE_DELAY"))
		ret[n++] = (struct run_variable){ "OTEL_BSP_SCHEDULE_DELAY", "500" };
	return n;
}

static void print_shell(const char *name, const char *value)
{
	printf("export %s='", name);
	for (; *value; value++)
		if (*value == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*value);
	puts("'");
}

/* systemd.exec(5): in quotes, with % doubled. */
static void print_systemd(const char *name, const char *value)
{
	printf("Environment=\"%s=", name);
	for (; *value; value++) {
		if (strchr("\"\\", *value))
			putchar('\\');
		if (*value == '%')
			putchar('%');
		putchar(*value);
	}
	puts("\"");
}

void run_env_print(const struct run_options *o, const char *object)
{
	struct run_variable list[RUN_VARIABLES_MAX];
	unsigned n = run_variables(o, NULL, list);

	if (o->env == RUN_ENV_SYSTEMD) {
		puts("[Service]");
		print_systemd("LD_PRELOAD", object);
	} else {
		/* As a shell has it, so that one that is there is kept. */
		printf("export LD_PRELOAD=\"${LD_PRELOAD:+$LD_PRELOAD:}\"'%s'\n", object);
	}
	for (unsigned i = 0; i < n; i++)
		(o->env == RUN_ENV_SYSTEMD ? print_systemd : print_shell)(list[i].name,
									  list[i].value);
}
