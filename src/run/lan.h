/* SPDX-License-Identifier: MIT */
/*
 * The second network card of a VM, beside the one SSH uses: its end on the host, a tap interface
 * (`network.mode` "bridge" and "tap").
 *
 * Theory of operation. The guardian makes the interface, journaled before (OP_TAP), and hands its
 * descriptor to QEMU; its own copy is closed once QEMU has it. The interface lives as long as its
 * descriptor, so it goes with QEMU, however that ends, and undoing only has to look: one of that
 * name and with our address that is still there is removed. A tap interface of the user's own is
 * opened and left as it is.
 *
 * A bridge is to be as before, so what the kernel would change on it is kept from changing. It
 * takes the smallest MTU of its ports: ours gets the bridge's. It takes the lowest address of its
 * ports unless one was set, and without any port loses it: ours is a high one (fe:...), and where
 * that does not do, the bridge's present address is set on it, once and for good, as the kernel has
 * no way to unset one.
 */
#ifndef BMVM_RUN_LAN_H
#define BMVM_RUN_LAN_H

#include <json-c/json.h>

#include "base/strv.h"
#include "host/journal.h"
#include "host/link.h"

struct config;
struct error;
struct host;

/**
 * struct lan - The interface of one VM; start from LAN_INIT, free with lan_done()
 * @tap:    its name; "": the VM has none
 * @bridge: the bridge it is a port of, or ""
 * @mtu:    of the interface
 * @made:   it was made for this VM
 * @address: that it got, if it was made
 * @before: the bridge, or the user's own tap interface, before anything was done
 * @ports:  of that bridge, then
 */
struct lan {
	char tap[LINK_NAME_SIZE];
	char bridge[LINK_NAME_SIZE];
	unsigned int mtu;
	bool made;
	unsigned char address[LINK_ADDRESS_SIZE];
	struct link_state before;
	struct link_list ports;
};

#define LAN_INIT                                                                                   \
	{                                                                                          \
		.tap = ""                                                                          \
	}

/** struct lan_task - What lan_open() works with; all borrowed */
struct lan_task {
	const struct host *host;
	const struct config *cfg;
	const char *vm;
	const char *uuid;
	struct journal *journal;
};

/**
 * lan_open() - Make or open the interface that the configuration asks for
 * @lan: filled; what it held before is dropped
 *
 * Return: the descriptor for QEMU; -EINVAL mode "user" has none; as network_bridge(),
 * network_tap(), tap_make(), link_set(). After a failure the caller undoes its journal.
 */
int lan_open(struct lan *lan, const struct lan_task *task, struct error *err);

/**
 * lan_open_vhost() - The kernel's own back end for it, loaded if need be
 * Return: descriptor; -1 when this host has none for us, which only makes the network slower.
 */
int lan_open_vhost(const struct lan_task *task);

/** lan_mac() - MAC address of the guest's card, into VM_MAC_SIZE bytes. Return: @buf. */
const char *lan_mac(const char *uuid, char *buf);

/**
 * lan_undo() - Undo an OP_TAP record: {"name", "address"}
 * Return: 0, also when nothing is left to do; -errno.
 */
int lan_undo(struct json_object *record, struct error *err);

/**
 * lan_compare() - Compare with what was before, after the undo
 * @list: array that gets {"what","expected","found"} for each difference
 *
 * Ports that others have added to the bridge, or taken away, are their affair; then its address and
 * MTU are, too.
 */
void lan_compare(const struct lan *lan, struct json_object *list);

/** lan_describe() - {"interface","bridge"} for the receipt, owned by the caller. */
struct json_object *lan_describe(const struct lan *lan);

/** lan_done() - Free; accepts LAN_INIT. */
void lan_done(struct lan *lan);

#endif
