/* SPDX-License-Identifier: MIT */
/* get_models_json.py: what a real python3 answers, and that the lack of one hurts nobody else. */
#include "workload/python_models.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/unit/helper_tree.h"
#include "workload/package.h"

#define SCRIPT  "scripts/d/get_models_json.py"
#define IMPORT  "from madengine.utils.discover_models import CustomModel\n"
#define LIST(x) IMPORT "def list_models():\n    return [" x "]\n"

static char *root;

static void setup(void)
{
	root = tree_new();
	tree_file(root, "models.json",
		  "[{\"name\": \"still\", \"args\": \"\", \"tags\": [\"t\"]}]");
	tree_dir(root, "scripts/d");
}

static void teardown(void)
{
	tree_remove(root);
}

TestSuite(python_models, .init = setup, .fini = teardown);

static void need_python(void)
{
	if (!python_models_possible())
		cr_skip_test("there is no python3");
}

static int list(const char *text, struct json_object **ret, struct error *err)
{
	tree_file(root, SCRIPT, "%s", text);
	return python_models_list(root, "d", ret, err);
}

/* Each is fine, and gives one model d/m. */
static const char *const good[] = {
	LIST("CustomModel('m')"),
	LIST("CustomModel(name='m', tags=('a', 'b'))"),
	"import madengine.utils.discover_models as d\n"
	"def list_models():\n    return (d.CustomModel('m'),)\n",
	"import madengine.utils.discover_models\n"
	"def list_models():\n    yield madengine.utils.discover_models.CustomModel('m')\n",
	"from madengine.utils import discover_models\n"
	"list_models = lambda: [discover_models.CustomModel('m')]\n",
	"from madengine.tools.discover_models import CustomModel\n"
	"def list_models(): return [CustomModel('m')]\n",
	"import os, sys, subprocess\n"
	"print('noise', flush=True); sys.stdout.write('[]'); os.write(1, b'more')\n"
	"subprocess.run(['echo', 'child'])\n" LIST("CustomModel('m')"),
	"from __future__ import annotations\nimport dataclasses\n" IMPORT
	"@dataclasses.dataclass\nclass Mine(CustomModel):\n    more: str = 'x'\n"
	"def list_models(): return [Mine('m')]\n",
	/* in the package's folder, as the program is */
	"import json\n" LIST("CustomModel('m', owner=json.load(open('models.json'))[0]['name'])"),
};

Test(python_models, understands_what_such_files_do)
{
	need_python();
	tree_file(root, "json.py", "raise Exception('a file of the package instead of Python')\n");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_JSON struct json_object *models = NULL;
		struct error err = ERROR_INIT;

		cr_assert_eq(list(good[i], &models, &err), 0, "%zu: %s", i, err.msg);
		cr_assert_eq(json_object_array_length(models), 1);
		cr_assert_str_eq(json_str_or(json_object_array_get_idx(models, 0), "name", ""),
				 "d/m");
	}
}

static const struct {
	const char *text;
	int r;
	const char *message;
} bad[] = {
	{ "def list_models(:\n", -EIO, "SyntaxError" },
	{ "import nothing_of_that_name\n", -EIO,
	  "exit code 1: ModuleNotFoundError: No module named 'nothing_of_that_name'" },
	{ "x = 1\n", -EIO, "has no attribute 'list_models'" },
	{ "def list_models(): raise ValueError('why\\nnot')\n", -EIO, "exit code 1: not" },
	{ "def list_models(): return 5\n", -EIO, "TypeError" },
	{ "def list_models(): return [{'name': 'm'}]\n", -EIO,
	  "gave a dict, which is no CustomModel" },
	{ "import sys; sys.exit(0)\n", -EIO, "ended without an answer" },
	{ "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n", -EIO, "signal 9" },
	{ LIST("CustomModel('m', owner={1, 2})"), -EIO, "not JSON serializable" },
	{ LIST("CustomModel('m', owner=float('nan'))"), -EINVAL, "answer:1:" },
	{ LIST("CustomModel('m', owner='\\ud800')"), -EINVAL, "answer:1:" },
	{ LIST("CustomModel('m', owner='a\\0b')"), -EINVAL, "answer:1:" },
	{ LIST("CustomModel('m', timeout=2**70)"), -EINVAL, "answer:1:" },
	{ LIST("CustomModel('m', owner='x' * (17 << 20))"), -EFBIG, "" },
	{ "import sys; sys.stderr.write('e\\n' * 3000000); sys.exit('the end')\n", -EIO,
	  "the end" },
};

Test(python_models, names_the_file_that_fails_and_why)
{
	need_python();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json_object *models = NULL;
		struct error err = ERROR_INIT;

		cr_assert_eq(list(bad[i].text, &models, &err), bad[i].r, "%zu: %s", i, err.msg);
		cr_assert_not_null(strstr(err.msg, bad[i].message), "%zu: %s", i, err.msg);
		cr_assert_eq(strncmp(err.msg, SCRIPT ": ", strlen(SCRIPT ": ")), 0, "%s", err.msg);
		cr_assert_null(models);
	}
}

/* One that was forked, and keeps the pipe of the answer. */
Test(python_models, waits_for_no_child, .timeout = 30)
{
	AUTO_JSON struct json_object *models = NULL;
	struct error err = ERROR_INIT;

	need_python();
	cr_assert_eq(list("import os, time\n"
			  "if os.fork() == 0:\n    time.sleep(100)\n    os._exit(0)\n" LIST(
				  "CustomModel('m')"),
			  &models, &err),
		     0, "%s", err.msg);
	cr_expect_eq(json_object_array_length(models), 1);
}

Test(python_models, leaves_nothing_behind)
{
	AUTO_JSON struct json_object *models = NULL;
	AUTO_FREE char *cache = path_join(root, "scripts/d/__pycache__");
	struct error err = ERROR_INIT;
	struct stat st;

	need_python();
	cr_assert_eq(list(LIST("CustomModel('m')"), &models, &err), 0, "%s", err.msg);
	cr_assert_eq(stat(cache, &st), -1);
}

Test(python_models, updates_the_chosen_ones)
{
	static const size_t which[] = { 2, 0, 2 };
	AUTO_JSON struct json_object *models = NULL;
	struct error err = ERROR_INIT;

	need_python();
	tree_file(root, SCRIPT, "%s",
		  IMPORT
		  "class M(CustomModel):\n"
		  "    def update_model(self): self.args += ' ' + self.name\n"
		  "def list_models(): return [M('a'), M('b'), M('c')]\n");
	cr_assert_eq(python_models_update(root, "d", which, 3, &models, &err), 0, "%s", err.msg);
	cr_assert_eq(json_object_array_length(models), 3);
	cr_assert_str_eq(json_str_or(json_object_array_get_idx(models, 0), "args", ""), " d/c");
	cr_assert_str_eq(json_str_or(json_object_array_get_idx(models, 1), "args", ""), " d/a");
	cr_assert_str_eq(json_str_or(json_object_array_get_idx(models, 2), "args", ""), " d/c d/c");
}

Test(python_models, notices_a_list_that_became_shorter)
{
	static const size_t which[] = { 5 };
	struct json_object *models = NULL;
	struct error err = ERROR_INIT;

	need_python();
	tree_file(root, SCRIPT, "%s", LIST("CustomModel('m')"));
	cr_assert_eq(python_models_update(root, "d", which, 1, &models, &err), -EIO);
	cr_assert_not_null(strstr(err.msg, "IndexError"), "%s", err.msg);
}

Test(python_models, checks_the_members_of_what_it_got)
{
	struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;

	need_python();
	tree_file(root, SCRIPT, "%s", LIST("CustomModel('m', args=None)"));
	cr_assert_eq(package_load(root, &p, &err), -EINVAL);
	cr_assert_str_eq(err.msg, SCRIPT
			 ": model \"d/m\": args: is missing; must be a string, "
			 "\"\" for none");
}

/* --- without python3 -------------------------------------------------------------------------- */

static const struct {
	const char *tags;
	int r;
	const char *message, *hint;
} without[] = {
	{ "still", 0, NULL, NULL },
	{ "t", 0, NULL, NULL },
	{ "all", -EOPNOTSUPP, "\"all\" needs " SCRIPT ", which needs python3", "install python3" },
	{ "all:x=1", -EOPNOTSUPP, "\"all:x=1\" needs " SCRIPT, "install python3" },
	{ "d/m", -EOPNOTSUPP, "\"d/m\" needs " SCRIPT, "install python3" },
	{ "d/m:x=1", -EOPNOTSUPP, "\"d/m:x=1\" needs " SCRIPT, "install python3" },
	{ "d/all", -EOPNOTSUPP, "\"d/all\" needs " SCRIPT, "install python3" },
	{ "still,d/t", -EOPNOTSUPP, "\"d/t\" needs " SCRIPT, "install python3" },
	{ "group", -ENOENT, "\"group\" selects no model",
	  SCRIPT " may have it, but needs python3" },
};

Test(python_models, are_refused_alone_without_python)
{
	AUTO_PACKAGE struct package p = PACKAGE_INIT;
	struct error err = ERROR_INIT;

	tree_file(root, SCRIPT, "%s", LIST("CustomModel('m')"));
	cr_assert_eq(setenv("PATH", root, 1), 0);
	cr_assert_eq(package_load(root, &p, &err), 0, "%s", err.msg);
	cr_assert_eq(p.models.n, 1);
	cr_assert_eq(p.n_python, 0);
	cr_assert_eq(p.unread.n, 1);
	for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
		AUTO_MODEL_LIST struct model_list models = MODEL_LIST_INIT;
		AUTO_TAG_LIST struct tag_list tags = TAG_LIST_INIT;
		AUTO_STRV struct strv values = STRV_INIT;

		strv_add(&values, without[i].tags);
		cr_assert_eq(tag_list_parse(&values, &tags, &err), 0);
		cr_assert_eq(package_select(&p, &tags, &models, &err), without[i].r, "%s: %s",
			     without[i].tags, err.msg);
		if (without[i].r == 0)
			continue;
		cr_assert_not_null(strstr(err.msg, without[i].message), "%s", err.msg);
		cr_assert_not_null(strstr(err.hint, without[i].hint), "%s", err.hint);
	}
}
