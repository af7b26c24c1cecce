/* SPDX-License-Identifier: MIT */
/* Digests of images in what docker says. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/cleanup.h"
#include "workload/docker_digest.h"

#define D(c) "@sha256:" c c c c c c c c c c c c c c c c
#define A    D("aaaa")
#define B    D("bbbb")
#define C    D("cccc")
#define E    D("eeee")

/* As BuildKit writes it: a syntax image and a first stage are not the base. */
static const char build_log[] =
	"#2 resolve image config for docker-image://docker.io/docker/dockerfile:1\n"
	"#3 docker-image://docker.io/docker/dockerfile:1" A
	"\n"
	"#3 resolve docker.io/docker/dockerfile:1" A
	" 0.0s done\n"
	"#6 [tools 1/2] FROM docker.io/library/golang:1.22" B
	"\n"
	"#7 [stage-1 1/3] FROM docker.io/rocm/pytorch:latest" C
	"\n"
	"#7 resolve docker.io/rocm/pytorch:latest" C
	" 0.1s done\n"
	"#8 [x 1/1] FROM host.example:5000/a/b:v2" E
	"\n"
	"#9 FROM broken@sha256:abcd\n";

static const struct {
	const char *image, *want;
} table[] = {
	{ "rocm/pytorch", C },
	{ "rocm/pytorch:latest", C },
	{ "docker.io/rocm/pytorch", C },
	{ "rocm/pytorch:rocm6", "" },
	{ "pytorch", "" },
	{ "golang:1.22", B },
	{ "docker.io/library/golang:1.22", B },
	{ "library/golang:1.22", B },
	{ "golang", "" },
	{ "lang:1.22", "" },
	{ "host.example:5000/a/b:v2", E },
	{ "host.example:5000/a/b", "" },
	{ "host.example:5000", "" },
	{ "a/b:v2", "" },
	{ "broken", "" },
	{ "debian", "" },
	{ "debian" E, E },
	{ "debian:12" E, E },
	{ "", "" },
	{ NULL, A },
};

Test(docker_digest, of_the_image_that_is_meant)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char ret[DOCKER_DIGEST_SIZE];
		const char *want = table[i].want;

		docker_digest_find(build_log, table[i].image, ret);
		cr_expect_str_eq(ret, want[0] == '@' ? want + 1 : want, "%s: %s", table[i].image,
				 ret);
	}
}

/* RepoDigests have no tag. */
Test(docker_digest, in_a_list)
{
	char ret[DOCKER_DIGEST_SIZE];

	docker_digest_find("debian" A "\nmirror.example/debian" B "\n", "mirror.example/debian:12",
			   ret);
	cr_expect_str_eq(ret, &B[1]);
	docker_digest_find("", NULL, ret);
	cr_expect_str_eq(ret, "");
}
