/* SPDX-License-Identifier: MIT */
/*
 * The commands of a model, as text and run by a real bash: a folder stands for the package, this
 * machine for the container.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "helper_tree.h"
#include "workload/data.h"
#include "workload/exec_steps.h"
#include "workload/model.h"
#include "workload/tools.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

static void make_model(struct model *m, const char *members)
{
	AUTO_JSON struct json_object *o = NULL;
	AUTO_FREE char *text = NULL;

	cr_assert(asprintf(&text, "{\"name\": \"m\", \"args\": \"-a 'b c'\"%s}", members) > 0);
	o = parse(text);
	cr_assert(model_init(m, o, "test", NULL) == 0);
}

static void make_tools(struct tools *tools, const char *context)
{
	AUTO_JSON struct json_object *o = parse(context);
	struct tools_query query = { .context = o };

	cr_assert(tools_resolve(&query, tools, NULL) == 0);
}

static char *listed(const struct exec_steps *steps, bool shown)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < steps->n; i++)
		(void)fprintf(out, "%s\n", shown ? steps->v[i].shown : steps->v[i].command);
	(void)fclose(out);
	return text;
}

#define TRUST(folder)                                                                              \
	"if command -v git > /dev/null; then git config --global --add safe.directory " folder     \
	"; fi\n"
#define COMMIT                                                                                     \
	"cd scripts/m && { git rev-parse HEAD 2>/dev/null || true; }\n"                            \
	"cp -LRp -- scripts/m/. run_directory/\n"
#define PROFILERS                                                                                  \
	"for f in run_directory/*_profiler_output.csv run_directory/*_output.csv "                 \
	"run_directory/*_trace.csv run_directory/library_trace.csv; do if [ -f \"$f\" ]; then cp " \
	"-- \"$f\" .; fi; done; if [ ! -O . ]; then for f in ./*_env.csv ./*_output.csv "          \
	"./*_trace.csv; do if [ -O \"$f\" ]; then chmod a+r \"$f\"; fi; done; fi\n"
#define READABLE                                                                                   \
	"{ p='my out.csv'; chmod a+r -- \"$p\"; while [ \"$p\" != \"${p%/*}\" ]; do p=${p%/*}; "   \
	"chmod a+rx -- \"$p\"; done; } 2>/dev/null || true\n"

static char *made(const char *members, const char *context, struct exec_query query)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct error err = ERROR_INIT;

	make_model(&m, members);
	make_tools(&tools, context);
	query.model = &m;
	query.tools = &tools;
	cr_assert(exec_steps_make(&query, &steps, &err) == 0, "%s", err.msg);
	return listed(&steps, false);
}

Test(exec_steps, of_a_simple_model)
{
	AUTO_FREE char *got = made(", \"scripts\": \"scripts/m/run.sh\"", "{}",
				   (struct exec_query){ .args = NULL });

	cr_assert_str_eq(
		got,
		"whoami\n"
		"rm -rf run_directory\n" TRUST(
			"/myworkspace") "mkdir -p run_directory\n" COMMIT
					"chmod -R a+rw run_directory\n"
					"cd run_directory &&  bash run.sh -a 'b c'\n" PROFILERS
					"rm -rf run_directory\n");
}

Test(exec_steps, of_a_model_with_everything)
{
	AUTO_FREE char *got = made(
		", \"scripts\": \"scripts/m\", \"multiple_results\": \"my out.csv\"",
		"{\"encapsulate_script\": \"timeout 100\", \"pre_scripts\": [{\"path\": "
		"\"s/p q.sh\", \"args\": \"$X\"}], \"post_scripts\": [{\"path\": \"post.sh\"}]}",
		(struct exec_query){
			.args = "other", .vendor = GPU_VENDOR_NVIDIA, .keep_folder = true });

	cr_assert_str_eq(got, "whoami\n"
			      "/usr/bin/nvidia-smi || true\n"
			      "rm -f -- 'my out.csv'\n"
			      "rm -rf run_directory\n" TRUST(
				      "/myworkspace") "mkdir -p run_directory\n"
						      "cp -LRp -- 's/p q.sh' run_directory\n"
						      "cd run_directory && bash 'p q.sh' $X\n" COMMIT
						      "chmod -R a+rw run_directory\n"
						      "cd run_directory && timeout 100 bash run.sh "
						      "other\n"
						      "cp -LRp -- post.sh run_directory\n"
						      "cd run_directory && bash post.sh \n"
						      "cp -- run_directory/'my out.csv' . "
						      "2>/dev/null; " READABLE PROFILERS
						      "chmod -R a+rwX run_directory\n");
}

Test(exec_steps, without_the_model)
{
	AUTO_FREE char *got =
		made(", \"scripts\": \"scripts/m/run.py\", \"multiple_results\": \"a.csv\"", "{}",
		     (struct exec_query){ .skip_model = true });

	cr_assert(strstr(got, "run.py") == NULL && strstr(got, "csv") == NULL, "%s", got);
	cr_assert(strstr(got, COMMIT) != NULL);
}

Test(exec_steps, ways_to_start)
{
	static const char *const table[][3] = {
		{ "scripts/m/run.sh", "scripts/m/.", "  bash run.sh -a" },
		{ "scripts/m/a.slurm", "scripts/m/.", "  bash a.slurm -a" },
		{ "scripts/m/x y.py", "scripts/m/.", "  python3 'x y.py' -a" },
		{ "scripts/m", "scripts/m/.", "  bash run.sh -a" },
		{ "scripts/m/", "scripts/m//.", "  bash run.sh -a" },
		{ "scripts/m.d", "scripts/m.d/.", "  bash run.sh -a" },
		{ "a b/run.sh", "'a b'/.", "  bash run.sh -a" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_FREE char *members = NULL, *got = NULL;

		cr_assert(asprintf(&members, ", \"scripts\": \"%s\"", table[i][0]) > 0);
		got = made(members, "{}", (struct exec_query){ .args = NULL });
		cr_assert(strstr(got, table[i][1]) != NULL, "%s", got);
		cr_assert(strstr(got, table[i][2]) != NULL, "%s", got);
	}
}

Test(exec_steps, marks_of_steps)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct exec_query query = { .model = &m, .tools = &tools, .vendor = GPU_VENDOR_AMD };
	size_t models = 0, commits = 0, always = 0;

	make_model(&m, ", \"scripts\": \"s\", \"url\": \"https://h/r.git\"");
	make_tools(&tools, "{}");
	cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
	for (size_t i = 0; i < steps.n; i++) {
		const struct exec_step *s = &steps.v[i];

		models += s->kind == EXEC_MODEL;
		commits += s->kind == EXEC_COMMIT;
		always += s->always;
		cr_assert_eq(s->timeout_s == 0, s->kind == EXEC_MODEL);
		cr_assert(!(s->may_fail && s->kind == EXEC_MODEL));
		cr_assert_not_null(s->title);
	}
	cr_assert(models == 1 && commits == 1 && always == 1 && steps.v[steps.n - 1].always);
}

static const struct {
	const char *url, *credential, *command;
} clones[] = {
	{ "https://h/a/r.git", "{}", "git clone -- https://h/a/r.git r\n" },
	{ "https://h/a b/r", "{}", "git clone -- 'https://h/a b/r' r\n" },
	{ "https://h/r", "{\"username\": \"u\", \"password\": \"p'w\"}",
	  "git -c 'credential.helper=!f() { printf " },
	{ "ssh://h/r", "{\"username\": \"u\", \"password\": \"x\"}", "git clone -- ssh://h/r r\n" },
	{ "ssh://h/r", "{\"username\": \"u\", \"ssh_key_file\": \"/k\"}",
	  "git -c 'core.sshCommand=ssh -l u -i /k -o IdentitiesOnly=yes -o "
	  "StrictHostKeyChecking=no' clone -- ssh://h/r r\n" },
	{ "--upload-pack=x/r", "{}", "git clone -- --upload-pack=x/r r\n" },
};

Test(exec_steps, clones_hide_credentials)
{
	for (size_t i = 0; i < ARRAY_SIZE(clones); i++) {
		AUTO_JSON struct json_object *credential = parse(clones[i].credential);
		AUTO_MODEL struct model m = MODEL_INIT;
		AUTO_TOOLS struct tools tools = TOOLS_INIT;
		AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
		struct exec_query query = { .model = &m,
					    .tools = &tools,
					    .credential = credential };
		AUTO_FREE char *command = NULL, *shown = NULL;

		make_model(&m, ", \"scripts\": \"s\"");
		model_set_text(&m, "url", clones[i].url);
		make_tools(&tools, "{}");
		cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
		command = listed(&steps, false);
		shown = listed(&steps, true);
		cr_assert(strstr(command, clones[i].command) != NULL, "%s", command);
		cr_assert(strstr(command, TRUST("/myworkspace/r")) != NULL);
		cr_assert(strstr(command, "mkdir -p r\n") == NULL);
		cr_assert(strstr(shown, "\ngit clone -- ") != NULL);
		cr_assert(strstr(shown, "credential") == NULL &&
			  strstr(shown, "sshCommand") == NULL);
	}
}

Test(exec_steps, wrong_models_are_refused)
{
	static const char *const table[][2] = {
		{ "", "model m: scripts: is missing" },
		{ ", \"scripts\": \"run.sh\"", "scripts: run.sh: must be in a folder of its own" },
		{ ", \"scripts\": \"./run.sh\"", "must be in a folder of its own" },
		{ ", \"scripts\": \"a/../run.sh\"", "must be in a folder of its own" },
		{ ", \"scripts\": \".\"", "must be in a folder of its own" },
		{ ", \"scripts\": \"../x/run.sh\"", "leads out" },
		{ ", \"scripts\": \"/x/run.sh\"", "relative" },
		{ ", \"scripts\": \"s\", \"url\": \"https://h/..\"", "url https://h/.." },
		{ ", \"scripts\": \"s\", \"multiple_results\": \"../a\"", "multiple_results" },
		{ ", \"scripts\": \"s\", \"multiple_results\": \"/a\"", "multiple_results" },
		{ ", \"scripts\": \"s\", \"multiple_results\": \".\"", "must be a file's name" },
		{ ", \"scripts\": \"s\", \"multiple_results\": \"a/\"", "must be a file's name" },
		{ ", \"scripts\": \"s\", \"multiple_results\": \"a/../b\"", "must have no" },
		{ ", \"scripts\": \"s\", \"multiple_results\": \"*.csv\"", "not a pattern" },
		{ ", \"scripts\": \"s\", \"multiple_results\": \"perf.csv\"", "another file" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_MODEL struct model m = MODEL_INIT;
		AUTO_TOOLS struct tools tools = TOOLS_INIT;
		AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
		struct exec_query query = { .model = &m, .tools = &tools };
		struct error err = ERROR_INIT;

		make_model(&m, table[i][0]);
		make_tools(&tools, "{}");
		cr_assert_eq(exec_steps_make(&query, &steps, &err), -EINVAL, "%s", table[i][0]);
		cr_assert(strstr(err.msg, table[i][1]) != NULL, "%s", err.msg);
		cr_assert_eq(steps.n, 0);
	}
}

/* --- run for real ----------------------------------------------------------------------------- */

/* Runs a command as docker exec would, its output added to the file "log". */
static int in_container(const char *root, const char *command)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(root) != 0 || freopen("log", "a", stdout) == NULL || dup2(1, 2) < 0 ||
		    setenv("HOME", root, 1) != 0 || setenv("GIT_CONFIG_NOSYSTEM", "1", 1) != 0)
			_exit(98);
		execlp("bash", "bash", "-c", command, (char *)NULL);
		_exit(99);
	}
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void run_all(const char *root, const struct exec_steps *steps, const char *but)
{
	for (size_t i = 0; i < steps->n; i++) {
		int code;

		if (but != NULL && strstr(steps->v[i].command, but) != NULL)
			continue;
		code = in_container(root, steps->v[i].command);
		cr_assert(code == 0 || steps->v[i].may_fail, "%s: %d", steps->v[i].command, code);
	}
}

static char *content(const char *root, const char *path)
{
	AUTO_FREE char *full = path_join(root, path);
	char *text = NULL;

	cr_assert(file_read_at(AT_FDCWD, full, 1 << 20, &text, NULL, NULL) == 0, "%s", path);
	return text;
}

static bool is_there(const char *root, const char *path)
{
	AUTO_FREE char *full = path_join(root, path);

	return access(full, F_OK) == 0;
}

Test(exec_steps, do_what_they_say)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct exec_query query = { .model = &m, .tools = &tools };
	AUTO_FREE char *log = NULL, *results = NULL;
	char *root = tree_new();

	tree_file(root, "scripts/m x/run.sh",
		  "echo performance: 5 x/s \"$1\" \"$2\"\necho r > 'my out.csv'\n"
		  "echo t > a_trace.csv\ncat data/file\n");
	tree_file(root, "scripts/m x/data/file", "copied\n");
	tree_file(root, "scripts/pre.sh", "echo pre \"$@\"\n");
	tree_file(root, "scripts/post.sh", "echo post \"$@\"\n");
	tree_file(root, "my out.csv", "old\n");
	tree_file(root, "run_directory/old", "old\n");
	make_model(&m,
		   ", \"scripts\": \"scripts/m x/run.sh\", \"multiple_results\": "
		   "\"my out.csv\"");
	make_tools(&tools,
		   "{\"pre_scripts\": [{\"path\": \"scripts/pre.sh\", \"args\": \"1 "
		   "'2 3'\"}], \"post_scripts\": [{\"path\": \"scripts/post.sh\"}], "
		   "\"encapsulate_script\": \"echo capsule &&\"}");
	cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
	run_all(root, &steps, NULL);
	log = content(root, "log");
	results = content(root, "my out.csv");
	cr_assert(strstr(log, "pre 1 2 3\n") != NULL, "%s", log);
	cr_assert(strstr(log, "capsule\nperformance: 5 x/s -a b c\ncopied\npost\n") != NULL, "%s",
		  log);
	cr_assert_str_eq(results, "r\n");
	cr_assert(is_there(root, "a_trace.csv"));
	cr_assert(!is_there(root, "run_directory"));
	tree_remove(root);
}

Test(exec_steps, an_old_result_does_not_count)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct exec_query query = { .model = &m, .tools = &tools, .keep_folder = true };
	char *root = tree_new();

	tree_file(root, "s/run.sh", "true\n");
	tree_file(root, "out.csv", "old\n");
	make_model(&m, ", \"scripts\": \"s\", \"multiple_results\": \"out.csv\"");
	make_tools(&tools, "{}");
	cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
	run_all(root, &steps, NULL);
	cr_assert(!is_there(root, "out.csv"));
	cr_assert(is_there(root, "run_directory/run.sh"));
	tree_remove(root);
}

/* Where it is in the model's folder, there it is in the package. */
Test(exec_steps, a_result_in_a_folder_keeps_it)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct exec_query query = { .model = &m, .tools = &tools };
	AUTO_FREE char *results = NULL;
	char *root = tree_new();

	tree_file(root, "s/run.sh", "mkdir -p 'out 1/b'; echo new > 'out 1/b/perf.csv'\n");
	make_model(&m, ", \"scripts\": \"s\", \"multiple_results\": \"./out 1//b/perf.csv\"");
	make_tools(&tools, "{}");
	cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
	run_all(root, &steps, NULL);
	results = content(root, "out 1/b/perf.csv");
	cr_expect_str_eq(results, "new\n");
	cr_expect(!is_there(root, "perf.csv"));
	/* and one that this run does not make is none */
	tree_file(root, "s/run.sh", "true\n");
	run_all(root, &steps, NULL);
	cr_expect(!is_there(root, "out 1/b/perf.csv"));
	tree_remove(root);
}

static mode_t mode_of(const char *root, const char *path)
{
	AUTO_FREE char *full = path_join(root, path);
	struct stat st = { .st_mode = 0 };

	cr_expect_eq(stat(full, &st), 0, "%s", path);
	return st.st_mode & 0777;
}

/* The package is of whom the guest is logged in to as, who fetches them: only root can try that. */
static void give_away(const char *root, const char *path)
{
	AUTO_FREE char *full = path_join(root, path);

	cr_assert_eq(chmod(full, *path == '\0' ? 0755 : 0600), 0);
	cr_assert(geteuid() != 0 || chown(full, 65534, 65534) == 0);
}

/* What was there is not touched: it would count as made by the model. */
Test(exec_steps, results_can_be_read_by_who_fetches_them)
{
	static const char *const scripts[] = {
		"umask 077; mkdir -p out/a; echo r > out/a/t.csv; echo t > x_trace.csv\n",
		"umask 077; mkdir -p ../out/a; echo r > ../out/a/t.csv; echo t > ../x_trace.csv\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		AUTO_MODEL struct model m = MODEL_INIT;
		AUTO_TOOLS struct tools tools = TOOLS_INIT;
		AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
		struct exec_query query = { .model = &m, .tools = &tools };
		char *root = tree_new();

		tree_file(root, "s/run.sh", "%s", scripts[i]);
		make_model(&m, ", \"scripts\": \"s\", \"multiple_results\": \"out/a/t.csv\"");
		make_tools(&tools, "{}");
		tree_file(root, "in_output.csv", "in");
		give_away(root, "in_output.csv");
		give_away(root, "");
		cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
		run_all(root, &steps, NULL);
		cr_expect_eq(mode_of(root, "in_output.csv"), 0600);
		cr_expect_eq(mode_of(root, "out") & 055, 055);
		cr_expect_eq(mode_of(root, "out/a") & 055, 055);
		cr_expect_eq(mode_of(root, "out/a/t.csv") & 044, 044);
		cr_expect(geteuid() != 0 || (mode_of(root, "x_trace.csv") & 044) == 044);
		tree_remove(root);
	}
}

/* A model that writes beside its folder, as madengine takes it, too. */
Test(exec_steps, a_result_in_the_package_is_kept)
{
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct exec_query query = { .model = &m, .tools = &tools };
	AUTO_FREE char *results = NULL;
	char *root = tree_new();

	tree_file(root, "s/run.sh", "mkdir ../out; echo new > ../out/perf.csv\n");
	make_model(&m, ", \"scripts\": \"s\", \"multiple_results\": \"out/perf.csv\"");
	make_tools(&tools, "{}");
	cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
	run_all(root, &steps, NULL);
	results = content(root, "out/perf.csv");
	cr_expect_str_eq(results, "new\n");
	tree_remove(root);
}

/* What the credential helper tells git, asked as git asks it. */
Test(exec_steps, the_credential_reaches_git)
{
	AUTO_JSON struct json_object *credential =
		parse("{\"username\": \"u $x\", \"password\": \"p'w\\\\n%s\\\"\"}");
	AUTO_FREE char *git = process_find_program("git", NULL);
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct exec_query query = { .model = &m, .tools = &tools, .credential = credential };
	char *root = tree_new();

	if (git == NULL) {
		tree_remove(root);
		cr_skip_test("there is no git");
	}
	make_model(&m, ", \"scripts\": \"s\", \"url\": \"https://h/r\"");
	make_tools(&tools, "{}");
	cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
	for (size_t i = 0; i < steps.n; i++) {
		char *clone = strstr(steps.v[i].command, " clone -- ");
		AUTO_FREE char *command = NULL, *log = NULL;

		if (clone == NULL)
			continue;
		*clone = '\0';
		cr_assert(asprintf(&command,
				   "printf 'protocol=https\\nhost=h\\n\\n' | %s credential fill",
				   steps.v[i].command) > 0);
		cr_assert(in_container(root, command) == 0);
		log = content(root, "log");
		cr_assert(strstr(log, "username=u $x\npassword=p'w\\n%s\"\n") != NULL, "%s", log);
	}
	tree_remove(root);
}

static bool always_there(void *arg, enum data_provider provider, const char *path)
{
	(void)arg;
	(void)provider;
	(void)path;
	return true;
}

Test(exec_steps, custom_data_are_fetched_in_their_place)
{
	AUTO_JSON struct json_object *config = parse(
		"{\"d\": {\"custom\": {\"path\": \"s/get it.sh\", \"args\": \"$A 1\", \"home\": "
		"\"/d\"}}, \"l\": {\"local\": {\"path\": \"/l\"}}}");
	AUTO_DATA_PLAN struct data_plan plan = DATA_PLAN_INIT;
	AUTO_MODEL struct model m = MODEL_INIT;
	AUTO_TOOLS struct tools tools = TOOLS_INIT;
	AUTO_EXEC_STEPS struct exec_steps steps = EXEC_STEPS_INIT;
	struct exec_query query = { .model = &m, .tools = &tools, .data = &plan };
	unsigned int index = 0;
	struct data_query data = { .config = config, .exists = always_there, .index = &index };
	AUTO_FREE char *got = NULL;

	make_model(&m, ", \"scripts\": \"s\", \"data\": \"l,d\"");
	make_tools(&tools, "{}");
	cr_assert(data_plan_make(&m, &data, &plan, NULL) == 0);
	cr_assert(exec_steps_make(&query, &steps, NULL) == 0);
	got = listed(&steps, false);
	cr_assert(strstr(got,
			 "cp -LRp -- s/. run_directory/\n"
			 "mkdir -p /d_1 && cd /d_1 && bash /myworkspace/'s/get it.sh' $A 1\n"
			 "chmod -R") != NULL,
		  "%s", got);
}
