/* SPDX-License-Identifier: MIT */
#include "run/devices.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/size.h"
#include "guest/exec.h"
#include "guest/pci.h"
#include "host/fit.h"
#include "run/device_plan.h"
#include "run/pipeline.h"
#include "run/recover.h"

#define ASSIGN_SECONDS 900
#define GUEST_SECONDS  60
#define LOOK_AGAIN_S   2
#define LATE_MAX       5
#define LATE_PAUSE_S   30

/* ---- choosing ---- */

static int choose(struct run *r, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	int ret;

	device_choice_done(&r->devices);
	ret = device_choice_make(&r->host, cfg, &r->devices, err);
	return ret;
}

/* Whoever was faster is seen at once. What only shows in the taking is not tried all the time. */
static int pause_if_late(struct run *r, struct error *err)
{
	unsigned int s = r->n_late > 1 ? (r->n_late - 1) * LOOK_AGAIN_S : 0;

	if (s > LATE_PAUSE_S)
		s = LATE_PAUSE_S;
	return s == 0 ? 0 : front_pause(&r->front, deadline_min(r->wait_ns, deadline_in_s(s)), err);
}

/* VMs without a process: their runs died, or they were kept. */
static size_t count_dead(const struct host *host)
{
	AUTO_STRV struct strv names = STRV_INIT;
	size_t n = 0;

	if (vmdir_list(host, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		AUTO_VMDIR struct vmdir vd = VMDIR_INIT;

		n += vmdir_open(host, names.v[i], &vd, NULL) == 0 && !vmdir_is_alive(&vd);
	}
	return n;
}

/* Who had the devices may have died. @known: how many had when this was tried last. */
static bool recover_new(const struct run *r, size_t *known)
{
	if (r->o->dry_run || count_dead(&r->host) == *known)
		return false;
	recover_quietly(&r->host);
	*known = count_dead(&r->host);
	return true;
}

static int wait_and_choose(struct run *r, struct error *err)
{
	size_t known = 0;
	int ret = -EBUSY;

	while (ret == -EBUSY && deadline_poll_ms(r->wait_ns) != 0) {
		uint64_t next_ns = deadline_min(r->wait_ns, deadline_in_s(LOOK_AGAIN_S));

		ret = recover_new(r, &known) ? 0 : front_pause(&r->front, next_ns, err);
		if (ret == 0)
			ret = choose(r, err);
	}
	return ret;
}

int devices_choose(struct run *r, struct error *err)
{
	int ret;

	if (!device_choice_wanted(&r->o->cfg))
		return 0;
	if (!r->host.is_root)
		return error_hint(err, error_set(err, EPERM, "passing devices to a VM needs root"),
				  "sudo bmvm run ...");
	ret = pause_if_late(r, err);
	if (ret == 0)
		ret = choose(r, err);
	if (ret == -EBUSY && deadline_poll_ms(r->wait_ns) != 0) {
		log_info("%s; waiting for up to %u s", err->msg, r->o->wait_s);
		ret = wait_and_choose(r, err);
	}
	for (size_t i = 0; i < r->devices.warnings.n && ret == 0; i++)
		log_warning("%s", r->devices.warnings.v[i]);
	return ret;
}

/* Other devices cannot stand in for one that is named. */
static bool names_devices(const struct config *cfg)
{
	return cfg->n_devices > 0 || cfg->gpu.gpu_ids.n > 0;
}

bool devices_try_again(const struct run *r, int failed)
{
	if (failed != -EBUSY || !r->too_late || r->unclean || r->front.caught != 0 ||
	    r->front.destroyed || r->front.lost)
		return false;
	return deadline_poll_ms(r->wait_ns) != 0 ||
	       (r->n_late + 1 < LATE_MAX && !names_devices(&r->o->cfg));
}

int devices_check_room(struct run *r, struct error *err)
{
	AUTO_DEVICE_PLAN struct device_plan plan = { .n_writes = 0 };
	struct vm_plan guest = VM_PLAN_INIT;
	uint64_t window;
	int ret = device_plan_make(&r->host, &r->devices, &plan, err);

	if (ret < 0)
		return ret;
	guest.accel = r->accel.accel;
	guest.memory = r->o->cfg.memory;
	guest.phys_bits = r->facts.phys_bits;
	guest.mmio64 = plan.mmio64;
	ret = vm_window(&guest, &window, err);
	if (ret == 0)
		return 0;
	ret = error_prefix(err, ret, "baremetal_vm.%s", host_pinning_key(&r->o->cfg));
	return error_hint(err, ret, "fewer devices, or less with --memory");
}

/* ---- taking ---- */

bool stage_devices_wanted(const struct run *r)
{
	return r->devices.n > 0;
}

int stage_devices(struct run *r, struct error *err)
{
	AUTO_JSON struct json_object *reply = NULL;
	struct json_object *list = NULL;
	int ret = front_request(&r->front, "assign", NULL, deadline_in_s(ASSIGN_SECONDS), &reply,
				err);

	r->too_late = ret == -EBUSY;
	if (ret == 0 && json_get_array(reply, "devices", &list, NULL) == 0)
		r->assigned = json_object_get(list);
	return ret;
}

/* ---- in the guest ---- */

/* The guest's function of these ids that has not been counted yet. */
static struct guest_function *find(struct guest_functions *f, uint64_t vendor, uint64_t device)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].vendor == vendor && f->v[i].device == device &&
		    f->v[i].address[0] != '\0')
			return &f->v[i];
	}
	return NULL;
}

static void log_kernel_lines(struct run *r)
{
	static const char script[] =
		"{ dmesg 2>/dev/null || sudo -n dmesg; } | "
		"grep -E 'pci |BAR |amdgpu|nvidia|i915|vfio' | tail -n 15\n";
	struct watchset ws = front_watchset(&r->front);
	AUTO_FREE char *text = NULL;

	if (guest_capture(r->guest, script, NULL, deadline_in_s(GUEST_SECONDS), &text, &ws, NULL) <
		    0 ||
	    text[0] == '\0')
		return;
	log_error("the guest's kernel says:\n%s", text);
}

/* What the guardian said of its BARs. Return: the first one that is wrong in the guest; -1 none. */
static int wrong_bar(struct json_object *o, const struct guest_function *f, uint64_t *ret_size)
{
	struct json_object *list = NULL;
	uint64_t sizes[GUEST_BARS] = { 0 };
	int bar;

	if (json_get_array(o, "bars", &list, NULL) < 0)
		return -1;
	for (size_t i = 0; i < GUEST_BARS && i < json_object_array_length(list); i++)
		sizes[i] = json_object_get_uint64(json_object_array_get_idx(list, i));
	bar = guest_function_wrong_bar(f, sizes);
	*ret_size = bar < 0 ? 0 : sizes[bar];
	return bar;
}

static int refuse_bar(struct json_object *o, const struct guest_function *f, int bar, uint64_t size,
		      struct error *err)
{
	char here[SIZE_TEXT_SIZE], there[SIZE_TEXT_SIZE];
	const char *address = json_str_or(o, "address", "?");

	if (f->bars[bar] == 0)
		return error_set(err, ENODEV,
				 "%s (%04x:%04x): the guest has no address for its BAR %d of %s",
				 address, (unsigned int)f->vendor, (unsigned int)f->device, bar,
				 size_format(size, here));
	return error_set(err, ENODEV, "%s (%04x:%04x): its BAR %d is %s, in the guest %s", address,
			 (unsigned int)f->vendor, (unsigned int)f->device, bar,
			 size_format(size, here), size_format(f->bars[bar], there));
}

static int check_one(struct run *r, struct json_object *o, struct guest_functions *f,
		     struct error *err)
{
	uint64_t vendor = json_u64_or(o, "vendor", 0), device = json_u64_or(o, "device", 0);
	const char *address = json_str_or(o, "address", "?");
	struct guest_function *found;
	uint64_t size = 0;
	int bar;

	if (vendor == 0)
		return 0; /* a mediated device: its ids are its own affair */
	found = find(f, vendor, device);
	bar = found == NULL ? -1 : wrong_bar(o, found, &size);
	if (found != NULL && bar < 0) {
		log_debug("%s is %s in the guest, driver %s", address, found->address,
			  found->driver[0] != '\0' ? found->driver : "none");
		json_add_str(o, "guest_address", found->address);
		json_add_u64(o, "guest_class", found->class);
		json_add_str(o, "guest_driver", found->driver[0] != '\0' ? found->driver : NULL);
		found->address[0] = '\0';
		return 0;
	}
	log_kernel_lines(r);
	if (found == NULL)
		return error_set(err, ENODEV, "%s (%04x:%04x) is not visible in the guest", address,
				 (unsigned int)vendor, (unsigned int)device);
	return refuse_bar(o, found, bar, size, err);
}

int devices_check_guest(struct run *r, struct error *err)
{
	AUTO_GUEST_FUNCTIONS struct guest_functions f = GUEST_FUNCTIONS_INIT;
	struct watchset ws = front_watchset(&r->front);
	size_t n = r->assigned == NULL ? 0 : json_object_array_length(r->assigned);
	int ret =
		n == 0 ? 0
		       : guest_functions_read(r->guest, deadline_in_s(GUEST_SECONDS), &f, &ws, err);

	for (size_t i = 0; i < n && ret == 0; i++)
		ret = check_one(r, json_object_array_get_idx(r->assigned, i), &f, err);
	if (n > 0)
		front_note(&r->front, "devices", json_object_get(r->assigned));
	return ret;
}
