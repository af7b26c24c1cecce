/* SPDX-License-Identifier: MIT */
/*
 * All PCI functions: see pci.h.
 *
 * A helper process for each attribute that may be stuck would cost more than all the rest, on a
 * host with hundreds of functions. So one helper reads those of many. Should it be late, one of its
 * functions is stuck, and they are read one by one to find out which.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs/cleanup.h"
#include "sysfs/clock.h"
#include "sysfs/helper.h"
#include "sysfs/pci_parts.h"

/* What a helper read of one function; text, or the negative errno in r. */
struct answer {
	int override_r;
	int numvfs_r;
	char override[SYSFS_NAME_SIZE];
	char numvfs[16];
};

/* Functions per helper, so that all answers fit into one reply. */
#define BATCH_SIZE (SYSFS_TEXT_SIZE / sizeof(struct answer))

/* What a helper is to read: paths of driver_override and sriov_numvfs. */
struct batch {
	size_t n;
	char overrides[BATCH_SIZE][64];
	char numvfs[BATCH_SIZE][64];
};

/* Copy a short attribute; async-signal-safe. Return: 0; -errno. */
static int read_short(int dir_fd, const char *path, char *buf, size_t size)
{
	struct sysfs_text text;
	int r = sysfs_read_blocking(dir_fd, path, &text);

	if (r < 0)
		return r;
	if (text.len >= size)
		return -EMSGSIZE;
	memcpy(buf, text.text, text.len + 1);
	return 0;
}

/* Made in the helper: async-signal-safe functions only. */
static ssize_t run_batch(void *data, int dir_fd, char *reply, size_t size)
{
	const struct batch *batch = data;

	(void)size;
	for (size_t i = 0; i < batch->n; i++) {
		struct answer answer = { 0 };

		answer.override_r = read_short(dir_fd, batch->overrides[i], answer.override,
					       sizeof(answer.override));
		answer.numvfs_r =
			read_short(dir_fd, batch->numvfs[i], answer.numvfs, sizeof(answer.numvfs));
		memcpy(reply + i * sizeof(answer), &answer, sizeof(answer));
	}
	return (ssize_t)(batch->n * sizeof(struct answer));
}

static void add_to_batch(struct batch *batch, const struct pci_function *f)
{
	char path[SYSFS_PATH_SIZE];

	(void)pci_path(path, &f->address, "driver_override");
	memcpy(batch->overrides[batch->n], path, strlen(path) + 1);
	(void)pci_path(path, &f->address, "sriov_numvfs");
	memcpy(batch->numvfs[batch->n], path, strlen(path) + 1);
	batch->n++;
}

static void take_answer(struct pci_function *f, const char *reply)
{
	struct answer answer;

	memcpy(&answer, reply, sizeof(answer));
	f->has_override = answer.override_r == 0;
	if (f->has_override)
		memcpy(f->driver_override, answer.override, sizeof(f->driver_override));
	if (answer.numvfs_r < 0 || pci_parse_numvfs(answer.numvfs, &f->sriov_numvfs) < 0)
		f->sriov_numvfs = -1;
}

/* Read what may be stuck of @n functions. Return: 0; -errno when one of them was. */
static int read_batch(const struct sysfs *sys, struct pci_function *v, size_t n)
{
	struct batch batch = { 0 };
	char reply[SYSFS_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		add_to_batch(&batch, &v[i]);

	struct helper helper = { .run = run_batch,
				 .data = &batch,
				 .dir_fd = sys->sys_fd,
				 .lock_fd = -1,
				 .what = "read PCI functions" };
	ssize_t r = helper_run(&helper, sysfs_deadline_ms(sys->read_limit_ms), reply, sizeof(reply),
			       NULL);

	if (r < 0)
		return (int)r;
	for (size_t i = 0; i < n; i++)
		take_answer(&v[i], reply + i * sizeof(struct answer));
	return 0;
}

/* Complete the @n functions at @v, marking those that cannot be. Return: 0; -ENOMEM. */
static int complete(const struct sysfs *sys, struct pci_function *v, size_t n, bool *failed)
{
	if (sys->read_limit_ms > 0 && read_batch(sys, v, n) == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		int r = pci_read_locked(sys, &v[i], NULL);

		if (r == -ENOMEM)
			return r;
		failed[i] = r < 0;
	}
	return 0;
}

static int compare_functions(const void *a, const void *b)
{
	const struct pci_function *left = a, *right = b;

	return pci_address_compare(&left->address, &right->address);
}

static int read_names(const struct sysfs *sys, const struct sysfs_names *names,
		      struct pci_list *list)
{
	list->v = calloc(names->n + 1, sizeof(*list->v));
	if (list->v == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < names->n; i++) {
		struct pci_address address;

		if (pci_address_parse(names->v[i], &address, NULL) < 0)
			continue;

		int r = pci_read_unlocked(sys, &address, &list->v[list->n], NULL);

		if (r == -ENOMEM)
			return r;
		list->n += r == 0;
		list->n_unreadable += r < 0 && r != -ENODEV;
	}
	return 0;
}

static int complete_all(const struct sysfs *sys, struct pci_list *list)
{
	SYSFS_AUTO_FREE bool *failed = calloc(list->n + 1, sizeof(*failed));
	size_t kept = 0;

	if (failed == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i += BATCH_SIZE) {
		size_t n = list->n - i < BATCH_SIZE ? list->n - i : BATCH_SIZE;
		int r = complete(sys, &list->v[i], n, &failed[i]);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (failed[i])
			pci_function_done(&list->v[i]);
		else
			list->v[kept++] = list->v[i];
	}
	list->n_unreadable += list->n - kept;
	list->n = kept;
	return 0;
}

int pci_scan(const struct sysfs *sys, struct pci_list *ret, struct sysfs_error *err)
{
	AUTO_PCI_LIST struct pci_list list = { 0 };
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	int r = sysfs_list(sys->sys_fd, "bus/pci/devices", &names);

	if (r == 0)
		r = read_names(sys, &names, &list);
	if (r == 0)
		r = complete_all(sys, &list);
	if (r < 0)
		return sysfs_error_os(err, -r, "list the PCI functions");
	if (list.n > 1)
		qsort(list.v, list.n, sizeof(*list.v), compare_functions);
	*ret = list;
	list = (struct pci_list){ 0 };
	return 0;
}

void pci_list_done(struct pci_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		pci_function_done(&list->v[i]);
	free(list->v);
	*list = (struct pci_list){ 0 };
}
