/* SPDX-License-Identifier: MIT */
#include "tests/unit/helper_cases.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "tests/unit/helper_recorded.h"
#include "tests/unit/helper_tree.h"

#define HOSTS    TEST_DATA "/hosts/"
#define TEXT_CAP ((size_t)1 << 20)

/* json-c's versions lay an empty list out differently. */
static bool is_same_json(const char *got, const char *want)
{
	struct json_object *a = json_tokener_parse(got), *b = json_tokener_parse(want);
	bool same = a != NULL && json_object_equal(a, b) != 0;

	(void)json_object_put(a);
	(void)json_object_put(b);
	return same;
}

void cases_golden(const char *file, const char *got)
{
	bool json = strstr(file, ".json") != NULL;
	AUTO_FREE char *want = NULL;
	char path[512];

	(void)snprintf(path, sizeof(path), HOSTS "%s", file);
	if (getenv("BMVM_UPDATE_GOLDEN") != NULL)
		cr_assert_eq(file_write_atomic_at(AT_FDCWD, path, got, strlen(got), 0644, NULL), 0);
	cr_assert_eq(file_read_at(AT_FDCWD, path, TEXT_CAP, &want, NULL, NULL), 0, "%s", path);
	cr_expect(strcmp(got, want) == 0 || (json && is_same_json(got, want)),
		  "%s differs; this is what there is now:\n%s", path, got);
}

void cases_config(const char *json, struct config *cfg)
{
	AUTO_FREE char *text = NULL;
	struct error err = ERROR_INIT;
	struct config_source source = { .name = "case" };

	cr_assert(asprintf(&text, "{\"baremetal_vm\": %s}", json) > 0);
	source.text = text;
	source.len = strlen(text);
	config_init(cfg);
	cr_assert_eq(config_parse(cfg, &source, NULL, &err), 0, "%s: %s", json, err.msg);
	cr_assert_eq(config_finish(cfg, &err), 0, "%s: %s", json, err.msg);
}

static bool differs(const struct recorded_case *c)
{
	return c->differences[0] != '\0' || c->missing[0] != '\0';
}

static void start(struct recorded_case *c, const char *name)
{
	AUTO_FREE char *missing = NULL;

	c->root = tree_new();
	recorded_load(c->root, name);
	missing = path_join(c->root, c->missing);
	if (c->missing[0] != '\0')
		cr_assert_eq(file_remove_tree_at(AT_FDCWD, missing, NULL), 0, "%s", missing);
	(void)recorded_load_text(c->root, c->differences);
	c->host = (struct host)HOST_INIT;
	tree_host(c->root, &c->host);
}

static void stop(struct recorded_case *c)
{
	host_done(&c->host);
	tree_remove(c->root);
}

/* Take a line that asks. Return: whether it is one. */
static bool take_line(struct recorded_case *c, const char *line)
{
	size_t len = strlen(c->differences);

	if (line[0] == '=')
		(void)snprintf(c->title, sizeof(c->title), "%s", line);
	else if (line[0] == '{')
		(void)snprintf(c->json, sizeof(c->json), "%s", line);
	else if (line[0] == '+')
		(void)snprintf(c->differences + len, sizeof(c->differences) - len, "%s\n",
			       line + 2);
	else if (line[0] == '-' && line[1] == ' ')
		(void)snprintf(c->missing, sizeof(c->missing), "%s", line + 2);
	else
		return false;
	return true;
}

void cases_check(const char *host, const char *kind,
		 void (*answer)(FILE *out, struct recorded_case *c))
{
	AUTO_FREE char *cases = NULL, *text = NULL;
	struct recorded_case c = { .title = "" }, usual = { .title = "" };
	char file[64], path[512], *rest, *line;
	size_t size;
	FILE *out;

	(void)snprintf(file, sizeof(file), "%s.%s", host, kind);
	(void)snprintf(path, sizeof(path), HOSTS "%s", file);
	cr_assert_eq(file_read_at(AT_FDCWD, path, TEXT_CAP, &cases, NULL, NULL), 0, "%s", path);
	out = open_memstream(&text, &size);
	cr_assert_not_null(out);
	start(&usual, host);
	rest = cases;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (take_line(&c, line))
			(void)fprintf(out, "%s\n", line);
		/* an empty line, or the end, closes a case */
		if (line[0] != '\0' || c.json[0] == '\0')
			continue;
		if (differs(&c)) {
			start(&c, host);
		} else {
			c.root = usual.root;
			c.host = usual.host;
		}
		answer(out, &c);
		(void)fputc('\n', out);
		if (differs(&c))
			stop(&c);
		c = (struct recorded_case){ .title = "" };
	}
	stop(&usual);
	(void)fclose(out);
	cases_golden(file, text);
}
