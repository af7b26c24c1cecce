/* SPDX-License-Identifier: MIT */
#include "image/recipe.h"

#include "base/cleanup.h"
#include "base/embed.h"

EMBED(recipe_setup_hook, "scripts/guest/setup-hook.sh");
EMBED(recipe_customize_hook, "scripts/guest/customize-hook.sh");

const struct recipe_program recipe_programs[] = {
	{ "mmdebstrap", "mmdebstrap" }, { "qemu-img", "qemu-utils" }, { "mkfs.vfat", "dosfstools" },
	{ "mcopy", "mtools" },          { "mke2fs", "e2fsprogs" },    { "sfdisk", "fdisk" },
};
const size_t n_recipe_programs = ARRAY_SIZE(recipe_programs);

const char *const recipe_packages[] = {
	"systemd-sysv",
	"udev",
	"dbus",
	"openssh-server",
	"openssh-sftp-server",
	"cloud-init",
	"systemd-resolved",
	"iproute2",
	"ca-certificates",
	"linux-image-amd64",
	"systemd-boot-efi",
	"initramfs-tools",
	"zstd",
	"xz-utils",
	"sudo",
	"fdisk",
	"e2fsprogs",
	"kmod",
	"procps",
	NULL,
};

const char *const recipe_docker_packages[] = { "docker.io", NULL };

const char *const recipe_options[] = {
	"--variant=minbase",
	"--format=null",
	"--skip=cleanup,check/signed-by",
	"--aptopt=Acquire::Languages \"none\"",
	"--aptopt=APT::Install-Recommends \"false\"",
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-include=/usr/share/doc/*/copyright",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	NULL,
};

const char *const recipe_hooks[] = {
	"--setup-hook=exec sh -euc \"$BMVM_SETUP_HOOK\" setup \"$1\"",
	"--customize-hook=exec sh -euc \"$BMVM_CUSTOMIZE_HOOK\" customize \"$1\"",
	NULL,
};

const char *const recipe_outputs[] = {
	RECIPE_DISK, RECIPE_KERNEL, RECIPE_INITRD, RECIPE_CMDLINE, NULL,
};
