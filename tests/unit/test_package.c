/* SPDX-License-Identifier: MIT */
#include "workload/package.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/unit/helper_tree.h"
#include "workload/python_models.h"

#define MODEL(name) "{\"name\": \"" name "\", \"args\": \"\"}"
#define FULL(name, d, s)                                                                           \
	"{\"name\": \"" name "\", \"args\": \"\", \"dockerfile\": \"" d "\", \"scripts\": \"" s    \
	"\"}"

static char *root;

static void setup(void)
{
	root = tree_new();
	tree_dir(root, "scripts");
}

static void teardown(void)
{
	tree_remove(root);
}

TestSuite(package, .init = setup, .fini = teardown);

static struct package loaded(const char *dir)
{
	struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(package_load(dir, &p, &err), 0, "%s", err.msg);
	return p;
}

static int select_text(const struct package *p, const char *tags, struct model_list *ret,
		       struct error *err)
{
	AUTO_STRV struct strv values = STRV_INIT;
	AUTO_TAG_LIST struct tag_list list = TAG_LIST_INIT;

	strv_add(&values, tags);
	cr_assert_eq(tag_list_parse(&values, &list, err), 0, "%s", err->msg);
	return package_select(p, &list, ret, err);
}

/* The names in order, with ":args" where there are any. */
static char *selected(const struct package *p, const char *tags)
{
	AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;
	AUTO_STRV struct strv names = STRV_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(select_text(p, tags, &list, &err), 0, "%s: %s", tags, err.msg);
	for (size_t i = 0; i < list.n; i++) {
		const char *args = model_args(&list.v[i]);

		strv_addf(&names, "%s%s%s", model_name(&list.v[i]), *args == '\0' ? "" : ":", args);
	}
	return strv_join(&names, ", ");
}

/* --- the fixture, as it lies there --------------------------------------------------------------
 */

#define FIXTURE TEST_DATA "/mad"

static void need_python(void)
{
	if (!python_models_possible())
		cr_skip_test("there is no python3");
}

static const struct {
	const char *tags, *models;
} fixture[] = {
	{ "plain", "plain" },
	{ "two/model1:x=3:y", "two/model1:OLD --x 3 --y" },
	{ "plain:a=1=2", "plain: --a 1 2" },
	{ "Sleeper:n=1", "Sleeper:--seconds 300 --n 1" },
	{ "simple", "plain, Sleeper:--seconds 300" },
	{ "group_1", "plain, two/model1:OLD, three/model4:--late three/model4" },
	{ "group_3", "two/model2, three/model3, three/model4:--late three/model4" },
	{ "group_3:k=v",
	  "two/model2: --k v, three/model3: --k v, three/model4:--late three/model4 --k v" },
	{ "two/group_1", "two/model1:OLD" },
	{ "two/all", "two/model1:OLD, two/model2" },
	{ "three/model3", "three/model3" },
	{ "three/all", "three/model3, three/model4:--late three/model4" },
	{ "all",
	  "plain, Sleeper:--seconds 300, two/model1:OLD, two/model2, three/model3, "
	  "three/model4:--late three/model4" },
	{ "plain, simple,plain:x", "plain, plain, Sleeper:--seconds 300, plain: --x" },
	{ "three/model4:a,three/model4:b",
	  "three/model4:--late three/model4 --a, three/model4:--late three/model4 --b" },
	{ "three/model3,plain,two/model2,three/model4",
	  "three/model3, plain, two/model2, three/model4:--late three/model4" },
};

Test(package, selects_from_the_fixture)
{
	need_python();

	AUTO_PACKAGE struct package p = loaded(FIXTURE);

	cr_assert_eq(p.models.n, 4);
	cr_assert_eq(p.n_python, 1);
	cr_assert_eq(p.unread.n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fixture); i++) {
		AUTO_FREE char *got = selected(&p, fixture[i].tags);

		cr_assert_str_eq(got, fixture[i].models, "%s: %s", fixture[i].tags, got);
	}
}

static const struct {
	const char *name, *dockerfile, *scripts;
} places[] = {
	{ "plain", "docker/plain", "scripts/plain/run.sh" },
	{ "two/model1", "docker/plain", "scripts/two/run.sh" },
	{ "two/model2", "scripts/two/docker/own", "scripts/two/run.sh" },
	{ "three/model3", "scripts/three/docker/plain", "scripts/three/run.sh" },
	{ "three/model4", "scripts/three/docker/plain", "scripts/three/run.sh" },
};

Test(package, makes_paths_relative_to_itself)
{
	need_python();

	AUTO_PACKAGE struct package p = loaded(FIXTURE);

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(select_text(&p, places[i].name, &list, &err), 0, "%s", err.msg);
		cr_assert_eq(list.n, 1);
		cr_assert_str_eq(model_dockerfile(&list.v[0]), places[i].dockerfile);
		cr_assert_str_eq(model_scripts(&list.v[0]), places[i].scripts);
	}
}

Test(package, gives_python_models_all_their_members_in_order)
{
	AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;
	struct error err = ERROR_INIT;

	need_python();

	AUTO_PACKAGE struct package p = loaded(FIXTURE);

	cr_assert_eq(select_text(&p, "three/model3:z,three/model4", &list, &err), 0, "%s", err.msg);
	cr_assert_str_eq(json_compact(list.v[0].object),
			 "{\"name\":\"three/model3\",\"dockerfile\":\"scripts/three/docker/plain\","
			 "\"dockercontext\":\"\",\"scripts\":\"scripts/three/run.sh\",\"url\":\"\","
			 "\"cred\":\"\",\"owner\":\"\",\"data\":\"\",\"n_gpus\":\"-1\","
			 "\"timeout\":7200,\"training_precision\":\"\",\"tags\":[\"group_3\"],"
			 "\"args\":\" --z\",\"multiple_results\":\"\",\"skip_gpu_arch\":\"\"}");
	cr_assert_str_eq(model_text(&list.v[1], "extra"), "added");
	cr_assert_str_eq(list.v[1].origin,
			 "scripts/three/get_models_json.py: model \"three/model4\"");
	cr_assert_eq(model_gpus(&list.v[1]), 2);
}

Test(package, leaves_its_own_models_alone_when_it_selects)
{
	AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;
	struct error err = ERROR_INIT;

	tree_file(root, "models.json", "[" MODEL("a") "]");

	AUTO_PACKAGE struct package p = loaded(root);

	cr_assert_eq(select_text(&p, "a:x", &list, &err), 0, "%s", err.msg);
	cr_assert_str_eq(model_args(&list.v[0]), " --x");
	cr_assert_str_eq(model_args(&p.models.v[0]), "");
	cr_assert_str_eq(p.models.v[0].origin, "models.json: model \"a\"");
}

/* --- order ------------------------------------------------------------------------------------ */

Test(package, sorts_the_folders_of_scripts)
{
	static const char *const want[] = { "a", "A/m", "b/m", "b10/m", "b9/m", "c/m" };

	tree_file(root, "models.json", "[" MODEL("a") "]");
	tree_file(root, "scripts/c/models.json", "[" FULL("m", "d", "s") "]");
	tree_file(root, "scripts/b9/models.json", "[" FULL("m", "d", "s") "]");
	tree_file(root, "scripts/b10/models.json", "[" FULL("m", "d", "s") "]");
	tree_file(root, "scripts/A/models.json", "[" FULL("m", "d", "s") "]");
	tree_file(root, "scripts/b/models.json", "[" FULL("m", "d", "s") "]");
	tree_file(root, "scripts/b/deeper/models.json", "not even JSON");
	tree_file(root, "scripts/models.json", "not even JSON");
	tree_dir(root, "scripts/empty");

	AUTO_PACKAGE struct package p = loaded(root);

	cr_assert_eq(p.models.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < p.models.n; i++)
		cr_assert_str_eq(model_name(&p.models.v[i]), want[i]);
}

Test(package, follows_links_to_folders)
{
	AUTO_FREE char *link = path_join(root, "scripts/linked");

	tree_file(root, "models.json", "[]");
	tree_file(root, "elsewhere/models.json", "[" FULL("m", "d", "s") "]");
	cr_assert_eq(symlink("../elsewhere", link), 0);

	AUTO_PACKAGE struct package p = loaded(root);

	cr_assert_eq(p.models.n, 1);
	cr_assert_str_eq(model_dockerfile(&p.models.v[0]), "scripts/linked/d");
}

/* --- mistakes --------------------------------------------------------------------------------- */

/* Files of a package, and a part of the message about them. */
static const struct {
	const char *models;
	const char *name, *text;
	int r;
	const char *message;
} bad[] = {
	{ NULL, NULL, NULL, -ENOENT, "is no MAD package: open models.json: No such file" },
	{ "", NULL, NULL, -EINVAL, "models.json:1:1: expected a value" },
	{ "{}", NULL, NULL, -EINVAL, "models.json:1:1: must be a list of models" },
	{ "null", NULL, NULL, -EINVAL, "models.json:1:1: must be a list of models" },
	{ "[1]", NULL, NULL, -EINVAL, "models.json:1:2: [0]: must be an object" },
	{ "[" MODEL("a") ",]", NULL, NULL, -EINVAL, "models.json:1:27: comma before ']'" },
	{ "[\n" MODEL("a") ",\n {\"name\": \"b\"}]", NULL, NULL, -EINVAL,
	  "models.json:3:2: [1].args: is missing" },
	{ "[\n" MODEL("a") ",\n {\"name\": \"b\", \"args\": \"\", \"tags\": [\"x\", 1]}]", NULL,
	  NULL, -EINVAL, "models.json:3:42: [1].tags[1]: must be a string" },
	{ "[{\"name\": \"a\", \"name\": \"b\", \"args\": \"\"}]", NULL, NULL, -EINVAL,
	  "models.json:1:16: duplicate key \"name\"" },
	{ "[{\"name\": \"a\", \"url\": 1, \"timeout\": \"x\"}]", NULL, NULL, -EINVAL,
	  "models.json:1:2: [0].args: is missing; must be a string, \"\" for none; "
	  "models.json:1:16: [0].url: must be a string; "
	  "models.json:1:26: [0].timeout: must be whole seconds" },
	{ "[{}, {}, {}, {}]", NULL, NULL, -EINVAL, "; and 3 more" },
	{ "[]", "scripts/x/models.json", "[" MODEL("a") "]", -EINVAL,
	  "scripts/x/models.json:1:2: [0].dockerfile: is missing; "
	  "scripts/x/models.json:1:2: [0].scripts: is missing" },
	{ "[]", "scripts/x/models.json", "[\"\xff\"]", -EINVAL, "scripts/x/models.json:1:3: byte" },
	{ "[]", "scripts/x\n/models.json", "[]", -EINVAL, "control characters" },
	{ "[]", "scripts/x\xff/models.json", "[]", -EINVAL, "not UTF-8" },
};

Test(package, names_file_place_and_rule_of_a_mistake)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_PACKAGE struct package p = PACKAGE_INIT;
		struct error err = ERROR_INIT;
		char *dir = tree_new();

		tree_dir(dir, "scripts");
		if (bad[i].models != NULL)
			tree_file(dir, "models.json", "%s", bad[i].models);
		if (bad[i].name != NULL)
			tree_file(dir, bad[i].name, "%s", bad[i].text);
		cr_assert_eq(package_load(dir, &p, &err), bad[i].r, "%zu: %s", i, err.msg);
		cr_assert_not_null(strstr(err.msg, bad[i].message), "%zu: %s", i, err.msg);
		cr_assert_null(p.dir);
		tree_remove(dir);
	}
}

Test(package, needs_a_scripts_folder)
{
	AUTO_FREE char *scripts = path_join(root, "scripts");
	struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;

	tree_file(root, "models.json", "[" MODEL("a") "]");
	cr_assert_eq(rmdir(scripts), 0);
	cr_assert_eq(package_load(root, &p, &err), -ENOENT);
	cr_assert_not_null(strstr(err.msg, "scripts"), "%s", err.msg);
	cr_assert_not_null(strstr(err.hint, "MODEL_DIR"), "%s", err.hint);
	cr_assert_eq(package_load("/nonexistent", &p, &err), -ENOENT);
	cr_assert_not_null(strstr(err.msg, "/nonexistent"), "%s", err.msg);
}

Test(package, refuses_a_folder_with_both_kinds)
{
	struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;

	tree_file(root, "models.json", "[]");
	tree_file(root, "scripts/x/models.json", "[]");
	tree_file(root, "scripts/x/get_models_json.py", "raise Exception('never run')\n");
	cr_assert_eq(package_load(root, &p, &err), -EINVAL);
	cr_assert_str_eq(err.msg,
			 "scripts/x: has both models.json and get_models_json.py; one of "
			 "them must go");
}

Test(package, is_not_stopped_by_what_is_no_file)
{
	AUTO_FREE char *fifo = path_join(root, "models.json");
	struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_assert_eq(package_load(root, &p, &err), -EINVAL);
	cr_assert_not_null(strstr(err.msg, "not a regular file"), "%s", err.msg);
}

Test(package, survives_hostile_text)
{
	enum { SIZE = 1 << 20 };
	static const struct {
		const char *begin;
		char fill;
		const char *message;
	} cases[] = {
		{ "", '[', "inside one another" }, { "[{\"name\": \"", 'x', "models.json:1:" },
		{ "[", '\0', "NUL byte" },         { "[\"", '\xff', "is not UTF-8" },
		{ "[", '9', "models.json:1:2" },   { "", '\n', "expected a value" },
	};
	AUTO_FREE char *path = path_join(root, "models.json");
	AUTO_FREE char *text = malloc(SIZE);

	cr_assert_not_null(text);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct package p = PACKAGE_INIT;
		struct error err = ERROR_INIT;

		memset(text, cases[i].fill, SIZE);
		memcpy(text, cases[i].begin, strlen(cases[i].begin));
		cr_assert_eq(file_write_atomic_at(AT_FDCWD, path, text, SIZE, 0600, NULL), 0);
		cr_assert_eq(package_load(root, &p, &err), -EINVAL, "%zu: %s", i, err.msg);
		cr_assert_not_null(strstr(err.msg, cases[i].message), "%zu: %s", i, err.msg);
	}
}

Test(package, names_a_model_whose_name_gets_too_long)
{
	struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;
	char name[199];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	tree_file(root, "models.json", "[]");
	tree_file(root, "scripts/xyz/models.json",
		  "[{\"name\": \"%s\", \"args\": \"\", \"dockerfile\": \"d\", \"scripts\": \"s\"}]",
		  name);
	cr_assert_eq(package_load(root, &p, &err), -EINVAL);
	cr_assert_not_null(strstr(err.msg, "xyz/nnn"), "%s", err.msg);
	cr_assert_not_null(strstr(err.msg, "name: must be a name of 1 to 200 bytes"), "%s",
			   err.msg);
}

Test(package, bounds_size_and_number)
{
	AUTO_FREE char *big = malloc((17U << 20) + 1);
	struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;
	char *end = big;

	cr_assert_not_null(big);
	memset(big, ' ', 17U << 20);
	big[17U << 20] = '\0';
	tree_file(root, "models.json", "%s", big);
	cr_assert_eq(package_load(root, &p, &err), -EFBIG, "%s", err.msg);
	*end++ = '[';
	for (int i = 0; i <= PACKAGE_MODELS_MAX; i++)
		end = stpcpy(end, i == 0 ? MODEL("m") : "," MODEL("m"));
	(void)stpcpy(end, "]");
	tree_file(root, "models.json", "%s", big);
	cr_assert_eq(package_load(root, &p, &err), -E2BIG, "%s", err.msg);
	(void)strcpy(strrchr(big, ',') == NULL ? big
					       : big + strlen(big) - strlen("," MODEL("m") "]"),
		     "]");
	tree_file(root, "models.json", "%s", big);
	cr_assert_eq(package_load(root, &p, &err), 0, "%s", err.msg);
	cr_assert_eq(p.models.n, PACKAGE_MODELS_MAX);

	AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;

	cr_assert_eq(select_text(&p, "all,m", &list, &err), -E2BIG, "%s", err.msg);
	cr_assert_null(list.v);
	package_done(&p);
}

/* --- selecting -------------------------------------------------------------------------------- */

Test(package, says_what_a_tag_may_have_meant)
{
	struct model_list list = MODEL_LIST_INIT;
	struct tag_list none = TAG_LIST_INIT;
	struct error err = ERROR_INIT;

	tree_file(root, "models.json", "[" MODEL("llama") "," MODEL("bert") "]");

	AUTO_PACKAGE struct package p = loaded(root);

	cr_assert_eq(select_text(&p, "bert,lama", &list, &err), -ENOENT);
	cr_assert_str_eq(err.msg, "--tags: \"lama\" selects no model; did you mean \"llama\"?");
	cr_assert_eq(package_select(&p, &none, &list, &err), -EINVAL);
	cr_assert_null(list.v);
}

Test(package, refuses_a_selected_model_that_leads_out_and_only_that)
{
	AUTO_MODEL_LIST struct model_list list = MODEL_LIST_INIT;
	struct error err = ERROR_INIT;

	tree_file(root, "models.json", "[]");
	tree_file(root, "scripts/x/models.json", "[%s,%s]", FULL("good", "d", "s"),
		  FULL("evil", "../../../etc/d", "s"));

	AUTO_PACKAGE struct package p = loaded(root);

	cr_assert_eq(select_text(&p, "x/evil", &list, &err), -EINVAL);
	cr_assert_str_eq(err.msg,
			 "scripts/x/models.json: model \"x/evil\": dockerfile: must lie "
			 "inside of the package, not \"../etc/d\"");
	cr_assert_eq(select_text(&p, "x/good", &list, &err), 0, "%s", err.msg);
	cr_assert_eq(list.n, 1);
}

/* --- paths ------------------------------------------------------------------------------------ */

static const struct {
	const char *folder, *path, *want;
} joins[] = {
	{ "scripts/d", "x", "scripts/d/x" },
	{ "scripts/d", "../../docker/dummy", "docker/dummy" },
	{ "scripts/d", "", "scripts/d" },
	{ "scripts/d", ".", "scripts/d" },
	{ "scripts/d", "./a//b/./c/../e/", "scripts/d/a/b/e" },
	{ "scripts/d", "/abs", "scripts/d/abs" },
	{ "scripts/d", "../..", "." },
	{ "scripts/d", "../../..", ".." },
	{ "scripts/d", "../../../../x/..", "../.." },
	{ "scripts/d", "..a/...", "scripts/d/..a/..." },
	{ "a", "b/../../../c", "../c" },
};

Test(package, joins_paths_as_python_does)
{
	for (size_t i = 0; i < ARRAY_SIZE(joins); i++) {
		AUTO_FREE char *got = package_path(joins[i].folder, joins[i].path);

		cr_assert_str_eq(got, joins[i].want, "%s %s: %s", joins[i].folder, joins[i].path,
				 got);
	}
}

/* --- ctx_test --------------------------------------------------------------------------------- */

static char *ctx_test(void)
{
	char *text = NULL;
	struct error err = ERROR_INIT;

	cr_assert_eq(package_ctx_test(root, &text, &err), 0, "%s", err.msg);
	return text;
}

Test(package, has_a_ctx_test)
{
	static const char *const cases[][2] = {
		{ "1\n", "1" }, { " a b \n\n", "a b" }, { "", "" }, { "\n", "" }, { "x", "x" },
	};
	AUTO_FREE char *none = ctx_test();
	AUTO_FREE char *path = path_join(root, "ctx_test");
	char *text = NULL;
	struct error err = ERROR_INIT;

	cr_assert_str_eq(none, "None");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		tree_file(root, "ctx_test", "%s", cases[i][0]);

		AUTO_FREE char *got = ctx_test();

		cr_assert_str_eq(got, cases[i][1]);
	}
	cr_assert_eq(file_write_atomic_at(AT_FDCWD, path, "a\0b", 3, 0600, NULL), 0);
	cr_assert_eq(package_ctx_test(root, &text, &err), -EINVAL);
	tree_file(root, "ctx_test", "\xff");
	cr_assert_eq(package_ctx_test(root, &text, &err), -EINVAL);
}
