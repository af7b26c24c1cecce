/* SPDX-License-Identifier: MIT */
/* What `bmvm check --json` prints, read back strictly. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/process.h"

static struct json_object *run_check(void)
{
	char binary[4096], check[] = "check", json[] = "--json", option[] = "--hypervisor",
			   tcg[] = "tcg";
	char *argv[] = { binary, check, json, option, tcg, NULL };
	struct process_output out = { 0 };
	struct json_object *list = NULL;
	struct error err = ERROR_INIT;

	cr_assert_not_null(getenv("BMVM_BINARY"), "run by ctest");
	(void)snprintf(binary, sizeof(binary), "%s", getenv("BMVM_BINARY"));
	cr_assert_eq(process_run(argv, deadline_in_s(60), 1 << 20, &out, &err), 0, "%s", err.msg);
	cr_assert(WIFEXITED(out.status) && WEXITSTATUS(out.status) <= 1, "%s", out.err_tail);
	cr_assert_eq(json_parse(out.out, out.out_len, &list, &err), 0, "%s", err.msg);
	process_output_done(&out);
	return list;
}

static void expect_row(struct json_object *row, struct json_object *seen)
{
	static const char *const statuses[] = { "ok", "info", "warning", "failed" };
	const char *id = NULL, *status = NULL, *text = NULL;
	bool known = false;

	cr_assert_eq(json_object_object_length(row), 6);
	cr_assert_eq(json_get_str(row, "id", &id, NULL), 0);
	cr_assert_eq(json_get_str(row, "status", &status, NULL), 0, "%s", id);
	cr_expect_eq(json_get_str(row, "title", &text, NULL), 0, "%s", id);
	cr_expect_eq(json_get_str(row, "why", &text, NULL), 0, "%s", id);
	cr_expect_eq(json_get_str(row, "found", &text, NULL), 0, "%s", id);
	cr_expect(text[0] != '\0', "%s", id);
	cr_expect(json_object_object_get_ex(row, "fix", NULL), "%s", id);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		known |= strcmp(status, statuses[i]) == 0;
	cr_expect(known, "%s: %s", id, status);
	cr_expect(strcmp(status, "failed") != 0 || json_str_or(row, "fix", NULL) != NULL,
		  "%s failed without a fix", id);
	cr_expect_not(json_object_object_get_ex(seen, id, NULL), "%s twice", id);
	json_add_bool(seen, id, true);
}

Test(check_json, is_an_array_of_complete_rows)
{
	AUTO_JSON struct json_object *list = run_check();
	AUTO_JSON struct json_object *seen = json_new_object();

	cr_assert(json_object_is_type(list, json_type_array));
	cr_assert_gt(json_object_array_length(list), 20);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		expect_row(json_object_array_get_idx(list, i), seen);
	cr_expect(json_object_object_get_ex(seen, "kvm", NULL));
	cr_expect(json_object_object_get_ex(seen, "image", NULL));
}
