/* SPDX-License-Identifier: MIT */
#include "vm/caps.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "vm/qemu.h"

#define CACHE_FILE   "qemu-caps.json"
#define CACHE_FORMAT 3
#define ASK_SECONDS  20

/* Every yes-or-no answer: its name in the cache, and the type whose existence answers it. */
struct feature {
	const char *name;
	size_t offset;
	const char *qom_type; /* NULL: answered otherwise */
};

#define NAME_OF(member) #member, offsetof(struct qemu_caps, member)

static const struct feature features[] = {
	{ NAME_OF(kvm), "kvm-accel" },
	{ NAME_OF(tcg), "tcg-accel" },
	{ NAME_OF(q35), NULL },
	{ NAME_OF(memfd), "memory-backend-memfd" },
	{ NAME_OF(host_nodes), NULL },
	{ NAME_OF(vvfat), NULL },
	{ NAME_OF(net_user), NULL },
	{ NAME_OF(action), NULL },
	{ NAME_OF(sandbox), NULL },
	{ NAME_OF(sandbox_obsolete), NULL },
	{ NAME_OF(sandbox_elevate), NULL },
	{ NAME_OF(sandbox_spawn), NULL },
	{ NAME_OF(sandbox_resource), NULL },
	{ NAME_OF(vmgenid), "vmgenid" },
	{ NAME_OF(pvpanic), "pvpanic" },
	{ NAME_OF(pvpanic_pci), "pvpanic-pci" },
	{ NAME_OF(virtio_blk), "virtio-blk-pci" },
	{ NAME_OF(virtio_net), "virtio-net-pci" },
	{ NAME_OF(virtio_rng), "virtio-rng-pci" },
	{ NAME_OF(vhost_user_fs), "vhost-user-fs-pci" },
	{ NAME_OF(virtio_9p), "virtio-9p-pci" },
	{ NAME_OF(vfio_pci), "vfio-pci" },
	{ NAME_OF(pcie_root_port), "pcie-root-port" },
	{ NAME_OF(iommufd), "iommufd" },
};

static bool *feature_of(struct qemu_caps *c, const struct feature *f)
{
	return (bool *)((char *)c + f->offset);
}

/* ---- asking ---- */

/** struct question - One QEMU being asked */
struct question {
	struct qemu qemu;
	uint64_t deadline_ns;
	struct qemu_caps *caps;
};

static int ask(struct question *a, const char *command, struct json_object *args,
	       struct json_object **ret, struct error *err)
{
	int r = qemu_execute(&a->qemu, command, args, a->deadline_ns, ret, err);

	(void)json_object_put(args);
	return r;
}

static struct json_object *args_str(const char *key, const char *value)
{
	struct json_object *o = json_new_object();

	json_add_str(o, key, value);
	return o;
}

/* The names in a list of objects; what has none is skipped. */
static void list_names(struct json_object *list, struct strv *ret)
{
	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *name = json_str_or(json_object_array_get_idx(list, i), "name", NULL);

		if (name != NULL)
			strv_add(ret, name);
	}
}

static int ask_version(struct question *a, struct error *err)
{
	AUTO_JSON struct json_object *reply = NULL;
	struct json_object *q = NULL;
	int r = ask(a, "query-version", NULL, &reply, err);

	if (r < 0)
		return r;
	if (json_get_object(reply, "qemu", &q, err) < 0)
		return -EPROTO;
	if (asprintf(&a->caps->version, "%" PRIu64 ".%" PRIu64 ".%" PRIu64,
		     json_u64_or(q, "major", 0), json_u64_or(q, "minor", 0),
		     json_u64_or(q, "micro", 0)) < 0) {
		a->caps->version = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int ask_types(struct question *a, struct error *err)
{
	AUTO_JSON struct json_object *reply = NULL;
	AUTO_STRV struct strv types = STRV_INIT;
	struct json_object *args = json_new_object();
	int r;

	json_add_bool(args, "abstract", false);
	r = ask(a, "qom-list-types", args, &reply, err);
	if (r < 0)
		return r;
	list_names(reply, &types);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (features[i].qom_type != NULL)
			*feature_of(a->caps, &features[i]) =
				strv_contains(&types, features[i].qom_type);
	}
	return strv_error(&types) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* "q35" is an alias of the newest pc-q35-X.Y, whose properties are what -machine q35 takes. */
static int ask_machine(struct question *a, struct error *err)
{
	AUTO_JSON struct json_object *machines = NULL;
	AUTO_JSON struct json_object *properties = NULL;
	AUTO_FREE char *type = NULL;
	int r = ask(a, "query-machines", NULL, &machines, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < json_object_array_length(machines) && type == NULL; i++) {
		struct json_object *m = json_object_array_get_idx(machines, i);

		if (strcmp(json_str_or(m, "alias", ""), "q35") != 0)
			continue;
		a->caps->vcpus_max = json_u64_or(m, "cpu-max", 0);
		if (asprintf(&type, "%s-machine", json_str_or(m, "name", "")) < 0) {
			type = NULL;
			return error_set(err, ENOMEM, "out of memory");
		}
	}
	a->caps->q35 = type != NULL;
	if (type == NULL)
		return 0;
	r = ask(a, "qom-list-properties", args_str("typename", type), &properties, err);
	if (r < 0)
		return r;
	list_names(properties, &a->caps->machine_options);
	return strv_error(&a->caps->machine_options) < 0 ? error_set(err, ENOMEM, "out of memory")
							 : 0;
}

/* Built without libnuma, memory cannot be bound to a node. */
static void ask_host_nodes(struct question *a)
{
	AUTO_JSON struct json_object *properties = NULL;
	AUTO_STRV struct strv names = STRV_INIT;

	if (ask(a, "qom-list-properties", args_str("typename", "memory-backend-ram"), &properties,
		NULL) < 0)
		return;
	list_names(properties, &names);
	a->caps->host_nodes = strv_contains(&names, "host-nodes");
}

/* Parameters of a command line option. Return: whether there is such an option. */
static bool ask_option(struct question *a, const char *option, struct strv *parameters)
{
	AUTO_JSON struct json_object *reply = NULL;
	struct json_object *list = NULL;

	if (ask(a, "query-command-line-options", args_str("option", option), &reply, NULL) < 0 ||
	    !json_object_is_type(reply, json_type_array) || json_object_array_length(reply) == 0)
		return false;
	if (json_get_array(json_object_array_get_idx(reply, 0), "parameters", &list, NULL) == 0)
		list_names(list, parameters);
	return true;
}

static void ask_options(struct question *a)
{
	AUTO_STRV struct strv sandbox = STRV_INIT;
	AUTO_STRV struct strv action = STRV_INIT;
	struct qemu_caps *c = a->caps;

	c->sandbox = ask_option(a, "sandbox", &sandbox);
	c->sandbox_obsolete = strv_contains(&sandbox, "obsolete");
	c->sandbox_elevate = strv_contains(&sandbox, "elevateprivileges");
	c->sandbox_spawn = strv_contains(&sandbox, "spawn");
	c->sandbox_resource = strv_contains(&sandbox, "resourcecontrol");
	c->action = ask_option(a, "action", &action) && strv_contains(&action, "panic");
}

/*
 * The schema names every block driver the sources have, built in or not. So ask for one, of a
 * folder that is not there: only a driver that exists gets as far as missing it.
 */
static void ask_vvfat(struct question *a)
{
	struct json_object *args = args_str("driver", "vvfat");
	struct error err = ERROR_INIT;

	json_add_str(args, "node-name", "probe");
	json_add_str(args, "dir", "/dev/null/none");
	json_add_bool(args, "read-only", true);
	a->caps->vvfat = ask(a, "blockdev-add", args, NULL, &err) == -EIO &&
			 strstr(err.msg, "directory") != NULL;
}

static void ask_network(struct question *a)
{
	struct json_object *args = args_str("type", "user");

	json_add_str(args, "id", "probe");
	a->caps->net_user = ask(a, "netdev_add", args, NULL, NULL) == 0;
}

static int ask_all(struct question *a, struct error *err)
{
	int r = ask_version(a, err);

	if (r == 0)
		r = ask_types(a, err);
	if (r == 0)
		r = ask_machine(a, err);
	if (r < 0)
		return r;
	ask_options(a);
	ask_host_nodes(a);
	ask_vvfat(a);
	ask_network(a);
	return 0;
}

static int start_and_ask(struct question *a, const struct strv *argv, struct error *err)
{
	struct vm_fds fds = { .n = 0 };
	AUTO_CLOSE int ours = -1;
	AUTO_CLOSE int theirs = -1;
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	(void)vm_fds_add(&fds, theirs); /* number 3 */
	r = qemu_spawn(&a->qemu, argv, &fds, NULL, err);
	if (r == 0)
		r = qemu_release(&a->qemu, err);
	close_fd(&theirs);
	if (r == 0)
		r = qemu_connect(&a->qemu, TAKE_FD(ours), a->deadline_ns, err);
	return r < 0 ? r : ask_all(a, err);
}

static int ask_qemu(struct qemu_caps *caps, struct error *err)
{
	struct question a = { .qemu = QEMU_INIT,
			      .deadline_ns = deadline_in_s(ASK_SECONDS),
			      .caps = caps };
	static const char *const rest[] = {
		"-M",
		"none",
		"-S",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-chardev",
		"socket,id=qmp,fd=3",
		"-mon",
		"chardev=qmp,mode=control",
	};
	AUTO_STRV struct strv argv = STRV_INIT;
	int r;

	strv_add(&argv, caps->binary);
	for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
		strv_add(&argv, rest[i]);
	r = strv_error(&argv) < 0 ? error_set(err, ENOMEM, "out of memory")
				  : start_and_ask(&a, &argv, err);
	(void)qemu_stop(&a.qemu, 0, deadline_in_s(5), NULL, NULL);
	qemu_done(&a.qemu);
	return r < 0 ? error_prefix(err, r, "ask %s what it can do", caps->binary) : 0;
}

/* ---- the cache ---- */

static int load_features(struct qemu_caps *c, struct json_object *o)
{
	struct json_object *set = NULL, *list = NULL;
	const char *version = NULL;
	int r = json_get_object(o, "features", &set, NULL);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(features); i++)
		r = json_get_bool(set, features[i].name, feature_of(c, &features[i]), NULL);
	if (r == 0)
		r = json_get_str(o, "version", &version, NULL);
	if (r == 0)
		r = json_get_u64(o, "vcpus_max", &c->vcpus_max, NULL);
	if (r == 0)
		r = json_get_array(o, "machine_options", &list, NULL);
	if (r < 0 || version == NULL)
		return r < 0 ? r : -EINVAL;
	c->version = strdup(version);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *s = json_object_array_get_idx(list, i);

		if (!json_object_is_type(s, json_type_string))
			return -EINVAL;
		strv_add(&c->machine_options, json_object_get_string(s));
	}
	return c->version == NULL ? -ENOMEM : strv_error(&c->machine_options);
}

/* Whatever does not fit is not an error but a reason to ask again. */
static bool load_cache(struct qemu_caps *c, int cache_fd)
{
	AUTO_JSON struct json_object *o = NULL;

	if (cache_fd < 0 || c->binary == NULL || c->identity == NULL ||
	    json_load_at(cache_fd, CACHE_FILE, &o, NULL) < 0)
		return false;
	if (json_u64_or(o, "format", 0) != CACHE_FORMAT ||
	    strcmp(json_str_or(o, "binary", ""), c->binary) != 0 ||
	    strcmp(json_str_or(o, "identity", ""), c->identity) != 0)
		return false;
	return load_features(c, o) == 0;
}

static void save_cache(struct qemu_caps *c, int cache_fd)
{
	AUTO_JSON struct json_object *o = json_new_object();
	struct json_object *set = json_new_object();
	struct json_object *list = json_new_array();

	if (cache_fd < 0) {
		(void)json_object_put(set);
		(void)json_object_put(list);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		json_add_bool(set, features[i].name, *feature_of(c, &features[i]));
	for (size_t i = 0; i < c->machine_options.n; i++)
		(void)json_object_array_add(list, json_object_new_string(c->machine_options.v[i]));
	json_add_u64(o, "format", CACHE_FORMAT);
	json_add_str(o, "binary", c->binary);
	json_add_str(o, "identity", c->identity);
	json_add_str(o, "version", c->version);
	json_add_u64(o, "vcpus_max", c->vcpus_max);
	json_add(o, "features", set);
	json_add(o, "machine_options", list);
	(void)json_save_at(cache_fd, CACHE_FILE, o, 0600, NULL);
}

/* ---- */

static int find_binary(const char *binary, struct qemu_caps *c, struct error *err)
{
	const char *name = binary == NULL ? QEMU_DEFAULT_BINARY : binary;
	struct stat st;

	c->binary = process_find_program(name, NULL);
	if (c->binary == NULL || stat(c->binary, &st) < 0) {
		int r = error_set(err, ENOENT, "QEMU not found: %s", name);

		return error_hint(err, r, "install it: apt install qemu-system-x86");
	}
	if (asprintf(&c->identity, "%ju:%ju:%jd:%jd.%09ld", (uintmax_t)st.st_dev,
		     (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
		     st.st_mtim.tv_nsec) < 0) {
		c->identity = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

/* What no VM of ours can do without. */
static int check_essentials(const struct qemu_caps *c, struct error *err)
{
	const char *lacks = !c->q35              ? "q35 machine"
			    : !c->kvm && !c->tcg ? "accelerator"
			    : !c->virtio_blk     ? "virtio-blk-pci device"
			    : !c->virtio_net     ? "virtio-net-pci device"
			    : !c->net_user       ? "user-mode network"
						 : NULL;

	return lacks == NULL ? 0 : error_set(err, EIO, "%s has no %s", c->binary, lacks);
}

int qemu_caps_get(const char *binary, int cache_fd, struct qemu_caps *ret, struct error *err)
{
	struct qemu_caps c = { 0 };
	int r = find_binary(binary, &c, err);

	if (r == 0 && !load_cache(&c, cache_fd)) {
		free(c.version);
		c.version = NULL;
		strv_done(&c.machine_options);
		r = ask_qemu(&c, err);
		if (r == 0)
			save_cache(&c, cache_fd);
	}
	if (r == 0)
		r = check_essentials(&c, err);
	if (r < 0) {
		qemu_caps_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

int qemu_caps_check_vcpus(const struct qemu_caps *caps, unsigned int vcpus, struct error *err)
{
	int r;

	if (caps->vcpus_max == 0 || vcpus <= caps->vcpus_max)
		return 0;
	r = error_set(err, EINVAL,
		      "vcpus: must be at most %" PRIu64 " for the q35 machine of QEMU %s, not %u",
		      caps->vcpus_max, caps->version, vcpus);
	return error_hint(err, r, "ask for fewer with --vcpus");
}

bool qemu_caps_machine_has(const struct qemu_caps *caps, const char *option)
{
	return strv_contains(&caps->machine_options, option);
}

void qemu_caps_done(struct qemu_caps *caps)
{
	free(caps->binary);
	free(caps->identity);
	free(caps->version);
	strv_done(&caps->machine_options);
	*caps = (struct qemu_caps){ 0 };
}
