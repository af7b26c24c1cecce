/* SPDX-License-Identifier: MIT */
#include "image/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/process.h"
#include "base/strv.h"
#include "config/config.h"
#include "image/image.h"
#include "image/tool.h"

#define SECTOR UINT64_C(512)
#define GIB    (UINT64_C(1) << 30)

int overlay_size(const struct image *base, const struct config *cfg, uint64_t *ret,
		 struct error *err)
{
	if (cfg->disk_size < base->virtual_size && config_explicit(cfg, "disk_size")) {
		int r = error_set(err, EINVAL,
				  "disk_size %" PRIu64
				  " is smaller than base image %s, which has "
				  "%" PRIu64 " bytes",
				  cfg->disk_size, base->name, base->virtual_size);

		return error_hint(err, r,
				  "\"disk_size\": \"%" PRIu64 "G\" or more, or leave it out",
				  (base->virtual_size + GIB - 1) / GIB);
	}
	*ret = cfg->disk_size > base->virtual_size ? cfg->disk_size : base->virtual_size;
	return 0;
}

/* The file exists, as ours, before qemu-img fills it: it never replaces or follows anything. */
static int make_empty(const char *path, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, "create %s", path);
	return fchmod(fd, 0600) < 0 ? error_errno(err, "chmod %s", path) : 0;
}

int overlay_create(const struct image *base, const char *path, uint64_t size, uint64_t deadline_ns,
		   struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	int r = make_empty(path, err);

	if (r < 0)
		return r;
	tool_args(&argv, "qemu-img", "create", "-q", "-f", "qcow2", "-F", base->chain[0].format,
		  "-b", base->chain[0].path, path, NULL);
	strv_addf(&argv, "%" PRIu64, (size + SECTOR - 1) / SECTOR * SECTOR);
	if (strv_error(&argv) < 0)
		r = error_set(err, ENOMEM, "overlay: out of memory");
	else
		r = process_check(argv.v, deadline_ns, err);
	if (r < 0)
		(void)unlink(path);
	return r < 0 ? error_prefix(err, r, "overlay") : 0;
}
