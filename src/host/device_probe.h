/* SPDX-License-Identifier: MIT */
/*
 * Looking at devices that may be stuck: a read of one can block in the kernel for ever, for as long
 * as another change of it does.
 *
 * So a child process looks first. It has nothing of ours but /sys, so it harms nobody when it is
 * left in the kernel.
 */
#ifndef BMVM_HOST_DEVICE_PROBE_H
#define BMVM_HOST_DEVICE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct host;

/**
 * device_probe_fn - Look at one device as the caller will do afterwards
 * @host: of its handles only sys_fd is open
 * @what: as given to device_probe()
 *
 * Return: whether it answered.
 */
typedef bool device_probe_fn(const struct host *host, const void *what, size_t i);

/**
 * device_probe() - Find out which devices answer
 * @look: called in a child for 0 to @n - 1
 * @ret:  @n flags: whether it did not come back within three seconds, or did not answer
 *
 * One child looks at all, if none is stuck. Return: 0; errno of fork(2) or pipe(2).
 */
int device_probe(const struct host *host, size_t n, device_probe_fn *look, const void *what,
		 bool *ret, struct error *err);

#endif
