/* SPDX-License-Identifier: MIT */
#include "run/lan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"
#include "host/host.h"
#include "host/network.h"
#include "host/tap.h"
#include "run/module_share.h"
#include "run/undo.h"
#include "vm/plan.h"

#define LAN_NIC 1 /* SSH's is 0 */

const char *lan_mac(const char *uuid, char *buf)
{
	vm_mac(uuid, LAN_NIC, buf);
	return buf;
}

/* The guest's with fe in front: high, so that no bridge takes it for its own. */
static void host_address(const char *uuid, unsigned char *ret)
{
	char mac[VM_MAC_SIZE];

	(void)link_mac_parse(lan_mac(uuid, mac), ret);
	ret[0] = 0xfe;
}

/* ---- making ---- */

/* Where there is no such module it may be built in; then opening works, or says why not. */
static int load(const struct lan_task *task, const char *module, struct error *err)
{
	int r = 0;

	if (task->host->is_root)
		r = modules_hold(task->host, task->vm, task->journal, &module, 1, err);
	return r == -ENOENT ? 0 : r;
}

static int open_own(struct lan *lan, const struct lan_task *task, struct error *err)
{
	int r = network_tap(task->host, task->cfg, &lan->before, err);

	if (r < 0)
		return r;
	lan->mtu = lan->before.mtu;
	(void)snprintf(lan->tap, sizeof(lan->tap), "%s", lan->before.name);
	r = tap_open(task->host, &lan->before, err);
	return r < 0 ? error_prefix(err, r, "network.tap") : r;
}

static int intend(struct lan *lan, const struct lan_task *task, struct error *err)
{
	struct json_object *record = json_new_object();
	char mac[LINK_MAC_SIZE];
	int64_t r;

	json_add_str(record, "name", lan->tap);
	json_add_str(record, "address", link_mac(lan->address, mac));
	r = journal_intend(task->journal, OP_TAP, record, err);
	return r < 0 ? (int)r : 0;
}

/* Whether the kernel would change the bridge's address for our port's sake, now or at its end. */
static bool would_change(const struct lan *lan)
{
	return lan->ports.n == 0 ||
	       memcmp(lan->before.address, lan->address, LINK_ADDRESS_SIZE) > 0;
}

static int look_at_bridge(struct lan *lan, const struct lan_task *task, struct error *err)
{
	int r = network_bridge(task->host, task->cfg, &lan->before, err);

	if (r == 0)
		r = link_ports(lan->before.index, &lan->ports, err);
	if (r < 0)
		return r;
	lan->mtu = lan->before.mtu;
	(void)snprintf(lan->bridge, sizeof(lan->bridge), "%s", lan->before.name);
	return 0;
}

static int keep_address(const struct lan *lan, struct error *err)
{
	const struct link_change keep = { .address = lan->before.address };
	int r = would_change(lan) ? link_set(lan->before.index, &keep, err) : 0;

	return r < 0 ? error_prefix(err, r, "network.bridge: keep the address of %s", lan->bridge)
		     : 0;
}

/* Return: its descriptor. */
static int make(struct lan *lan, const struct lan_task *task, struct error *err)
{
	AUTO_CLOSE int fd = tap_make(task->host, lan->tap, err);
	struct link_state tap;
	const struct link_change change = {
		.address = lan->address,
		.mtu = lan->mtu,
		.master = lan->bridge[0] != '\0' ? lan->before.index : 0,
		.up = true,
	};
	int r = fd < 0 ? fd : link_get(lan->tap, &tap, err);

	if (r == 0)
		r = link_set(tap.index, &change, err);
	if (r < 0)
		return error_prefix(err, r, "network: %s", lan->tap);
	return TAKE_FD(fd);
}

int lan_open(struct lan *lan, const struct lan_task *task, struct error *err)
{
	const struct config *cfg = task->cfg;
	int r;

	lan_done(lan);
	if (cfg->network.mode == NETWORK_USER)
		return error_set(err, EINVAL, "there is no second network card");
	r = load(task, "tun", err);
	if (r < 0)
		return r;
	if (cfg->network.tap != NULL)
		return open_own(lan, task, err);
	lan->made = true;
	host_address(task->uuid, lan->address);
	if (cfg->network.mode == NETWORK_BRIDGE)
		r = look_at_bridge(lan, task, err);
	tap_name(task->vm, lan->tap);
	if (r == 0)
		r = intend(lan, task, err);
	if (r == 0 && cfg->network.mode == NETWORK_BRIDGE)
		r = keep_address(lan, err);
	return r < 0 ? r : make(lan, task, err);
}

int lan_open_vhost(const struct lan_task *task)
{
	/* opening the node would load the module, which only root could undo */
	if (!task->host->is_root && faccessat(task->host->sys_fd, "module/vhost_net", F_OK, 0) < 0)
		return -1;
	if (load(task, "vhost_net", NULL) < 0)
		return -1;
	return openat(task->host->dev_fd, "vhost-net", O_RDWR | O_CLOEXEC);
}

/* ---- undoing ---- */

/* What has its name but not its address is somebody else's, and ours is gone. */
int lan_undo(struct json_object *record, struct error *err)
{
	const char *name = json_str_or(record, "name", "");
	unsigned char address[LINK_ADDRESS_SIZE];
	struct link_state now;
	int r = link_mac_parse(json_str_or(record, "address", ""), address);

	if (r < 0)
		return error_set(err, EINVAL, "the journal's record of %s has no address", name);
	r = link_get(name, &now, err);
	if (r == -ENODEV)
		return 0;
	if (r < 0 || memcmp(now.address, address, sizeof(address)) != 0)
		return r;
	r = link_delete(now.index, err);
	if (r == -ENODEV)
		return 0;
	return r < 0 ? error_prefix(err, r, "%s", name) : 0;
}

/* ---- afterwards ---- */

static void differs(struct json_object *list, const char *name, const char *field,
		    const char *expected, const char *found)
{
	struct json_object *o = json_new_object();
	char what[64];

	(void)snprintf(what, sizeof(what), "interface %s%s%s", name, field[0] != '\0' ? " " : "",
		       field);
	json_add_str(o, "what", what);
	json_add_str(o, "expected", expected);
	json_add_str(o, "found", found);
	(void)json_object_array_add(list, o);
}

/* Return: 0; 1 it is not there; -errno, told. */
static int look(const char *name, struct link_state *ret, struct json_object *list)
{
	struct error err = ERROR_INIT;
	int r = link_get(name, ret, &err);

	if (r == -ENODEV)
		return 1;
	if (r < 0)
		differs(list, name, "", "looked at", err.msg);
	return r;
}

static void compare_made(const struct lan *lan, struct json_object *list)
{
	struct link_state now;

	if (look(lan->tap, &now, list) == 0 &&
	    memcmp(now.address, lan->address, LINK_ADDRESS_SIZE) == 0)
		differs(list, lan->tap, "", "absent", "present");
}

static bool same_ports(const struct link_list *a, const struct link_list *b)
{
	for (size_t i = 0; i < a->n; i++) {
		bool found = false;

		for (size_t k = 0; k < b->n; k++)
			found = found || a->v[i].index == b->v[k].index;
		if (!found)
			return false;
	}
	return a->n == b->n;
}

static void compare_state(const struct lan *lan, const struct link_state *now,
			  struct json_object *list)
{
	const struct link_state *was = &lan->before;
	char before[32], after[32];

	if (memcmp(was->address, now->address, LINK_ADDRESS_SIZE) != 0)
		differs(list, was->name, "address", link_mac(was->address, before),
			link_mac(now->address, after));
	if (was->mtu != now->mtu) {
		(void)snprintf(before, sizeof(before), "%u", was->mtu);
		(void)snprintf(after, sizeof(after), "%u", now->mtu);
		differs(list, was->name, "MTU", before, after);
	}
	if (was->up != now->up)
		differs(list, was->name, "state", was->up ? "up" : "down", now->up ? "up" : "down");
	if (was->master != now->master)
		differs(list, was->name, "bridge", was->master != 0 ? "the same" : "none",
			now->master != 0 ? "another" : "none");
}

static void compare_before(const struct lan *lan, struct json_object *list)
{
	AUTO_LINK_LIST struct link_list ports = { .v = NULL };
	struct error err = ERROR_INIT;
	struct link_state now;
	int r = look(lan->before.name, &now, list);

	if (r == 1 || (r == 0 && now.index != lan->before.index)) {
		differs(list, lan->before.name, "", "the same as before",
			r == 1 ? "absent" : "another");
		return;
	}
	if (r < 0)
		return;
	if (lan->bridge[0] != '\0' && link_ports(now.index, &ports, &err) < 0)
		differs(list, lan->bridge, "ports", "looked at", err.msg);
	else if (same_ports(&lan->ports, &ports))
		compare_state(lan, &now, list);
}

void lan_compare(const struct lan *lan, struct json_object *list)
{
	if (lan->made && lan->tap[0] != '\0')
		compare_made(lan, list);
	if (lan->before.index != 0)
		compare_before(lan, list);
}

struct json_object *lan_describe(const struct lan *lan)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "interface", lan->tap);
	json_add_str(o, "bridge", lan->bridge[0] != '\0' ? lan->bridge : NULL);
	return o;
}

void lan_done(struct lan *lan)
{
	link_list_done(&lan->ports);
	*lan = (struct lan)LAN_INIT;
}
