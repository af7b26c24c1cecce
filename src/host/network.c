/* SPDX-License-Identifier: MIT */
#include "host/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "config/config.h"
#include "host/host.h"

static const char *sudo(const struct host *host)
{
	return host->is_root ? "" : "sudo ";
}

int network_bridge(const struct host *host, const struct config *cfg, struct link_state *ret,
		   struct error *err)
{
	const char *name = cfg->network.bridge;
	int r = link_get(name, ret, err);

	if (r == -ENODEV)
		return error_hint(
			err,
			error_set(err, ENODEV, "network.bridge: there is no interface %s", name),
			"%sip link add %s type bridge && %sip link set %s up", sudo(host), name,
			sudo(host), name);
	if (r < 0)
		return error_prefix(err, r, "network.bridge");
	if (strcmp(ret->kind, "bridge") == 0)
		return 0;
	r = error_set(err, EINVAL, "network.bridge: %s is no bridge%s%s", name,
		      ret->kind[0] != '\0' ? ", but of kind " : "", ret->kind);
	return error_hint(err, r, "ip link show type bridge   # lists those there are");
}

static int refuse_tap(const struct host *host, const char *name, int r, struct error *err)
{
	return error_hint(err, r, "%sip tuntap add %s mode tap user $USER && %sip link set %s up",
			  sudo(host), name, sudo(host), name);
}

int network_tap(const struct host *host, const struct config *cfg, struct link_state *ret,
		struct error *err)
{
	const char *name = cfg->network.tap;
	int r = link_get(name, ret, err);

	if (r == -ENODEV) {
		r = error_set(err, ENODEV, "network.tap: there is no interface %s", name);
		return refuse_tap(host, name, r, err);
	}
	if (r < 0)
		return error_prefix(err, r, "network.tap");
	if (strcmp(ret->kind, "tun") != 0 || !ret->tun.tap)
		return error_set(err, EINVAL, "network.tap: %s is no tap interface", name);
	if (ret->tun.pi)
		return error_set(err, EINVAL,
				 "network.tap: %s adds a header to each frame (\"pi on\"), which "
				 "QEMU does not understand",
				 name);
	if (!host->is_root && ret->tun.has_owner && ret->tun.owner != host->uid)
		return error_set(err, EPERM, "network.tap: %s belongs to user %u", name,
				 (unsigned int)ret->tun.owner);
	if (!ret->up) {
		r = error_set(err, ENETDOWN, "network.tap: %s is not set up", name);
		return error_hint(err, r, "%sip link set %s up", sudo(host), name);
	}
	return ret->carrier ? error_set(err, EBUSY, "network.tap: %s is in use", name) : 0;
}

/* Root in a container may lack it. */
static bool may_administer(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return syscall(SYS_capget, &head, sets) == 0 &&
	       (sets[0].effective & (1U << CAP_NET_ADMIN)) != 0;
}

static int check_device(const struct host *host, struct error *err)
{
	int r;

	if (faccessat(host->dev_fd, "net/tun", R_OK | W_OK, AT_EACCESS) == 0)
		return 0;
	r = error_errno(err, "network.mode: /dev/net/tun");
	if (r == -ENOENT)
		return error_hint(err, r, "%smodprobe tun; in a container: --device /dev/net/tun",
				  sudo(host));
	return error_hint(err, r, "sudo chmod 666 /dev/net/tun   # as distributions have it");
}

static int check_right(const struct host *host, const struct config *cfg, struct error *err)
{
	const char *mode = cfg->network.mode == NETWORK_BRIDGE ? "bridge" : "tap";
	int r;

	if (host->is_root && may_administer())
		return 0;
	if (host->is_root) {
		r = error_set(err, EPERM,
			      "network.mode: \"%s\" makes a network interface, which needs "
			      "CAP_NET_ADMIN",
			      mode);
		return error_hint(err, r, "in a container: --cap-add NET_ADMIN");
	}
	r = error_set(err, EPERM,
		      "network.mode: \"%s\" makes a network interface, which needs root", mode);
	return error_hint(err, r,
			  "sudo bmvm run ...; or have root make one for you, and name it in "
			  "network.tap: sudo ip tuntap add tap0 mode tap user $USER && sudo ip "
			  "link set tap0 up");
}

int network_check(const struct host *host, const struct config *cfg, struct error *err)
{
	struct link_state state;
	int r = 0;

	if (cfg->network.mode == NETWORK_USER)
		return 0;
	if (cfg->network.mode == NETWORK_BRIDGE)
		r = network_bridge(host, cfg, &state, err);
	else if (cfg->network.tap != NULL)
		r = network_tap(host, cfg, &state, err);
	if (r == 0 && cfg->network.tap == NULL)
		r = check_right(host, cfg, err);
	return r < 0 ? r : check_device(host, err);
}
