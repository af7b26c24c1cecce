/* SPDX-License-Identifier: MIT */
#include "run/device_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

static void add_address(struct json_object *o, const struct pci_address *address)
{
	char text[PCI_ADDRESS_SIZE];

	json_add_str(o, "address", pci_address_format(address, text));
}

int device_read_address(struct json_object *record, struct pci_address *ret, struct error *err)
{
	const char *text = json_str_or(record, "address", "");

	if (pci_address_parse(text, ret, NULL) < 0)
		return error_set(err, EINVAL, "the journal names no device");
	return 0;
}

static struct json_object *settings_json(const struct settings *s)
{
	struct json_object *o = json_new_object();

	for (size_t i = 0; i < SETTINGS_N; i++) {
		if (s->v[i].is_there)
			json_add_str(o, settings_name(i), s->v[i].text);
	}
	return o;
}

static void read_settings(struct json_object *record, struct settings *ret)
{
	struct json_object *o = NULL;

	if (!json_object_object_get_ex(record, "settings", &o))
		return; /* nothing is restored */
	for (size_t i = 0; i < SETTINGS_N; i++) {
		const char *text = json_str_or(o, settings_name(i), NULL);

		ret->v[i].is_there = text != NULL && strlen(text) < sizeof(ret->v[i].text);
		if (ret->v[i].is_there)
			(void)snprintf(ret->v[i].text, sizeof(ret->v[i].text), "%s", text);
	}
}

struct json_object *device_record_binding(const struct driver_binding *b)
{
	struct json_object *o = json_new_object();

	add_address(o, &b->address);
	json_add_u64(o, "vendor", b->vendor);
	json_add_u64(o, "device", b->device);
	json_add_str(o, "driver", b->driver);
	json_add_str(o, "old_driver", b->old_driver);
	json_add_str(o, "old_override", b->old_override);
	json_add(o, "settings", settings_json(&b->settings));
	return o;
}

int device_read_binding(struct json_object *record, struct driver_binding *ret, struct error *err)
{
	int r;

	*ret = (struct driver_binding){ .vendor = (uint16_t)json_u64_or(record, "vendor", 0),
					.device = (uint16_t)json_u64_or(record, "device", 0) };
	r = device_read_address(record, &ret->address, err);
	(void)snprintf(ret->driver, sizeof(ret->driver), "%s", json_str_or(record, "driver", ""));
	(void)snprintf(ret->old_driver, sizeof(ret->old_driver), "%s",
		       json_str_or(record, "old_driver", ""));
	(void)snprintf(ret->old_override, sizeof(ret->old_override), "%s",
		       json_str_or(record, "old_override", ""));
	read_settings(record, &ret->settings);
	return r;
}

struct json_object *device_record_sriov(const struct sriov_change *c)
{
	struct json_object *o = json_new_object();

	add_address(o, &c->pf);
	json_add_u64(o, "vendor", c->vendor);
	json_add_u64(o, "device", c->device);
	json_add_i64(o, "n_vfs", c->n_vfs);
	json_add_i64(o, "old_autoprobe", c->old_autoprobe);
	return o;
}

int device_read_sriov(struct json_object *record, struct sriov_change *ret, struct error *err)
{
	int64_t n_vfs = 0, old_autoprobe = -1;
	int r;

	*ret = (struct sriov_change){ .vendor = (uint16_t)json_u64_or(record, "vendor", 0),
				      .device = (uint16_t)json_u64_or(record, "device", 0) };
	r = device_read_address(record, &ret->pf, err);
	if (r == 0)
		r = json_get_i64(record, "n_vfs", &n_vfs, err);
	if (r == 0)
		r = json_get_i64(record, "old_autoprobe", &old_autoprobe, err);
	ret->n_vfs = (int)n_vfs;
	ret->old_autoprobe = (int)old_autoprobe;
	return r;
}
