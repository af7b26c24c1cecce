/* SPDX-License-Identifier: MIT */
#include "base/uuid.h"

#include <stdio.h>
#include <sys/random.h>

#include "base/error.h"

int uuid_new(char ret[UUID_SIZE], struct error *err)
{
	unsigned char b[16];
	size_t n = 0;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return error_errno(err, "getrandom");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[n++] = '-';
		n += (size_t)snprintf(ret + n, UUID_SIZE - n, "%02x", b[i]);
	}
	return 0;
}
