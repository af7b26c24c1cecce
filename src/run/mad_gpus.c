/* SPDX-License-Identifier: MIT */
/* What GPUs the guest has, against what was passed to it. See mad.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "run/mad.h"

#define LOOK_SECONDS  120
#define ARCHITECTURE  "MAD_SYSTEM_GPU_ARCHITECTURE"
#define NUMBER_DIGITS 6

/* PCI's vendor ids, and base classes: display controllers, and what AMD Instinct is. */
#define VENDOR_AMD        0x1002
#define VENDOR_NVIDIA     0x10de
#define CLASS_DISPLAY     0x03
#define CLASS_ACCELERATOR 0x12

/* struct passed - The GPUs that the guest was given, without their companions and other devices */
struct passed {
	size_t n;
	enum gpu_vendor vendor;
};

static bool is_gpu(struct json_object *o)
{
	uint64_t base = json_u64_or(o, "guest_class", 0) >> 16;

	return base == CLASS_DISPLAY || base == CLASS_ACCELERATOR;
}

static enum gpu_vendor vendor_of(uint64_t id)
{
	return id == VENDOR_AMD      ? GPU_VENDOR_AMD
	       : id == VENDOR_NVIDIA ? GPU_VENDOR_NVIDIA
				     : GPU_VENDOR_NONE;
}

/* A driver of the guest has taken it, and it is of a vendor whose GPUs containers can be given. */
static int check_function(struct json_object *o, struct passed *passed, struct error *err)
{
	const char *address = json_str_or(o, "address", "?");
	enum gpu_vendor vendor = vendor_of(json_u64_or(o, "vendor", 0));

	if (vendor == GPU_VENDOR_NONE)
		return error_set(err, ENOTSUP, "%s: models run on GPUs of AMD and NVIDIA", address);
	if (passed->n > 0 && vendor != passed->vendor)
		return error_set(err, ENOTSUP, "%s is of another vendor than the first GPU",
				 address);
	if (json_str_or(o, "guest_driver", NULL) == NULL)
		return error_set(err, ENODEV,
				 "%s, which is %s in the guest, has no driver there: the image "
				 "needs the driver of its vendor",
				 address, json_str_or(o, "guest_address", "?"));
	passed->vendor = vendor;
	passed->n++;
	return 0;
}

/* Of a mediated device only the configuration tells the vendor. */
static int look_at_passed(const struct run *r, struct passed *ret, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	size_t n = r->assigned != NULL ? json_object_array_length(r->assigned) : 0;
	size_t n_mediated = 0;

	*ret = (struct passed){ .vendor = GPU_VENDOR_NONE };
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(r->assigned, i);
		int e = is_gpu(o) ? check_function(o, ret, err) : 0;

		if (e < 0)
			return e;
		n_mediated += json_str_or(o, "uuid", NULL) != NULL;
	}
	if (cfg->gpu.mode == GPU_MODE_VGPU)
		ret->n += n_mediated;
	if (ret->n > 0 && ret->vendor == GPU_VENDOR_NONE)
		ret->vendor = gpu_vendor_of(cfg->gpu.gpu_vendor);
	if (cfg->gpu.mode != GPU_MODE_NONE && ret->vendor == GPU_VENDOR_NONE)
		return error_set(err, ENODEV,
				 "none of the devices that were passed is a GPU of "
				 "AMD or NVIDIA");
	return 0;
}

/* Fewer than were passed: what a model then measured would be of something else. */
static int check_count(const struct guest_gpus *g, const struct passed *passed, struct error *err)
{
	if (g->gpus.n >= passed->n)
		return 0;
	return error_set(err, ENODEV,
			 "the guest's %s driver shows %zu of the %zu GPUs that it was "
			 "given; its kernel's words: bmvm logs, or --preserve and "
			 "dmesg in it",
			 gpu_vendor_name(g->gpus.vendor), g->gpus.n, passed->n);
}

int mad_gpus_look(struct mad *m, struct error *err)
{
	struct run *r = m->run;
	struct watchset ws = front_watchset(&r->front);
	AUTO_FREE char *text = NULL;
	struct json_object *renders;
	struct passed passed;
	int ret = look_at_passed(r, &passed, err);

	if (ret == 0 && passed.vendor != GPU_VENDOR_NONE) {
		r->docker.deadline_ns = deadline_in_s(r->o->cfg.timeouts.docker);
		r->docker.ws = &ws;
		ret = guest_docker_gpu(&r->docker,
				       passed.vendor == GPU_VENDOR_AMD ? "amd" : "nvidia", err);
		r->docker.ws = NULL;
	}
	if (ret == 0)
		ret = guest_capture(r->guest, guest_gpus_script(passed.vendor), NULL,
				    deadline_in_s(LOOK_SECONDS), &text, &ws, err);
	if (ret < 0)
		return ret;
	m->guest.gpus.vendor = passed.vendor;
	guest_gpus_parse(text, &m->guest);
	log_debug("GPUs in the guest: %zu %s", m->guest.gpus.n, m->guest.architecture);
	ret = check_count(&m->guest, &passed, err);
	if (ret == 0 && json_object_object_get_ex(m->context, "gpu_renderDs", &renders))
		ret = gpu_selection_renders(&m->guest.gpus, renders, err);
	return ret;
}

/* ---- what the user says wins ---- */

/* A single value of an object of the context, as text; NULL: not given. */
static const char *given(const struct mad *m, const char *object, const char *name)
{
	struct json_object *o = NULL;

	if (json_get_object(m->context, object, &o, NULL) < 0)
		return NULL;
	return json_object_get_string(json_object_object_get(o, name));
}

const char *mad_architecture(const struct mad *m)
{
	const char *said = given(m, "docker_env_vars", ARCHITECTURE);

	return said != NULL ? said : m->guest.architecture;
}

const char *mad_build_architecture(const struct mad *m, const struct mad_item *item)
{
	const char *said = given(m, "docker_build_arg", ARCHITECTURE);
	const char *other = mad_architecture(m);

	if (said != NULL)
		return said;
	return other[0] != '\0' ? other : item->architecture;
}

int mad_system_gpus(const struct mad *m, size_t *ret, struct error *err)
{
	const char *said = given(m, "docker_env_vars", "MAD_SYSTEM_NGPUS");
	size_t len = said == NULL ? 0 : strlen(said);

	*ret = m->guest.gpus.n;
	if (said == NULL)
		return 0;
	if (len == 0 || len > NUMBER_DIGITS || strspn(said, "0123456789") != len)
		return error_set(err, EINVAL,
				 "docker_env_vars.MAD_SYSTEM_NGPUS: \"%.80s\" is no number of GPUs",
				 said);
	*ret = strtoul(said, NULL, 10);
	return 0;
}
