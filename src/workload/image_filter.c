/* SPDX-License-Identifier: MIT */
#include "workload/image_filter.h"

#include <stddef.h>
#include <string.h>

static bool is_empty(const char *s)
{
	return s == NULL || s[0] == '\0';
}

bool image_filter_fits(enum gpu_vendor vendor, const char *architecture, const char *image_vendor,
		       const char *image_architecture)
{
	if (vendor == GPU_VENDOR_NONE || is_empty(image_vendor))
		return true;
	if (strcmp(image_vendor, gpu_vendor_name(vendor)) != 0)
		return false;
	return is_empty(image_architecture) || is_empty(architecture) ||
	       strcmp(image_architecture, architecture) == 0;
}

bool image_filter_skips(const char *skip, enum gpu_vendor vendor, const char *architecture)
{
	static const char brand[] = "NVIDIA ";
	size_t len;

	if (is_empty(skip) || is_empty(architecture))
		return false;
	len = strlen(architecture);
	if (strncmp(architecture, brand, sizeof(brand) - 1) == 0) {
		architecture += sizeof(brand) - 1;
		vendor = GPU_VENDOR_NVIDIA;
	}
	if (vendor == GPU_VENDOR_NVIDIA)
		len = strcspn(architecture, "- ");
	while (*skip != '\0') {
		size_t n;

		skip += strspn(skip, ", \t");
		n = strcspn(skip, ", \t");
		if (n > 0 && n == len && strncmp(skip, architecture, n) == 0)
			return true;
		skip += n;
	}
	return false;
}
