/* SPDX-License-Identifier: MIT */
/* What the tests of guest_run() share: a server, a login on it, and ways to run a command. */
#ifndef HELPER_EXEC_H
#define HELPER_EXEC_H

#include "base/error.h"
#include "guest/exec.h"
#include "helper_sshd.h"

#define ARGV(...) ((char *const[]){ __VA_ARGS__, NULL })
#define SH(text)  ARGV((char *)"sh", (char *)"-c", (char *)(text))

extern struct sshd server;
extern struct guest *guest;

/* For TestSuite(): each test has a server of its own. */
void exec_setup(void);
void exec_teardown(void);

/* A new file of that name below the server's folder, open at its start; and what is in one. */
int file_with(const char *name, const char *text);
void text_of(int fd, char *buf, size_t size);

struct outcome {
	struct guest_result res;
	char out[4096];
	char err[4096];
};

/* Runs with stdin from a text; what it wrote is in the outcome. */
int run(struct guest_command *cmd, const char *input, struct outcome *o, struct error *err);
struct outcome run_ok(char *const *argv, const char *input);

#endif
