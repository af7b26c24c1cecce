/* SPDX-License-Identifier: MIT */
#include "run/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define VARS_CAP ((size_t)16 << 20)

/* Pairs as Debian, Fedora and Arch install them; code and variables must be of one size class. */
static const struct firmware_pair {
	const char *code, *vars;
} pairs[] = {
	{ "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
	{ "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
	{ "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
	{ "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd" },
};

static int choose(const struct config *cfg, struct firmware_pair *ret, struct error *err)
{
	int r;

	if (cfg->firmware == FIRMWARE_PATHS) {
		*ret = (struct firmware_pair){ cfg->firmware_code, cfg->firmware_vars };
		if (access(ret->code, R_OK) < 0)
			return error_errno(err, "firmware code %s", ret->code);
		return access(ret->vars, R_OK) < 0 ? error_errno(err, "firmware vars %s", ret->vars)
						   : 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (access(pairs[i].code, R_OK) == 0 && access(pairs[i].vars, R_OK) == 0) {
			*ret = pairs[i];
			return 0;
		}
	}
	r = error_set(err, ENOENT, "firmware \"uefi\" needs OVMF, which is not installed");
	return error_hint(err, r, "apt-get install ovmf");
}

int firmware_check(const struct config *cfg, struct error *err)
{
	struct firmware_pair pair;

	return cfg->firmware == FIRMWARE_BIOS ? 0 : choose(cfg, &pair, err);
}

int firmware_open(const struct config *cfg, int data_fd, int *fds, size_t *n, struct error *err)
{
	AUTO_CLOSE int code = -1;
	AUTO_CLOSE int vars = -1;
	AUTO_FREE char *text = NULL;
	struct firmware_pair pair;
	size_t len = 0;
	int r = choose(cfg, &pair, err);

	if (r == 0)
		r = file_read_at(AT_FDCWD, pair.vars, VARS_CAP, &text, &len, err);
	if (r == 0)
		r = file_write_atomic_at(data_fd, "firmware-vars.fd", text, len, 0600, err);
	if (r < 0)
		return r;
	code = open(pair.code, O_RDONLY | O_CLOEXEC);
	if (code < 0)
		return error_errno(err, "open %s", pair.code);
	vars = openat(data_fd, "firmware-vars.fd", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (vars < 0)
		return error_errno(err, "open the firmware's variables");
	fds[(*n)++] = TAKE_FD(code);
	fds[(*n)++] = TAKE_FD(vars);
	return 0;
}
