/* SPDX-License-Identifier: Apache-2.0 */
/* What files of the system say (D141-D146); the texts are as those systems have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"

#define ID "3f4e9d6c0b1a2f3e4d5c6b7a8990a1b2c3d4e5f60718293a4b5c6d7e8f901234"

static void assert_text(struct bytes got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	if (got.len)
		assert_memory_equal(got.ptr, want, got.len);
}

static void test_container_is_found(void **state) /* D146 */
{
	static const struct {
		const char *cgroup, *mountinfo, *want;
	} rows[] = {
		/* cgroup v1: docker, systemd's slices, kubernetes with containerd and cri-o */
		{ "13:name=systemd:/docker/" ID "\n", "", ID },
		{ "1:a:/\n4:memory:/kubepods/besteffort/podaa-bb/" ID "\n", "", ID },
		{ "0::/system.slice/docker-" ID ".scope\n", "", ID },
		{ "4:cpu:/kubepods.slice/cri-containerd-" ID ".scope\n", "", ID },
		{ "1:n:/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID
		  "\n",
		  "", ID },
		/* cgroup v2: only mounts tell */
		{ "0::/\n",
		  "100 99 8:1 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw - ext4 "
		  "/dev/sda1 rw\n",
		  ID },
		{ "0::/\n",
		  "1 2 0:3 /var/lib/containers/storage/overlay-containers/" ID
		  "/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n",
		  ID },
		{ "0::/\n", "1 2 0:3 / /sys/fs/cgroup/crio-" ID " rw\n", ID },
		/* none */
		{ "0::/user.slice/user-1000.slice/session-1.scope\n", "", "" },
		{ "0::/docker/" ID "0\n", "", "" },
		{ "0::/docker/3f4e\n", "", "" },
		{ "", "", "" },
		/* a directory of a path is no container */
		{ "0::/" ID "/child\n", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_text(machine_container(bytes_from_str(rows[i].cgroup),
					      bytes_from_str(rows[i].mountinfo)),
			    rows[i].want);
}

static void test_os_release_is_read(void **state) /* D145 */
{
	struct bytes text = BYTES("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
				  "NAME='Debian GNU/Linux'\nVERSION_ID=12\nEMPTY=\nLAST=x");

	(void)state;
	assert_text(machine_os_release(text, BYTES("PRETTY_NAME")),
		    "Debian GNU/Linux 12 (bookworm)");
	assert_text(machine_os_release(text, BYTES("NAME")), "Debian GNU/Linux");
	assert_text(machine_os_release(text, BYTES("VERSION_ID")), "12");
	assert_text(machine_os_release(text, BYTES("EMPTY")), "");
	assert_text(machine_os_release(text, BYTES("LAST")), "x");
	assert_text(machine_os_release(text, BYTES("VERSION")), "");
}

static void test_arch_has_the_names_of_the_conventions(void **state) /* D142 */
{
	(void)state;
	assert_text(machine_arch(BYTES("x86_64")), "amd64");
	assert_text(machine_arch(BYTES("aarch64")), "arm64");
	assert_text(machine_arch(BYTES("armv7l")), "arm32");
	assert_text(machine_arch(BYTES("i686")), "x86");
	assert_text(machine_arch(BYTES("ppc64le")), "ppc64");
	assert_text(machine_arch(BYTES("s390x")), "s390x");
}

static void test_file_that_is_not_there_is_empty(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(machine_file("/nowhere/at/all", buf, sizeof(buf)).len, 0);
	assert_int_equal(machine_file("/proc/self/mountinfo", buf, sizeof(buf)).len, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_container_is_found),
		cmocka_unit_test(test_os_release_is_read),
		cmocka_unit_test(test_arch_has_the_names_of_the_conventions),
		cmocka_unit_test(test_file_that_is_not_there_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
