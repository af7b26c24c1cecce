/* SPDX-License-Identifier: MIT */
#include "run/vfio_driver.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strv.h"
#include "host/host.h"
#include "host/modules.h"
#include "sysfs/group.h"

#define ALIASES_CAP ((size_t)32 << 20)
#define VFIO_PCI    "vfio-pci"
#define PREFIX      "alias vfio_pci:"
#define BUS         "pci:"

static size_t count_wildcards(const char *pattern)
{
	size_t n = 0;

	for (; *pattern != '\0'; pattern++)
		n += *pattern == '*' || *pattern == '?';
	return n;
}

/* "alias vfio_pci:PATTERN MODULE". Return: whether it is one, and no other than vfio_pci itself. */
static bool parse_alias(const char *line, char pattern[256], char module[SYSFS_NAME_SIZE])
{
	if (strncmp(line, PREFIX, strlen(PREFIX)) != 0 ||
	    sscanf(line + strlen(PREFIX), "%255s %127s", pattern, module) != 2)
		return false;
	return strcmp(module, "vfio_pci") != 0 && strcmp(module, VFIO_PCI) != 0 &&
	       sysfs_is_name(module);
}

void vfio_driver_match(const char *aliases, const char *modalias, char *ret)
{
	size_t fewest = SIZE_MAX;

	ret[0] = '\0';
	if (strncmp(modalias, BUS, strlen(BUS)) != 0)
		return;
	modalias += strlen(BUS);
	for (const char *line = aliases; line != NULL && *line != '\0';) {
		char pattern[256], module[SYSFS_NAME_SIZE];

		if (parse_alias(line, pattern, module) && count_wildcards(pattern) < fewest &&
		    fnmatch(pattern, modalias, 0) == 0) {
			fewest = count_wildcards(pattern);
			(void)snprintf(ret, SYSFS_NAME_SIZE, "%s", module);
		}
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
}

/* Whether it can be used: it is there, or what is missing may be loaded. */
static bool may_load(const struct host *host, const char *module)
{
	AUTO_STRV struct strv missing = STRV_INIT;

	return modules_missing(host, module, &missing, NULL) == 0;
}

static void find_variant(const struct host *host, const struct pci_function *f, char *ret)
{
	AUTO_FREE char *aliases = NULL;
	char path[SYSFS_PATH_SIZE], modalias[SYSFS_NAME_SIZE];

	ret[0] = '\0';
	if (host->modules_fd < 0 ||
	    sysfs_read_string(host->sys_fd, pci_path(path, &f->address, "modalias"), modalias,
			      sizeof(modalias)) < 0 ||
	    file_read_at(host->modules_fd, "modules.alias", ALIASES_CAP, &aliases, NULL, NULL) < 0)
		return;
	vfio_driver_match(aliases, modalias, ret);
	if (ret[0] != '\0' && !may_load(host, ret))
		ret[0] = '\0';
}

static bool is_driver(const struct host *host, const char *name)
{
	char path[SYSFS_PATH_SIZE];

	return group_driver_is_vfio(name) && sysfs_is_name(name) &&
	       sysfs_path(path, "bus/pci/drivers/%s", name) == 0 &&
	       sysfs_exists(host->sys_fd, path);
}

void vfio_driver_find(const struct host *host, const struct pci_function *f,
		      struct vfio_driver *ret)
{
	*ret = (struct vfio_driver){ .driver = VFIO_PCI };
	if (group_driver_is_vfio(f->driver)) {
		(void)snprintf(ret->driver, sizeof(ret->driver), "%s", f->driver);
		return;
	}
	if (pci_override_is_set(f->driver_override) && is_driver(host, f->driver_override)) {
		(void)snprintf(ret->driver, sizeof(ret->driver), "%s", f->driver_override);
		return;
	}
	if (strcmp(f->driver_override, VFIO_PCI) == 0)
		return;
	find_variant(host, f, ret->module);
	if (ret->module[0] != '\0' && vfio_driver_loaded(host, ret, NULL) < 0)
		(void)snprintf(ret->driver, sizeof(ret->driver), "%s", ret->module);
}

/* module/MODULE/drivers has "pci:NAME". */
int vfio_driver_loaded(const struct host *host, struct vfio_driver *d, struct error *err)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	char path[SYSFS_PATH_SIZE];

	if (sysfs_path(path, "module/%s/drivers", d->module) == 0)
		(void)sysfs_list(host->sys_fd, path, &names);
	for (size_t i = 0; i < names.n; i++) {
		if (strncmp(names.v[i], BUS, strlen(BUS)) != 0)
			continue;
		(void)snprintf(d->driver, sizeof(d->driver), "%.*s", (int)sizeof(d->driver) - 1,
			       names.v[i] + strlen(BUS));
		return 0;
	}
	return error_set(err, ENOENT, "the kernel module %s has no PCI driver", d->module);
}
