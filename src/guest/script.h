/* SPDX-License-Identifier: MIT */
/*
 * Shell text for the guest: POSIX scripts with foreign strings quoted into them, and the command
 * string that carries a script through any login shell. Pure, no connection.
 */
#ifndef BMVM_GUEST_SCRIPT_H
#define BMVM_GUEST_SCRIPT_H

#include <stddef.h>
#include <stdio.h>

struct error;
struct guest_command;

/** script_quote() - Write @s in single quotes as a POSIX shell reads it back, byte for byte. */
void script_quote(FILE *out, const char *s);

/**
 * script_with_args() - A script that finds @argv in "$1"...
 * Return: owned text; NULL without memory.
 */
char *script_with_args(const char *script, char *const *argv);

/**
 * script_job() - The script that becomes CMD
 * @cmd:   its @argv, @env and @workdir are used; @argv not NULL
 * @token: see guest/marker.h
 * @ret:   owned text
 *
 * It announces its process group as "TOKEN -PGID" (or, when the group is not its own and cannot be
 * made so, "TOKEN PID") on stderr, or "TOKEN workdir" when the folder cannot be entered, and then
 * execs CMD. Return: 0; -EINVAL bad name in @env; -ENOMEM.
 */
int script_job(const struct guest_command *cmd, const char *token, char **ret, struct error *err);

/* What a command string may be long: one argument of the kernel is at most 128 KiB. */
#define SCRIPT_INLINE_MAX ((size_t)96 * 1024)

/**
 * script_inline() - The command string that runs @script, whatever the login shell
 * Return: owned; NULL when it would be longer than SCRIPT_INLINE_MAX (errno EFBIG), or without
 * memory.
 */
char *script_inline(const char *script);

/** script_from_file() - The command string that runs and removes the script in guest file @path. */
char *script_from_file(const char *path);

#endif
