/* SPDX-License-Identifier: MIT */
/* Names and addresses of network interfaces; real ones are in tests/qemu/test_lan.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/tap.h"
#include "run/lan.h"
#include "vm/plan.h"

Test(tap, is_called_like_its_vm)
{
	char name[LINK_NAME_SIZE];

	tap_name("debug", name);
	cr_expect_str_eq(name, "bmvm-debug");
	tap_name("vm-ejksd8", name);
	cr_expect_str_eq(name, "bmvm-vm-ejksd8");
	tap_name("ten-chars1", name);
	cr_expect_str_eq(name, "bmvm-ten-chars1", "15 characters, the most there can be");
}

Test(tap, of_a_vm_with_a_long_name_gets_a_number_made_of_it)
{
	char a[LINK_NAME_SIZE], b[LINK_NAME_SIZE], again[LINK_NAME_SIZE];

	tap_name("eleven-char", a);
	tap_name("eleven-chas", b);
	tap_name("eleven-char", again);
	cr_expect_eq(strlen(a), 15);
	cr_expect_eq(strncmp(a, "bmvm-", 5), 0);
	cr_expect_eq(strspn(a + 5, "0123456789abcdef"), 10);
	cr_expect_str_eq(a, again);
	cr_expect_str_neq(a, b);
}

Test(tap, addresses_are_read_as_they_are_written)
{
	static const char *const bad[] = { "",      "52:54:00:12:34",       "52:54:00:12:34:5",
					   "hello", "52:54:00:12:34:56:78", "52:54:00:12:34:56 " };
	unsigned char address[LINK_ADDRESS_SIZE];
	char text[LINK_MAC_SIZE];

	cr_assert_eq(link_mac_parse("52:54:00:ab:0c:ff", address), 0);
	cr_expect_eq(address[0], 0x52);
	cr_expect_eq(address[5], 0xff);
	cr_expect_str_eq(link_mac(address, text), "52:54:00:ab:0c:ff");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(link_mac_parse(bad[i], address), -EINVAL, "\"%s\"", bad[i]);
}

Test(tap, the_second_card_has_an_address_of_its_own)
{
	char first[VM_MAC_SIZE], second[VM_MAC_SIZE];

	vm_mac("6f1c2a90-3b44-4d0e-9a51-0123456789ab", 0, first);
	lan_mac("6f1c2a90-3b44-4d0e-9a51-0123456789ab", second);
	cr_expect_str_neq(first, second);
}
