/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces of the host ("links", as the kernel calls them), read and changed over
 * rtnetlink, in the network namespace of this process. /sys/class/net is not used: it shows the
 * namespace in which /sys was mounted, which may be another one.
 *
 * Each call opens a socket of its own and waits five seconds at most for the kernel.
 */
#ifndef BMVM_HOST_LINK_H
#define BMVM_HOST_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct error;

#define LINK_NAME_SIZE    16
#define LINK_KIND_SIZE    16
#define LINK_ADDRESS_SIZE 6
#define LINK_MAC_SIZE     18

/**
 * struct link_tun - What is special about a tun or tap interface
 * @tap:         it carries Ethernet frames
 * @pi:          each frame has a header of the driver's own before it
 * @vnet_hdr, @multi_queue, @persist: as set on it
 * @has_owner, @owner: the user who may open it
 * @has_group:   a group may open it
 */
struct link_tun {
	bool tap, pi, vnet_hdr, multi_queue, persist;
	bool has_owner, has_group;
	uid_t owner;
};

/**
 * struct link_state - One interface
 * @kind:    "bridge", "tun", "openvswitch"; "" for hardware
 * @address: Ethernet address; all 0 when it has none of six bytes
 * @master:  index of the bridge it is a port of; 0: none
 * @up:      set up by the administrator
 * @carrier: a tap: somebody has it open
 * @tun:     of kind "tun" only
 */
struct link_state {
	int index;
	char name[LINK_NAME_SIZE];
	char kind[LINK_KIND_SIZE];
	unsigned char address[LINK_ADDRESS_SIZE];
	unsigned int mtu;
	int master;
	bool up, carrier;
	struct link_tun tun;
};

/** struct link_list - Some interfaces, in the kernel's order; free with link_list_done() */
struct link_list {
	struct link_state *v;
	size_t n;
};

/**
 * link_get() - Read one interface by its name
 * Return: 0; -ENODEV there is none; -EIO the kernel does not answer as it should; errno.
 */
int link_get(const char *name, struct link_state *ret, struct error *err);

/** link_ports() - The ports of a bridge. @ret: added to; free it also on failure. 0 or -errno. */
int link_ports(int bridge, struct link_list *ret, struct error *err);

/** link_list_done() - Free; accepts a zeroed struct. */
void link_list_done(struct link_list *list);

/**
 * struct link_change - What shall be set; a zeroed one changes nothing
 * @address: NULL: as it is
 * @mtu:     0: as it is
 * @master:  index of a bridge; 0: as it is
 * @up:      set it up
 */
struct link_change {
	const unsigned char *address;
	unsigned int mtu;
	int master;
	bool up;
};

/** link_set() - Change an interface, in one step. Return: 0; -EPERM without privilege; errno. */
int link_set(int index, const struct link_change *change, struct error *err);

/** link_delete() - Remove an interface. Return: 0; -ENODEV there is none; errno. */
int link_delete(int index, struct error *err);

/** link_mac() - "52:54:00:12:34:56" into @buf, LINK_MAC_SIZE bytes. Return: @buf. */
const char *link_mac(const unsigned char *address, char *buf);

/** link_mac_parse() - The reverse. Return: 0 or -EINVAL. */
int link_mac_parse(const char *text, unsigned char *ret);

#define AUTO_LINK_LIST CLEANUP(link_list_done)

#endif
