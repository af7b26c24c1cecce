/* SPDX-License-Identifier: MIT */
/*
 * virtiofsd, the server of a virtiofs mount. Only for root: the server then runs as root, chrooted
 * into the shared folder, in a mount namespace where a read-only share is read-only in the
 * kernel, so that nothing the guest asks for can write. Without root, or without virtiofsd, a
 * mount is done by 9p.
 *
 * Both servers are known: the C one that came with QEMU until 7.2 and the Rust one that followed;
 * the installed one is asked which options it takes.
 */
#ifndef BMVM_VM_VIRTIOFSD_H
#define BMVM_VM_VIRTIOFSD_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "vm/tail.h"

struct error;

/**
 * struct virtiofsd_program - What is installed; @path owned
 * @legacy:   the C server's options
 * @readonly: it knows --readonly (the mount is read-only in any case)
 */
struct virtiofsd_program {
	char *path;
	bool legacy;
	bool readonly;
};

/**
 * virtiofsd_find() - Look for the server and ask it for its options
 *
 * Blocks up to 10 s. Return: 0; -ENOENT there is none (with a hint); -EIO it does not answer.
 */
int virtiofsd_find(struct virtiofsd_program *ret, struct error *err);

/** virtiofsd_program_done() - Free; accepts a zeroed struct. */
void virtiofsd_program_done(struct virtiofsd_program *p);

/**
 * struct virtiofsd - One running server; start from VIRTIOFSD_INIT
 * @process:   its pid is to be journaled before virtiofsd_release()
 * @client_fd: connected socket for QEMU (struct vm_mount.fd); owned until taken
 * @stderr_fd: read end of its output, non-blocking
 * @output:    the last of it
 */
struct virtiofsd {
	struct process process;
	int client_fd;
	int stderr_fd;
	struct tail output;
};

#define VIRTIOFSD_INIT                                                                             \
	{                                                                                          \
		.process = PROCESS_INIT, .client_fd = -1, .stderr_fd = -1                          \
	}

/**
 * virtiofsd_spawn() - Fork a server, held before exec
 * @folder_fd: the shared folder, O_PATH or readable; borrowed
 * @sock_dir_fd: a folder of ours where the socket's name exists for a moment
 *
 * The server dies with this process, and by itself when QEMU closes the connection.
 * Return: 0; -EPERM not root; errno.
 */
int virtiofsd_spawn(struct virtiofsd *v, const struct virtiofsd_program *program, int folder_fd,
		    bool readonly, int sock_dir_fd, struct error *err);

/** virtiofsd_release() - Let it exec. Return: 0; why not, with it reaped. */
int virtiofsd_release(struct virtiofsd *v, struct error *err);

/**
 * virtiofsd_read_output() - Take into @output what the server has written
 *
 * It logs errors only, into a pipe of 1 MiB; whoever polls stderr_fd calls this, and everybody once
 * before looking at @output. Does not block.
 */
void virtiofsd_read_output(struct virtiofsd *v);

/** virtiofsd_stop() - TERM, 2 s later KILL, reap. Return: 0; -ETIMEDOUT after @deadline_ns. */
int virtiofsd_stop(struct virtiofsd *v, uint64_t deadline_ns);

/** virtiofsd_done() - SIGKILL and reap it if it still runs, free everything. */
void virtiofsd_done(struct virtiofsd *v);

#define AUTO_VIRTIOFSD CLEANUP(virtiofsd_done)

#endif
