/* SPDX-License-Identifier: MIT */
#include "guest/pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "guest/exec.h"

/*
 * Linux's IORESOURCE_UNSET: the kernel knows the BAR's size and has no address for it. Most BARs
 * without one do not get so far: when the kernel has tried in vain, the line is all zeroes.
 */
#define REGION_UNSET UINT64_C(0x20000000)

/* "F ADDRESS VENDOR DEVICE DRIVER CLASS" and below it the lines of "resource". */
static const char script[] =
	"for d in /sys/bus/pci/devices/*; do\n"
	"  [ -e \"$d/vendor\" ] || continue\n"
	"  read -r v < \"$d/vendor\"; read -r p < \"$d/device\"; read -r c < \"$d/class\"\n"
	"  n=; if [ -e \"$d/driver\" ]; then n=$(readlink \"$d/driver\"); n=${n##*/}; fi\n"
	"  echo \"F ${d##*/} $v $p ${n:--} $c\"\n"
	"  cat \"$d/resource\"\n"
	"done\n";

static bool parse_function(const char *line, struct guest_function *ret)
{
	char text[256];
	char *words[6], *save = NULL, *end = NULL;
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok_r(text, " ", &save); w != NULL && n < 6;
	     w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	if (n < 5)
		return false;
	*ret = (struct guest_function){ .vendor = 0 };
	(void)snprintf(ret->address, sizeof(ret->address), "%.31s", words[1]);
	ret->vendor = (uint16_t)strtoul(words[2], &end, 16);
	ret->device = (uint16_t)strtoul(words[3], &end, 16);
	ret->class = n > 5 ? (uint32_t)strtoul(words[5], &end, 16) : 0;
	if (strcmp(words[4], "-") != 0)
		(void)snprintf(ret->driver, sizeof(ret->driver), "%.63s", words[4]);
	return true;
}

/* "0xSTART 0xEND 0xFLAGS". Return: its size, if it has an address. */
static uint64_t region_size(const char *line)
{
	char *end = NULL;
	uint64_t start = strtoull(line, &end, 16), last = strtoull(end, &end, 16);
	uint64_t flags = strtoull(end, &end, 16);

	if (start == 0 || last < start || (flags & REGION_UNSET) != 0)
		return 0;
	return last - start + 1;
}

static int add(struct guest_functions *f, const struct guest_function *one)
{
	struct guest_function *v = reallocarray(f->v, f->n + 1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	f->v = v;
	v[f->n++] = *one;
	return 0;
}

int guest_functions_parse(const char *text, struct guest_functions *ret)
{
	AUTO_FREE char *copy = strdup(text);
	struct guest_function one;
	char *save = NULL;
	size_t bar = 0;
	int r = copy == NULL ? -ENOMEM : 0;

	for (char *line = r < 0 ? NULL : strtok_r(copy, "\n", &save); line != NULL && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == 'F') {
			bar = 0;
			r = parse_function(line, &one) ? add(ret, &one) : 0;
		} else if (ret->n > 0 && bar < GUEST_BARS) {
			ret->v[ret->n - 1].bars[bar++] = region_size(line);
		}
	}
	return r;
}

int guest_functions_read(struct guest *g, uint64_t deadline_ns, struct guest_functions *ret,
			 const struct watchset *ws, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int r = guest_capture(g, script, NULL, deadline_ns, &text, ws, err);

	if (r < 0)
		return error_prefix(err, r, "the guest's PCI functions");
	return guest_functions_parse(text, ret) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int guest_function_wrong_bar(const struct guest_function *f, const uint64_t *sizes)
{
	for (int i = 0; i < GUEST_BARS; i++) {
		if (sizes[i] != 0 && f->bars[i] != sizes[i])
			return i;
	}
	return -1;
}

void guest_functions_done(struct guest_functions *functions)
{
	free(functions->v);
	*functions = (struct guest_functions)GUEST_FUNCTIONS_INIT;
}
