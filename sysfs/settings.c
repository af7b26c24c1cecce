/* SPDX-License-Identifier: MIT */
/* Settings that do not outlive a change of driver: see settings.h. */
#include "sysfs/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sysfs/pci.h"
#include "sysfs/write.h"

#define HWMON "hwmon/"

/* In the order they are restored: power/control last, as it may let the device fall asleep. */
static const char *const names[SETTINGS_N] = {
	"current_compute_partition",
	"power_dpm_force_performance_level",
	"hwmon/power1_cap",
	"d3cold_allowed",
	"reset_method",
	"power/control",
};

const char *settings_name(size_t i)
{
	return names[i];
}

/* The folder hwmonN has another number after each probe. Return: whether there is one. */
static bool hwmon_path(const struct sysfs *sys, const struct pci_address *address, const char *file,
		       char path[SYSFS_PATH_SIZE])
{
	AUTO_SYSFS_NAMES struct sysfs_names folders = { 0 };
	char name[SYSFS_PATH_SIZE];

	if (sysfs_list(sys->sys_fd, pci_path(path, address, "hwmon"), &folders) < 0 ||
	    folders.n == 0)
		return false;
	return sysfs_path(name, HWMON "%s/%s", folders.v[0], file) == 0 &&
	       pci_path(path, address, name) != NULL;
}

static bool find_path(const struct sysfs *sys, const struct pci_address *address, const char *name,
		      char path[SYSFS_PATH_SIZE])
{
	if (strncmp(name, HWMON, strlen(HWMON)) == 0)
		return hwmon_path(sys, address, name + strlen(HWMON), path);
	(void)pci_path(path, address, name);
	return true;
}

static void read_one(const struct sysfs *sys, const char *path, struct setting *ret)
{
	ret->is_there = sysfs_read_string(sys->sys_fd, path, ret->text, sizeof(ret->text)) == 0;
	if (!ret->is_there)
		ret->text[0] = '\0';
}

void settings_read(const struct sysfs *sys, const struct pci_address *address, struct settings *ret)
{
	char path[SYSFS_PATH_SIZE];

	*ret = (struct settings){ 0 };
	for (size_t i = 0; i < SETTINGS_N; i++) {
		if (find_path(sys, address, names[i], path))
			read_one(sys, path, &ret->v[i]);
	}
}

/* The kernel will never take this value, however often it is asked. */
static bool is_refusal(int r)
{
	return r == -EINVAL || r == -EPERM || r == -EOPNOTSUPP || r == -EREMOTEIO;
}

static int restore_one(const struct sysfs *sys, const struct pci_address *address, size_t i,
		       const struct setting *want, uint64_t deadline_ns, struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE], value[SETTING_SIZE + 1], name[PCI_ADDRESS_SIZE];
	struct setting is;
	int r;

	if (!want->is_there || !find_path(sys, address, names[i], path))
		return 0;
	read_one(sys, path, &is);
	if (!is.is_there || strcmp(is.text, want->text) == 0)
		return 0;
	(void)snprintf(value, sizeof(value), "%s\n", want->text);

	struct sysfs_change change = { .op = "restore",
				       .object = pci_address_format(address, name),
				       .path = path,
				       .old = is.text,
				       .value = value,
				       .expect = want->text };

	r = sysfs_change(sys, &change, deadline_ns, err);
	return is_refusal(r) ? sysfs_error_set(err, EUCLEAN,
					       "%s: %s is \"%s\" now, and \"%s\" is "
					       "refused",
					       name, names[i], is.text, want->text)
			     : r;
}

int settings_restore(const struct sysfs *sys, const struct pci_address *address,
		     const struct settings *settings, uint64_t deadline_ns, struct sysfs_error *err)
{
	int first = 0;

	for (size_t i = 0; i < SETTINGS_N && (first == 0 || first == -EUCLEAN); i++) {
		struct sysfs_error why = { 0 };
		int r = restore_one(sys, address, i, &settings->v[i], deadline_ns, &why);

		if (r == 0 || (first < 0 && r == -EUCLEAN))
			continue;
		first = r;
		if (err != NULL)
			*err = why;
	}
	return first;
}
