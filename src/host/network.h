/* SPDX-License-Identifier: MIT */
/* Whether this host can give a VM the second network card that `network` asks for. */
#ifndef BMVM_HOST_NETWORK_H
#define BMVM_HOST_NETWORK_H

#include "host/link.h"

struct config;
struct error;
struct host;

/**
 * network_bridge() - The bridge of mode "bridge"
 * Return: 0; -ENODEV there is none; -EINVAL it is something else; each with a hint; errno.
 */
int network_bridge(const struct host *host, const struct config *cfg, struct link_state *ret,
		   struct error *err);

/**
 * network_tap() - The tap interface that `network.tap` names
 *
 * Return: 0; -ENODEV there is none; -EINVAL it is none, or not as QEMU needs it; -ENETDOWN it is
 * not set up; -EBUSY somebody has it open; -EPERM it is another user's; each with a hint; errno.
 */
int network_tap(const struct host *host, const struct config *cfg, struct link_state *ret,
		struct error *err);

/**
 * network_check() - All that the mode needs: the above, /dev/net/tun, and the right to make a tap
 * Return: 0, also for mode "user"; as above; -EPERM; errno of opening, with a hint.
 */
int network_check(const struct host *host, const struct config *cfg, struct error *err);

#endif
