/* SPDX-License-Identifier: MIT */
/*
 * Waiting for an SSH server to speak on a forwarded port.
 *
 * The forwarder accepts at once, whatever the guest does, and a connection made before the guest's
 * network is up may be stuck for good. So attempts are renewed at a growing interval, the previous
 * one staying open meanwhile: a slow server is given time, a stuck attempt delays little.
 */
#ifndef BMVM_GUEST_BANNER_H
#define BMVM_GUEST_BANNER_H

#include <stdint.h>

struct error;
struct watchset;

/**
 * banner_wait() - Connect to 127.0.0.1:@port until a server's "SSH-" has arrived
 * @ret_fd: the non-blocking socket, nothing read from it yet; owned by the caller
 *
 * Return: 0; -ETIMEDOUT, saying what was seen; what a watch returned; errno of socket().
 */
int banner_wait(unsigned short port, uint64_t deadline_ns, const struct watchset *ws, int *ret_fd,
		struct error *err);

#endif
