/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/vm_operand.h"
#include "run/machine.h"

#define LOG_CAP ((size_t)8 << 20)

struct logs_options {
	unsigned int lines;
	bool qemu;
	bool raw;
};

static const struct cli_option option_table[] = {
	{ .name = "lines",
	  .letter = 'n',
	  .kind = OPTION_NUMBER,
	  .offset = offsetof(struct logs_options, lines),
	  .min = 1,
	  .max = 10000000,
	  .value = "N",
	  .help = "only the last N lines of the console" },
	{ .name = "qemu",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct logs_options, qemu),
	  .help = "what QEMU wrote, instead of the guest's console" },
	{ .name = "raw",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct logs_options, raw),
	  .help = "the console's bytes as they came, terminal control sequences and all" },
};

static const struct cli_usage usage = {
	.command = "logs",
	.synopsis = "[options] VM",
	.about = "What the guest wrote to its serial console, the last 4 MiB of it.",
	.options = option_table,
	.n_options = ARRAY_SIZE(option_table),
};

static int read_log(const struct logs_options *o, int fd, char **ret, size_t *ret_len,
		    struct error *err)
{
	int r;

	if (o->qemu) {
		/* written when QEMU ended having said something */
		if (faccessat(fd, MACHINE_QEMU_LOG, F_OK, 0) < 0)
			return 0;
		return file_read_at(fd, MACHINE_QEMU_LOG, LOG_CAP, ret, ret_len, err);
	}
	if (o->raw)
		return serial_raw(fd, ret, ret_len, err);
	r = serial_tail(fd, o->lines, ret, err);
	if (r == 0)
		*ret_len = strlen(*ret);
	return r;
}

int cmd_logs(int argc, char **argv)
{
	AUTO_VM_TARGET struct vm_target t = VM_TARGET_INIT;
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *text = NULL;
	struct logs_options o = { .lines = 0 };
	struct error err = ERROR_INIT;
	size_t len = 0;
	int r = vm_operand(&usage, argc, argv, &o, &t);

	if (r >= 0)
		return r;
	fd = vmdir_open_data(&t.host, &t.vd, &err);
	r = fd < 0 ? fd : read_log(&o, fd, &text, &len, &err);
	if (r < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	if (len > 0)
		(void)fwrite(text, 1, len, stdout);
	if (len > 0 && text[len - 1] != '\n' && !o.raw)
		(void)putchar('\n');
	return EXIT_CODE_OK;
}
