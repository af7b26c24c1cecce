/* SPDX-License-Identifier: MIT */
#include "host/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "host/host.h"

#define PREFIX     "bmvm-"
#define TUN_DEVICE "net/tun"

void tap_name(const char *vm, char *ret)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	if (strlen(vm) < LINK_NAME_SIZE - strlen(PREFIX)) {
		(void)snprintf(ret, LINK_NAME_SIZE, PREFIX "%s", vm);
		return;
	}
	for (; *vm != '\0'; vm++)
		h = (h ^ (unsigned char)*vm) * UINT64_C(1099511628211);
	(void)snprintf(ret, LINK_NAME_SIZE, PREFIX "%010" PRIx64, h >> 24);
}

static int attach(const struct host *host, const char *name, int flags, struct error *err)
{
	AUTO_CLOSE int fd = openat(host->dev_fd, TUN_DEVICE, O_RDWR | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = (short)flags };

	if (fd < 0)
		return error_errno(err, "open /dev/" TUN_DEVICE);
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_errno(err, "tap interface %s", name);
	return TAKE_FD(fd);
}

int tap_make(const struct host *host, const char *name, struct error *err)
{
	int fd = attach(host, name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL, err);

	return fd == -EBUSY ? error_set(err, EBUSY, "there is an interface %s already", name) : fd;
}

int tap_open(const struct host *host, const struct link_state *tap, struct error *err)
{
	int flags = IFF_TAP | IFF_NO_PI;

	if (tap->tun.vnet_hdr)
		flags |= IFF_VNET_HDR;
	if (tap->tun.multi_queue)
		flags |= IFF_MULTI_QUEUE;
	return attach(host, tap->name, flags, err);
}
