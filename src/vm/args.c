/* SPDX-License-Identifier: MIT */
#include "vm/args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "vm/args_builder.h"
#include "vm/args_devices.h"

#define MIB          ((uint64_t)1 << 20)
#define TAG_MAX      31 /* 9p; virtiofs takes 36 */
#define NODE_MAX     32
#define SSH_FORWARD  "tcp:127.0.0.1:0-:22"
#define QUEUE_VIRTFS 1024
#define MTU_USUAL    1500

/* ---- one function per concern ---- */

static void args_identity(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	AUTO_STRV struct strv name = STRV_INIT;

	strv_take(&name, args_option(b, "guest", p->name));
	strv_add(&name, "debug-threads=on");
	args_add_joined(b, "-name", &name);
	args_add(b, "-uuid", args_checked(b, "uuid", p->uuid));
	strv_add(&b->args, "-nodefaults");
	strv_add(&b->args, "-no-user-config");
	args_add(b, "-display", "none");
}

static void sandbox_part(struct strv *options, bool there, const char *name)
{
	if (there)
		strv_addf(options, "%s=deny", name);
}

static void args_sandbox(struct args_builder *b)
{
	const struct qemu_caps *c = b->caps;
	AUTO_STRV struct strv options = STRV_INIT;

	if (!c->sandbox)
		return;
	strv_add(&options, "on");
	sandbox_part(&options, c->sandbox_obsolete, "obsolete");
	sandbox_part(&options, c->sandbox_elevate, "elevateprivileges");
	sandbox_part(&options, c->sandbox_spawn, "spawn");
	sandbox_part(&options, c->sandbox_resource, "resourcecontrol");
	args_add_joined(b, "-sandbox", &options);
}

static void machine_part(const struct args_builder *b, struct strv *options, const char *name,
			 const char *value)
{
	if (qemu_caps_machine_has(b->caps, name))
		strv_addf(options, "%s=%s", name, value);
}

/* Plain memory is the machine's own affair unless something is to be said about it. */
static bool has_backend(const struct vm_plan *p)
{
	return p->memory_kind != VM_MEMORY_PLAIN || p->numa_node >= 0;
}

/* What a headless Linux guest never uses is left out; each costs time when the guest boots. */
static void args_machine(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	bool uefi = p->firmware_code_fd >= 0;
	AUTO_STRV struct strv options = STRV_INIT;

	args_need(b, b->caps->q35, "q35 machine");
	strv_add(&options, "q35");
	machine_part(b, &options, "usb", "off");
	machine_part(b, &options, "vmport", "off");
	machine_part(b, &options, "hpet", "off");
	machine_part(b, &options, "i8042", "off");
	if (!uefi) /* some UEFI builds need it, SeaBIOS does not */
		machine_part(b, &options, "smm", "off");
	machine_part(b, &options, "dump-guest-core", "off");
	if (has_backend(p))
		strv_add(&options, "memory-backend=ram");
	if (uefi)
		strv_add(&options, "pflash0=firmware-code,pflash1=firmware-vars");
	args_add_joined(b, "-machine", &options);
}

static void args_cpu(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	switch (p->accel) {
	case VM_ACCEL_KVM:
		args_need(b, b->caps->kvm, "KVM support");
		args_add(b, "-accel", "kvm");
		args_add(b, "-cpu", "host,host-phys-bits=on");
		break;
	case VM_ACCEL_TCG:
		args_need(b, b->caps->tcg, "software emulation (TCG)");
		args_add(b, "-accel", "tcg");
		args_add(b, "-cpu", "max");
		break;
	}
	if (p->vcpus == 0)
		args_fail(b, EINVAL, "no vCPU");
	args_addf(b, "-smp", "cpus=%u,sockets=1,cores=%u,threads=1", p->vcpus, p->vcpus);
}

/* Bound: from that node or not at all. */
static void bind_memory(struct args_builder *b, struct json_object *backend)
{
	struct json_object *nodes = json_new_array();

	args_need(b, b->caps->host_nodes, "memory bound to a NUMA node");
	(void)json_object_array_add(nodes, json_object_new_int(b->plan->numa_node));
	json_add(backend, "host-nodes", nodes);
	json_add_str(backend, "policy", "bind");
}

static void memory_backend(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	bool plain = p->memory_kind == VM_MEMORY_PLAIN;
	struct json_object *o = json_new_object();

	args_need(b, plain || b->caps->memfd, "memory-backend-memfd");
	json_add_str(o, "qom-type", plain ? "memory-backend-ram" : "memory-backend-memfd");
	json_add_str(o, "id", "ram");
	json_add_u64(o, "size", p->memory);
	if (!plain)
		json_add_bool(o, "share", true);
	if (p->memory_kind == VM_MEMORY_HUGE) {
		json_add_bool(o, "hugetlb", true);
		json_add_u64(o, "hugetlbsize", p->huge_page);
		json_add_bool(o, "prealloc", true);
		json_add_u64(o, "prealloc-threads", p->vcpus);
	}
	if (p->numa_node >= 0)
		bind_memory(b, o);
	args_add_json(b, "-object", o);
}

static void args_memory(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	uint64_t unit = p->memory_kind == VM_MEMORY_HUGE ? p->huge_page : MIB;

	if (unit < MIB || p->memory == 0 || p->memory % unit != 0) {
		args_fail(b, EINVAL, "memory of %" PRIu64 " bytes is not a multiple of %" PRIu64,
			  p->memory, unit);
		return;
	}
	args_addf(b, "-m", "size=%" PRIu64 "M", p->memory / MIB);
	if (has_backend(p))
		memory_backend(b);
}

/* A file given by descriptor, as block node @name; QEMU duplicates it from the fd set. */
static void file_node(struct args_builder *b, const char *name, int fd, bool writable)
{
	struct json_object *o = json_new_object();
	char filename[40];

	args_checked_fd(b, name, fd);
	args_addf(b, "-add-fd", "fd=%d,set=%d,opaque=%s", fd, fd, name);
	(void)snprintf(filename, sizeof(filename), "/dev/fdset/%d", fd);
	json_add_str(o, "driver", "file");
	json_add_str(o, "node-name", name);
	json_add_str(o, "filename", filename);
	if (!writable)
		json_add_bool(o, "read-only", true);
	else
		json_add_str(o, "discard", "unmap");
	args_add_json(b, "-blockdev", o);
}

static const char *format_name(enum vm_format format)
{
	switch (format) {
	case VM_FORMAT_QCOW2:
		return "qcow2";
	case VM_FORMAT_RAW:
		return "raw";
	}
	return "raw";
}

/* The format layer over a file node. @backing: node below, NULL: none. */
static struct json_object *format_node(const char *name, const struct vm_node *node,
				       const char *backing)
{
	struct json_object *o = json_new_object();
	char file[NODE_MAX];

	(void)snprintf(file, sizeof(file), "%s-file", name);
	json_add_str(o, "driver", format_name(node->format));
	json_add_str(o, "node-name", name);
	json_add_str(o, "file", file);
	if (node->format == VM_FORMAT_QCOW2)
		json_add_str(o, "backing", backing); /* null: none, whatever the header says */
	return o;
}

/* The backing chain from its far end, so that every node exists before it is named. */
static void args_backing(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	for (size_t i = p->n_backing; i > 0; i--) {
		const struct vm_node *node = &p->backing[i - 1];
		char name[NODE_MAX], file[NODE_MAX], below[NODE_MAX];
		struct json_object *o;

		if (node->format == VM_FORMAT_RAW && i < p->n_backing)
			args_fail(b, EINVAL, "a raw image cannot have a backing file");
		(void)snprintf(name, sizeof(name), "base%zu", i - 1);
		(void)snprintf(file, sizeof(file), "base%zu-file", i - 1);
		(void)snprintf(below, sizeof(below), "base%zu", i);
		file_node(b, file, node->fd, false);
		o = format_node(name, node, i < p->n_backing ? below : NULL);
		json_add_bool(o, "read-only", true);
		args_add_json(b, "-blockdev", o);
	}
}

static struct json_object *disk_device(const char *id, const char *node)
{
	struct json_object *o = args_device("virtio-blk-pci", id);

	json_add_str(o, "drive", node);
	json_add_str(o, "serial", node);
	json_add_str(o, "werror", "stop");
	json_add_str(o, "rerror", "stop");
	return o;
}

static void args_disk(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	struct json_object *o, *cache;

	if (p->disk.fd < 0) {
		if (p->n_backing > 0)
			args_fail(b, EINVAL, "a backing chain without a disk");
		return;
	}
	if (p->disk.format == VM_FORMAT_RAW && p->n_backing > 0)
		args_fail(b, EINVAL, "a raw disk cannot have a backing file");
	if (p->n_backing > VM_BACKING_MAX) {
		args_fail(b, EINVAL, "more than %d backing files", VM_BACKING_MAX);
		return;
	}
	args_backing(b);
	file_node(b, "disk-file", p->disk.fd, true);
	o = format_node("disk", &p->disk, p->n_backing > 0 ? "base0" : NULL);
	json_add_str(o, "discard", "unmap");
	cache = json_new_object();
	json_add_bool(cache, "no-flush", !p->disk_flush);
	json_add(o, "cache", cache);
	args_add_json(b, "-blockdev", o);
	o = disk_device("disk0", "disk");
	json_add_i64(o, "bootindex", 1);
	args_add_json(b, "-device", o);
}

/* The NoCloud seed: cloud-init looks for a file system labelled CIDATA. */
static void args_seed(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	struct json_object *o = NULL;

	switch (p->seed) {
	case VM_SEED_NONE:
		return;
	case VM_SEED_VVFAT:
		args_need(b, b->caps->vvfat, "vvfat block driver");
		o = json_new_object();
		json_add_str(o, "driver", "vvfat");
		json_add_str(o, "node-name", "seed-file");
		args_json_text(b, o, "dir", p->seed_dir);
		json_add_str(o, "label", "CIDATA");
		json_add_bool(o, "read-only", true);
		args_add_json(b, "-blockdev", o);
		break;
	case VM_SEED_ISO:
		file_node(b, "seed-file", p->seed_fd, false);
		break;
	}
	o = json_new_object();
	json_add_str(o, "driver", "raw");
	json_add_str(o, "node-name", "seed");
	json_add_str(o, "file", "seed-file");
	json_add_bool(o, "read-only", true);
	args_add_json(b, "-blockdev", o);
	args_add_json(b, "-device", disk_device("seed0", "seed"));
}

static void pflash_node(struct args_builder *b, const char *name, int fd, bool writable)
{
	struct json_object *o = json_new_object();
	char file[NODE_MAX];

	(void)snprintf(file, sizeof(file), "%s-file", name);
	file_node(b, file, fd, writable);
	json_add_str(o, "driver", "raw");
	json_add_str(o, "node-name", name);
	json_add_str(o, "file", file);
	if (!writable)
		json_add_bool(o, "read-only", true);
	args_add_json(b, "-blockdev", o);
}

static void args_boot(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	if ((p->firmware_code_fd < 0) != (p->firmware_vars_fd < 0))
		args_fail(b, EINVAL, "firmware needs both code and variables");
	if (p->firmware_code_fd >= 0) {
		pflash_node(b, "firmware-code", p->firmware_code_fd, false);
		pflash_node(b, "firmware-vars", p->firmware_vars_fd, true);
	}
	args_add(b, "-boot", "strict=on");
	if (p->kernel == NULL && (p->initrd != NULL || p->append != NULL))
		args_fail(b, EINVAL, "initrd or append without a kernel");
	if (p->kernel != NULL)
		args_add(b, "-kernel", args_checked(b, "kernel", p->kernel));
	if (p->initrd != NULL)
		args_add(b, "-initrd", args_checked(b, "initrd", p->initrd));
	if (p->append != NULL)
		args_add(b, "-append", args_checked(b, "append", p->append));
}

/* A panic or a reset ends the run, so QEMU ends too, having said why. */
static void args_lifecycle(struct args_builder *b)
{
	const struct qemu_caps *c = b->caps;
	struct json_object *o;

	strv_add(&b->args, "-no-reboot");
	if (c->action)
		args_add(b, "-action", "panic=shutdown");
	args_add(b, "-rtc", "base=utc");
	if (c->pvpanic || c->pvpanic_pci)
		args_add_json(b, "-device",
			      args_device(c->pvpanic ? "pvpanic" : "pvpanic-pci", NULL));
	if (c->vmgenid) {
		o = args_device("vmgenid", NULL);
		json_add_str(o, "guid", "auto");
		args_add_json(b, "-device", o);
	}
	if (c->virtio_rng)
		args_add_json(b, "-device", args_device("virtio-rng-pci", "rng0"));
}

static void args_control(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	args_addf(b, "-chardev", "socket,id=qmp,fd=%d", args_checked_fd(b, "QMP", p->qmp_fd));
	args_add(b, "-mon", "chardev=qmp,mode=control");
	if (p->serial_fd < 0)
		return;
	args_addf(b, "-chardev", "socket,id=serial0,fd=%d",
		  args_checked_fd(b, "serial", p->serial_fd));
	args_add(b, "-serial", "chardev:serial0");
}

/* The NIC for SSH. QEMU takes a free port itself, so two runs cannot collide. */
static void args_network(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	struct json_object *o, *list, *forward;

	if (!p->network)
		return;
	args_need(b, b->caps->net_user, "user-mode network");
	o = json_new_object();
	json_add_str(o, "type", "user");
	json_add_str(o, "id", "ssh");
	json_add_bool(o, "restrict", p->isolated);
	forward = json_new_object();
	json_add_str(forward, "str", SSH_FORWARD);
	list = json_new_array();
	(void)json_object_array_add(list, forward);
	json_add(o, "hostfwd", list);
	args_add_json(b, "-netdev", o);
	o = args_device("virtio-net-pci", "nic0");
	json_add_str(o, "netdev", "ssh");
	args_json_text(b, o, "mac", p->mac);
	json_add_str(o, "romfile", ""); /* nobody boots from the network */
	args_add_json(b, "-device", o);
}

/* QEMU wants the numbers of descriptors as text here. */
static void add_fd(struct json_object *o, const char *key, int fd)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", fd);
	json_add_str(o, key, text);
}

/* The second NIC, on a tap interface; it comes after the first, which keeps its place in the guest.
 */
static void args_lan(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;
	struct json_object *o;

	if (p->lan_fd < 0)
		return;
	o = json_new_object();
	json_add_str(o, "type", "tap");
	json_add_str(o, "id", "lan");
	add_fd(o, "fd", args_checked_fd(b, "tap", p->lan_fd));
	if (p->lan_vhost_fd >= 0) {
		json_add_bool(o, "vhost", true);
		add_fd(o, "vhostfd", args_checked_fd(b, "vhost", p->lan_vhost_fd));
	}
	args_add_json(b, "-netdev", o);
	o = args_device("virtio-net-pci", "nic1");
	json_add_str(o, "netdev", "lan");
	args_json_text(b, o, "mac", p->lan_mac);
	json_add_str(o, "romfile", "");
	if (p->lan_mtu != 0 && p->lan_mtu != MTU_USUAL)
		json_add_u64(o, "host_mtu", p->lan_mtu);
	args_add_json(b, "-device", o);
}

static void mount_virtiofs(struct args_builder *b, const struct vm_mount *m, const char *id)
{
	struct json_object *o = args_device("vhost-user-fs-pci", id);

	args_need(b, b->caps->vhost_user_fs, "vhost-user-fs-pci device");
	if (b->plan->memory_kind == VM_MEMORY_PLAIN)
		args_fail(b, EINVAL, "a virtiofs mount needs shared memory");
	args_addf(b, "-chardev", "socket,id=%s,fd=%d", id, args_checked_fd(b, "virtiofs", m->fd));
	json_add_str(o, "chardev", id);
	args_json_text(b, o, "tag", m->tag);
	json_add_i64(o, "queue-size", QUEUE_VIRTFS);
	args_add_json(b, "-device", o);
}

static void mount_9p(struct args_builder *b, const struct vm_mount *m, const char *id)
{
	struct json_object *o = args_device("virtio-9p-pci", id);
	AUTO_STRV struct strv options = STRV_INIT;

	args_need(b, b->caps->virtio_9p, "virtio-9p-pci device");
	strv_add(&options, "local");
	strv_addf(&options, "id=%s", id);
	strv_take(&options, args_option(b, "path", m->path));
	strv_add(&options, "security_model=none");
	strv_add(&options, "multidevs=remap");
	if (m->readonly)
		strv_add(&options, "readonly=on");
	args_add_joined(b, "-fsdev", &options);
	json_add_str(o, "fsdev", id);
	args_json_text(b, o, "mount_tag", m->tag);
	args_add_json(b, "-device", o);
}

static void args_mounts(struct args_builder *b)
{
	const struct vm_plan *p = b->plan;

	for (size_t i = 0; i < p->n_mounts; i++) {
		const struct vm_mount *m = &p->mounts[i];
		char id[NODE_MAX];

		if (m->tag == NULL || strlen(m->tag) > TAG_MAX) {
			args_fail(b, EINVAL, "the tag of mount %zu is missing or above %d bytes", i,
				  TAG_MAX);
			return;
		}
		(void)snprintf(id, sizeof(id), "mount%zu", i);
		switch (m->kind) {
		case VM_MOUNT_VIRTIOFS:
			mount_virtiofs(b, m, id);
			break;
		case VM_MOUNT_9P:
			mount_9p(b, m, id);
			break;
		}
	}
}

static void args_extra(struct args_builder *b)
{
	char *const *v = b->plan->extra;

	for (; v != NULL && *v != NULL; v++)
		strv_add(&b->args, **v == '\0' ? "" : args_checked(b, "qemu_args", *v));
}

int vm_args_build(const struct vm_plan *plan, const struct qemu_caps *caps, struct strv *ret,
		  struct error *err)
{
	struct args_builder b = { .plan = plan, .caps = caps, .args = STRV_INIT, .err = err };

	strv_add(&b.args, caps->binary);
	args_identity(&b);
	args_sandbox(&b);
	args_machine(&b);
	args_cpu(&b);
	args_memory(&b);
	args_control(&b);
	args_boot(&b);
	args_lifecycle(&b);
	args_disk(&b);
	args_seed(&b);
	args_network(&b);
	args_lan(&b);
	args_mounts(&b);
	args_devices(&b);
	args_extra(&b);
	if (b.r == 0 && strv_error(&b.args) < 0)
		b.r = error_set(err, ENOMEM, "QEMU arguments: out of memory");
	if (b.r < 0) {
		strv_done(&b.args);
		return b.r;
	}
	*ret = b.args;
	return 0;
}
