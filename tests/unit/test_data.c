/* SPDX-License-Identifier: MIT */
/* Data providers and credentials. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "helper_tree.h"
#include "workload/credentials.h"
#include "workload/data.h"
#include "workload/model.h"
#include "workload/variables.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

static void make_model(struct model *m, const char *data)
{
	AUTO_JSON struct json_object *o = parse("{\"name\": \"m\", \"args\": \"\"}");

	json_add_str(o, "data", data);
	cr_assert(model_init(m, o, "test", NULL) == 0);
}

/* There is what has "there" in its path. */
static bool there(void *arg, enum data_provider provider, const char *path)
{
	(void)arg;
	(void)provider;
	return strstr(path, "there") != NULL;
}

#define CONFIG                                                                                     \
	"{\"local\": {\"local\": {\"path\": \"/there\"}},"                                         \
	" \"home\": {\"local\": {\"path\": \"/there\", \"home\": \"/d\", \"readwrite\": "          \
	"\"true\"}},"                                                                              \
	" \"gone\": {\"local\": {\"path\": \"/nowhere\"}},"                                        \
	" \"custom\": {\"local\": {\"path\": \"/there\"}, \"custom\": {\"path\": "                 \
	"\"scripts/there.sh\", \"args\": \"-x\", \"home\": \"/c\"}},"                              \
	" \"second\": {\"custom\": {\"path\": \"scripts/x.sh\"}, \"local\": {\"path\": "           \
	"\"/there\"}},"                                                                            \
	" \"mirror\": {\"custom\": {\"path\": \"there.sh\", \"mirrorlocal\": \"/m\"}},"            \
	" \"net\": {\"minio\": {\"path\": \"x\"}, \"local\": {\"path\": \"/nowhere\"}},"           \
	" \"both\": {\"nas\": {\"path\": \"x\"}, \"local\": {\"path\": \"/there\"}},"              \
	" \"rel\": {\"local\": {\"path\": \"there\"}}, \"out\": {\"custom\": {\"path\": "          \
	"\"../there\"}}, \"nopath\": {\"local\": {}}, \"number\": {\"local\": {\"path\": 1}},"     \
	" \"badhome\": {\"local\": {\"path\": \"/there\", \"home\": \"h\"}},"                      \
	" \"a/b\": {\"custom\": {\"path\": \"there.sh\", \"mirrorlocal\": \"m\"}},"                \
	" \"..\": {\"custom\": {\"path\": \"there.sh\", \"mirrorlocal\": \"m\"}},"                 \
	" \"a/c\": {\"custom\": {\"path\": \"there.sh\"}},"                                        \
	" \"text\": \"x\", \"null\": null, \"list\": {\"local\": []}}"

static int plan(const char *data, const char *mirror, unsigned int *index, struct data_plan *ret,
		struct error *err)
{
	AUTO_JSON struct json_object *config = parse(CONFIG);
	AUTO_MODEL struct model m = MODEL_INIT;
	struct data_query query = {
		.config = config, .exists = there, .mirror = mirror, .index = index
	};

	make_model(&m, data);
	return data_plan_make(&m, &query, ret, err);
}

static const struct {
	const char *data, *mirror;
	const char *names, *providers, *datahome, *mounts, *missing;
	unsigned int tried;
} plans[] = {
	{ "", NULL, "", "", NULL, "", "", 0 },
	{ "local", NULL, "local", "local", "/data_dlm_0", DATA_GUEST_ROOT "/there:/data_dlm_0:ro",
	  "", 1 },
	{ "home", NULL, "home", "local", "/d_0",
	  DATA_GUEST_ROOT "/there:/d_0 " DATA_GUEST_ROOT "/there:/d", "", 1 },
	{ "gone", NULL, "", "", NULL, "", "gone", 1 },
	{ " gone , local ,", NULL, "local", "local", "/data_dlm_1",
	  DATA_GUEST_ROOT "/there:/data_dlm_1:ro", "gone", 2 },
	{ "local,home", NULL, "local,home", "local,local", "/data_dlm_0,/d_1",
	  DATA_GUEST_ROOT "/there:/data_dlm_0:ro " DATA_GUEST_ROOT "/there:/d_1 " DATA_GUEST_ROOT
			  "/there:/d",
	  "", 2 },
	{ "custom", NULL, "custom", "custom", "/c_0", "", "", 1 },
	{ "second", NULL, "second", "local", "/data_dlm_1", DATA_GUEST_ROOT "/there:/data_dlm_1:ro",
	  "", 2 },
	{ "mirror", NULL, "mirror", "custom", "/data_dlm_0",
	  DATA_GUEST_ROOT "/m/mirror:/data_dlm_0", "", 1 },
	{ "custom", "/f", "custom", "custom", "/c_0", DATA_GUEST_ROOT "/f/custom:/c_0", "", 1 },
	{ "local", "/f", "local", "local", "/data_dlm_0", DATA_GUEST_ROOT "/there:/data_dlm_0:ro",
	  "", 1 },
	{ "a/c", NULL, "a/c", "custom", "/data_dlm_0", "", "", 1 },
	{ "both", NULL, "both", "local", "/data_dlm_0", DATA_GUEST_ROOT "/there:/data_dlm_0:ro", "",
	  1 },
};

Test(data, providers)
{
	for (size_t i = 0; i < ARRAY_SIZE(plans); i++) {
		AUTO_DATA_PLAN struct data_plan p = DATA_PLAN_INIT;
		AUTO_VARIABLES struct variables vars = VARIABLES_INIT;
		AUTO_STRV struct strv mounts = STRV_INIT;
		AUTO_FREE char *names = NULL, *providers = NULL, *mounted = NULL, *missing = NULL;
		struct error err = ERROR_INIT;
		unsigned int index = 0;
		const char *datahome;

		cr_assert(plan(plans[i].data, plans[i].mirror, &index, &p, &err) == 0, "%zu: %s", i,
			  err.msg);
		names = data_plan_names(&p);
		providers = data_plan_providers(&p);
		data_plan_variables(&p, &vars);
		cr_assert(data_plan_mounts(&p, &mounts, NULL) == 0);
		mounted = strv_join(&mounts, " ");
		missing = strv_join(&p.missing, " ");
		datahome = variables_get(&vars, "MAD_DATAHOME");
		cr_assert_str_eq(names, plans[i].names);
		cr_assert_str_eq(providers, plans[i].providers);
		cr_assert_str_eq(mounted, plans[i].mounts, "%zu: %s", i, mounted);
		cr_assert_str_eq(missing, plans[i].missing);
		cr_assert_eq(index, plans[i].tried, "%zu", i);
		cr_assert((datahome == NULL) == (plans[i].datahome == NULL));
		if (datahome != NULL) {
			cr_assert_str_eq(datahome, plans[i].datahome);
			cr_assert_str_eq(variables_get(&vars, "MAD_DATANAME"), plans[i].names);
		}
	}
}

Test(data, what_custom_data_run)
{
	AUTO_DATA_PLAN struct data_plan p = DATA_PLAN_INIT;
	unsigned int index = 7;

	cr_assert(plan("custom", NULL, &index, &p, NULL) == 0);
	cr_assert_eq(p.n, 1);
	cr_assert_str_eq(p.v[0].path, "scripts/there.sh");
	cr_assert_str_eq(p.v[0].args, "-x");
	cr_assert_str_eq(p.v[0].place, "/c_7");
	cr_assert_null(p.v[0].home);
}

Test(data, refusals_name_model_data_and_rule)
{
	static const struct {
		const char *data;
		int r;
		const char *want;
	} table[] = {
		{ "other", -ENOENT, "model m: data \"other\": no such name" },
		{ "local,other", -ENOENT, "data \"other\"" },
		{ "net", -ENOTSUP, "model m: data \"net\": provider \"minio\"" },
		{ "rel", -EINVAL, "data \"rel\": local: path: there: must be absolute" },
		{ "out", -EINVAL, "custom: path: ../there leads out" },
		{ "nopath", -EINVAL, "local: path: is missing" },
		{ "number", -EINVAL, "path" },
		{ "badhome", -EINVAL, "home: h: must be absolute" },
		{ "a/b", -EINVAL, "data \"a/b\": custom: its mirror is a folder of that name" },
		{ "..", -EINVAL, "data \"..\": custom: its mirror is a folder of that name" },
		{ "text", -EINVAL, "data \"text\": must be an object" },
		{ "null", -EINVAL, "data \"null\": must be an object" },
		{ "list", -EINVAL, "local: must be an object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_DATA_PLAN struct data_plan p = DATA_PLAN_INIT;
		struct error err = ERROR_INIT;
		unsigned int index = 0;

		cr_assert_eq(plan(table[i].data, NULL, &index, &p, &err), table[i].r, "%s",
			     table[i].data);
		cr_assert(strstr(err.msg, table[i].want) != NULL, "%s", err.msg);
		cr_assert_eq(p.n, 0);
	}
}

Test(data, the_file_and_the_context)
{
	AUTO_JSON struct json_object *context = parse("{\"data\": {\"b\": {\"x\": 1}}}");
	AUTO_JSON struct json_object *odd = parse("{\"data\": [1]}");
	AUTO_JSON struct json_object *none = NULL, *file = NULL, *both = NULL, *bad = NULL;
	char *root = tree_new();
	AUTO_CLOSE int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;

	cr_assert(data_load(fd, NULL, NULL, &none, NULL) == 0);
	cr_assert_str_eq(json_compact(none), "{}");
	cr_assert_eq(data_load(fd, "other.json", NULL, &bad, &err), -ENOENT);
	tree_file(root, "data.json", "{\"a\": {}, \"b\": {}}");
	tree_file(root, "other.json", "[]");
	cr_assert(data_load(fd, NULL, NULL, &file, NULL) == 0);
	cr_assert_str_eq(json_compact(file), "{\"a\":{},\"b\":{}}");
	cr_assert(data_load(fd, NULL, context, &both, NULL) == 0);
	cr_assert_str_eq(json_compact(both), "{\"a\":{},\"b\":{\"x\":1}}");
	cr_assert_eq(data_load(fd, NULL, odd, &bad, NULL), -EINVAL);
	cr_assert_eq(data_load(fd, "other.json", NULL, &bad, &err), -EINVAL);
	cr_assert(strstr(err.msg, "other.json: must be an object") != NULL);
	tree_file(root, "data.json", "{\"a\": {},\n \"a\": {}}");
	cr_assert_eq(data_load(fd, NULL, NULL, &bad, &err), -EINVAL);
	cr_assert(strstr(err.msg, "data.json:2:2: ") != NULL, "%s", err.msg);
	tree_remove(root);
}

Test(credentials, from_file_and_environment)
{
	static const char *const env[] = { "MAD_DOCKERHUB_USER=u", "MAD_DOCKERHUB_PASSWORD=p",
					   "MAD_DOCKERHUB_REPO=r", NULL };
	AUTO_JSON struct json_object *none = NULL, *file = NULL, *both = NULL, *bad = NULL;
	char *root = tree_new();
	AUTO_CLOSE int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;

	cr_assert(credentials_load(fd, NULL, &none, NULL) == 0);
	cr_assert_str_eq(json_compact(none), "{}");
	tree_file(root, "credential.json", "{\"C\": {}, \"dockerhub\": {\"username\": \"x\"}}");
	cr_assert(credentials_load(fd, (char *const *)env + 1, &file, NULL) == 0);
	cr_assert_str_eq(json_compact(file), "{\"C\":{},\"dockerhub\":{\"username\":\"x\"}}");
	cr_assert(credentials_load(fd, (char *const *)env, &both, NULL) == 0);
	cr_assert_str_eq(json_compact(both),
			 "{\"C\":{},\"dockerhub\":{\"username\":\"u\","
			 "\"password\":\"p\",\"repository\":\"r\"}}");
	tree_file(root, "credential.json", "{\"C\": {\"password\": \"hidden}}");
	cr_assert_eq(credentials_load(fd, NULL, &bad, &err), -EINVAL);
	cr_assert(strstr(err.msg, "credential.json:1:") != NULL);
	cr_assert(strstr(err.msg, "hidden") == NULL, "%s", err.msg);
	tree_file(root, "credential.json", "[]");
	cr_assert_eq(credentials_load(fd, NULL, &bad, NULL), -EINVAL);
	tree_remove(root);
}

Test(credentials, become_secret_variables)
{
	AUTO_JSON struct json_object *all =
		parse("{\"Git.x\": {\"user_name\": \"u\", \"password\": \"p\", \"n\": 1, \"z\": "
		      "null}, \"NODES\": [1], \"deep\": {\"a\": [1]}}");
	AUTO_VARIABLES struct variables vars = VARIABLES_INIT, none = VARIABLES_INIT;
	struct error err = ERROR_INIT;

	cr_assert(credentials_variables(all, "Git.x", &vars, NULL) == 0);
	cr_assert_eq(vars.n, 4);
	cr_assert_str_eq(variables_get(&vars, "Git.x_USER_NAME"), "u");
	cr_assert_str_eq(variables_get(&vars, "Git.x_PASSWORD"), "p");
	cr_assert_str_eq(variables_get(&vars, "Git.x_N"), "1");
	cr_assert_str_eq(variables_get(&vars, "Git.x_Z"), "");
	for (size_t i = 0; i < vars.n; i++)
		cr_assert(vars.v[i].secret);
	cr_assert(credentials_variables(all, NULL, &none, NULL) == 0);
	cr_assert(credentials_variables(NULL, "", &none, NULL) == 0);
	cr_assert_eq(none.n, 0);
	cr_assert_eq(credentials_variables(all, "other", &none, &err), -ENOENT);
	cr_assert(strstr(err.msg, "\"other\"") != NULL);
	cr_assert_eq(credentials_variables(NULL, "other", &none, NULL), -ENOENT);
	cr_assert_eq(credentials_variables(all, "NODES", &none, NULL), -EINVAL);
	cr_assert_eq(credentials_variables(all, "deep", &none, &err), -EINVAL);
	cr_assert(strstr(err.msg, "deep.a") != NULL);
}
