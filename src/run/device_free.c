/* SPDX-License-Identifier: MIT */
/*
 * Free GPUs for a run that names none: all that would not be refused by name, then as many as are
 * asked for, of one NUMA node if possible.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "run/device_choice_private.h"

#define KEY_COUNT "gpu_passthrough.gpu_count"
#define KEY_GPUS  "gpu_passthrough"

/*
 * struct candidate - A GPU, and whether it can be had
 * @r: 0: by @part; else @why
 */
struct candidate {
	const struct device *d;
	struct device_choice part;
	struct error why;
	int r;
};

struct candidates {
	struct candidate *v;
	size_t n;
	size_t n_free;
	size_t n_busy;
};

static void candidates_done(struct candidates *all)
{
	for (size_t i = 0; i < all->n; i++)
		device_choice_done(&all->v[i].part);
	free(all->v);
}

#define AUTO_CANDIDATES CLEANUP(candidates_done)

static const char *key_of(const struct config *cfg)
{
	return cfg->gpu.gpu_count > 0 ? KEY_COUNT : KEY_GPUS;
}

/* Judge one. Return: 0, whatever the verdict; else a failure. */
static int judge(const struct chooser *c, struct candidate *k, struct error *err)
{
	k->r = device_request_mode(c, k->d, key_of(c->cfg), &k->part, &k->why);
	for (size_t i = 0; i < k->part.n && k->r == 0; i++) {
		const struct device_request *rq = &k->part.v[i];

		if (rq->way != DEVICE_WHOLE)
			continue;
		k->r = device_whole_group(c, rq, &k->why);
		if (k->r == 0)
			k->r = device_whole_idle(c, rq, &k->why);
	}
	/* its companion may be among "devices" */
	if (k->r == 0 && device_choice_overlaps(c->choice, &k->part))
		k->r = error_set(&k->why, ENOTSUP, "%s goes with what \"devices\" asks for",
				 k->d->address);
	if (k->r == 0 || k->r == -ENOTSUP || k->r == -EBUSY)
		return 0;
	*err = k->why;
	return k->r;
}

static int judge_all(const struct chooser *c, const struct device_list *gpus,
		     struct candidates *ret, struct error *err)
{
	uint16_t vendor = device_vendor_id(c->cfg->gpu.gpu_vendor);
	int r = 0;

	ret->v = calloc(gpus->n + 1, sizeof(*ret->v));
	if (ret->v == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < gpus->n && r == 0; i++) {
		const struct device *d = &gpus->v[i];
		struct candidate *k = &ret->v[ret->n];

		if ((vendor != 0 && d->f.vendor != vendor) ||
		    (d->is_parent && c->cfg->gpu.mode != GPU_MODE_VGPU) ||
		    device_is_taken(c->choice, d->address))
			continue;
		*k = (struct candidate){ .d = d, .part = DEVICE_CHOICE_INIT };
		ret->n++;
		r = judge(c, k, err);
		if (d->is_parent && k->r == -ENOTSUP) {
			/* it is no GPU, so nobody needs to know why it would not do */
			device_choice_done(&k->part);
			ret->n--;
			continue;
		}
		ret->n_free += k->r == 0;
		ret->n_busy += k->r == -EBUSY;
	}
	return r;
}

/* ---- refusals ---- */

/* What is said of a GPU behind its address, " is in use" or ": it ..."; all, if it is of another.
 */
static const char *reason(const struct candidate *k)
{
	size_t len = strlen(k->d->address);

	return strncmp(k->why.msg, k->d->address, len) == 0 ? k->why.msg + len : k->why.msg;
}

static bool is_first_of_reason(const struct candidates *all, size_t at)
{
	if (all->v[at].r == 0)
		return false;
	for (size_t i = 0; i < at; i++) {
		if (all->v[i].r != 0 && strcmp(reason(&all->v[i]), reason(&all->v[at])) == 0)
			return false;
	}
	return true;
}

/* "; ADDRESS is in use"; of several for the same reason "; each of ADDRESS, ADDRESS is in use" */
static size_t put_reason(const struct candidates *all, size_t at, char *text, size_t size)
{
	const struct candidate *first = &all->v[at];
	const char *why = reason(first);
	const char *between = "";
	size_t len, n = 0;

	for (size_t i = at; i < all->n; i++)
		n += all->v[i].r != 0 && strcmp(reason(&all->v[i]), why) == 0;
	if (why == first->why.msg)
		between = ": ";
	len = (size_t)snprintf(text, size, "; %s", n > 1 && why[0] == ' ' ? "each of " : "");
	for (size_t i = at, k = 0; i < all->n && len < size; i++) {
		if (all->v[i].r == 0 || strcmp(reason(&all->v[i]), why) != 0)
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s", k > 0 ? ", " : "",
					all->v[i].d->address);
		k++;
	}
	if (len < size)
		len += (size_t)snprintf(text + len, size - len, "%s%s", between, why);
	return len;
}

static int refuse(const struct chooser *c, const struct candidates *all, unsigned int wanted,
		  struct error *err)
{
	const char *vendor = c->cfg->gpu.gpu_vendor != NULL ? c->cfg->gpu.gpu_vendor : "";
	const char *space = vendor[0] != '\0' ? " " : "";
	const char *hint = "bmvm gpus shows the GPUs of this host, --all every function";
	char text[sizeof(err->msg)];
	size_t len = 0;
	int r, code = ENOTSUP;

	text[0] = '\0';
	for (size_t i = 0; i < all->n && len < sizeof(text); i++) {
		if (!is_first_of_reason(all, i))
			continue;
		if (len == 0 && all->v[i].why.hint[0] != '\0')
			hint = all->v[i].why.hint;
		len += put_reason(all, i, text + len, sizeof(text) - len);
	}
	if (all->n < wanted)
		code = ENODEV;
	else if (all->n_free + all->n_busy >= wanted)
		code = EBUSY;
	r = error_set(err, code,
		      "%u %s%sGPU%s asked for, the host has %zu, of which %zu can be had%s", wanted,
		      vendor, space, wanted == 1 ? "" : "s", all->n, all->n_free, text);
	return error_hint(err, r, "%s", hint);
}

/* Without a vendor there must be no doubt which is meant. */
static int check_vendors(const struct candidates *all, struct error *err)
{
	uint16_t first = 0;

	for (size_t i = 0; i < all->n; i++) {
		uint16_t vendor = all->v[i].d->f.vendor;

		if (all->v[i].r != 0)
			continue;
		if (all->v[i].d->is_parent)
			continue;
		if (first != 0 && vendor != first)
			return error_hint(
				err,
				error_set(err, ENOTSUP,
					  "there are free GPUs of several vendors, and no "
					  "gpu_vendor says which"),
				"\"gpu_vendor\": \"AMD\", \"NVIDIA\" or \"INTEL\"");
		first = vendor;
	}
	return 0;
}

/* ---- which ones ---- */

static size_t free_on(const struct candidates *all, int node)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += all->v[i].r == 0 && all->v[i].d->f.numa_node == node;
	return n;
}

/* The wanted node, else the lowest one, that has enough. Return: whether there is one. */
static bool find_node(const struct chooser *c, const struct candidates *all, unsigned int wanted,
		      int *ret)
{
	int prefer = c->cfg->numa_node >= 0 ? c->cfg->numa_node : device_choice_node(c->choice);
	int best = INT_MAX;

	if (prefer >= 0 && free_on(all, prefer) >= wanted) {
		*ret = prefer;
		return true;
	}
	for (size_t i = 0; i < all->n; i++) {
		int node = all->v[i].d->f.numa_node;

		if (all->v[i].r == 0 && node < best && free_on(all, node) >= wanted)
			best = node;
	}
	*ret = best;
	return best != INT_MAX;
}

static int take(struct chooser *c, struct candidates *all, unsigned int wanted, struct error *err)
{
	int node, r = 0;
	bool one_node = find_node(c, all, wanted, &node);
	unsigned int n = 0;

	for (size_t i = 0; i < all->n && n < wanted && r == 0; i++) {
		struct candidate *k = &all->v[i];

		if (k->r != 0 || (one_node && k->d->f.numa_node != node))
			continue;
		r = device_choice_decide(c, &k->part, err);
		n++;
	}
	if (!one_node)
		strv_addf(&c->choice->warnings,
			  "no NUMA node has %u free GPUs: they are taken from several", wanted);
	return r;
}

int device_free_take(struct chooser *c, struct error *err)
{
	AUTO_DEVICE_LIST struct device_list gpus = DEVICE_LIST_INIT;
	AUTO_CANDIDATES struct candidates all = { .v = NULL };
	unsigned int wanted = c->cfg->gpu.gpu_count > 0 ? c->cfg->gpu.gpu_count : 1;
	struct error why = ERROR_INIT;
	int r = device_list_read(c->host, false, &gpus, &why);

	c->wish = device_wish_gpu(c->cfg);
	if (r == 0)
		r = judge_all(c, &gpus, &all, &why);
	if (r == 0 && c->cfg->gpu.gpu_vendor == NULL)
		r = check_vendors(&all, &why);
	if (r == 0)
		r = all.n_free < wanted ? refuse(c, &all, wanted, &why)
					: take(c, &all, wanted, &why);
	if (r < 0)
		*err = why;
	return r < 0 ? error_prefix(err, r, "baremetal_vm.%s", key_of(c->cfg)) : 0;
}
