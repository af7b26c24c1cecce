/* SPDX-License-Identifier: MIT */
#include "workload/guest_gpus.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * $1 is put before the paths of the system. One line for each GPU: "G RENDER ARCHITECTURE NAME";
 * then "A GROUP" for each of AMD's device nodes, "C" when NVIDIA's have CDI names that Docker
 * takes, "V VERSION" and "F" for /dev/fuse.
 */
static const char amd_script[] =
	"i=0\n"
	"while p=$1/sys/devices/virtual/kfd/kfd/topology/nodes/$i/properties; [ -e \"$p\" ]; do\n"
	"  i=$((i + 1)); m=0; t=0; n=\n"
	"  while read -r k v; do\n"
	"    case $k in drm_render_minor) m=$v ;; gfx_target_version) t=$v ;; esac\n"
	"  done < \"$p\"\n"
	"  [ \"$m\" -gt 0 ] || continue\n"
	"  f=$1/sys/class/drm/renderD$m/device/product_name\n"
	"  [ ! -r \"$f\" ] || read -r n < \"$f\"\n"
	"  printf 'G %d gfx%d%x%x %s\\n' \"$m\" $((t / 10000)) $((t / 100 % 100)) $((t % 100)) "
	"\"$n\"\n"
	"done\n"
	"for f in \"$1/dev/kfd\" \"$1/dev/dri/renderD\"*; do\n"
	"  [ ! -e \"$f\" ] || echo \"A $(stat -c %g \"$f\" 2>/dev/null)\"\n"
	"done\n"
	"v=$1/opt/rocm/.info/version\n"
	"[ ! -r \"$v\" ] || { read -r v < \"$v\"; echo \"V $v\"; }\n"
	"[ ! -c \"$1/dev/fuse\" ] || echo F\n";

static const char nvidia_script[] =
	"nvidia-smi --query-gpu=index,name --format=csv,noheader 2>/dev/null |\n"
	"  while IFS=, read -r i n; do echo \"G $i - ${n# }\"; done\n"
	"d=docker; [ \"$(id -u)\" = 0 ] || d='sudo -n docker'\n"
	"if [ -s \"$1/etc/cdi/nvidia.yaml\" ]; then\n"
	"  case $($d info --format '{{json .CDISpecDirs}}' 2>/dev/null) in\n"
	"  *'\"/etc/cdi\"'* | *'\"/etc/cdi/\"'*) echo C ;;\n"
	"  esac\n"
	"fi\n"
	"v=$(nvcc --version 2>/dev/null | sed -n 's/.*release \\([0-9.]*\\).*/\\1/p')\n"
	"[ -z \"$v\" ] || echo \"V $v\"\n"
	"[ ! -c \"$1/dev/fuse\" ] || echo F\n";

static const char none_script[] = "[ ! -c \"$1/dev/fuse\" ] || echo F\n";

const char *guest_gpus_script(enum gpu_vendor vendor)
{
	switch (vendor) {
	case GPU_VENDOR_AMD:
		return amd_script;
	case GPU_VENDOR_NVIDIA:
		return nvidia_script;
	case GPU_VENDOR_NONE:
		break;
	}
	return none_script;
}

/* "RENDER ARCHITECTURE NAME"; the first GPU speaks for all. */
static void take_gpu(struct guest_gpus *g, char *words)
{
	char *save = NULL;
	const char *number = strtok_r(words, " ", &save);
	const char *architecture = strtok_r(NULL, " ", &save);
	const char *name = strtok_r(NULL, "", &save);

	if (number == NULL || architecture == NULL || g->gpus.n == GPU_SELECTION_MAX)
		return;
	if (g->gpus.n == 0) {
		(void)snprintf(g->product, sizeof(g->product), "%s", name != NULL ? name : "");
		(void)snprintf(g->architecture, sizeof(g->architecture), "%s",
			       g->gpus.vendor == GPU_VENDOR_NVIDIA ? g->product : architecture);
	}
	g->gpus.renders[g->gpus.n++] = (unsigned int)strtoul(number, NULL, 10);
}

static void take_group(struct gpus *gpus, const char *text)
{
	char *end = NULL;
	unsigned long n = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : ULONG_MAX;

	if (n > INT_MAX || *end != '\0' || gpus->n_groups == GPU_GROUPS_MAX)
		return;
	for (size_t i = 0; i < gpus->n_groups; i++) {
		if (gpus->groups[i] == n)
			return;
	}
	gpus->groups[gpus->n_groups++] = (unsigned int)n;
}

/* ROCm's version has more than the two numbers that count. */
static void take_version(struct guest_gpus *g, const char *text)
{
	size_t n = strspn(text, "0123456789");

	if (text[n] == '.')
		n += 1 + strspn(text + n + 1, "0123456789");
	(void)snprintf(g->runtime, sizeof(g->runtime), "%.*s", (int)n, text);
}

void guest_gpus_parse(char *text, struct guest_gpus *g)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "G ", 2) == 0)
			take_gpu(g, line + 2);
		else if (strncmp(line, "V ", 2) == 0)
			take_version(g, line + 2);
		else if (strncmp(line, "A ", 2) == 0)
			take_group(&g->gpus, line + 2);
		else if (strcmp(line, "C") == 0)
			g->gpus.cdi = true;
		else if (strcmp(line, "F") == 0)
			g->fuse = true;
	}
}
