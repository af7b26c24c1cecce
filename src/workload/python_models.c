/* SPDX-License-Identifier: MIT */
#include "workload/python_models.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/literal.h"
#include "base/process.h"
#include "base/strv.h"

#define PYTHON_SECONDS 60
#define ANSWER_CAP     ((size_t)16 << 20)

/*
 * Arguments: package folder, D, and the places of the models to update; without one it lists.
 * stdout is for the answer alone, so what the file prints goes to stderr. Modules are not looked
 * for in the package's folder, or any file of it could take the place of one of Python's own. The
 * second name of the module is that of older releases.
 */
static const char driver[] =
	"import sys\n"
	"if sys.path[:1] == ['']:\n"
	"    del sys.path[0]\n"
	"import dataclasses, importlib.util, json, os, types, typing\n"
	"\n"
	"@dataclasses.dataclass\n"
	"class CustomModel:\n"
	"    name: str\n"
	"    dockerfile: str = ''\n"
	"    dockercontext: str = ''\n"
	"    scripts: str = ''\n"
	"    url: str = ''\n"
	"    cred: str = ''\n"
	"    owner: str = ''\n"
	"    data: str = ''\n"
	"    n_gpus: str = '-1'\n"
	"    timeout: int = 7200\n"
	"    training_precision: str = ''\n"
	"    tags: typing.List[str] = dataclasses.field(default_factory=list)\n"
	"    args: str = ''\n"
	"    multiple_results: str = ''\n"
	"    skip_gpu_arch: str = ''\n"
	"\n"
	"    def update_model(self):\n"
	"        pass\n"
	"\n"
	"    def to_dict(self):\n"
	"        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}\n"
	"\n"
	"def module(name, **members):\n"
	"    m = types.ModuleType(name)\n"
	"    m.__path__ = []\n"
	"    m.__dict__.update(members)\n"
	"    sys.modules[name] = m\n"
	"    parent, _, child = name.rpartition('.')\n"
	"    if parent:\n"
	"        setattr(sys.modules[parent], child, m)\n"
	"\n"
	"module('madengine')\n"
	"for package in 'utils', 'tools':\n"
	"    module('madengine.' + package)\n"
	"    module('madengine.' + package + '.discover_models', CustomModel=CustomModel)\n"
	"\n"
	"def load(folder):\n"
	"    path = os.path.join('scripts', folder, 'get_models_json.py')\n"
	"    spec = importlib.util.spec_from_file_location('get_models_json', path)\n"
	"    m = importlib.util.module_from_spec(spec)\n"
	"    sys.modules['get_models_json'] = m\n"
	"    spec.loader.exec_module(m)\n"
	"    models = list(m.list_models())\n"
	"    for model in models:\n"
	"        if not isinstance(model, CustomModel):\n"
	"            raise TypeError('list_models() gave a ' + type(model).__name__ +\n"
	"                            ', which is no CustomModel')\n"
	"        model.name = folder + '/' + model.name\n"
	"    return models\n"
	"\n"
	"def described(model):\n"
	"    return {f.name: getattr(model, f.name) for f in dataclasses.fields(model)}\n"
	"\n"
	"def updated(model):\n"
	"    model.update_model()\n"
	"    return described(model)\n"
	"\n"
	"def main():\n"
	"    answer = os.fdopen(os.dup(1), 'w')\n"
	"    os.dup2(2, 1)\n"
	"    os.chdir(sys.argv[1])\n"
	"    models = load(sys.argv[2])\n"
	"    if len(sys.argv) > 3:\n"
	"        result = [updated(models[int(i)]) for i in sys.argv[3:]]\n"
	"    else:\n"
	"        result = [described(model) for model in models]\n"
	"    json.dump(result, answer)\n"
	"    answer.close()\n"
	"\n"
	"main()\n";

bool python_models_possible(void)
{
	AUTO_FREE char *path = process_find_program("python3", NULL);

	return path != NULL;
}

/* The last line of a traceback is the one that says why. */
static const char *last_line(char *text)
{
	size_t n = strlen(text);
	char *newline;

	while (n > 0 && strchr("\r\n \t", text[n - 1]) != NULL)
		text[--n] = '\0';
	newline = strrchr(text, '\n');
	return newline == NULL ? text : newline + 1;
}

static int parse_answer(const struct process_output *o, struct json_object **ret, struct error *err)
{
	AUTO_JSON struct json_object *list = NULL;
	struct literal_text in = { .name = "answer", .text = o->out, .len = o->out_len };
	int r;

	if (o->out_len == 0)
		return error_set(err, EIO, "it ended without an answer");
	r = literal_parse(&in, &list, err);
	if (r < 0)
		return r;
	if (!json_object_is_type(list, json_type_array))
		return error_set(err, EINVAL, "its answer is no list");
	*ret = TAKE_PTR(list);
	return 0;
}

static int ask(const struct strv *argv, struct json_object **ret, struct error *err)
{
	struct process_output o = { .out = NULL };
	char how[64];
	const char *why;
	int r = process_run(argv->v, deadline_in_s(PYTHON_SECONDS), ANSWER_CAP, &o, err);

	if (r < 0)
		return r;
	why = last_line(o.err_tail);
	if (o.status != 0)
		r = error_set(err, EIO, "python3: %s%s%s",
			      process_status_text(o.status, how, sizeof(how)),
			      *why != '\0' ? ": " : "", why);
	else
		r = parse_answer(&o, ret, err);
	process_output_done(&o);
	return r;
}

static int ask_about(const char *dir, const char *folder, struct strv *which,
		     struct json_object **ret, struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	int r;

	strv_add(&argv, "python3");
	strv_add(&argv, "-B");
	strv_add(&argv, "-c");
	strv_add(&argv, driver);
	strv_add(&argv, dir);
	strv_add(&argv, folder);
	strv_add_all(&argv, which->v);
	if (strv_error(&argv) < 0 || strv_error(which) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = ask(&argv, ret, err);
	return r < 0 ? error_prefix(err, r, "scripts/%s/%s", folder, PYTHON_MODELS_FILE) : 0;
}

int python_models_list(const char *dir, const char *folder, struct json_object **ret,
		       struct error *err)
{
	struct strv none = STRV_INIT;

	return ask_about(dir, folder, &none, ret, err);
}

int python_models_update(const char *dir, const char *folder, const size_t *which, size_t n_which,
			 struct json_object **ret, struct error *err)
{
	AUTO_STRV struct strv places = STRV_INIT;
	AUTO_JSON struct json_object *list = NULL;
	int r;

	if (n_which == 0) {
		*ret = json_new_array();
		return 0;
	}
	for (size_t i = 0; i < n_which; i++)
		strv_addf(&places, "%zu", which[i]);
	r = ask_about(dir, folder, &places, &list, err);
	if (r < 0)
		return r;
	if (json_object_array_length(list) != n_which)
		return error_set(err, EIO, "scripts/%s/%s: gave %zu models, not the %zu asked for",
				 folder, PYTHON_MODELS_FILE, json_object_array_length(list),
				 n_which);
	*ret = TAKE_PTR(list);
	return 0;
}
