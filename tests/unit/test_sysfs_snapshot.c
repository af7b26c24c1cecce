/* SPDX-License-Identifier: MIT */
/* Snapshots as text, and compared; the list of vGPU types; UUIDs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs/mdev.h"
#include "sysfs/nvidia.h"
#include "sysfs/snapshot.h"

static struct snapshot parse(const char *text)
{
	struct snapshot s;
	struct sysfs_error err = { 0 };

	cr_assert_eq(snapshot_parse(text, &s, &err), 0, "%s", err.text);
	return s;
}

Test(sysfs_snapshot, what_is_printed_is_read_back_whatever_is_in_it)
{
	static const char text[] =
		"0000:41:00.0\tdriver\tamdgpu\n"
		"0000:41:00.0\tresource\t0x1 0x2\\n0x3\\t\\\\n\n"
		"a\t\t\n"
		"b\tf\t\\x01\\xff\\x7f\n";
	AUTO_SNAPSHOT struct snapshot s = parse(text);
	char *printed = NULL;

	cr_assert_eq(s.n, 4);
	cr_assert_str_eq(s.v[1].value, "0x1 0x2\n0x3\t\\n");
	cr_assert_str_eq(s.v[3].value, "\x01\xff\x7f");
	cr_assert_eq(snapshot_print(&s, &printed), 0);
	cr_assert_str_eq(printed, text);
	free(printed);
}

Test(sysfs_snapshot, lines_are_sorted_and_single)
{
	AUTO_SNAPSHOT struct snapshot s = parse("b\tx\t1\na\ty\t2\na\tx\t3\nb\tx\t1\n");

	cr_assert_eq(s.n, 3);
	cr_assert_str_eq(s.v[0].value, "3");
	cr_assert_str_eq(s.v[1].value, "2");
	cr_assert_str_eq(s.v[2].value, "1");
}

Test(sysfs_snapshot, junk_is_refused_with_its_line)
{
	static const char *const junk[] = {
		"a\tb\tc",     "a\tb\n",        "a\n",           "a\tb\tc\td\n", "a\tb\tc\\",
		"a\tb\t\\q\n", "a\tb\t\\x0g\n", "a\tb\t\\x00\n", "a\tb\t\x01\n", "a\tb\t\xc3\xa4\n",
		"\n"
	};

	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		char text[64] = "ok\tok\tok\n";
		struct snapshot s = { 0 };
		struct sysfs_error err = { 0 };

		strcat(text, junk[i]);
		cr_assert_eq(snapshot_parse(text, &s, &err), -EBADMSG, "%s", junk[i]);
		cr_assert_neq(strstr(err.text, "line 2"), NULL, "%s", err.text);
	}
}

Test(sysfs_snapshot, an_empty_one_prints_nothing)
{
	struct snapshot s = parse("");
	char *printed = NULL;

	cr_assert_eq(s.n, 0);
	cr_assert_eq(snapshot_print(&s, &printed), 0);
	cr_assert_str_eq(printed, "");
	free(printed);
	snapshot_done(&s);
}

static bool is_a(const char *object, void *data)
{
	++*(int *)data;
	return strcmp(object, "a") == 0;
}

Test(sysfs_snapshot, differences_are_changed_gone_and_new)
{
	AUTO_SNAPSHOT struct snapshot before = parse("a\tx\t1\na\ty\t2\nb\tz\t3\nc\tw\t4\n");
	AUTO_SNAPSHOT struct snapshot after = parse("a\tx\t1\na\ty\t9\na\tzz\t5\nc\tw\t4\n");
	struct snapshot_difference *d = NULL;
	int asked = 0;

	cr_assert_eq(snapshot_compare(&before, &after, NULL, NULL, &d), 3);
	cr_assert_str_eq(d[0].field, "y");
	cr_assert_str_eq(d[0].before, "2");
	cr_assert_str_eq(d[0].after, "9");
	cr_assert_str_eq(d[1].field, "zz");
	cr_assert_eq(d[1].before, NULL);
	cr_assert_str_eq(d[2].object, "b");
	cr_assert_eq(d[2].after, NULL);
	free(d);
	cr_assert_eq(snapshot_compare(&before, &after, is_a, &asked, &d), 2);
	cr_assert_eq(asked, 3);
	free(d);
	cr_assert_eq(snapshot_compare(&before, &before, NULL, NULL, &d), 0);
	cr_assert_eq(d, NULL);
}

Test(sysfs_nvidia_types, lines_with_id_and_name_count_and_a_header_does_not)
{
	AUTO_NVIDIA_TYPES struct nvidia_types types = { 0 };

	cr_assert_eq(nvidia_parse_types("ID    : vGPU Name\n"
					"557  : NVIDIA A40-1B\n"
					"558 : NVIDIA A40-8Q : x\n"
					"\n"
					"0 : none\n"
					"-3 : minus\n"
					"99999999999 : big\n"
					"559 NVIDIA\n"
					"560 :\n"
					"   561:NVIDIA A40-2B",
					&types),
		     0);
	cr_assert_eq(types.n, 3);
	cr_assert_eq(types.v[0].id, 557);
	cr_assert_str_eq(types.v[0].name, "NVIDIA A40-1B");
	cr_assert_str_eq(types.v[1].name, "NVIDIA A40-8Q : x");
	cr_assert_eq(types.v[2].id, 561);
	cr_assert_str_eq(types.v[2].name, "NVIDIA A40-2B");
}

Test(sysfs_nvidia_types, a_name_that_does_not_fit_is_skipped)
{
	AUTO_NVIDIA_TYPES struct nvidia_types types = { 0 };
	char text[400] = "1 : ";

	memset(text + 4, 'a', 70);
	cr_assert_eq(nvidia_parse_types(text, &types), 0);
	cr_assert_eq(types.n, 0);
	nvidia_types_done(&types);
	cr_assert_eq(nvidia_parse_types("", &types), 0);
	cr_assert_eq(types.n, 0);
}

Test(sysfs_mdev_uuid, has_36_characters_in_lower_case)
{
	cr_assert(mdev_uuid_is_valid("0b5e3a4c-9d1f-4c2e-8a77-0123456789ab"));
	cr_assert(!mdev_uuid_is_valid("0B5E3A4C-9D1F-4C2E-8A77-0123456789AB"));
	cr_assert(!mdev_uuid_is_valid("0b5e3a4c-9d1f-4c2e-8a77-0123456789a"));
	cr_assert(!mdev_uuid_is_valid("0b5e3a4c-9d1f-4c2e-8a77-0123456789abc"));
	cr_assert(!mdev_uuid_is_valid("0b5e3a4c-9d1f-4c2e-8a77-0123456789ab\n"));
	cr_assert(!mdev_uuid_is_valid("0b5e3a4c09d1f-4c2e-8a77-0123456789ab"));
	cr_assert(!mdev_uuid_is_valid("../../../../../../../../../../../etc"));
	cr_assert(!mdev_uuid_is_valid(""));
}
