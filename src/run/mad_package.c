/* SPDX-License-Identifier: MIT */
/* The package into the guest: see mad.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "guest/copy.h"
#include "run/mad.h"
#include "run/private_folder.h"
#include "workload/image_filter.h"

/* The folder belongs to whom we log in as, so that what is copied does too. */
static int make_folder(struct run *r, struct error *err)
{
	static const char script[] =
		"sudo=; [ \"$(id -u)\" = 0 ] || sudo='sudo -n'\n"
		"$sudo mkdir -p \"$1\" && $sudo chown \"$(id -u)\" \"$1\"\n";
	char folder[] = MAD_FOLDER;
	char *argv[] = { folder, NULL };
	struct watchset ws = front_watchset(&r->front);

	return guest_capture(r->guest, script, argv, deadline_in_s(60), NULL, &ws, err);
}

/* Git data, and what earlier runs left: none of it is the package. */
static const char *const excludes[] = {
	".git",         "/*.live.log",          "/perf.csv",      "/perf_entry*",
	"/perf_super*", "/build_manifest.json", "/run_directory", "/.bmvm-*",
};

/* A manifest may have images for several kinds of GPU: those for others are not even pulled. */
static int leave_out_others(struct mad *m, struct error *err)
{
	size_t n_left = 0;

	for (size_t i = 0; i < m->n_items; i++) {
		struct mad_item *item = &m->items[i];

		if (item->dockerfile != NULL ||
		    image_filter_fits(m->guest.gpus.vendor, mad_architecture(m), item->gpu_vendor,
				      item->architecture))
			continue;
		item->left_out = true;
		n_left++;
		log_info("%s is left out: it is for %s %s", item->image, item->gpu_vendor,
			 item->architecture != NULL ? item->architecture : "");
	}
	if (n_left == 0 || n_left < m->n_items)
		return 0;
	return error_set(err, EINVAL, "%s: none of its images is for the guest's GPUs (%s %s)",
			 m->o->manifest, gpu_vendor_name(m->guest.gpus.vendor),
			 mad_architecture(m));
}

/* As a pattern that matches this path alone. */
static void add_path(struct strv *ret, const char *path)
{
	AUTO_FREE char *pattern = malloc(2 * strlen(path) + 2);
	char *out = pattern;

	if (pattern != NULL) {
		*out++ = '/';
		for (; *path != '\0'; path++) {
			if (strchr("*?[\\", *path) != NULL)
				*out++ = '\\';
			*out++ = *path;
		}
		*out = '\0';
	}
	strv_take(ret, TAKE_PTR(pattern));
}

/* And what this run will write, under whatever name. */
static int list_excludes(const struct mad *m, struct strv *ret, struct error *err)
{
	AUTO_STRV struct strv own = STRV_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(excludes); i++)
		strv_add(ret, excludes[i]);
	mad_books_own(m, &own);
	for (size_t i = 0; i < own.n; i++)
		add_path(ret, own.v[i]);
	if (strv_error(ret) < 0 || strv_error(&own) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

/* What earlier runs in this folder could not remove themselves. */
static void sweep(const struct run *r)
{
	struct beneath package = BENEATH_INIT;

	if (beneath_open(&package, ".", NULL) == 0)
		(void)private_folder_sweep(&package, r->host.boot_id);
	beneath_close(&package);
}

int stage_mad_package(struct run *r, struct error *err)
{
	struct mad *m = r->extra;
	AUTO_STRV struct strv left_out = STRV_INIT;
	struct watchset ws = front_watchset(&r->front);
	int ret = list_excludes(m, &left_out, err);

	m->started = true;
	sweep(r);
	if (ret == 0)
		ret = make_folder(r, err);
	if (ret == 0)
		ret = guest_copy_content(r->guest,
					 &(struct guest_content){ ".", MAD_FOLDER, left_out.v },
					 DEADLINE_NEVER, &ws, err);
	if (ret == 0)
		ret = mad_gpus_look(m, err);
	return ret == 0 ? leave_out_others(m, err) : ret;
}
