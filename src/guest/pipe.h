/* SPDX-License-Identifier: MIT */
/*
 * A helper command in the guest whose input and output are ours: a script with arguments, bytes in,
 * bytes out to a callback, a deadline. For bmvm's own errands; CMD itself is run by guest/exec.h.
 * Not for users of src/guest.
 */
#ifndef BMVM_GUEST_PIPE_H
#define BMVM_GUEST_PIPE_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct guest;
struct watchset;

/**
 * struct guest_pipe - What to run; borrowed
 * @script:      POSIX shell text
 * @argv:        its "$1"..., NULL-terminated, or NULL
 * @input:       @input_len bytes for its stdin, when @input_fd is -1
 * @input_fd:    or a descriptor to read them from
 * @on_output:   takes its stdout; a negative return ends everything with it. NULL: dropped
 * @data:        passed to it
 * @deadline_ns: -ETIMEDOUT then
 */
struct guest_pipe {
	const char *script;
	char *const *argv;
	const void *input;
	size_t input_len;
	int input_fd;
	int (*on_output)(void *data, const char *buf, size_t len, struct error *err);
	void *data;
	uint64_t deadline_ns;
};

#define GUEST_PIPE_INIT                                                                            \
	{                                                                                          \
		.input_fd = -1, .deadline_ns = UINT64_MAX                                          \
	}

/**
 * struct pipe_result - How it ended
 * @exit_code: as a shell gives it
 * @words:     the last of its stderr, one line, control characters replaced
 */
struct pipe_result {
	int exit_code;
	char words[512];
};

/**
 * guest_pipe_run() - Run it to its end
 * Return: 0, whatever the exit code; -E2BIG script and arguments too long; -ETIMEDOUT; -ECONNRESET;
 * -EAGAIN, -EPROTO refused; what @on_output or a watch returned.
 */
int guest_pipe_run(struct guest *g, const struct guest_pipe *pipe, struct pipe_result *ret,
		   const struct watchset *ws, struct error *err);

/** guest_pipe_check() - guest_pipe_run(), where another exit code than 0 is -EIO with the words. */
int guest_pipe_check(struct guest *g, const struct guest_pipe *pipe, const struct watchset *ws,
		     struct error *err);

#endif
