/* SPDX-License-Identifier: MIT */
#include "host/vendor_nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/host.h"

#define TEXT_CAP     ((size_t)1 << 20)
#define NVIDIA_MAJOR 195
#define DRM_MAJOR    226
#define KFD_NODES    512

/* The number behind @key, with white space before it. */
static bool number_after(const char *text, const char *key, unsigned long *ret)
{
	const char *at = strstr(text, key);
	char *end = NULL;

	if (at == NULL)
		return false;
	at += strlen(key);
	*ret = strtoul(at, &end, 10);
	return end != at;
}

/* ---- NVIDIA ---- */

/* The major number of character devices called @name; 0: none. */
static unsigned int major_of(const struct host *host, const char *name)
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;

	if (file_read_at(host->proc_fd, "devices", TEXT_CAP, &text, NULL, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *end = NULL;
		unsigned long number = strtoul(line, &end, 10);

		if (strcmp(line, "Block devices:") == 0)
			return 0;
		if (end != line && *end == ' ' && strcmp(end + 1, name) == 0)
			return (unsigned int)number;
	}
	return 0;
}

static int add_gpu(struct device_nodes *nodes, unsigned long gpu)
{
	char name[32];
	struct device_node node = { .name = name,
				    .rdev = makedev(NVIDIA_MAJOR, (unsigned int)gpu) };

	(void)snprintf(name, sizeof(name), "nvidia%lu", gpu);
	return device_nodes_add(nodes, &node);
}

/* Lines of mig-minors: "gpu3/gi1/ci0/access 412". */
static int add_capabilities(const struct host *host, struct device_nodes *nodes, unsigned long gpu)
{
	AUTO_FREE char *text = NULL;
	unsigned int caps = major_of(host, "nvidia-caps");
	char *save = NULL, prefix[32];
	int r = 0;

	if (caps == 0 || file_read_at(host->proc_fd, "driver/nvidia-caps/mig-minors", TEXT_CAP,
				      &text, NULL, NULL) < 0)
		return 0;
	(void)snprintf(prefix, sizeof(prefix), "gpu%lu/", gpu);
	for (char *line = strtok_r(text, "\n", &save); line != NULL && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *space = strrchr(line, ' ');
		char name[64];
		struct device_node node = { .name = name };
		unsigned long cap = space == NULL ? 0 : strtoul(space, NULL, 10);

		if (cap == 0 || strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		(void)snprintf(name, sizeof(name), "nvidia-caps/nvidia-cap%lu", cap);
		node.rdev = makedev(caps, (unsigned int)cap);
		r = device_nodes_add(nodes, &node);
	}
	return r;
}

/* Nobody tells which NVSwitch has which number: whoever has one open has this one. */
static int add_switches(const struct host *host, struct device_nodes *nodes, const char *address)
{
	char path[96], name[] = "nvidia-nvswitch";
	struct device_node node = { .name = name, .any = true };

	(void)snprintf(path, sizeof(path), "driver/nvidia-nvswitch/devices/%.32s", address);
	if (faccessat(host->proc_fd, path, F_OK, 0) < 0)
		return 0;
	node.rdev = makedev(major_of(host, "nvidia-nvswitch"), 0);
	return device_nodes_add(nodes, &node);
}

/* The same with vGPUs: these nodes belong to some GPU that has been divided. */
static int add_vgpus(const struct host *host, struct device_nodes *nodes, const char *address)
{
	char path[96], name[] = "nvidia-vgpu";
	struct device_node node = { .name = name, .any = true };

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%.32s/virtfn0/nvidia", address);
	if (nodes->n_mdevs == 0 && faccessat(host->sys_fd, path, F_OK, 0) < 0)
		return 0;
	return device_nodes_add(nodes, &node);
}

int nvidia_nodes_find(const struct host *host, const char *address, struct device_nodes *nodes)
{
	AUTO_FREE char *text = NULL;
	char path[96];
	unsigned long gpu = 0;
	int r = add_switches(host, nodes, address);

	(void)snprintf(path, sizeof(path), "driver/nvidia/gpus/%.32s/information", address);
	if (r < 0 || file_read_at(host->proc_fd, path, TEXT_CAP, &text, NULL, NULL) < 0 ||
	    !number_after(text, "Device Minor:", &gpu))
		return r;
	r = add_gpu(nodes, gpu);
	if (r == 0)
		r = add_capabilities(host, nodes, gpu);
	return r == 0 ? add_vgpus(host, nodes, address) : r;
}

/* ---- AMD ---- */

static bool has_render_node(const struct device_nodes *nodes, unsigned long minor_number)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "dri/renderD%lu", minor_number);
	for (size_t i = 0; i < nodes->n; i++) {
		if (strcmp(nodes->v[i].name, name) == 0)
			return true;
	}
	return false;
}

/* location_id is bus << 8 | device << 3 | function, of a partition with its number in the highest
 * bits; the domain stands beside it. */
static bool is_location_of(const char *properties, const char *address)
{
	unsigned long location = 0, domain = 0;
	char text[64];

	if (!number_after(properties, "location_id ", &location))
		return false;
	(void)number_after(properties, "\ndomain ", &domain);
	(void)snprintf(text, sizeof(text), "%04lx:%02lx:%02lx.%lx", domain, location >> 8 & 0xff,
		       location >> 3 & 0x1f, location & 7);
	return strcmp(text, address) == 0;
}

static int add_render_node(struct device_nodes *nodes, unsigned long minor_number)
{
	char name[32];
	struct device_node node = { .name = name,
				    .rdev = makedev(DRM_MAJOR, (unsigned int)minor_number) };

	(void)snprintf(name, sizeof(name), "dri/renderD%lu", minor_number);
	return has_render_node(nodes, minor_number) ? 0 : device_nodes_add(nodes, &node);
}

/* Node @i of the topology, a CPU or a GPU or a partition of one. */
static int take_kfd_node(const struct host *host, unsigned int i, const char *properties,
			 const char *address, struct device_nodes *nodes)
{
	AUTO_FREE char *id = NULL;
	unsigned long render = 0, gpu_id;
	char path[96];
	bool has_render = number_after(properties, "drm_render_minor ", &render) && render > 0;

	if (!is_location_of(properties, address) && !(has_render && has_render_node(nodes, render)))
		return 0;
	(void)snprintf(path, sizeof(path), "class/kfd/kfd/topology/nodes/%u/gpu_id", i);
	if (file_read_at(host->sys_fd, path, 64, &id, NULL, NULL) < 0)
		return 0;
	gpu_id = strtoul(id, NULL, 10);
	if (gpu_id == 0)
		return 0; /* a CPU */
	if (nodes->n_kfd < DEVICE_KFD_MAX)
		nodes->kfd[nodes->n_kfd++] = gpu_id;
	return has_render ? add_render_node(nodes, render) : 0;
}

int kfd_nodes_find(const struct host *host, const char *address, struct device_nodes *nodes)
{
	int r = 0;

	for (unsigned int i = 0; i < KFD_NODES && r == 0; i++) {
		AUTO_FREE char *properties = NULL;
		char path[96];

		(void)snprintf(path, sizeof(path), "class/kfd/kfd/topology/nodes/%u/properties", i);
		if (file_read_at(host->sys_fd, path, TEXT_CAP, &properties, NULL, NULL) < 0)
			return 0;
		r = take_kfd_node(host, i, properties, address, nodes);
	}
	return r;
}
