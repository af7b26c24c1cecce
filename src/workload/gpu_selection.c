/* SPDX-License-Identifier: MIT */
#include "workload/gpu_selection.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strv.h"
#include "workload/model.h"

/* DRM's minor numbers of render nodes. */
#define RENDER_FIRST 128
#define RENDER_LAST  ((1 << 20) - 1)

enum gpu_vendor gpu_vendor_of(const char *name)
{
	if (name != NULL && strcmp(name, "AMD") == 0)
		return GPU_VENDOR_AMD;
	if (name != NULL && strcmp(name, "NVIDIA") == 0)
		return GPU_VENDOR_NVIDIA;
	return GPU_VENDOR_NONE;
}

const char *gpu_vendor_name(enum gpu_vendor vendor)
{
	switch (vendor) {
	case GPU_VENDOR_AMD:
		return "AMD";
	case GPU_VENDOR_NVIDIA:
		return "NVIDIA";
	case GPU_VENDOR_NONE:
		break;
	}
	return "";
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Reads a number below GPU_SELECTION_MAX with blanks around it; NULL when there is none. */
static const char *read_number(const char *s, unsigned int *ret)
{
	unsigned int n = 0;
	const char *start = skip_blanks(s);
	const char *c = start;

	for (; isdigit((unsigned char)*c); c++) {
		n = n * 10 + (unsigned int)(*c - '0');
		if (n >= GPU_SELECTION_MAX)
			return NULL;
	}
	*ret = n;
	return c == start ? NULL : skip_blanks(c);
}

/* Reads "N" or "A-B" into the set; NULL when it is neither. */
static const char *read_range(const char *s, bool *set)
{
	unsigned int first, last;

	s = read_number(s, &first);
	if (s == NULL)
		return NULL;
	last = first;
	if (*s == '-')
		s = read_number(s + 1, &last);
	if (s == NULL || last < first)
		return NULL;
	memset(set + first, 1, last - first + 1);
	return s;
}

int gpu_selection_parse(const char *text, size_t n_system, struct gpu_list *ret, struct error *err)
{
	bool set[GPU_SELECTION_MAX] = { false };
	const char *s = text;

	if (n_system > GPU_SELECTION_MAX)
		return error_set(err, ERANGE, "%zu GPUs are more than %d", n_system,
				 GPU_SELECTION_MAX);
	if (text == NULL || text[0] == '\0' || strcmp(text, "all") == 0) {
		memset(set, 1, n_system);
		s = NULL;
	}
	while (s != NULL) {
		s = read_range(s, set);
		if (s == NULL || (*s != ',' && *s != '\0'))
			return error_set(err, EINVAL,
					 "docker_gpus: %.100s: must be \"all\", or numbers below "
					 "%d and ranges as in \"0,2-4\"",
					 text, GPU_SELECTION_MAX);
		s = *s == ',' ? s + 1 : NULL;
	}
	ret->n = 0;
	for (unsigned int i = 0; i < GPU_SELECTION_MAX; i++) {
		if (set[i])
			ret->v[ret->n++] = i;
	}
	return 0;
}

int gpu_selection_count(struct json_object *context, struct json_object *deployment,
			const struct model *model)
{
	int count = 0;

	if (model_gpu_count(context, &count) || model_gpu_count(deployment, &count))
		return count;
	return model_gpus(model);
}

int gpu_selection_choose(const struct gpus *gpus, size_t n_system, const char *docker_gpus,
			 int count, struct gpu_list *ret, struct error *err)
{
	struct gpu_list listed = { .n = 0 };
	int r;

	ret->n = 0;
	if (gpus->vendor == GPU_VENDOR_NONE)
		return 0;
	r = gpu_selection_parse(docker_gpus, n_system, &listed, err);
	if (r < 0)
		return r;
	if (count == MODEL_GPUS_ALL)
		count = (int)listed.n;
	if (count < 0 || (size_t)count > n_system || (size_t)count > listed.n)
		return error_set(err, EINVAL,
				 "Too many gpus requested(%d). System has %zu gpus. Context has "
				 "%zu gpus.",
				 count, n_system, listed.n);
	for (size_t i = 0; i < (size_t)count; i++) {
		if (listed.v[i] >= gpus->n)
			return error_set(err, EINVAL,
					 "docker_gpus: there is no GPU %u in the guest, which has "
					 "%zu and counts from 0",
					 listed.v[i], gpus->n);
	}
	*ret = listed;
	ret->n = (size_t)count;
	return 0;
}

static void nvidia_options(const struct gpus *gpus, const struct gpu_list *chosen, struct strv *ret)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *out;

	for (size_t i = 0; gpus->cdi && i < chosen->n; i++)
		strv_addf(ret, "--device=nvidia.com/gpu=%u", chosen->v[i]);
	if (gpus->cdi || chosen->n == 0)
		return;
	out = open_memstream(&text, &size);
	if (out == NULL) {
		strv_take(ret, NULL);
		return;
	}
	for (size_t i = 0; i < chosen->n; i++)
		(void)fprintf(out, "%s%u", i == 0 ? "" : ",", chosen->v[i]);
	if (fclose(out) != 0) {
		strv_take(ret, NULL);
		return;
	}
	strv_add(ret, "--gpus");
	/* The option is a CSV record itself: the quotes keep the commas in one field. */
	strv_addf(ret, "\"device=%s\"", text);
}

void gpu_selection_options(const struct gpus *gpus, const struct gpu_list *chosen, struct strv *ret)
{
	switch (gpus->vendor) {
	case GPU_VENDOR_NONE:
		return;
	case GPU_VENDOR_NVIDIA:
		nvidia_options(gpus, chosen, ret);
		return;
	case GPU_VENDOR_AMD:
		break;
	}
	strv_add(ret, "--device=/dev/kfd");
	for (size_t i = 0; i < chosen->n; i++)
		strv_addf(ret, "--device=/dev/dri/renderD%u", gpus->renders[chosen->v[i]]);
}

/* A number, or the text of one. */
static bool render_number(struct json_object *value, unsigned int *ret)
{
	const char *text = value == NULL ? "" : json_object_get_string(value);
	char *end = NULL;
	unsigned long n;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || n < RENDER_FIRST || n > RENDER_LAST)
		return false;
	*ret = (unsigned int)n;
	return true;
}

int gpu_selection_renders(struct gpus *gpus, struct json_object *value, struct error *err)
{
	unsigned int renders[GPU_SELECTION_MAX] = { 0 };
	size_t n;

	if (value == NULL)
		return 0;
	if (!json_object_is_type(value, json_type_array))
		return error_set(err, EINVAL, "gpu_renderDs: must be a list of numbers");
	n = json_object_array_length(value);
	if (n < gpus->n || n > GPU_SELECTION_MAX)
		return error_set(err, EINVAL, "gpu_renderDs: lists %zu render nodes for %zu GPUs",
				 n, gpus->n);
	for (size_t i = 0; i < n; i++) {
		if (!render_number(json_object_array_get_idx(value, i), &renders[i]))
			return error_set(err, EINVAL,
					 "gpu_renderDs[%zu]: must be the number of a render node, "
					 "%d or more",
					 i, RENDER_FIRST);
	}
	memcpy(gpus->renders, renders, sizeof(renders));
	return 0;
}
