/* SPDX-License-Identifier: MIT */
/*
 * What GPUs the guest has, as its kernel and its driver say: no tool of ROCm is needed.
 * See mad.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"

#define LOOK_SECONDS 120

/* One line for each GPU: "G RENDER ARCHITECTURE NAME"; then "V VERSION" and "F" for /dev/fuse. */
static const char amd_script[] =
	"for p in /sys/devices/virtual/kfd/kfd/topology/nodes/*/properties; do\n"
	"  [ -r \"$p\" ] || continue\n"
	"  m=0; t=0\n"
	"  while read -r k v; do case $k in drm_render_minor) m=$v ;; gfx_target_version) t=$v ;; "
	"esac; done < \"$p\"\n"
	"  [ \"$m\" -gt 0 ] || continue\n"
	"  n=; f=/sys/class/drm/renderD$m/device/product_name; [ ! -r $f ] || read -r n < $f\n"
	"  printf 'G %d gfx%d%x%x %s\\n' \"$m\" $((t / 10000)) $((t / 100 % 100)) $((t % 100)) "
	"\"$n\"\n"
	"done\n"
	"[ ! -r /opt/rocm/.info/version ] || { read -r v < /opt/rocm/.info/version; echo \"V $v\"; "
	"}\n"
	"[ ! -c /dev/fuse ] || echo F\n";

static const char nvidia_script[] =
	"nvidia-smi --query-gpu=index,name --format=csv,noheader 2>/dev/null |\n"
	"  while IFS=, read -r i n; do echo \"G $i - ${n# }\"; done\n"
	"v=$(nvcc --version 2>/dev/null | sed -n 's/.*release \\([0-9.]*\\).*/\\1/p')\n"
	"[ -z \"$v\" ] || echo \"V $v\"\n"
	"[ ! -c /dev/fuse ] || echo F\n";

static const char none_script[] = "[ ! -c /dev/fuse ] || echo F\n";

static const char *script_of(enum gpu_vendor vendor)
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
static void take_gpu(struct mad *m, char *words)
{
	char *save = NULL;
	const char *number = strtok_r(words, " ", &save);
	const char *architecture = strtok_r(NULL, " ", &save);
	const char *name = strtok_r(NULL, "", &save);

	if (number == NULL || architecture == NULL || m->gpus.n == GPU_SELECTION_MAX)
		return;
	if (m->gpus.n == 0) {
		(void)snprintf(m->product, sizeof(m->product), "%s", name != NULL ? name : "");
		(void)snprintf(m->architecture, sizeof(m->architecture), "%s",
			       m->gpus.vendor == GPU_VENDOR_NVIDIA ? m->product : architecture);
	}
	m->gpus.renders[m->gpus.n++] = (unsigned int)strtoul(number, NULL, 10);
}

/* ROCm's version has more than the two numbers that count. */
static void take_version(struct mad *m, const char *text)
{
	size_t n = strspn(text, "0123456789");

	if (text[n] == '.')
		n += 1 + strspn(text + n + 1, "0123456789");
	(void)snprintf(m->runtime, sizeof(m->runtime), "%.*s", (int)n, text);
}

static void parse(struct mad *m, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "G ", 2) == 0)
			take_gpu(m, line + 2);
		else if (strncmp(line, "V ", 2) == 0)
			take_version(m, line + 2);
		else if (strcmp(line, "F") == 0)
			m->fuse = true;
	}
}

/* A function that was passed, and that no driver of the guest took. */
static int check_drivers(const struct run *r, struct error *err)
{
	size_t n = r->assigned != NULL ? json_object_array_length(r->assigned) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(r->assigned, i);
		const char *guest = json_str_or(o, "guest_address", NULL);

		if (guest != NULL && json_str_or(o, "guest_driver", NULL) == NULL)
			return error_set(err, ENODEV,
					 "%s, which is %s in the guest, has no driver there: the "
					 "image needs the driver of its vendor",
					 json_str_or(o, "address", "?"), guest);
	}
	return 0;
}

static int check_count(const struct mad *m, struct error *err)
{
	size_t passed = m->run->assigned != NULL ? json_object_array_length(m->run->assigned) : 0;

	if (m->gpus.n > 0 || passed == 0)
		return 0;
	return error_set(err, ENODEV, "the guest's %s driver shows none of the %zu GPUs",
			 gpu_vendor_name(m->gpus.vendor), passed);
}

int mad_gpus_look(struct mad *m, struct error *err)
{
	struct run *r = m->run;
	const struct config *cfg = &r->o->cfg;
	struct watchset ws = front_watchset(&r->front);
	AUTO_FREE char *text = NULL;
	int ret;

	if (cfg->gpu.mode != GPU_MODE_NONE)
		m->gpus.vendor = gpu_vendor_of(cfg->gpu.gpu_vendor);
	ret = m->gpus.vendor == GPU_VENDOR_NONE ? 0 : check_drivers(r, err);
	if (ret == 0 && m->gpus.vendor != GPU_VENDOR_NONE) {
		r->docker.deadline_ns = deadline_in_s(cfg->timeouts.docker);
		r->docker.ws = &ws;
		ret = guest_docker_gpu(&r->docker,
				       m->gpus.vendor == GPU_VENDOR_AMD ? "amd" : "nvidia", err);
		r->docker.ws = NULL;
	}
	if (ret == 0)
		ret = guest_capture(r->guest, script_of(m->gpus.vendor), NULL,
				    deadline_in_s(LOOK_SECONDS), &text, &ws, err);
	if (ret < 0)
		return ret;
	parse(m, text);
	log_debug("GPUs in the guest: %zu %s", m->gpus.n, m->architecture);
	return check_count(m, err);
}
