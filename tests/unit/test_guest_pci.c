/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "guest/pci.h"

static const char text[] =
	"F 0000:00:00.0 0x8086 0x29c0 -\n"
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	"F 0000:01:00.0 0x1002 0x5046 amdgpu\n"
	"0x00000000fc000000 0x00000000fcffffff 0x0000000000042208\n"
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	"0x00000000feb10000 0x00000000feb13fff 0x0000000000040200\n"
	"F 0000:02:00.0 0x1002 0x74a1 -\n"
	"0x0000000000000000 0x0000003fffffffff 0x000000002014220c\n"
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

Test(guest_pci, functions_drivers_and_bars)
{
	AUTO_GUEST_FUNCTIONS struct guest_functions f = GUEST_FUNCTIONS_INIT;

	cr_assert_eq(guest_functions_parse(text, &f), 0);
	cr_assert_eq(f.n, 3);
	cr_expect_str_eq(f.v[0].driver, "");
	cr_expect_eq(f.v[1].vendor, 0x1002);
	cr_expect_eq(f.v[1].device, 0x5046);
	cr_expect_str_eq(f.v[1].driver, "amdgpu");
	cr_expect_eq(f.v[1].bars[0], 16 << 20);
	cr_expect_eq(f.v[1].bars[1], 0);
	cr_expect_eq(f.v[1].bars[2], 16 << 10);
	cr_expect_eq(f.v[2].device, 0x74a1);
	cr_expect_eq(f.v[2].bars[0], 0, "its size is known, its address is not");
}

/* As Linux shows a BAR that it has tried in vain to find room for: BAR 0, of 256 GiB. */
Test(guest_pci, a_bar_without_address_looks_like_none)
{
	AUTO_GUEST_FUNCTIONS struct guest_functions f = GUEST_FUNCTIONS_INIT;
	uint64_t sizes[GUEST_BARS] = { UINT64_C(256) << 30, 0, 2 << 20 };

	cr_assert_eq(
		guest_functions_parse("F 0000:01:00.0 0x1002 0x74a1 -\n"
				      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
				      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
				      "0x00000000fe000000 0x00000000fe1fffff 0x000000000014220c\n",
				      &f),
		0);
	cr_expect_eq(guest_function_wrong_bar(&f.v[0], sizes), 0);
	sizes[0] = 0;
	cr_expect_eq(guest_function_wrong_bar(&f.v[0], sizes), -1);
	sizes[2] = 1 << 20;
	cr_expect_eq(guest_function_wrong_bar(&f.v[0], sizes), 2, "another size");
	sizes[2] = 0;
	cr_expect_eq(guest_function_wrong_bar(&f.v[0], sizes), -1, "nothing is known of it");
}

/* The rest of a bridge's windows and of the ROM is nobody's BAR. */
Test(guest_pci, only_the_first_six_lines_are_bars)
{
	AUTO_GUEST_FUNCTIONS struct guest_functions f = GUEST_FUNCTIONS_INIT;

	cr_assert_eq(guest_functions_parse("F 0000:01:00.0 0x1002 0x5046 -\n"
					   "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
					   "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
					   "0xfeb00000 0xfeb0ffff 0x46200\n",
					   &f),
		     0);
	for (size_t i = 0; i < GUEST_BARS; i++)
		cr_expect_eq(f.v[0].bars[i], 0);
}

Test(guest_pci, a_guest_may_say_anything)
{
	static const char *const odd[] = { "",
					   "F",
					   "F a b",
					   "0x1 0x2 0x20000000\n",
					   "F a b c d e f g",
					   "F 1 2 3 4\nzzz\n0x1\n\n\n",
					   "FFFF" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		AUTO_GUEST_FUNCTIONS struct guest_functions f = GUEST_FUNCTIONS_INIT;

		cr_expect_eq(guest_functions_parse(odd[i], &f), 0);
		cr_expect_leq(f.n, 1);
	}
}
