/* SPDX-License-Identifier: MIT */
/*
 * Bad command lines, through the built program: right exit code, one message naming option and
 * rule, nothing on stdout, nothing touched.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/strv.h"

#define WORDS_MAX 12
#define DATA      TEST_DATA "/config/"
#define VM(text)  "{\"baremetal_vm\": {" text "}}"

/* What the program is given, its exit code, and a part of its message. */
struct line {
	const char *words[WORDS_MAX];
	int code;
	const char *message;
};

static const struct line bad_lines[] = {
	/* the program itself */
	{ { NULL }, 2, "no command given" },
	{ { "rnu" }, 2, "unknown command \"rnu\"; did you mean \"run\"?" },
	{ { "frobnicate" }, 2, "unknown command \"frobnicate\"" },
	{ { "--frobnicate" }, 2, "unknown option \"--frobnicate\"" },
	{ { "help", "nothing" }, 2, "unknown command \"nothing\"" },
	{ { "build", "--tags", "x" }, 2, "build: not a command of this program" },
	{ { "database" }, 2, "database: not a command of this program" },
	{ { "discover", "--tags", ":" }, 2, "--tags: \":\" names no model and no tag" },
	{ { "discover", "x" }, 2, "discover: unexpected argument \"x\"" },
	{ { "report", "to-html" }, 2, "--csv-file" },
	{ { "ps", "--bogus" }, 2, "ps: unknown option \"--bogus\"" },
	{ { "check", "--memroy", "1G" }, 2, "did you mean \"--memory\"?" },
	{ { "check", "-c", VM("\"vcpus\": 0") }, 2, "baremetal_vm.vcpus: must be a whole number" },
	{ { "image", "bild" }, 2, "unknown command \"bild\"; did you mean \"build\"?" },
	{ { "ssh" }, 2, "ssh: name one VM" },
	{ { "destroy" }, 2, "destroy: name the VMs" },
	{ { "recover", "now" }, 2, "recover: unexpected argument \"now\"" },
	/* what to run */
	{ { "run" }, 125, "run: no command given" },
	{ { "run", "-f", DATA "guide-file-1.json" }, 125, "or --tags TAG for MAD models" },
	{ { "run", "--" }, 125, "run: no command given" },
	{ { "run", "--", "" }, 125, "run: no command given" },
	{ { "run", "ls", "-l" }, 125, "run: unexpected argument \"ls\"" },
	{ { "run", "true" }, 125, "run: unexpected argument \"true\"" },
	{ { "run", "--tags", "a", "--", "true" },
	  125,
	  "--tags and a command (--) exclude each other" },
	{ { "run", "-m", "f", "--", "true" }, 125, "--manifest-file and a command (--) exclude" },
	{ { "run", "--tags", "llama2_7b" }, 2, "models.json" },
	{ { "run", "--tags", ":" }, 2, "\":\" names no model and no tag" },
	{ { "run", "--tags", "," }, 4, "--tags: names no model" },
	{ { "run", "--manifest-file", "x.json" }, 4, "--manifest-file x.json: no such file" },
	{ { "run", "--tags" }, 4, "--tags needs a value" },
	{ { "run", "--tags", "a", "--timeout", "-2" }, 4, "--timeout: must be seconds" },
	{ { "run", "--tags", "a", "-c", "{" }, 4, "--additional-context:1:2: expected a key" },
	{ { "run", "--tags", "llama2_7b", "-f", DATA "guide-file-1.json", "--timeout", "3600",
	    "--live-output" },
	  2,
	  "models.json" },
	/* options as such */
	{ { "run", "--memroy", "1G", "--", "true" },
	  125,
	  "unknown option \"--memroy\"; did you mean "
	  "\"--memory\"?" },
	{ { "run", "--mem", "1G", "--", "true" }, 125, "unknown option \"--mem\"" },
	{ { "run", "--bogus=1", "--", "true" }, 125, "unknown option \"--bogus\"" },
	{ { "run", "-Z", "--", "true" }, 125, "unknown option \"-Z\"" },
	{ { "run", "-vZ", "--", "true" }, 125, "unknown option \"-Z\" in \"-vZ\"" },
	{ { "run", "--memory" }, 125, "--memory needs a value (SIZE)" },
	{ { "run", "-c" }, 125, "-c needs a value (TEXT)" },
	{ { "run", "--quiet=1", "--", "true" }, 125, "--quiet takes no value" },
	{ { "run", "--quiet", "--verbose", "--", "true" }, 125, "--quiet and --verbose exclude" },
	{ { "run", "--tty", "--no-tty", "--", "true" }, 125, "--tty and --no-tty exclude" },
	{ { "run", "--json", "--", "true" }, 125, "--json needs --dry-run" },
	{ { "run", "--help-config=html" }, 125, "--help-config: takes no value, or \"markdown\"" },
	/* options with a rule */
	{ { "run", "--vcpus", "0", "--", "true" },
	  125,
	  "--vcpus: must be a whole number from 1 to" },
	{ { "run", "--vcpus", "four", "--", "true" }, 125, "--vcpus: must be a whole number" },
	{ { "run", "--vcpus=", "--", "true" }, 125, "--vcpus: must be a whole number" },
	{ { "run", "--memory", "1", "--", "true" }, 125, "--memory: must be from 64M to 64T" },
	{ { "run", "--memory", "1 G", "--", "true" }, 125, "--memory: \"1 G\" is not a size" },
	{ { "run", "--memory=1GB", "--", "true" }, 125, "memory: must be whole MiB" },
	{ { "run", "--hypervisor", "vbox", "--", "true" }, 125, "--hypervisor: must be \"kvm\"" },
	{ { "run", "--image", "", "--", "true" }, 125, "--image: must not be empty" },
	{ { "run", "--gpu-mode", "all", "--", "true" }, 125, "--gpu-mode: must be \"sriov\"" },
	{ { "run", "--gpus", "1", "--", "true" },
	  125,
	  "gpu_passthrough.mode: is required with GPUs" },
	{ { "run", "--gpus", "0", "--gpu-mode", "vfio", "--", "true" },
	  125,
	  "--gpus: must be a whole" },
	{ { "run", "--gpus", "x", "--gpu-mode", "vfio", "--", "true" },
	  125,
	  "gpu_passthrough.gpu_ids: must be PCI" },
	{ { "run", "--gpus", "01:00.0,", "--gpu-mode", "vfio", "--", "true" },
	  125,
	  "--gpus: must be a" },
	{ { "run", "--preserve=always", "--", "true" },
	  125,
	  "--preserve: takes no value, or "
	  "\"on-failure\"" },
	{ { "run", "--collect", "/etc/passwd", "--", "true" }, 125, "--collect: must be relative" },
	{ { "run", "--collect", "../x", "--", "true" }, 125, "--collect: must not contain \"..\"" },
	{ { "run", "--name", "Bad_Name", "--", "true" }, 125, "--name: must be small letters" },
	{ { "run", "--name", "-x", "--", "true" }, 125, "--name: must be small letters" },
	{ { "run", "--name", "a-", "--", "true" }, 125, "--name: must be small letters" },
	{ { "run", "--timeout", "soon", "--", "true" }, 125, "--timeout: must be seconds" },
	{ { "run", "--timeout", "-2", "--", "true" }, 125, "--timeout: must be seconds" },
	{ { "run", "--timeout", "1.5", "--", "true" }, 125, "--timeout: must be seconds" },
	{ { "run", "--timeout", "99999999999", "--", "true" }, 125, "--timeout: must be seconds" },
	{ { "run", "--wait", "x", "--", "true" }, 125, "--wait: must be a whole number from 0" },
	{ { "run", "--wait", "-1", "--", "true" }, 125, "--wait: must be a whole number" },
	{ { "run", "--env", "1A=x", "--", "true" }, 125, "--env: must be NAME=VALUE" },
	{ { "run", "--env", "A-B=x", "--", "true" }, 125, "--env: must be NAME=VALUE" },
	{ { "run", "--env", "=x", "--", "true" }, 125, "--env: must be NAME=VALUE" },
	{ { "run", "--env", "BMVM_SURELY_NOT_SET", "--", "true" },
	  125,
	  "is not set in the environment" },
	{ { "run", "--copy-in", "file", "--", "true" }, 125, "--copy-in: must be SRC:DST" },
	{ { "run", "--copy-in", ":dst", "--", "true" }, 125, "--copy-in: must be SRC:DST" },
	{ { "run", "--copy-in", "src:", "--", "true" }, 125, "--copy-in: must be SRC:DST" },
	{ { "run", "--workdir", "", "--", "true" }, 125, "--workdir: must not be empty" },
	{ { "run", "--receipt", "/dev/null", "--", "true" },
	  125,
	  "--receipt: /dev/null is not a regular file" },
	{ { "run", "--receipt", "none/here.json", "--", "true" }, 125, "/none/: No such file" },
	{ { "run", "--receipt", "a\nb", "--", "true" },
	  125,
	  "--receipt: must not contain control" },
	{ { "run", "--receipt", DATA "guide-file-1.json", "-f", DATA "guide-file-1.json", "--",
	    "true" },
	  125,
	  "guide-file-1.json are one file" },
	{ { "run", "-t", "x", "-s", DATA "guide-file-1.json", "-f", DATA "guide-file-1.json" },
	  4,
	  "guide-file-1.json are one file" },
	{ { "run", "-t", "x", "-s", "" }, 4, "--summary-output: the name of the file is empty" },
	{ { "run", "-t", "x", "-o", "" }, 4, "--output: the name of the file is empty" },
	{ { "run", "-t", "x", "-s", "." }, 4, "--summary-output: . is not a regular file" },
	/* configurations */
	{ { "run", "-f", "/nonexistent/c.json", "--", "true" },
	  125,
	  "--additional-context-file: open "
	  "/nonexistent/c.json: No such file" },
	{ { "run", "-f", "/", "--", "true" },
	  125,
	  "--additional-context-file: read /: Is a directory" },
	{ { "run", "-f", "/dev/null", "--", "true" }, 125, "/dev/null:1:1: expected a value" },
	{ { "run", "-c", "", "--image", "", "--", "true" }, 125, "--image: must not be empty" },
	{ { "run", "-c", " \n", "--vcpus", "0", "--", "true" }, 125, "--vcpus: must be a whole" },
	{ { "run", "-c", "[]", "--", "true" }, 125, "--additional-context: must be an object" },
	{ { "run", "-c", "vcpus=4", "--", "true" },
	  125,
	  "--additional-context:1:1: expected a value" },
	{ { "run", "-c", VM("\"vcpu\": 1"), "--", "true" },
	  125,
	  "baremetal_vm.vcpu: unknown key; did "
	  "you mean \"vcpus\"?" },
	{ { "run", "-c", VM("\"enabled\": false"), "--", "true" },
	  125,
	  "baremetal_vm.enabled: must be "
	  "true" },
	{ { "run", "-c", VM("\"network\": {\"mode\": \"bridge\"}"), "--", "true" },
	  125,
	  "baremetal_vm.network.bridge: is required by mode bridge" },
	{ { "run", "-c", VM("\"numa_node\": -3"), "--", "true" },
	  125,
	  "numa_node: must be from 0 to 1023" },
	{ { "run", "-c", VM("\"cpu_pinning\": [0]"), "--vcpus", "2", "--", "true" },
	  125,
	  "cpu_pinning: lists 1 host CPUs for 2 virtual CPUs" },
};

/* --- running the program ---------------------------------------------------------------------- */

static char home[] = "/tmp/bmvm-cli-XXXXXX";

/* All that the program may write to is in one empty folder. */
static void setup(void)
{
	cr_assert_not_null(mkdtemp(home));
	cr_assert_eq(chmod(home, 0777), 0);
	(void)setenv("HOME", home, 1);
	(void)setenv("XDG_RUNTIME_DIR", home, 1);
	(void)setenv("XDG_STATE_HOME", home, 1);
	(void)setenv("XDG_CONFIG_HOME", home, 1);
	(void)unsetenv("BMVM_SURELY_NOT_SET");
}

static void teardown(void)
{
	(void)file_remove_tree_at(AT_FDCWD, home, NULL);
}

static size_t entries(const char *path)
{
	AUTO_CLOSEDIR DIR *dir = opendir(path);
	size_t n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir) != NULL)
		n++;
	return n - 2;
}

/* root's own folders are not in @home: drop root where that leaves the program readable. */
static void add_unprivileged(struct strv *argv, const char *program)
{
	static const char *const drop[] = { "setpriv", "--reuid=65534", "--regid=65534",
					    "--clear-groups" };
	static const char *const probe[] = { "--version", NULL };
	AUTO_STRV struct strv trial = STRV_INIT;
	struct process_output out = { .status = 0 };
	bool works;

	if (getuid() != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(drop); i++)
		strv_add(&trial, drop[i]);
	strv_add(&trial, program);
	strv_add(&trial, probe[0]);
	works = process_run(trial.v, deadline_in_s(20), 4096, &out, NULL) == 0 && out.status == 0;
	process_output_done(&out);
	for (size_t i = 0; i < ARRAY_SIZE(drop) && works; i++)
		strv_add(argv, drop[i]);
}

static void run_line(const char *const *words, struct process_output *out)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	const char *program = getenv("BMVM_BINARY");
	struct error err = ERROR_INIT;

	cr_assert_not_null(program, "BMVM_BINARY is not set");
	add_unprivileged(&argv, program);
	strv_add(&argv, program);
	for (size_t i = 0; i < WORDS_MAX && words[i] != NULL; i++)
		strv_add(&argv, words[i]);
	cr_assert_eq(process_run(argv.v, deadline_in_s(60), 1 << 20, out, &err), 0, "%s", err.msg);
	cr_assert(WIFEXITED(out->status), "%s: status %d", words[0], out->status);
}

static char *joined(const struct line *line)
{
	AUTO_STRV struct strv words = STRV_INIT;

	for (size_t i = 0; i < WORDS_MAX && line->words[i] != NULL; i++)
		strv_add(&words, line->words[i]);
	return strv_join(&words, " ");
}

static size_t count_lines(const char *text)
{
	size_t n = *text == '\0' ? 0 : 1;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

TestSuite(cli, .init = setup, .fini = teardown);

Test(cli, refuses_bad_command_lines)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
		AUTO_FREE char *text = joined(&bad_lines[i]);
		struct process_output out = { .status = 0 };

		run_line(bad_lines[i].words, &out);
		cr_expect_eq(WEXITSTATUS(out.status), bad_lines[i].code, "%s: exit code %d", text,
			     WEXITSTATUS(out.status));
		cr_expect_not_null(strstr(out.err_tail, bad_lines[i].message),
				   "%s\n  gave: %s\n  want: %s", text, out.err_tail,
				   bad_lines[i].message);
		cr_expect_eq(out.out_len, 0, "%s: wrote to stdout: %s", text, out.out);
		cr_expect_leq(count_lines(out.err_tail), 2, "%s: %s", text, out.err_tail);
		cr_expect_eq(entries(home), 0, "%s: left something in its folders", text);
		process_output_done(&out);
	}
	cr_assert_geq(ARRAY_SIZE(bad_lines), 60);
}

Test(cli, prints_help_and_version_on_stdout)
{
	static const struct line lines[] = {
		{ { "--help" }, 0, "Usage: bmvm COMMAND" },
		{ { "-h" }, 0, "Usage: bmvm COMMAND" },
		{ { "help" }, 0, "Usage: bmvm COMMAND" },
		{ { "--version" }, 0, "bmvm " },
		{ { "help", "run" }, 0, "Usage: bmvm run" },
		{ { "run", "--help" }, 0, "virtual CPUs (default 32)" },
		{ { "run", "--vcpus", "3", "-h" }, 0, "Usage: bmvm run" },
		{ { "run", "--help-config" }, 0, "timeouts.unresponsive" },
		{ { "run", "--help-config=markdown" }, 0, "| `timeouts.unresponsive` |" },
		{ { "check", "--help" }, 0, "Usage: bmvm check" },
		{ { "ps", "--help" }, 0, "Usage: bmvm ps" },
		{ { "destroy", "--help" }, 0, "Usage: bmvm destroy" },
		{ { "image", "--help" }, 0, "Usage: bmvm image" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		AUTO_FREE char *text = joined(&lines[i]);
		struct process_output out = { .status = 0 };

		run_line(lines[i].words, &out);
		cr_expect_eq(WEXITSTATUS(out.status), 0, "%s: %s", text, out.err_tail);
		cr_expect_not_null(strstr(out.out, lines[i].message), "%s: %s", text, out.out);
		cr_expect_str_empty(out.err_tail, "%s: %s", text, out.err_tail);
		process_output_done(&out);
	}
}

Test(cli, offers_every_option_of_madengine_run)
{
	static const char *const names[] = {
		"--tags",
		"--additional-context",
		"--additional-context-file",
		"--manifest-file",
		"--timeout",
		"--live-output",
		"--output",
		"--summary-output",
		"--keep-alive",
		"--keep-model-dir",
		"--skip-model-run",
		"--clean-docker-cache",
		"--manifest-output",
		"--data-config",
		"--tools-config",
		"--force-mirror-local",
		"--disable-skip-gpu-arch",
		"--cleanup-perf",
		"--registry",
		"--sys-env-details",
		"--ignore-deprecated",
		"--verbose",
	};
	static const char *const words[WORDS_MAX] = { "run", "--help" };
	struct process_output out = { .status = 0 };

	run_line(words, &out);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cr_expect_not_null(strstr(out.out, names[i]), "%s", names[i]);
	process_output_done(&out);
}

/* A vm.json is a file like any other: whoever wrote it must not reach the terminal. */
Test(cli, ps_shows_no_control_sequences)
{
	static const char *const words[WORDS_MAX] = { "ps" };
	AUTO_FREE char *own = path_join(home, "bmvm/vms");
	AUTO_FREE char *folder = path_join(own, "one");
	AUTO_FREE char *file = path_join(folder, "vm.json");
	static const char text[] = "{\"name\": \"\\u001b[2Jone\", \"image\": \"a\\nb\"}";
	struct process_output out = { .status = 0 };
	struct error err = ERROR_INIT;

	run_line(words, &out); /* makes its folders */
	process_output_done(&out);
	if (access(own, F_OK) < 0)
		cr_skip_test("root's VMs are in no folder of the test");
	cr_assert_eq(file_mkdirs(folder, 0755, NULL), 0);
	cr_assert_eq(file_write_atomic_at(AT_FDCWD, file, text, strlen(text), 0644, &err), 0);
	run_line(words, &out);
	cr_expect_null(strchr(out.out, 27), "%s", out.out);
	cr_expect_not_null(strstr(out.out, "one "), "%s", out.out);
	cr_expect_not_null(strstr(out.out, "a?b\n"), "%s", out.out);
	process_output_done(&out);
}
