/* SPDX-License-Identifier: MIT */
/* What speaks against a choice of devices, though it is made. */
#include "config/config.h"
#include "host/host.h"
#include "host/owners.h"
#include "run/device_choice_private.h"

#define CLASS_NVSWITCH 0x0680

static void warn_whole(const struct chooser *c, const struct device_request *rq)
{
	struct sysfs sys = device_sysfs(c->host);
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };
	struct strv *warnings = &c->choice->warnings;
	struct pci_address address;
	char path[SYSFS_PATH_SIZE];

	if (pci_address_parse(rq->address, &address, NULL) < 0 ||
	    pci_function_read(&sys, &address, &f, NULL) < 0)
		return;
	if (f.boot_vga)
		strv_addf(
			warnings,
			"%s is the firmware's display device; nothing of the console is on it, so "
			"it is taken",
			rq->address);
	if (device_needs_force(&f))
		strv_addf(warnings,
			  "%s may not come back from the reset after the VM (\"force\" was given): "
			  "the host may need a reboot then",
			  rq->address);
	if (!sysfs_exists(c->host->sys_fd, pci_path(path, &address, "reset")))
		strv_addf(warnings,
			  "the kernel knows no way to reset %s: what a guest leaves in it stays",
			  rq->address);
}

/* GPUs of a board with NVSwitches reach each other, and start at all, only with their fabric set up
 * by who has the switches. */
static void warn_nvswitches(const struct chooser *c)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	size_t missing = 0;

	if (sysfs_list(c->host->sys_fd, "bus/pci/devices", &names) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		char path[SYSFS_PATH_SIZE];
		int64_t vendor = 0, class_code = 0;

		(void)sysfs_path(path, "bus/pci/devices/%.64s/vendor", names.v[i]);
		(void)sysfs_read_number(c->host->sys_fd, path, &vendor);
		(void)sysfs_path(path, "bus/pci/devices/%.64s/class", names.v[i]);
		(void)sysfs_read_number(c->host->sys_fd, path, &class_code);
		missing += vendor == PCI_VENDOR_NVIDIA && class_code >> 8 == CLASS_NVSWITCH &&
			   !device_is_taken(c->choice, names.v[i]);
	}
	if (missing > 0)
		strv_addf(&c->choice->warnings,
			  "%zu NVSwitches stay with the host: without them, passed in \"devices\" "
			  "together with all GPUs, the GPUs need Fabric Manager on the host in "
			  "shared NVSwitch mode",
			  missing);
}

static bool has_whole_nvidia_gpu(const struct chooser *c)
{
	struct sysfs sys = device_sysfs(c->host);

	for (size_t i = 0; i < c->choice->n; i++) {
		AUTO_PCI_FUNCTION struct pci_function f = { 0 };
		struct pci_address a;

		if (c->choice->v[i].way == DEVICE_WHOLE &&
		    pci_address_parse(c->choice->v[i].address, &a, NULL) == 0 &&
		    pci_function_read(&sys, &a, &f, NULL) == 0 && device_is_gpu(&f) &&
		    f.vendor == PCI_VENDOR_NVIDIA)
			return true;
	}
	return false;
}

static void warn_owners(const struct chooser *c, const char *address)
{
	AUTO_OWNERS struct owners owners = OWNERS_INIT;

	(void)owners_find(c->host, address, &owners, NULL);
	for (size_t i = 0; i < owners.noted.n; i++)
		strv_addf(&c->choice->warnings, "%s: %s", address, owners.noted.v[i]);
}

/* Of everything that is bound or turned into something else. */
static void warn_all_owners(const struct chooser *c, const struct device_request *rq)
{
	if (!strv_contains(&rq->members, rq->address))
		warn_owners(c, rq->address);
	for (size_t i = 0; i < rq->members.n; i++)
		warn_owners(c, rq->members.v[i]);
}

void device_warn(const struct chooser *c)
{
	for (size_t i = 0; i < c->choice->n; i++) {
		const struct device_request *rq = &c->choice->v[i];

		if (rq->way == DEVICE_WHOLE)
			warn_whole(c, rq);
		warn_all_owners(c, rq);
		if (c->cfg->numa_node >= 0 && rq->numa_node >= 0 &&
		    c->cfg->numa_node != rq->numa_node)
			strv_addf(&c->choice->warnings,
				  "%s is on NUMA node %d, the VM is to be on node %d", rq->address,
				  rq->numa_node, c->cfg->numa_node);
	}
	if (has_whole_nvidia_gpu(c))
		warn_nvswitches(c);
}
