/* SPDX-License-Identifier: MIT */
#include "run/device_order.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "host/device_nodes.h"

/* struct ranked - A request, and the number its driver gave to the GPU; UINT_MAX: none */
struct ranked {
	const struct device_request *q;
	unsigned int number;
};

/* The number in the first node called @prefix and a number; UINT_MAX: there is none. */
static unsigned int number_of(const struct device_nodes *nodes, const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < nodes->n; i++) {
		const char *name = nodes->v[i].name;

		if (strncmp(name, prefix, len) == 0 && name[len] >= '0' && name[len] <= '9')
			return (unsigned int)strtoul(name + len, NULL, 10);
	}
	return UINT_MAX;
}

/* The numbers of DRM are for all drivers; without it NVIDIA's driver has its own. */
static unsigned int original_number(const struct host *host, const char *address)
{
	AUTO_DEVICE_NODES struct device_nodes nodes = DEVICE_NODES_INIT;
	unsigned int number;

	if (device_nodes_find(host, address, &nodes, NULL) < 0)
		return UINT_MAX;
	number = number_of(&nodes, "dri/card");
	return number != UINT_MAX ? number : number_of(&nodes, "nvidia");
}

/* The highest number first; without numbers the highest address. */
static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	struct pci_address left = { 0 }, right = { 0 };

	if (x->number != y->number)
		return x->number > y->number ? -1 : 1;
	(void)pci_address_parse(x->q->address, &left, NULL);
	(void)pci_address_parse(y->q->address, &right, NULL);
	return pci_address_compare(&right, &left);
}

int device_order_whole(const struct host *host, const struct device_choice *choice,
		       const struct device_request ***ret, size_t *ret_n, struct error *err)
{
	AUTO_FREE struct ranked *v = calloc(choice->n + 1, sizeof(*v));
	size_t n = 0;

	*ret = calloc(choice->n + 1, sizeof(const struct device_request *));
	if (v == NULL || *ret == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < choice->n; i++) {
		const struct device_request *q = &choice->v[i];

		if (q->way == DEVICE_WHOLE)
			v[n++] = (struct ranked){ .q = q,
						  .number = original_number(host, q->address) };
	}
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_ranked);
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = v[i].q;
	*ret_n = n;
	return 0;
}
