/* SPDX-License-Identifier: MIT */
#include "workload/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/literal.h"
#include "workload/variables.h"

#define FILE_NAME "credential.json"
#define FILE_MAX  ((size_t)1 << 20)

static int read_file(int package_fd, struct json_object **ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON struct json_object *o = NULL;
	struct literal_text in = { .name = FILE_NAME, .syntax = LITERAL_JSON };
	int r = file_read_at(package_fd, FILE_NAME, FILE_MAX, &text, &in.len, err);

	if (r == -ENOENT) {
		*ret = json_new_object();
		return 0;
	}
	if (r < 0)
		return r;
	in.text = text;
	r = literal_parse(&in, &o, err);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_object))
		return error_set(err, EINVAL, "%s: must be an object: {\"NAME\": {...}}",
				 FILE_NAME);
	*ret = TAKE_PTR(o);
	return 0;
}

int credentials_load(int package_fd, char *const *environ_v, struct json_object **ret,
		     struct error *err)
{
	const char *user = variables_environ(environ_v, "MAD_DOCKERHUB_USER");
	const char *password = variables_environ(environ_v, "MAD_DOCKERHUB_PASSWORD");
	const char *repository = variables_environ(environ_v, "MAD_DOCKERHUB_REPO");
	struct json_object *hub;
	int r = read_file(package_fd, ret, err);

	if (r < 0 || user == NULL || password == NULL)
		return r;
	hub = json_new_object();
	json_add_str(hub, "username", user);
	json_add_str(hub, "password", password);
	if (repository != NULL)
		json_add_str(hub, "repository", repository);
	json_add(*ret, "dockerhub", hub);
	return 0;
}

int credentials_find(struct json_object *all, const char *cred, struct json_object **ret,
		     struct error *err)
{
	struct json_object *found = NULL;

	*ret = NULL;
	if (cred == NULL || cred[0] == '\0')
		return 0;
	if (all == NULL || !json_object_object_get_ex(all, cred, &found))
		return error_set(err, ENOENT, "there is no credential \"%.80s\" in %s", cred,
				 FILE_NAME);
	if (!json_object_is_type(found, json_type_object))
		return error_set(err, EINVAL,
				 "%s: \"%.80s\" must be an object to be the \"cred\" "
				 "of a model",
				 FILE_NAME, cred);
	*ret = found;
	return 0;
}

static int add_variable(struct variables *vars, const char *cred, const char *key,
			struct json_object *value, struct error *err)
{
	AUTO_FREE char *name = NULL;

	if (json_object_is_type(value, json_type_object) ||
	    json_object_is_type(value, json_type_array))
		return error_set(err, EINVAL, "%s: %.80s.%.80s must be a single value", FILE_NAME,
				 cred, key);
	if (asprintf(&name, "%s_%s", cred, key) < 0) {
		name = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	for (char *c = name + strlen(cred); *c != '\0'; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - ('a' - 'A') : *c);
	variables_set_secret(vars, name, value == NULL ? "" : json_object_get_string(value));
	return 0;
}

int credentials_variables(struct json_object *all, const char *cred, struct variables *ret,
			  struct error *err)
{
	struct json_object *found = NULL;
	int r = credentials_find(all, cred, &found, err);

	if (r < 0 || found == NULL)
		return r;
	json_object_object_foreach(found, key, value)
	{
		r = add_variable(ret, cred, key, value, err);
		if (r < 0)
			return r;
	}
	return ret->r < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}
