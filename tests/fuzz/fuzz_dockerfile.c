/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of Dockerfiles: no crash on any bytes; a header that is accepted is an object
 * that fits itself, and each refusal says why.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "workload/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	AUTO_DOCKERFILE struct dockerfile d = { .path = NULL };
	const char *text = size == 0 ? "" : (const char *)bytes;
	struct error err = ERROR_INIT;

	if (dockerfile_parse("fuzz", text, size, &d, &err) < 0) {
		if (err.msg[0] == '\0' || d.path != NULL)
			abort();
		return 0;
	}
	if (!json_object_is_type(d.context, json_type_object) ||
	    !dockerfile_fits(d.context, d.context, NULL) || !dockerfile_fits(d.context, NULL, NULL))
		abort();
	return 0;
}
