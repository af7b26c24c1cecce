/* SPDX-License-Identifier: MIT */
/* The package into the guest: see mad.h. */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "guest/copy.h"
#include "run/mad.h"

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
static char *const excludes[] = {
	(char *)".git",           (char *)"/*.live.log",
	(char *)"/perf.csv",      (char *)"/perf_entry*",
	(char *)"/perf_super*",   (char *)"/build_manifest.json",
	(char *)"/run_directory", NULL,
};

int stage_mad_package(struct run *r, struct error *err)
{
	struct mad *m = r->extra;
	struct watchset ws = front_watchset(&r->front);
	int ret = make_folder(r, err);

	if (ret == 0)
		ret = guest_copy_content(r->guest, ".", MAD_FOLDER, excludes, DEADLINE_NEVER, &ws,
					 err);
	return ret == 0 ? mad_gpus_look(m, err) : ret;
}
