/* SPDX-License-Identifier: MIT */
/* Binding a PCI function to another driver, and giving it back: see driver.h. */
#include "sysfs/driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sysfs/clock.h"
#include "sysfs/group.h"
#include "sysfs/iomem.h"
#include "sysfs/mdev.h"
#include "sysfs/nvidia_unbind.h"
#include "sysfs/write.h"

/* How long a driver may take to show up after it was told to probe. */
#define PROBE_LIMIT_MS 10000
/* How long a guest that has ended may take to let go of a function. */
#define CLOSE_LIMIT_MS 30000

/* One operation on one function, for the steps it consists of. */
struct task {
	const struct sysfs *sys;
	const struct driver_binding *binding;
	const char *op;
	char name[PCI_ADDRESS_SIZE];
	uint64_t deadline_ns;
	struct sysfs_error *err;
};

/* Where a function stands. */
struct state {
	char driver[SYSFS_NAME_SIZE];
	char override[SYSFS_NAME_SIZE];
};

static struct task begin(const struct sysfs *sys, const struct driver_binding *binding,
			 const char *op, uint64_t deadline_ns, struct sysfs_error *err)
{
	struct task task = {
		.sys = sys, .binding = binding, .op = op, .deadline_ns = deadline_ns, .err = err
	};

	(void)pci_address_format(&binding->address, task.name);
	return task;
}

static int find_driver(const struct sysfs *sys, const char *driver, struct sysfs_error *err)
{
	char path[SYSFS_PATH_SIZE];

	if (!sysfs_is_name(driver) || strlen(driver) >= SYSFS_NAME_SIZE)
		return sysfs_error_set(err, EINVAL, "\"%.64s\" is no name of a driver", driver);
	(void)sysfs_path(path, "bus/pci/drivers/%s", driver);
	if (!sysfs_exists(sys->sys_fd, path))
		return sysfs_error_set(err, ENOENT, "the driver %s is not loaded", driver);
	return 0;
}

static bool has_mdevs(const struct sysfs *sys, const struct pci_address *address)
{
	AUTO_SYSFS_NAMES struct sysfs_names names = { 0 };
	char path[SYSFS_PATH_SIZE];

	if (sysfs_list(sys->sys_fd, pci_path(path, address, NULL), &names) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++) {
		if (mdev_uuid_is_valid(names.v[i]))
			return true;
	}
	return false;
}

static int judge_function(const struct pci_function *f, const char *driver, struct sysfs_error *err)
{
	char name[PCI_ADDRESS_SIZE];

	(void)pci_address_format(&f->address, name);
	if (f->is_gone)
		return sysfs_error_set(err, EIO,
				       "%s does not answer: its config space reads all ones", name);
	if (f->is_bridge)
		return sysfs_error_set(err, EINVAL, "%s is a bridge", name);
	if (f->n_vfs > 0)
		return sysfs_error_set(err, EBUSY, "%s has %zu VFs, which would lose their PF",
				       name, f->n_vfs);
	if (f->has_vendor_vfio)
		return sysfs_error_set(err, EOPNOTSUPP, "%s is given away by its own driver", name);
	if (!f->has_override)
		return sysfs_error_set(err, EOPNOTSUPP, "%s has no driver_override", name);
	if (f->iommu_group < 0 && group_driver_is_vfio(driver))
		return sysfs_error_set(err, EOPNOTSUPP, "%s is in no IOMMU group", name);
	return 0;
}

static void fill(const struct sysfs *sys, const struct pci_function *f, struct driver_binding *ret)
{
	*ret = (struct driver_binding){ .address = f->address,
					.vendor = f->vendor,
					.device = f->device };
	(void)snprintf(ret->old_driver, sizeof(ret->old_driver), "%s", f->driver);
	(void)snprintf(ret->old_override, sizeof(ret->old_override), "%s", f->driver_override);
	settings_read(sys, &f->address, &ret->settings);
}

int driver_look(const struct sysfs *sys, const struct pci_address *address,
		struct driver_binding *ret, struct sysfs_error *err)
{
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };
	int r = pci_function_read(sys, address, &f, err);

	if (r == 0)
		fill(sys, &f, ret);
	return r;
}

int driver_plan(const struct sysfs *sys, const struct pci_address *address, const char *driver,
		struct driver_binding *ret, struct sysfs_error *err)
{
	AUTO_PCI_FUNCTION struct pci_function f = { 0 };
	int r = find_driver(sys, driver, err);

	if (r == 0)
		r = pci_function_read(sys, address, &f, err);
	if (r == 0)
		r = judge_function(&f, driver, err);
	if (r == 0 && has_mdevs(sys, address))
		r = sysfs_error_set(err, EBUSY, "it has mediated devices, which would go with it");
	if (r == 0 && nvidia_unbind_is_agreed(sys, address))
		r = sysfs_error_set(err, EBUSY,
				    "somebody else is taking it from NVIDIA's driver at present");
	if (r < 0)
		return r;
	fill(sys, &f, ret);
	(void)snprintf(ret->driver, sizeof(ret->driver), "%s", driver);
	return 0;
}

static int read_state(const struct task *task, struct state *ret)
{
	const struct driver_binding *binding = task->binding;
	char path[SYSFS_PATH_SIZE];
	int64_t vendor = 0, device = 0;
	int r = pci_driver(task->sys, &binding->address, ret->driver);

	if (r < 0)
		return sysfs_error_os(task->err, -r, "%s", task->name);
	r = sysfs_read_number(task->sys->sys_fd, pci_path(path, &binding->address, "vendor"),
			      &vendor);
	if (r == 0)
		r = sysfs_read_number(task->sys->sys_fd,
				      pci_path(path, &binding->address, "device"), &device);
	if (r < 0)
		return sysfs_error_os(task->err, -r, "read the ids of %s", task->name);
	if (vendor != binding->vendor || device != binding->device)
		return sysfs_error_set(task->err, ESTALE, "%s is another device now", task->name);
	return pci_override_read(task->sys, &binding->address, ret->override, task->err);
}

static bool reads_unset(const char *text, const char *expect)
{
	(void)expect;
	return !pci_override_is_set(text);
}

/* Write driver_override; an unset one clears it. Keeps @state. */
static int set_override(const struct task *task, struct state *state, const char *override)
{
	bool set = pci_override_is_set(override);
	char path[SYSFS_PATH_SIZE], value[SYSFS_NAME_SIZE + 1];

	if (pci_override_equal(state->override, override))
		return 0;
	(void)snprintf(value, sizeof(value), "%s\n", set ? override : "");

	struct sysfs_change change = { .op = task->op,
				       .object = task->name,
				       .path = pci_path(path, &task->binding->address,
							"driver_override"),
				       .old = state->override,
				       .value = value,
				       .expect = set ? override : NULL,
				       .accept = set ? NULL : reads_unset };
	int r = sysfs_change(task->sys, &change, task->deadline_ns, task->err);

	if (r == 0)
		(void)snprintf(state->override, sizeof(state->override), "%s", override);
	return r;
}

static int write_name(const struct task *task, const char *path)
{
	struct sysfs_change change = {
		.op = task->op, .object = task->name, .path = path, .value = task->name
	};

	return sysfs_change(task->sys, &change, task->deadline_ns, task->err);
}

static int unbind(const struct task *task, struct state *state)
{
	char path[SYSFS_PATH_SIZE];

	if (state->driver[0] == '\0')
		return 0;

	int r = write_name(task, pci_path(path, &task->binding->address, "driver/unbind"));

	if (r == 0)
		state->driver[0] = '\0';
	return r;
}

/* The deadline, or @ms from now if that is earlier. */
static uint64_t limit(const struct task *task, uint64_t ms)
{
	uint64_t limit_ns = sysfs_deadline_ms(ms);

	return limit_ns < task->deadline_ns ? limit_ns : task->deadline_ns;
}

/* Wait until the function is on @driver, which has been told to probe it. */
static int wait_driver(const struct task *task, const char *driver)
{
	uint64_t limit_ns = limit(task, PROBE_LIMIT_MS);
	char is[SYSFS_NAME_SIZE];

	for (;;) {
		int r = pci_driver(task->sys, &task->binding->address, is);

		if (r < 0)
			return sysfs_error_os(task->err, -r, "%s", task->name);
		if (strcmp(is, driver) == 0)
			return 0;
		if (!sysfs_nap(task->sys->poll_ms, limit_ns))
			break;
	}
	return sysfs_error_set(task->err, EREMOTEIO,
			       "%s: the driver %s did not take it, %s%s has it", task->name, driver,
			       is[0] == '\0' ? "no driver" : "the driver ", is);
}

static int wait_node(const struct task *task)
{
	int group = pci_group(task->sys, &task->binding->address);

	if (!group_driver_is_vfio(task->binding->driver))
		return 0;
	if (group < 0)
		return sysfs_error_set(task->err, EOPNOTSUPP, "%s is in no IOMMU group",
				       task->name);
	return group_wait_node(task->sys, group, task->deadline_ns, task->err);
}

static bool is_nvidia(const char *driver)
{
	return strcmp(driver, "nvidia") == 0;
}

/* The steps from the old driver to the new one. */
static int change_driver(const struct task *task, struct state *state)
{
	const struct driver_binding *binding = task->binding;
	int r = 0;

	if (is_nvidia(state->driver))
		r = nvidia_unbind_ask(task->sys, &binding->address, task->deadline_ns, task->err);
	if (r == 0)
		r = set_override(task, state, binding->driver);
	if (r == 0)
		r = unbind(task, state);
	if (r == 0)
		r = write_name(task, "bus/pci/drivers_probe");
	if (r == 0)
		r = wait_driver(task, binding->driver);
	return r < 0 ? r : set_override(task, state, binding->old_override);
}

/* A driver takes what has it in driver_override as soon as it is loaded. */
static bool took_it_itself(const struct driver_binding *binding, const struct state *state)
{
	return binding->old_driver[0] == '\0' && strcmp(state->driver, binding->driver) == 0 &&
	       strcmp(state->override, binding->driver) == 0;
}

int driver_bind(const struct sysfs *sys, const struct driver_binding *binding, uint64_t deadline_ns,
		struct sysfs_error *err)
{
	struct task task = begin(sys, binding, "bind", deadline_ns, err);
	struct state state;
	int r = read_state(&task, &state);

	if (r < 0)
		return r;
	if ((strcmp(state.driver, binding->old_driver) != 0 && !took_it_itself(binding, &state)) ||
	    !pci_override_equal(state.override, binding->old_override))
		return sysfs_error_set(err, ESTALE, "%s has changed since it was planned",
				       task.name);
	if (strcmp(state.driver, binding->driver) == 0)
		return wait_node(&task);
	r = change_driver(&task, &state);
	return r < 0 ? r : wait_node(&task);
}

/* Whether binding or giving back passes through this state. */
static bool is_ours(const struct driver_binding *binding, const struct state *state)
{
	bool driver = state->driver[0] == '\0' || strcmp(state->driver, binding->driver) == 0 ||
		      strcmp(state->driver, binding->old_driver) == 0;
	bool override = pci_override_equal(state->override, binding->old_override) ||
			strcmp(state->override, binding->driver) == 0 ||
			(binding->old_driver[0] != '\0' &&
			 strcmp(state->override, binding->old_driver) == 0);

	return driver && override;
}

/* Nobody has the function any more: neither its group nor its memory. */
static int wait_released(const struct task *task)
{
	const struct driver_binding *binding = task->binding;
	uint64_t limit_ns = limit(task, CLOSE_LIMIT_MS);
	int r;

	if (!group_driver_is_vfio(binding->driver))
		return 0;
	r = group_wait_closed(task->sys, pci_group(task->sys, &binding->address), limit_ns,
			      task->err);
	if (r < 0)
		return sysfs_error_prefix(task->err, r, task->name);
	return iomem_wait_released(task->sys, &binding->address, limit_ns, task->err);
}

/* A driver that is bound to a device which is gone may hang, and the host with it. */
static int check_answers(const struct task *task, const char *where)
{
	if (!pci_is_gone(task->sys, &task->binding->address))
		return 0;
	return sysfs_error_set(task->err, EIO,
			       "%s does not answer any more: it stays %s until the host is started "
			       "again",
			       task->name, where);
}

/* Take the function off the new driver, if it is there. */
static int take_off(const struct task *task, struct state *state)
{
	const struct driver_binding *binding = task->binding;

	if (strcmp(state->driver, binding->driver) != 0)
		return 0;

	char where[SYSFS_NAME_SIZE + 8];
	int r = wait_released(task);

	(void)snprintf(where, sizeof(where), "on %s", binding->driver);
	if (r == 0)
		r = check_answers(task, where);
	if (r == 0 && binding->old_driver[0] != '\0')
		r = set_override(task, state, binding->old_driver);
	return r < 0 ? r : unbind(task, state);
}

/*
 * Tell a driver to bind the function. The kernel answers with what the driver's probe returned,
 * which may be any errno, and so must not pass for one of those that have a meaning here.
 */
static int bind_to(const struct task *task, const char *driver)
{
	char path[SYSFS_PATH_SIZE];
	int r;

	(void)sysfs_path(path, "bus/pci/drivers/%s/bind", driver);
	r = write_name(task, path);
	if (r != -ENODEV && r != -ENOENT && r != -EIO && r != -ESTALE && r != -EUCLEAN)
		return r;
	if (!sysfs_exists(task->sys->sys_fd, pci_path(path, &task->binding->address, NULL)))
		return sysfs_error_os(task->err, ENODEV, "%s", task->name);
	return sysfs_error_set(task->err, EREMOTEIO, "%s: the driver %s refuses it: %s", task->name,
			       driver, strerror(-r));
}

/* Put a function without driver on its old one. */
static int put_back(const struct task *task, struct state *state)
{
	const char *driver = task->binding->old_driver;
	int r = check_answers(task, "without driver");

	if (r == 0)
		r = find_driver(task->sys, driver, task->err);
	if (r == 0)
		r = set_override(task, state, driver);
	if (r == 0)
		r = bind_to(task, driver);
	return r < 0 ? r : wait_driver(task, driver);
}

int driver_give_back(const struct sysfs *sys, const struct driver_binding *binding,
		     uint64_t deadline_ns, struct sysfs_error *err)
{
	struct task task = begin(sys, binding, "give-back", deadline_ns, err);
	struct state state;
	int r = read_state(&task, &state);

	if (r < 0)
		return r;
	if (!is_ours(binding, &state))
		return sysfs_error_set(err, ESTALE,
				       "%s: driver \"%s\" and override \"%s\" are somebody else's",
				       task.name, state.driver, state.override);
	if (strcmp(state.driver, binding->old_driver) != 0) {
		r = take_off(&task, &state);
		if (r < 0)
			return r;
	}

	bool put = state.driver[0] == '\0' && binding->old_driver[0] != '\0';

	if (put)
		r = put_back(&task, &state);
	if (r == -ETIMEDOUT)
		return r;

	/* The old override comes back even if the old driver does not. */
	struct sysfs_error later = { 0 };
	struct task last = task;

	last.err = r < 0 ? &later : err;

	int restored = set_override(&last, &state, binding->old_override);

	if (r == 0 && restored == 0 && is_nvidia(binding->old_driver))
		restored = nvidia_unbind_waive(sys, &binding->address, deadline_ns, err);
	if (restored == 0 && r != -EIO)
		restored = settings_restore(sys, &binding->address, &binding->settings, deadline_ns,
					    last.err);
	return r < 0 ? r : restored;
}
