/* SPDX-License-Identifier: MIT */
/*
 * What `bmvm run` was asked for beside the configuration. Filled by cli/cmd_run.c, read by the
 * pipeline; nothing here touches the host.
 */
#ifndef BMVM_RUN_OPTIONS_H
#define BMVM_RUN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"
#include "config/config.h"

enum tty_mode {
	TTY_AUTO, /* a pty if stdin, stdout and stderr are all terminals */
	TTY_YES,
	TTY_NO,
};

/** struct copy_in - --copy-in SRC:DST; strings owned */
struct copy_in {
	char *host;
	char *guest;
};

/**
 * struct run_options - One run
 * @cfg:       owned
 * @cmd:       the program and its arguments, NULL-terminated, borrowed from argv
 * @name:      VM name, owned, NULL: one is made up
 * @timeout_s: 0: none
 * @env:       "K=V" strings
 * @workdir:   in the guest, NULL: the user's home
 * @wait_s:    how long to wait for a lease
 * @receipt:   file to write the receipt to as well, NULL: none
 */
struct run_options {
	struct config cfg;
	char *const *cmd;
	size_t n_cmd;
	char *name;
	unsigned int timeout_s;
	enum tty_mode tty;
	struct strv env;
	char *workdir;
	struct copy_in *copy_in;
	size_t n_copy_in;
	unsigned int wait_s;
	char *receipt;
	bool dry_run;
	bool json;
	bool quiet;
	bool verbose;
};

/** run_options_done() - Free everything; accepts a zeroed struct. */
void run_options_done(struct run_options *o);

#endif
