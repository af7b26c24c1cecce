/* SPDX-License-Identifier: MIT */
/* Dockerfiles: headers, which of them fit, and what they say. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "helper_tree.h"
#include "workload/dockerfile.h"

#define AMD    "# CONTEXT {'gpu_vendor': 'AMD', 'guest_os': 'UBUNTU'}\n"
#define NVIDIA "# CONTEXT {'gpu_vendor': 'NVIDIA', 'guest_os': 'UBUNTU'}\n"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	cr_assert(json_parse(text, strlen(text), &o, NULL) == 0, "%s", text);
	return o;
}

Test(dockerfile, headers)
{
	static const char *const table[][2] = {
		{ AMD "FROM x\n", "{\"gpu_vendor\":\"AMD\",\"guest_os\":\"UBUNTU\"}" },
		{ "\n\n\n\n# CONTEXT {}", "{}" },
		{ "# CONTEXT {'a': None, 'b': (1, True)}\r\nFROM x\r\n",
		  "{\"a\":null,\"b\":[1,true]}" },
		{ "#!\n# CONTEXT {'a':\nFROM x\n# CONTEXT 1}\n", "{\"a\":1}" },
		{ "##  # CONTEXT {}\n", NULL },
		{ "   # CONTEXT {'a': 1} # a comment\n", "{\"a\":1}" },
		{ "# CONTEXT {'a': '\xc3\xa4'}\n", "{\"a\":\"\xc3\xa4\"}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_JSON struct json_object *o = NULL;
		int r = dockerfile_header("f", table[i][0], strlen(table[i][0]), &o, NULL);

		cr_assert_eq(r, table[i][1] == NULL ? -EINVAL : 0, "%s", table[i][0]);
		if (r == 0)
			cr_assert_str_eq(json_compact(o), table[i][1]);
	}
}

Test(dockerfile, bad_headers_name_file_line_and_rule)
{
	static const char *const table[][2] = {
		{ "", "d/f:1: no line" },
		{ "FROM x\n", "d/f:1: no line" },
		{ "\n\n\n\n\n# CONTEXT {}\n", "d/f:1: no line" },
		{ "#CONTEXT {}\n# context {}\n# CONTEXT{}\n", "d/f:1: no line" },
		{ "#\n# CONTEXT {'a'}\n", "d/f:2:15: " },
		{ "#\n# CONTEXT \n", "d/f:" },
		{ "#\n#\n# CONTEXT ['a']\n", "d/f:3: what follows" },
		{ "# CONTEXT 'a'\n", "d/f:1: what follows" },
		{ "# CONTEXT None\n", "d/f:1: what follows" },
		{ "# CONTEXT {}\n# CONTEXT {}\n", "d/f:2:11: " },
		{ "# CONTEXT {'a': 1, 'a': 2}\n", "d/f:1:20: " },
		{ "# CONTEXT {'a': f()}\n", "d/f:1:17: " },
		{ "# CONTEXT {'a': '\xff'}\n", "d/f:1:18: " },
		{ "# CONTEXT {'a': __import__('os')}\n", "d/f:1:17: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error err = ERROR_INIT;
		struct json_object *o = NULL;

		cr_assert_eq(dockerfile_header("d/f", table[i][0], strlen(table[i][0]), &o, &err),
			     -EINVAL, "%s", table[i][0]);
		cr_assert(strncmp(err.msg, table[i][1], strlen(table[i][1])) == 0, "%s: %s",
			  table[i][0], err.msg);
		cr_assert_null(o);
	}
}

Test(dockerfile, hostile_headers_are_errors)
{
	size_t len = (size_t)4 << 20;
	AUTO_FREE char *text = malloc(len);
	struct json_object *o = NULL;
	struct error err = ERROR_INIT;

	cr_assert(dockerfile_header("f", "# CONTEXT {'a': '\0'}", 20, &o, &err) == -EINVAL);
	cr_assert(strstr(err.msg, "NUL") != NULL);
	for (size_t i = 0; i < len; i++)
		text[i] = "# CONTEXT "[i % 10];
	cr_assert_eq(dockerfile_header("f", text, len, &o, NULL), -EINVAL);
	memset(text, '(', len);
	memcpy(text, "# CONTEXT ", 10);
	cr_assert_eq(dockerfile_header("f", text, len, &o, NULL), -EINVAL);
	memset(text, 'x', len);
	cr_assert_eq(dockerfile_header("f", text, len, &o, NULL), -EINVAL);
}

Test(dockerfile, only_keys_of_both_sides_count)
{
	static const struct {
		const char *header, *context, *differs;
	} table[] = {
		{ "{}", "{\"a\": 1}", NULL },
		{ "{\"a\": 1}", "{}", NULL },
		{ "{\"a\": 1}", NULL, NULL },
		{ "{\"a\": 1, \"b\": 2}", "{\"b\": 2}", NULL },
		{ "{\"a\": 1, \"b\": 2}", "{\"b\": 3}", "b" },
		{ "{\"a\": \"AMD\"}", "{\"a\": \"amd\"}", "a" },
		{ "{\"a\": \"1\"}", "{\"a\": 1}", "a" },
		{ "{\"a\": null}", "{\"a\": null}", NULL },
		{ "{\"a\": null}", "{\"a\": \"None\"}", "a" },
		{ "{\"a\": [1, {}]}", "{\"a\": [1, {}]}", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_JSON struct json_object *header = parse(table[i].header);
		AUTO_JSON struct json_object *context =
			table[i].context == NULL ? NULL : parse(table[i].context);
		const char *key = NULL;

		cr_assert_eq(dockerfile_fits(header, context, &key), table[i].differs == NULL,
			     "%zu", i);
		if (table[i].differs != NULL)
			cr_assert_str_eq(key, table[i].differs);
		else
			cr_assert_null(key);
	}
}

static const struct {
	const char *path, *text;
	const char *base, *architecture, *vendor;
	bool wants;
} said[] = {
	{ "a.ubuntu.amd.Dockerfile", "ARG BASE_DOCKER=rocm/pytorch\nFROM $BASE_DOCKER\n",
	  "rocm/pytorch", NULL, "AMD", false },
	{ "a.ubuntu.nvidia.Dockerfile", "ARG BASE_DOCKER=\"x/y:1\" \r\nARG BASE_DOCKER=z\n",
	  "x/y:1", NULL, "NVIDIA", false },
	{ "a.x", " ARG BASE_DOCKER=x\n#ARG BASE_DOCKER=y\nFROM rocm/x\n", NULL, NULL, "AMD",
	  false },
	{ "a.x", "ARG BASE_DOCKER=\nFROM CUDA\n", NULL, NULL, "NVIDIA", false },
	{ "a.x", "FROM --platform=linux/amd64 debian\n", NULL, NULL, "", false },
	{ "a.x", "FROM --platform=linux/amd64 nvidia/x\n", NULL, NULL, "NVIDIA", false },
	{ "a.x", "ARG MAD_SYSTEM_GPU_ARCHITECTURE\n", NULL, NULL, "", true },
	{ "a.x", "ARG MAD_SYSTEM_GPU_ARCHITECTURE=gfx90a\n", NULL, "gfx90a", "", false },
	{ "a.x", "ENV MAD_SYSTEM_GPU_ARCHITECTURE gfx90a\n", NULL, "gfx90a", "", false },
	{ "a.x",
	  "ARG MAD_SYSTEM_GPU_ARCHITECTURE\n"
	  "ENV MAD_SYSTEM_GPU_ARCHITECTURE=$MAD_SYSTEM_GPU_ARCHITECTURE\n",
	  NULL, NULL, "", true },
	{ "a.x", "ARG MAD_SYSTEM_GPU_ARCHITECTURE_X\nARG MAD_SYSTEM_GPU_ARCHITECTURE2=b\n", NULL,
	  NULL, "", false },
};

Test(dockerfile, what_it_says)
{
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		AUTO_DOCKERFILE struct dockerfile d = { .path = NULL };
		AUTO_FREE char *text = NULL;

		cr_assert(asprintf(&text, "# CONTEXT {}\n%s", said[i].text) > 0);
		cr_assert(dockerfile_parse(said[i].path, text, strlen(text), &d, NULL) == 0);
		cr_assert_str_eq(d.path, said[i].path);
		cr_assert_str_eq(d.gpu_vendor, said[i].vendor, "%zu: %s", i, d.gpu_vendor);
		cr_assert_eq(d.wants_architecture, said[i].wants, "%zu", i);
		cr_assert((d.base == NULL) == (said[i].base == NULL), "%zu", i);
		cr_assert((d.architecture == NULL) == (said[i].architecture == NULL), "%zu", i);
		if (d.base != NULL)
			cr_assert_str_eq(d.base, said[i].base);
		if (d.architecture != NULL)
			cr_assert_str_eq(d.architecture, said[i].architecture);
	}
}

/* A package with Dockerfiles; returns its folder, opened. */
static int package(char **ret_root)
{
	char *root = tree_new();
	int fd;

	tree_file(root, "docker/dummy.ubuntu.nvidia.Dockerfile", "%s", NVIDIA);
	tree_file(root, "docker/dummy.ubuntu.amd.Dockerfile", "%s", AMD);
	tree_file(root, "docker/dummy_more.ubuntu.amd.Dockerfile", "FROM x\n");
	tree_file(root, "docker/two.b.Dockerfile", "%s", AMD);
	tree_file(root, "docker/two.a.Dockerfile", "%s", AMD);
	tree_file(root, "docker/plain.Dockerfile", "FROM x\n");
	tree_file(root, "top.Dockerfile", "%s", AMD);
	tree_dir(root, "docker/two.folder");
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert(fd >= 0);
	cr_assert(symlinkat("../docker/two.a.Dockerfile", fd, "docker/link.x") == 0);
	*ret_root = root;
	return fd;
}

static int select_as(int fd, const char *prefix, const char *context, char *got, size_t size,
		     struct error *err)
{
	AUTO_JSON struct json_object *o = parse(context);
	AUTO_DOCKERFILE_LIST struct dockerfile_list list = { .v = NULL };
	int r = dockerfile_select(fd, prefix, o, &list, err);

	got[0] = '\0';
	for (size_t i = 0; i < list.n; i++)
		(void)snprintf(got + strlen(got), size - strlen(got), "%s ", list.v[i].path);
	return r;
}

Test(dockerfile, selection_from_a_package)
{
	static const struct {
		const char *prefix, *context, *want;
		int r;
	} table[] = {
		{ "docker/dummy", "{\"gpu_vendor\": \"AMD\"}",
		  "docker/dummy.ubuntu.amd.Dockerfile ", 0 },
		{ "./docker/dummy", "{\"gpu_vendor\": \"NVIDIA\"}",
		  "./docker/dummy.ubuntu.nvidia.Dockerfile ", 0 },
		{ "docker/dummy", "{}",
		  "docker/dummy.ubuntu.amd.Dockerfile docker/dummy.ubuntu.nvidia.Dockerfile ", 0 },
		{ "docker/two", "{}", "docker/two.a.Dockerfile docker/two.b.Dockerfile ", 0 },
		{ "docker/../docker/link", "{}", "docker/../docker/link.x ", 0 },
		{ "top", "{}", "top.Dockerfile ", 0 },
		{ "docker/two", "{\"gpu_vendor\": \"NVIDIA\"}",
		  "two.b.Dockerfile wants gpu_vendor "
		  "\"AMD\", not \"NVIDIA\"",
		  -ENOENT },
		{ "docker/plain", "{}", "docker/plain.Dockerfile:1: no line", -EBADMSG },
		{ "docker/missing", "{}", "no Dockerfile docker/missing.*", -ENOENT },
		{ "nowhere/x", "{}", "nowhere", -ENOENT },
		{ "docker/", "{}", "docker/: is a folder", -EINVAL },
		{ "docker/*", "{}", "no Dockerfile docker/*.*", -ENOENT },
		{ "../x", "{}", "../x leads out", -EINVAL },
		{ "docker/../../x", "{}", "leads out", -EINVAL },
		{ "/etc/x", "{}", "relative", -EINVAL },
		{ "", "{}", "empty", -EINVAL },
	};
	char *root = NULL;
	AUTO_CLOSE int fd = package(&root);

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error err = ERROR_INIT;
		char got[512];

		cr_assert_eq(
			select_as(fd, table[i].prefix, table[i].context, got, sizeof(got), &err),
			table[i].r, "%s: %s", table[i].prefix, err.msg);
		if (table[i].r == 0)
			cr_assert_str_eq(got, table[i].want);
		else
			cr_assert(strstr(err.msg, table[i].want) != NULL, "%s", err.msg);
	}
	tree_remove(root);
}

/* Who gives the name of the whole file is told what to write. */
Test(dockerfile, a_whole_name_is_not_its_beginning)
{
	char *root = NULL;
	AUTO_CLOSE int fd = package(&root);
	struct error err = ERROR_INIT, other = ERROR_INIT;
	char got[512];

	cr_assert_eq(select_as(fd, "docker/two.a.Dockerfile", "{}", got, sizeof(got), &err),
		     -ENOENT);
	cr_assert_str_eq(err.hint,
			 "\"dockerfile\" is the beginning of a name: write \"docker/two.a\"");
	tree_file(root, "docker/Dockerfile", "FROM scratch\n");
	cr_assert_eq(select_as(fd, "docker/Dockerfile", "{}", got, sizeof(got), &other), -ENOENT);
	cr_assert_not_null(strstr(other.hint, "rename that file to docker/Dockerfile.Dockerfile"),
			   "%s", other.hint);
	tree_remove(root);
}

Test(dockerfile, files_too_large_are_refused)
{
	char *root = tree_new(), *path = NULL;
	struct error err = ERROR_INIT;
	char got[64];
	AUTO_CLOSE int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	tree_file(root, "d.x", "%s", AMD);
	cr_assert(asprintf(&path, "%s/d.x", root) > 0);
	cr_assert(truncate(path, (off_t)DOCKERFILE_MAX + 1) == 0);
	cr_assert_eq(select_as(fd, "d", "{}", got, sizeof(got), &err), -EFBIG);
	cr_assert(strstr(err.msg, "d.x") != NULL);
	free(path);
	tree_remove(root);
}

Test(dockerfile, context_of_a_run)
{
	AUTO_JSON struct json_object *additional =
		parse("{\"baremetal_vm\": {}, \"gpu_vendor\": \"amd\", \"ctx_test\": \"2\", "
		      "\"own\": [1], \"nothing\": null}");
	AUTO_JSON struct json_object *plain = dockerfile_context(NULL, NULL, NULL, NULL, NULL);
	AUTO_JSON struct json_object *full =
		dockerfile_context(additional, "NVIDIA", "CENTOS", "HOST_SLES", "1");

	cr_assert_str_eq(json_compact(plain),
			 "{\"ctx_test\":\"None\",\"host_os\":\"Unable to detect Host OS\","
			 "\"gpu_vendor\":\"AMD\",\"guest_os\":\"UBUNTU\"}");
	cr_assert_str_eq(json_compact(full),
			 "{\"ctx_test\":\"2\",\"host_os\":\"HOST_SLES\",\"gpu_vendor\":\"NVIDIA\","
			 "\"guest_os\":\"CENTOS\",\"own\":[1],\"nothing\":null}");
}
