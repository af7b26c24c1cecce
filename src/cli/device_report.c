/* SPDX-License-Identifier: MIT */
#include "cli/device_report.h"

#include <string.h>

#include "base/json.h"
#include "base/size.h"

#define TEXT_SIZE 256

const char *device_state(const struct device *d)
{
	if (d->is_stuck)
		return "stuck";
	if (d->f.is_gone)
		return "gone";
	if (d->quarantined)
		return "quarantined";
	if (d->leased)
		return "leased";
	if (d->users.n > 0)
		return "in use";
	if (d->console)
		return "console";
	if (!d->is_parent && (d->f.iommu_group < 0 || d->group.is_noiommu))
		return "no IOMMU";
	return d->hidden ? "not known" : "free";
}

static bool is_other_endpoint(const struct device *d, const struct group_member *m)
{
	return !m->is_bridge && strcmp(m->name, d->address) != 0;
}

/* ---- for people ---- */

static void print_regions(FILE *out, const struct device *d)
{
	const char *comma = "";
	char text[SIZE_TEXT_SIZE];

	for (size_t i = 0; i < PCI_N_BARS; i++) {
		const struct pci_region *r = &d->f.regions[i];

		if (r->size == 0 || (r->flags & PCI_BAR_MEMORY) == 0)
			continue;
		if (comma[0] == '\0')
			fprintf(out, "    memory BARs:");
		fprintf(out, "%s %zu: %s%s", comma, i, size_format_rounded(r->size, text),
			(r->flags & PCI_BAR_MEMORY_64) != 0 ? "" : " (32 bit)");
		comma = ",";
	}
	if (comma[0] != '\0')
		fputc('\n', out);
}

static void print_group(FILE *out, const struct device *d)
{
	for (size_t i = 0; i < d->group.n_members; i++) {
		const struct group_member *m = &d->group.members[i];

		if (is_other_endpoint(d, m))
			fprintf(out, "    shares IOMMU group %d with %s (%s)\n", d->f.iommu_group,
				m->name, m->driver[0] != '\0' ? m->driver : "no driver");
	}
}

static void print_functions(FILE *out, const struct device *d)
{
	if (d->f.sriov_totalvfs > 0)
		fprintf(out, "    SR-IOV: %zu of %d VFs there\n", d->f.n_vfs, d->f.sriov_totalvfs);
	for (size_t i = 0; i < d->n_offers; i++) {
		const struct device_offer *o = &d->offers[i];

		fprintf(out, "    vGPU type %s%s%s%s", o->id, o->name[0] != '\0' ? " (" : "",
			o->name, o->name[0] != '\0' ? ")" : "");
		if (o->available >= 0)
			fprintf(out, ": %d free", o->available);
		fputc('\n', out);
	}
}

static void print_trouble(FILE *out, const struct device *d)
{
	if (d->is_stuck)
		fprintf(out, "    does not answer: reading it is stuck in the kernel\n");
	if (d->quarantined)
		fprintf(out,
			"    quarantined: %s (VM %s); when it is in order again: bmvm gpus "
			"--clear %s\n",
			d->quarantine.why, d->quarantine.vm, d->quarantine_of);
	if (d->hidden)
		fprintf(out, "    leased or quarantined: only root can tell\n");
	if (d->leased)
		fprintf(out, "    leased by VM %s%s\n", d->holder.vm,
			d->holder.is_dead ? ", whose run died: bmvm recover gives it back" : "");
	if (d->console)
		fprintf(out, "    shows the machine's console: %s\n", d->console_by);
	else if (d->f.boot_vga)
		fprintf(out, "    is the firmware's display device\n");
	for (size_t i = 0; i < d->users.n; i++) {
		const struct device_user *u = &d->users.v[i];

		if (u->pid != 0)
			fprintf(out, "    used by %s (process %d): %s\n", u->name, (int)u->pid,
				u->what);
		else
			fprintf(out, "    used: %s\n", u->what);
	}
	if (d->group.has_direct_regions)
		fprintf(out,
			"    firmware claims memory for it (RMRR): the kernel refuses to "
			"pass it\n");
}

/* A parent of mediated devices that is no PCI function. */
static void print_parent(FILE *out, const struct device *d)
{
	fprintf(out, "%-14s mediated devices  %s\n", d->address, device_state(d));
	print_functions(out, d);
	print_trouble(out, d);
}

void device_print(FILE *out, const struct device *d)
{
	char model[TEXT_SIZE];

	if (d->is_parent) {
		print_parent(out, d);
		return;
	}
	(void)snprintf(model, sizeof(model), "%s%s%s", d->vendor, d->vendor[0] != '\0' ? " " : "",
		       d->model);
	fprintf(out, "%-14s %04x:%04x  %-12s driver %-12s group %-4d node %-3d %s\n", d->address,
		d->f.vendor, d->f.device, device_state(d),
		d->f.driver[0] != '\0' ? d->f.driver : "none", d->f.iommu_group, d->f.numa_node,
		model[0] != '\0' ? model : "(no name known)");
	print_regions(out, d);
	print_group(out, d);
	print_functions(out, d);
	print_trouble(out, d);
}

/* ---- for programs ---- */

static void add_hex(struct json_object *o, const char *key, unsigned int value, int digits)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%0*x", digits, value);
	json_add_str(o, key, text);
}

static struct json_object *regions_json(const struct device *d)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < PCI_N_BARS; i++) {
		const struct pci_region *r = &d->f.regions[i];
		struct json_object *o;

		if (r->size == 0)
			continue;
		o = json_new_object();
		json_add_u64(o, "bar", i);
		json_add_u64(o, "size", r->size);
		json_add_bool(o, "memory", (r->flags & PCI_BAR_MEMORY) != 0);
		json_add_bool(o, "prefetchable", (r->flags & PCI_BAR_PREFETCH) != 0);
		json_add_bool(o, "64bit", (r->flags & PCI_BAR_MEMORY_64) != 0);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *group_json(const struct device *d)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < d->group.n_members; i++) {
		const struct group_member *m = &d->group.members[i];
		struct json_object *o;

		if (strcmp(m->name, d->address) == 0)
			continue;
		o = json_new_object();
		json_add_str(o, "address", m->name);
		json_add_str(o, "driver", m->driver[0] != '\0' ? m->driver : NULL);
		json_add_bool(o, "bridge", m->is_bridge);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *users_json(const struct device *d)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < d->users.n; i++) {
		struct json_object *o = json_new_object();

		if (d->users.v[i].pid != 0) {
			json_add_i64(o, "pid", d->users.v[i].pid);
			json_add_str(o, "name", d->users.v[i].name);
		}
		json_add_str(o, "what", d->users.v[i].what);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *sriov_json(const struct device *d)
{
	struct json_object *o = json_new_object(), *list = json_new_array();

	json_add_i64(o, "total", d->f.sriov_totalvfs);
	json_add_i64(o, "current", d->f.sriov_numvfs);
	for (size_t i = 0; i < d->f.n_vfs; i++) {
		char address[PCI_ADDRESS_SIZE];

		json_object_array_add(
			list, json_new_string(pci_address_format(&d->f.vfs[i].address, address)));
	}
	json_add(o, "vfs", list);
	return o;
}

static struct json_object *offers_json(const struct device *d)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < d->n_offers; i++) {
		struct json_object *o = json_new_object();

		json_add_str(o, "type", d->offers[i].id);
		json_add_str(o, "name", d->offers[i].name);
		if (d->offers[i].available >= 0)
			json_add_i64(o, "available", d->offers[i].available);
		json_object_array_add(list, o);
	}
	return list;
}

static void add_state(struct json_object *o, const struct device *d)
{
	json_add_str(o, "state", device_state(d));
	json_add_bool(o, "boot_vga", d->f.boot_vga);
	json_add_str(o, "console", d->console ? d->console_by : NULL);
	json_add(o, "users", users_json(d));
	json_add_str(o, "leased_by", d->leased ? d->holder.vm : NULL);
	json_add_str(o, "quarantine", d->quarantined ? d->quarantine.why : NULL);
}

struct json_object *device_to_json(const struct device *d)
{
	struct json_object *o = json_new_object();
	char physfn[PCI_ADDRESS_SIZE];

	json_add_str(o, "address", d->address);
	if (d->is_parent) { /* no PCI function */
		json_add(o, "vgpu_types", offers_json(d));
		add_state(o, d);
		return o;
	}
	add_hex(o, "vendor_id", d->f.vendor, 4);
	add_hex(o, "device_id", d->f.device, 4);
	add_hex(o, "subsystem_vendor_id", d->f.subsystem_vendor, 4);
	add_hex(o, "subsystem_device_id", d->f.subsystem_device, 4);
	add_hex(o, "class", d->f.class_code, 6);
	json_add_str(o, "vendor", d->vendor);
	json_add_str(o, "model", d->model);
	json_add_str(o, "driver", d->f.driver[0] != '\0' ? d->f.driver : NULL);
	json_add_str(o, "driver_override",
		     pci_override_is_set(d->f.driver_override) ? d->f.driver_override : NULL);
	json_add_i64(o, "iommu_group", d->f.iommu_group);
	json_add(o, "group_members", group_json(d));
	json_add_i64(o, "numa_node", d->f.numa_node);
	json_add(o, "bars", regions_json(d));
	if (d->f.sriov_totalvfs > 0)
		json_add(o, "sriov", sriov_json(d));
	if (d->f.is_vf)
		json_add_str(o, "physical_function", pci_address_format(&d->f.physfn, physfn));
	json_add(o, "vgpu_types", offers_json(d));
	add_state(o, d);
	return o;
}
