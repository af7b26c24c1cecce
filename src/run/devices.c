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

#define ASSIGN_SECONDS 900
#define GUEST_SECONDS  60
#define LOOK_AGAIN_S   2

/* ---- choosing ---- */

static int choose(struct run *r, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	int ret;

	device_choice_done(&r->devices);
	ret = device_choice_make(&r->host, cfg, &r->devices, err);
	return ret;
}

int devices_choose(struct run *r, struct error *err)
{
	uint64_t end_ns = deadline_in_s(r->o->wait_s);
	int ret;

	if (!device_choice_wanted(&r->o->cfg))
		return 0;
	if (!r->host.is_root)
		return error_hint(err, error_set(err, EPERM, "passing devices to a VM needs root"),
				  "sudo bmvm run ...");
	ret = choose(r, err);
	if (ret == -EBUSY && deadline_poll_ms(end_ns) != 0)
		log_info("%s; waiting for up to %u s", err->msg, r->o->wait_s);
	while (ret == -EBUSY && deadline_poll_ms(end_ns) != 0) {
		ret = front_pause(&r->front, deadline_min(end_ns, deadline_in_s(LOOK_AGAIN_S)),
				  err);
		if (ret == 0)
			ret = choose(r, err);
	}
	for (size_t i = 0; i < r->devices.warnings.n && ret == 0; i++)
		log_warning("%s", r->devices.warnings.v[i]);
	return ret;
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
