/* SPDX-License-Identifier: MIT */
/* PCI addresses: what is one, what is none and why, their text and order; and errors. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "sysfs/address.h"

static const char *parsed(const char *text)
{
	static char name[PCI_ADDRESS_SIZE];
	struct pci_address address;

	cr_assert_eq(pci_address_parse(text, &address, NULL), 0, "%s", text);
	return pci_address_format(&address, name);
}

Test(sysfs_address, long_short_and_upper_case_forms_are_read)
{
	cr_assert_str_eq(parsed("0000:41:00.0"), "0000:41:00.0");
	cr_assert_str_eq(parsed("41:00.0"), "0000:41:00.0");
	cr_assert_str_eq(parsed("00AF:C1:1F.7"), "00af:c1:1f.7");
	cr_assert_str_eq(parsed("10000:01:00.0"), "10000:01:00.0");
	cr_assert_str_eq(parsed("ffffffff:ff:1f.7"), "ffffffff:ff:1f.7");
	cr_assert_str_eq(parsed("00000041:00:00.1"), "0041:00:00.1");
}

Test(sysfs_address, the_rest_is_refused_with_its_rule)
{
	static const struct {
		const char *text, *rule;
	} cases[] = {
		{ "", "a domain has 4 to 8 hexadecimal digits, a bus 2" },
		{ "4:00.0", "a bus 2" },
		{ "000:41:00.0", "a domain has 4 to 8" },
		{ "123456789:41:00.0", "a domain has 4 to 8" },
		{ "0000.41:00.0", "a colon follows the domain" },
		{ "0000:4:00.0", "a bus has 2" },
		{ "0000:041:00.0", "a bus has 2" },
		{ "0000:41.00.0", "a colon follows the bus" },
		{ "41-00.0", "a colon follows the bus" },
		{ "0000:41:20.0", "a device has 2 hexadecimal digits, 00 to 1f" },
		{ "0000:41:0.0", "a device has 2" },
		{ "0000:41:00:0", "a dot follows" },
		{ "0000:41:00.8", "a function has one digit, 0 to 7" },
		{ "0000:41:00.00", "a function has one digit" },
		{ "0000:41:00.", "a function has one digit" },
		{ "0000:41:00.0 ", "something follows" },
		{ "0000:41:00.0/..", "something follows" },
		{ " 41:00.0", "a bus 2" },
		{ "0x41:00.0", "a domain has" },
		{ "../41:00.0", "a domain has" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pci_address address = { .bus = 7 };
		struct sysfs_error err = { 0 };

		cr_assert_eq(pci_address_parse(cases[i].text, &address, &err), -EINVAL, "\"%s\"",
			     cases[i].text);
		cr_assert_eq(err.code, EINVAL);
		cr_assert_neq(strstr(err.text, cases[i].rule), NULL, "\"%s\": %s", cases[i].text,
			      err.text);
		cr_assert_eq(address.bus, 7, "an output is written on success only");
	}
}

Test(sysfs_address, order_is_domain_bus_device_function)
{
	static const char *const sorted[] = { "0000:00:00.0", "0000:00:00.1", "0000:00:01.0",
					      "0000:01:00.0", "0001:00:00.0", "10000:00:00.0" };

	for (size_t i = 0; i < 6; i++) {
		for (size_t j = 0; j < 6; j++) {
			struct pci_address a, b;

			cr_assert_eq(pci_address_parse(sorted[i], &a, NULL), 0);
			cr_assert_eq(pci_address_parse(sorted[j], &b, NULL), 0);

			int r = pci_address_compare(&a, &b);

			cr_assert(i < j   ? r < 0
				  : i > j ? r > 0
					  : r == 0,
				  "%s %s", sorted[i], sorted[j]);
		}
	}
}

Test(sysfs_error, a_text_is_cut_between_two_characters)
{
	struct sysfs_error err = { .wedged = 5 };
	char text[600] = "";

	for (size_t i = 0; i < 250; i++)
		strcat(text, "ä");
	cr_assert_eq(sysfs_error_set(&err, EBUSY, "x%s", text), -EBUSY);
	cr_assert_eq(err.code, EBUSY);
	cr_assert_eq(err.wedged, 0);
	cr_assert_eq(strlen(err.text), 399); /* x and 199 of two bytes */
	cr_assert_eq(sysfs_error_os(&err, ENOENT, "open %s", "f"), -ENOENT);
	cr_assert_str_eq(err.text, "open f: No such file or directory");
	err.wedged = 9;
	cr_assert_eq(sysfs_error_prefix(&err, -ENOENT, "0000:41:00.0"), -ENOENT);
	cr_assert_str_eq(err.text, "0000:41:00.0: open f: No such file or directory");
	cr_assert_eq(err.wedged, 9);
	cr_assert_eq(sysfs_error_set(NULL, EIO, "nobody asks"), -EIO);
}
