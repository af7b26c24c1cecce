/* SPDX-License-Identifier: MIT */
/*
 * Keys whose value has several forms. By the time special_firmware() sees an object, its members
 * have been set by their own rows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "config/fields.h"

#define HOST_CPU_MAX  65535
#define NUMA_NODE_MAX 1023

static int wrong(const char *form, struct json_object *value, struct error *err)
{
	return error_set(err, EINVAL, "must be %s, not %.80s", form,
			 value == NULL ? "null" : json_compact(value));
}

static bool is_string(struct json_object *value, const char *text)
{
	return json_object_is_type(value, json_type_string) &&
	       strcmp(json_object_get_string(value), text) == 0;
}

int special_firmware(struct config *cfg, struct json_object *value, struct error *err)
{
	if (json_object_is_type(value, json_type_object)) {
		cfg->firmware = FIRMWARE_PATHS;
		return 0;
	}
	if (is_string(value, "bios"))
		cfg->firmware = FIRMWARE_BIOS;
	else if (is_string(value, "uefi"))
		cfg->firmware = FIRMWARE_UEFI;
	else
		return wrong("\"bios\", \"uefi\" or an object with code and vars", value, err);
	return 0;
}

static int host_cpu(struct json_object *item, unsigned int *ret, struct error *err)
{
	int64_t n;

	if (!json_object_is_type(item, json_type_int))
		return wrong("a list of host CPU numbers", item, err);
	n = json_object_get_int64(item);
	if (n < 0 || n > HOST_CPU_MAX)
		return error_set(err, EINVAL, "host CPU numbers are from 0 to %d, not %" PRId64,
				 HOST_CPU_MAX, n);
	*ret = (unsigned int)n;
	return 0;
}

static bool is_among(const unsigned int *v, size_t n, unsigned int x)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i] == x)
			return true;
	}
	return false;
}

static int pinning_list(struct config *cfg, struct json_object *value, struct error *err)
{
	size_t n = json_object_array_length(value);
	AUTO_FREE unsigned int *cpus = calloc(n + 1, sizeof(*cpus));

	if (cpus == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (n == 0)
		return error_set(err, EINVAL, "must not be an empty list");
	for (size_t i = 0; i < n; i++) {
		int r = host_cpu(json_object_array_get_idx(value, i), &cpus[i], err);

		if (r < 0)
			return r;
		if (is_among(cpus, i, cpus[i]))
			return error_set(err, EINVAL, "host CPU %u is there twice", cpus[i]);
	}
	free(cfg->pin_cpus);
	cfg->pin_cpus = TAKE_PTR(cpus);
	cfg->n_pin_cpus = n;
	cfg->cpu_pinning = CPU_PINNING_LIST;
	return 0;
}

int special_cpu_pinning(struct config *cfg, struct json_object *value, struct error *err)
{
	if (json_object_is_type(value, json_type_array))
		return pinning_list(cfg, value, err);
	if (is_string(value, "none"))
		cfg->cpu_pinning = CPU_PINNING_NONE;
	else if (is_string(value, "auto"))
		cfg->cpu_pinning = CPU_PINNING_AUTO;
	else
		return wrong("\"none\", \"auto\" or a list of host CPU numbers", value, err);
	free(TAKE_PTR(cfg->pin_cpus));
	cfg->n_pin_cpus = 0;
	return 0;
}

int special_hugepages(struct config *cfg, struct json_object *value, struct error *err)
{
	if (json_object_is_type(value, json_type_boolean))
		cfg->hugepages = json_object_get_boolean(value) ? 2 * SIZE_MIB : 0;
	else if (is_string(value, "2M"))
		cfg->hugepages = 2 * SIZE_MIB;
	else if (is_string(value, "1G"))
		cfg->hugepages = SIZE_GIB;
	else
		return wrong("true, false, \"2M\" or \"1G\"", value, err);
	return 0;
}

int special_numa_node(struct config *cfg, struct json_object *value, struct error *err)
{
	int64_t n;

	if (value == NULL) {
		cfg->numa_node = NUMA_NODE_NONE;
		return 0;
	}
	if (is_string(value, "auto")) {
		cfg->numa_node = NUMA_NODE_AUTO;
		return 0;
	}
	if (!json_object_is_type(value, json_type_int))
		return wrong("a node number, \"auto\" or null", value, err);
	n = json_object_get_int64(value);
	if (n < 0 || n > NUMA_NODE_MAX)
		return error_set(err, EINVAL, "must be from 0 to %d, not %" PRId64, NUMA_NODE_MAX,
				 n);
	cfg->numa_node = (int)n;
	return 0;
}
