/* SPDX-License-Identifier: MIT */
#ifndef BMVM_BASE_UUID_H
#define BMVM_BASE_UUID_H

struct error;

/* 8-4-4-4-12 and the NUL. */
#define UUID_SIZE 37

/** uuid_new() - A random UUID (RFC 4122, version 4), lower case. Return: 0; errno of getrandom(2).
 */
int uuid_new(char ret[UUID_SIZE], struct error *err);

#endif
