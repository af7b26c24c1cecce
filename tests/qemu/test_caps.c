/* SPDX-License-Identifier: MIT */
/*
 * Asking QEMU what it can do, the cache of the answers, the trial boot and the choice of an
 * accelerator.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/qemu/helper_guest.h"
#include "vm/accel.h"
#include "vm/trial.h"

#define CACHE "qemu-caps.json"

/* A folder that stands for the run folder. */
struct place {
	char dir[64];
	struct host host;
};

static void open_place(struct place *p)
{
	*p = (struct place){ .dir = "/tmp/bmvm-test-XXXXXX", .host = HOST_INIT };
	cr_assert_not_null(mkdtemp(p->dir));
	p->host.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	p->host.run_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->host.dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	p->host.uid = geteuid();
	p->host.is_root = geteuid() == 0;
	strcpy(p->host.boot_id, "11111111-2222-3333-4444-555555555555");
}

static void close_place(struct place *p)
{
	host_done(&p->host);
	cr_assert_eq(file_remove_tree_at(AT_FDCWD, p->dir, NULL), 0);
}

/* ---- capabilities ---- */

Test(caps, qemu_says_what_it_can_do)
{
	struct qemu_caps c;

	guest_caps(&c);
	cr_expect_eq(c.binary[0], '/');
	cr_expect(c.q35 && c.tcg && c.net_user && c.virtio_blk && c.virtio_net);
	cr_expect_not_null(strchr(c.version, '.'));
	cr_expect(qemu_caps_machine_has(&c, "smm"));
	cr_expect_not(qemu_caps_machine_has(&c, "no-such-option"));
	cr_expect_geq(c.vcpus_max, 8);
	qemu_caps_done(&c);
}

Test(caps, more_cpus_than_the_machine_can_have_are_refused)
{
	char version[] = "7.2.22";
	struct qemu_caps c = { .version = version, .vcpus_max = 288 };
	struct error err = ERROR_INIT;

	cr_expect_eq(qemu_caps_check_vcpus(&c, 288, &err), 0);
	cr_expect_eq(qemu_caps_check_vcpus(&c, 289, &err), -EINVAL);
	cr_expect_str_eq(err.msg,
			 "vcpus: must be at most 288 for the q35 machine of QEMU 7.2.22, not 289");
	c.vcpus_max = 0;
	cr_expect_eq(qemu_caps_check_vcpus(&c, 289, &err), 0, "not known");
}

static void change_cache(const struct place *p, const char *key, struct json_object *value)
{
	AUTO_JSON struct json_object *o = NULL;

	cr_assert_eq(json_load_at(p->host.run_fd, CACHE, &o, NULL), 0);
	json_add(o, key, value);
	cr_assert_eq(json_save_at(p->host.run_fd, CACHE, o, 0600, NULL), 0);
}

static char *version_through(const struct place *p)
{
	struct error err = ERROR_INIT;
	struct qemu_caps c;
	char *version;

	cr_assert_eq(qemu_caps_get(NULL, p->host.run_fd, &c, &err), 0, "%s", err.msg);
	cr_assert(c.q35 && c.machine_options.n > 5);
	version = strdup(c.version);
	qemu_caps_done(&c);
	return version;
}

Test(caps, answers_are_kept_while_the_binary_is_the_same)
{
	AUTO_FREE char *asked = NULL;
	AUTO_FREE char *cached = NULL;
	AUTO_FREE char *again = NULL;
	struct place p;
	struct qemu_caps c;

	guest_caps(&c);
	open_place(&p);
	asked = version_through(&p);
	cr_expect_str_eq(asked, c.version);
	change_cache(&p, "version", json_object_new_string("from the cache"));
	cached = version_through(&p);
	cr_expect_str_eq(cached, "from the cache");
	change_cache(&p, "identity", json_object_new_string("1:2:3:4"));
	again = version_through(&p);
	cr_expect_str_eq(again, c.version, "another binary's answers must not be believed");
	qemu_caps_done(&c);
	close_place(&p);
}

Test(caps, a_damaged_cache_is_asked_for_again)
{
	static const char *const damaged[] = { "", "{", "[]", "null", "{\"format\":1}" };
	struct place p;
	struct qemu_caps c;

	guest_caps(&c);
	open_place(&p);
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		AUTO_FREE char *version = NULL;

		cr_assert_eq(file_write_atomic_at(p.host.run_fd, CACHE, damaged[i],
						  strlen(damaged[i]), 0600, NULL),
			     0);
		version = version_through(&p);
		cr_expect_str_eq(version, c.version, "\"%s\"", damaged[i]);
	}
	change_cache(&p, "features", json_object_new_object());
	free(version_through(&p));
	change_cache(&p, "machine_options", json_object_new_string("smm"));
	free(version_through(&p));
	qemu_caps_done(&c);
	close_place(&p);
}

Test(caps, a_missing_binary_is_reported_with_its_package)
{
	struct error err = ERROR_INIT;
	struct qemu_caps c;

	cr_expect_eq(qemu_caps_get("/nonexistent/qemu", -1, &c, &err), -ENOENT);
	cr_expect(strstr(err.msg, "/nonexistent/qemu") != NULL, "%s", err.msg);
	cr_expect(strstr(err.hint, "apt install qemu-system-x86") != NULL, "%s", err.hint);
}

Test(caps, a_program_that_is_no_qemu_is_reported_with_its_words)
{
	struct error err = ERROR_INIT;
	struct qemu_caps c;

	cr_expect_eq(qemu_caps_get("/bin/cat", -1, &c, &err), -EINVAL);
	cr_expect(strstr(err.msg, "exit code 1") != NULL, "%s", err.msg);
	cr_expect(strstr(err.msg, "invalid option") != NULL, "%s", err.msg);
}

/* ---- trial ---- */

/* The test guest as a file; @silent: it never says a word. */
static char *kernel_file(const struct place *p, bool silent)
{
	AUTO_CLOSE int fd = guest_kernel();
	char data[4096];
	ssize_t n = pread(fd, data, sizeof(data), 0);
	char *path = path_join(p->dir, silent ? "silent" : "kernel");

	cr_assert_gt(n, (ssize_t)strlen(GUEST_HELLO));
	if (silent)
		data[(size_t)n - strlen(GUEST_HELLO) - 1] = '\0';
	cr_assert_eq(file_write_atomic_at(AT_FDCWD, path, data, (size_t)n, 0600, NULL), 0);
	return path;
}

static void try_kernel(const struct place *p, const struct trial_request *req,
		       struct trial_result *ret)
{
	struct error err = ERROR_INIT;

	cr_assert_eq(trial_run(&p->host, req, ret, &err), 0, "%s", err.msg);
}

Test(trial, a_kernel_that_speaks_works_and_is_remembered)
{
	struct trial_result result;
	struct qemu_caps caps;
	struct place p;

	guest_caps(&caps);
	open_place(&p);
	AUTO_FREE char *kernel = kernel_file(&p, false);
	struct trial_request req = { &caps, kernel, VM_ACCEL_TCG, "guest is up", 60, false };

	try_kernel(&p, &req, &result);
	cr_expect(result.works, "%s", result.detail);
	cr_expect_not(result.cached);
	cr_expect(strstr(result.detail, "spoke after") != NULL, "%s", result.detail);
	try_kernel(&p, &req, &result);
	cr_expect(result.works && result.cached, "%s", result.detail);
	strcpy(p.host.boot_id, "another boot");
	try_kernel(&p, &req, &result);
	cr_expect_not(result.cached, "an answer of another boot must not be believed");
	req.fresh = true;
	try_kernel(&p, &req, &result);
	cr_expect_not(result.cached);
	qemu_caps_done(&caps);
	close_place(&p);
}

Test(trial, a_kernel_that_stays_silent_is_given_up_in_time)
{
	struct trial_result result;
	struct qemu_caps caps;
	struct place p;

	guest_caps(&caps);
	open_place(&p);
	AUTO_FREE char *kernel = kernel_file(&p, true);
	struct trial_request req = { &caps, kernel, VM_ACCEL_TCG, "guest is up", 2, false };
	uint64_t start = clock_now_ns();

	try_kernel(&p, &req, &result);
	cr_expect_not(result.works);
	cr_expect(strstr(result.detail, "no sign of life") != NULL, "%s", result.detail);
	cr_expect_lt(clock_seconds_since(start), 2 + 5 + 10.0);
	AUTO_FREE char *absent = path_join(p.dir, "absent");

	req.kernel = absent;
	cr_expect_eq(trial_run(&p.host, &req, &result, NULL), -ENOENT);
	qemu_caps_done(&caps);
	close_place(&p);
}

Test(trial, what_is_no_kernel_does_not_work)
{
	struct trial_result result = { .works = true };
	struct error err = ERROR_INIT;
	struct qemu_caps caps;
	struct place p;
	int r;

	guest_caps(&caps);
	open_place(&p);
	AUTO_FREE char *kernel = path_join(p.dir, "text");
	struct trial_request req = { &caps, kernel, VM_ACCEL_TCG, "hello", 20, false };

	cr_assert_eq(file_write_atomic_at(AT_FDCWD, kernel, "hello", 5, 0644, NULL), 0);
	r = trial_run(&p.host, &req, &result, &err);
	cr_expect(r < 0 || !result.works);
	if (r < 0)
		cr_expect(strstr(err.msg, "trial boot") != NULL, "%s", err.msg);
	qemu_caps_done(&caps);
	close_place(&p);
}

/* KVM may work here, or hang every guest: either answer is right, but it comes in time. */
Test(trial, kvm_is_tried_within_its_bound)
{
	struct trial_result result;
	struct error err = ERROR_INIT;
	struct qemu_caps caps;
	struct place p;

	guest_caps(&caps);
	if (access("/dev/kvm", R_OK | W_OK) < 0 || !caps.kvm)
		cr_skip("no usable /dev/kvm");
	open_place(&p);
	AUTO_FREE char *kernel = kernel_file(&p, false);
	struct trial_request req = { &caps, kernel, VM_ACCEL_KVM, "guest is up", 4, false };
	uint64_t start = clock_now_ns();

	if (trial_run(&p.host, &req, &result, &err) == 0)
		printf("KVM %s: %s\n", result.works ? "works" : "does not work", result.detail);
	else
		printf("KVM does not start: %s\n", err.msg);
	cr_expect_lt(clock_seconds_since(start), 4 + 5 + 10.0);
	qemu_caps_done(&caps);
	close_place(&p);
}

/* ---- accelerator ---- */

Test(accel, without_kvm_the_configured_word_decides)
{
	struct error err = ERROR_INIT;
	struct accel_choice choice;
	struct qemu_caps caps;
	struct place p;

	guest_caps(&caps);
	open_place(&p);
	close_fd(&p.host.dev_fd);
	p.host.dev_fd = open(p.dir, O_PATH | O_DIRECTORY | O_CLOEXEC); /* a /dev without kvm */
	caps.kvm = true;
	cr_expect_eq(vm_accel_decide(&p.host, &caps, HYPERVISOR_KVM, NULL, &choice, &err), -ENOENT);
	cr_expect(strstr(err.hint, "tcg") != NULL, "%s", err.hint);
	cr_expect_eq(vm_accel_decide(&p.host, &caps, HYPERVISOR_TCG, NULL, &choice, &err), 0);
	cr_expect_eq(choice.accel, VM_ACCEL_TCG);
	cr_expect(strstr(choice.reason, "no security boundary") != NULL, "%s", choice.reason);
	cr_expect_eq(vm_accel_decide(&p.host, &caps, HYPERVISOR_AUTO, NULL, &choice, &err), 0);
	cr_expect_eq(choice.accel, VM_ACCEL_TCG);
	cr_expect(strstr(choice.reason, "/dev/kvm") != NULL, "%s", choice.reason);
	caps.tcg = false;
	cr_expect_eq(vm_accel_decide(&p.host, &caps, HYPERVISOR_AUTO, NULL, &choice, &err),
		     -ENOTSUP);
	caps.kvm = false;
	cr_expect_eq(vm_accel_decide(&p.host, &caps, HYPERVISOR_KVM, NULL, &choice, &err),
		     -ENOTSUP);
	qemu_caps_done(&caps);
	close_place(&p);
}
