/* SPDX-License-Identifier: MIT */
#include "run/device_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "host/host.h"
#include "host/modules.h"
#include "run/device_backend.h"
#include "run/device_order.h"
#include "run/vfio_driver.h"
#include "sysfs/error.h"

/* Where QEMU looks for mediated devices. */
#define MDEV_FOLDER "/sys/bus/mdev/devices"

#define VFIO_PCI    "vfio-pci"
#define NEW_UUID    "<new UUID>"
#define STAND_IN    "<VF %u of %.16s>"
#define NAME_SIZE   64

/* One telling. */
struct telling {
	const struct host *host;
	struct sysfs sys;
	struct device_plan *plan;
	struct error *err;
};

static int no_memory(const struct telling *t)
{
	return error_set(t->err, ENOMEM, "out of memory");
}

static int add_write(struct telling *t, const char *path, const char *value)
{
	struct device_plan *p = t->plan;
	struct device_write *v = reallocarray(p->writes, p->n_writes + 1, sizeof(*v));

	if (v == NULL)
		return no_memory(t);
	p->writes = v;
	v += p->n_writes++;
	v->in_proc = false;
	(void)snprintf(v->path, sizeof(v->path), "%s", path);
	(void)snprintf(v->value, sizeof(v->value), "%s", value);
	return 0;
}

/* @file in the folder of the function @name, which may be a stand-in. */
static int write_file(struct telling *t, const char *name, const char *file, const char *value)
{
	char path[SYSFS_PATH_SIZE];

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%.64s/%.128s", name, file);
	return add_write(t, path, value);
}

/* ---- a change of driver, as driver_bind() makes it ---- */

/* NVIDIA's driver is asked whether it lets go. */
static int write_unbind_lock(struct telling *t, const char *name)
{
	char path[SYSFS_PATH_SIZE];
	int r;

	(void)snprintf(path, sizeof(path), "driver/nvidia/gpus/%.64s/unbindLock", name);
	if (t->host->proc_fd < 0 || !sysfs_exists(t->host->proc_fd, path))
		return 0;
	r = add_write(t, path, "1\n");
	if (r == 0)
		t->plan->writes[t->plan->n_writes - 1].in_proc = true;
	return r;
}

/* From @driver to @to. */
static int write_binding(struct telling *t, const char *name, const char *driver,
			 const char *override, const char *to)
{
	bool kept = strcmp(override, to) == 0;
	const char *old = pci_override_is_set(override) ? override : "";
	char value[SYSFS_NAME_SIZE + 1];
	int r = 0;

	if (strcmp(driver, to) == 0)
		return 0;
	(void)snprintf(value, sizeof(value), "%s\n", to);
	if (strcmp(driver, "nvidia") == 0)
		r = write_unbind_lock(t, name);
	if (r == 0 && !kept)
		r = write_file(t, name, "driver_override", value);
	if (r == 0 && driver[0] != '\0')
		r = write_file(t, name, "driver/unbind", name);
	if (r == 0)
		r = add_write(t, "bus/pci/drivers_probe", name);
	if (r == 0 && !kept) {
		(void)snprintf(value, sizeof(value), "%s\n", old);
		r = write_file(t, name, "driver_override", value);
	}
	return r;
}

static void add_bars(struct device_plan *p, const struct pci_region *regions, uint64_t shares)
{
	const uint64_t big = PCI_BAR_MEMORY_64 | PCI_BAR_PREFETCH;

	bool told = false;

	for (size_t i = 0; i < PCI_N_BARS; i++) {
		told = told || regions[i].size > 0;
		if ((regions[i].flags & big) == big)
			p->mmio64 = vm_mmio64_add(p->mmio64, regions[i].size / shares);
	}
	p->n_unknown += !told;
}

static int add_device(struct telling *t, const char *name, unsigned int slot, unsigned int function)
{
	struct device_plan *p = t->plan;
	struct vm_device *d;

	if (p->n_devices == VM_DEVICES_MAX)
		return error_set(t->err, E2BIG, "more than %d devices for one VM", VM_DEVICES_MAX);
	d = &p->devices[p->n_devices++];
	*d = (struct vm_device){ .slot = slot, .function = function };
	if (strcmp(name, NEW_UUID) == 0)
		(void)snprintf(d->sysfsdev, sizeof(d->sysfsdev), MDEV_FOLDER "/%s", name);
	else
		(void)snprintf(d->host, sizeof(d->host), "%s", name);
	return 0;
}

static unsigned int next_slot(const struct telling *t)
{
	const struct device_plan *p = t->plan;

	return p->n_devices == 0 ? 0 : p->devices[p->n_devices - 1].slot + 1;
}

static int read_function(struct telling *t, const char *name, struct pci_function *ret)
{
	struct pci_address address;
	struct sysfs_error why = { 0 };
	int r = pci_address_parse(name, &address, &why);

	if (r == 0)
		r = pci_function_read(&t->sys, &address, ret, &why);
	return r < 0 ? device_error(t->err, r, &why) : 0;
}

/* What a function is bound to, and what has to be loaded for that. */
static int find_driver(struct telling *t, const struct pci_function *f, struct vfio_driver *ret)
{
	vfio_driver_find(t->host, f, ret);
	return ret->module[0] == '\0'
		       ? 0
		       : modules_missing(t->host, ret->module, &t->plan->modules, t->err);
}

static int write_function(struct telling *t, const char *name, const struct pci_function *f)
{
	struct vfio_driver to;
	int r = find_driver(t, f, &to);

	return r < 0 ? r : write_binding(t, name, f->driver, f->driver_override, to.driver);
}

/* "ADDRESS to vfio-pci (from DRIVER)", or "(no driver)" */
static void put_binding(struct telling *t, const char *name, const struct pci_function *f,
			struct strv *texts)
{
	struct vfio_driver to;

	vfio_driver_find(t->host, f, &to);
	if (strcmp(f->driver, to.driver) == 0)
		strv_addf(texts, "%s, which is on %s", name, to.driver);
	else
		strv_addf(texts, "%s to %s (%s%s)", name, to.driver,
			  f->driver[0] != '\0' ? "from " : "no driver", f->driver);
}

/* ---- whole functions ---- */

/* Members are bound highest function first, and placed lowest first. */
static int bind_member(struct telling *t, const char *name)
{
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };
	int r = read_function(t, name, &f);

	return r < 0 ? r : write_function(t, name, &f);
}

/* All of the run before anything else. */
static int bind_whole(struct telling *t, const struct device_choice *choice)
{
	AUTO_FREE const struct device_request **v = NULL;
	size_t n = 0;
	int r = device_order_whole(t->host, choice, &v, &n, t->err);

	for (size_t i = 0; i < n && r == 0; i++) {
		for (size_t k = v[i]->members.n; k-- > 0 && r == 0;)
			r = bind_member(t, v[i]->members.v[k]);
	}
	return r;
}

static int place_member(struct telling *t, const struct device_request *q, size_t i,
			unsigned int slot, struct strv *texts)
{
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };
	struct pci_address main;
	int r = read_function(t, q->members.v[i], &f);

	if (r < 0)
		return r;
	put_binding(t, q->members.v[i], &f, texts);
	/* what is in another slot of the host is bound, but not passed */
	if (pci_address_parse(q->address, &main, NULL) < 0 || main.domain != f.address.domain ||
	    main.bus != f.address.bus || main.device != f.address.device)
		return 0;
	add_bars(t->plan, f.regions, 1);
	return add_device(t, q->members.v[i], slot, q->members.n == 1 ? 0 : f.address.function);
}

static int tell_whole(struct telling *t, const struct device_request *q)
{
	AUTO_STRV struct strv texts = STRV_INIT;
	unsigned int slot = next_slot(t);
	int r = 0;

	for (size_t i = 0; i < q->members.n && r == 0; i++)
		r = place_member(t, q, i, slot, &texts);
	strv_take(&t->plan->actions, strv_join(&texts, ", "));
	return r;
}

/* ---- VFs ---- */

static int tell_existing_vfs(struct telling *t, const struct device_request *q)
{
	AUTO_STRV struct strv texts = STRV_INIT;
	AUTO_FREE char *joined = NULL;
	int r = 0;

	for (size_t i = 0; i < q->members.n && r == 0; i++) {
		AUTO_PCI_FUNCTION struct pci_function f = { 0 };
		const char *name = q->members.v[i];

		r = read_function(t, name, &f);
		if (r < 0)
			break;
		put_binding(t, name, &f, &texts);
		add_bars(t->plan, f.regions, 1);
		r = write_function(t, name, &f);
		if (r == 0)
			r = add_device(t, name, next_slot(t), 0);
	}
	joined = strv_join(&texts, ", ");
	if (joined == NULL)
		return no_memory(t);
	strv_addf(&t->plan->actions, "of the VFs that %s has: %s", q->address, joined);
	return r;
}

/*
 * Behind the lines of a PF's own regions are those of its VFs, each as large as those of all its
 * VFs together.
 */
static void add_vf_bars(struct telling *t, const struct pci_function *pf, unsigned int count)
{
	struct pci_region regions[PCI_REGIONS] = { { 0 } };
	char path[SYSFS_PATH_SIZE];
	struct sysfs_text text;
	const char *at;

	if (sysfs_read(t->host->sys_fd, pci_path(path, &pf->address, "resource"), &text) < 0)
		text.text[0] = '\0';
	at = text.text;
	for (size_t i = 0; i < PCI_REGIONS && at != NULL; i++) {
		at = strchr(at, '\n');
		at = at == NULL ? NULL : at + 1;
	}
	if (at != NULL)
		(void)pci_parse_regions(at, regions);
	for (unsigned int i = 0; i < count; i++)
		add_bars(t->plan, regions, (uint64_t)pf->sriov_totalvfs);
}

static int tell_new_vfs(struct telling *t, const struct device_request *q)
{
	AUTO_PCI_FUNCTION struct pci_function pf = { 0 };
	char number[16];
	int r = read_function(t, q->address, &pf);

	if (r < 0)
		return r;
	if (pf.sriov_totalvfs <= 0)
		return error_set(t->err, ENODEV, "%s has no SR-IOV by now", q->address);
	strv_addf(&t->plan->actions, "%u VF%s to be made of %s by %s, %u of them to vfio-pci",
		  q->create, q->create == 1 ? "" : "s", q->address, pf.driver, q->count);
	if (pf.sriov_autoprobe > 0)
		r = write_file(t, q->address, "sriov_drivers_autoprobe", "0");
	(void)snprintf(number, sizeof(number), "%u", q->create);
	if (r == 0)
		r = write_file(t, q->address, "sriov_numvfs", number);
	add_vf_bars(t, &pf, q->count);
	for (unsigned int i = 0; i < q->count && r == 0; i++) {
		char name[NAME_SIZE];

		(void)snprintf(name, sizeof(name), STAND_IN, i, q->address);
		r = write_binding(t, name, "", "", VFIO_PCI);
		if (r == 0)
			r = add_device(t, name, next_slot(t), 0);
	}
	return r;
}

/* ---- vGPUs ---- */

static int tell_mdevs(struct telling *t, const struct device_request *q)
{
	char path[SYSFS_PATH_SIZE];
	int r = 0;

	strv_addf(&t->plan->actions, "%u mediated device%s of type %s to be made of %s", q->count,
		  q->count == 1 ? "" : "s", q->type, q->address);
	(void)snprintf(path, sizeof(path), "bus/pci/devices/%.64s/mdev_supported_types",
		       q->address);
	if (!sysfs_exists(t->host->sys_fd, path))
		(void)snprintf(path, sizeof(path), "class/mdev_bus/%.64s/mdev_supported_types",
			       q->address);
	(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%.64s/create", q->type);
	for (unsigned int i = 0; i < q->count && r == 0; i++) {
		r = add_write(t, path, NEW_UUID);
		if (r == 0)
			r = add_device(t, NEW_UUID, next_slot(t), 0);
		t->plan->n_unknown++;
	}
	return r;
}

static int tell_vendor_vgpus(struct telling *t, const struct device_request *q)
{
	AUTO_FREE char *names = strv_join(&q->members, ", ");
	int r = 0;

	if (names == NULL)
		return no_memory(t);
	strv_addf(&t->plan->actions, "%s, VF%s of %s, to be a vGPU of type %s%s", names,
		  q->members.n == 1 ? "" : "s", q->address, q->type,
		  q->members.n == 1 ? "" : " each");
	for (size_t i = 0; i < q->members.n && r == 0; i++) {
		AUTO_PCI_FUNCTION struct pci_function f = { 0 };

		r = read_function(t, q->members.v[i], &f);
		if (r == 0)
			r = write_file(t, q->members.v[i], "nvidia/current_vgpu_type", q->type);
		if (r == 0)
			r = add_device(t, q->members.v[i], next_slot(t), 0);
		add_bars(t->plan, f.regions, 1);
	}
	return r;
}

/* ---- all of it ---- */

static int tell_request(struct telling *t, const struct device_request *q)
{
	switch (q->way) {
	case DEVICE_WHOLE:
		return tell_whole(t, q);
	case DEVICE_VFS:
		return q->members.n > 0 ? tell_existing_vfs(t, q) : tell_new_vfs(t, q);
	case DEVICE_MDEV:
		return tell_mdevs(t, q);
	case DEVICE_VENDOR_VGPU:
		return tell_vendor_vgpus(t, q);
	}
	return 0;
}

int device_plan_make(const struct host *host, const struct device_choice *choice,
		     struct device_plan *ret, struct error *err)
{
	struct telling t = { .host = host, .sys = device_sysfs(host), .plan = ret, .err = err };
	int r = 0;

	if (choice->n == 0)
		return 0;
	r = modules_missing(host, VFIO_PCI, &ret->modules, err);
	if (r == 0)
		r = modules_missing(host, device_backend_module(choice->iommufd), &ret->modules,
				    err);
	if (r == 0)
		r = bind_whole(&t, choice);
	for (size_t i = 0; i < choice->n && r == 0; i++)
		r = tell_request(&t, &choice->v[i]);
	if (r == 0 && (strv_error(&ret->modules) < 0 || strv_error(&ret->actions) < 0))
		r = no_memory(&t);
	return r;
}

void device_plan_done(struct device_plan *plan)
{
	strv_done(&plan->actions);
	strv_done(&plan->modules);
	free(plan->writes);
	*plan = (struct device_plan){ .n_writes = 0 };
}

/* ---- telling it ---- */

static const char *root_of(const struct device_write *w)
{
	return w->in_proc ? "/proc" : "/sys";
}

/* As a shell would do it: what is written for an empty line is a line. */
static void print_write(FILE *out, const struct device_write *w, const char *label)
{
	int len = (int)strcspn(w->value, "\n");

	(void)fprintf(out, "%-12secho %.*s%s> %s/%s\n", label, len, w->value, len > 0 ? " " : "",
		      root_of(w), w->path);
}

void device_plan_print(FILE *out, const struct device_plan *plan)
{
	AUTO_FREE char *modules = strv_join(&plan->modules, " ");

	for (size_t i = 0; i < plan->actions.n; i++)
		(void)fprintf(out, "%-12s%s\n", i == 0 ? "would take" : "", plan->actions.v[i]);
	if (plan->modules.n > 0 && modules != NULL)
		(void)fprintf(out, "%-12smodprobe -a %s\n", "would load", modules);
	for (size_t i = 0; i < plan->n_writes; i++)
		print_write(out, &plan->writes[i], i == 0 ? "would do" : "");
}

static struct json_object *list_json(const struct strv *list)
{
	struct json_object *array = json_new_array();

	for (size_t i = 0; i < list->n; i++)
		(void)json_object_array_add(array, json_new_string(list->v[i]));
	return array;
}

struct json_object *device_plan_json(const struct device_plan *plan)
{
	struct json_object *o = json_new_object(), *writes = json_new_array();

	json_add(o, "actions", list_json(&plan->actions));
	json_add(o, "modules", list_json(&plan->modules));
	for (size_t i = 0; i < plan->n_writes; i++) {
		struct json_object *w = json_new_object();
		char path[SYSFS_PATH_SIZE + 8];

		(void)snprintf(path, sizeof(path), "%s/%s", root_of(&plan->writes[i]),
			       plan->writes[i].path);
		json_add_str(w, "path", path);
		json_add_str(w, "value", plan->writes[i].value);
		(void)json_object_array_add(writes, w);
	}
	json_add(o, "writes", writes);
	return o;
}
