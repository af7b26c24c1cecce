/* SPDX-License-Identifier: MIT */
/* A real sshd on a loopback port, with keys and configuration of its own, in the place of a guest.
 */
#ifndef HELPER_SSHD_H
#define HELPER_SSHD_H

#include <sys/types.h>

#include "guest/keys.h"
#include "guest/session.h"

struct sshd {
	pid_t pid;
	unsigned short port;
	char dir[64];
	int lock_fd;
	struct keypair host;
	struct keypair client;
};

/* Skips the running test, saying why, when there is no sshd. */
void sshd_start(struct sshd *s);
void sshd_stop(struct sshd *s);

/* What sshd_login() uses, to be changed by a test. */
struct guest_login sshd_login_data(const struct sshd *s);
struct guest *sshd_login(const struct sshd *s);
/* The same with guest_login's unresponsive_s. */
struct guest *sshd_login_patient(const struct sshd *s, unsigned int unresponsive_s);

/* A path below the server's folder; a ring of a few buffers. */
const char *sshd_path(const struct sshd *s, const char *name);

#endif
