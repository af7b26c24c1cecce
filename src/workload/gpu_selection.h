/* SPDX-License-Identifier: MIT */
/*
 * Which of the guest's GPUs a container gets, and docker's options for them. Pure: what GPUs there
 * are was looked up in the guest.
 */
#ifndef BMVM_WORKLOAD_GPU_SELECTION_H
#define BMVM_WORKLOAD_GPU_SELECTION_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct error;
struct model;
struct strv;

#define GPU_SELECTION_MAX 256
#define GPU_GROUPS_MAX    16

enum gpu_vendor {
	GPU_VENDOR_NONE, /* no GPU option at all */
	GPU_VENDOR_AMD,
	GPU_VENDOR_NVIDIA,
};

/** gpu_vendor_of() - "AMD" and "NVIDIA" as the context has them; all else, and NULL: none. */
enum gpu_vendor gpu_vendor_of(const char *name);

/** gpu_vendor_name() - "AMD", "NVIDIA" or "". */
const char *gpu_vendor_name(enum gpu_vendor vendor);

/** struct gpu_list - Numbers of GPUs in the guest, ascending, none twice */
struct gpu_list {
	unsigned int v[GPU_SELECTION_MAX];
	size_t n;
};

/**
 * struct gpus - The GPUs of the guest
 * @n:       how many
 * @renders: AMD: the render node's number of each (128 for renderD128), @n of them
 * @groups:  AMD: the numbers of the groups that may use them, @n_groups of them; 0: not known
 * @cdi:     NVIDIA: by CDI names (--device nvidia.com/gpu=0) instead of by --gpus
 */
struct gpus {
	enum gpu_vendor vendor;
	size_t n;
	unsigned int renders[GPU_SELECTION_MAX];
	unsigned int groups[GPU_GROUPS_MAX];
	size_t n_groups;
	bool cdi;
};

/**
 * gpu_selection_parse() - Read docker_gpus: "0,2-4,5-5,7"
 * @text: NULL, "" and "all" stand for all @n_system
 *
 * Blanks around numbers do not count. Numbers need not be in the guest; only chosen ones are
 * looked at. Return: 0; -EINVAL with the rule; -ERANGE @n_system above GPU_SELECTION_MAX.
 */
int gpu_selection_parse(const char *text, size_t n_system, struct gpu_list *ret, struct error *err);

/**
 * gpu_selection_count() - How many a model gets, MODEL_GPUS_ALL for all that are listed
 * @context:    additional context, which comes first; NULL: none
 * @deployment: deployment_config, which comes next; NULL: none
 */
int gpu_selection_count(struct json_object *context, struct json_object *deployment,
			const struct model *model);

/**
 * gpu_selection_choose() - The first @count of those that are listed
 * @n_system:    how many there are said to be: @gpus->n, unless the user says otherwise
 * @docker_gpus: of the context; NULL: the first @n_system
 * @count:       as of gpu_selection_count()
 * @ret:         empty, whatever is asked for, when @gpus has no vendor
 *
 * Return: 0; -EINVAL more than there are, with madengine's words, or a chosen one that is not in
 * the guest.
 */
int gpu_selection_choose(const struct gpus *gpus, size_t n_system, const char *docker_gpus,
			 int count, struct gpu_list *ret, struct error *err);

/** gpu_selection_options() - Append docker's options for the chosen ones; none without a vendor. */
void gpu_selection_options(const struct gpus *gpus, const struct gpu_list *chosen,
			   struct strv *ret);

/**
 * gpu_selection_renders() - Take the render nodes from the context's gpu_renderDs
 * @value: a list of numbers, or of texts of numbers; NULL leaves @gpus alone
 *
 * Return: 0; -EINVAL another form, or fewer than there are GPUs.
 */
int gpu_selection_renders(struct gpus *gpus, struct json_object *value, struct error *err);

#endif
