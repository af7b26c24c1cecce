/* SPDX-License-Identifier: MIT */
/*
 * Sizes as people write them: "128G", "512MiB", "1000MB".
 *
 * K, M, G, T and KiB, MiB, GiB, TiB are powers of 1024; KB, MB, GB, TB are powers of 1000. Letters
 * may be small. A bare number is bytes. No fractions, signs or spaces: a size is exact.
 */
#ifndef BMVM_BASE_SIZE_H
#define BMVM_BASE_SIZE_H

#include <stdint.h>

struct error;

#define SIZE_KIB UINT64_C(1024)
#define SIZE_MIB (SIZE_KIB * 1024)
#define SIZE_GIB (SIZE_MIB * 1024)
#define SIZE_TIB (SIZE_GIB * 1024)

/**
 * size_parse() - Read a size
 * @text: NUL-terminated; nothing may surround the size
 * @ret:  bytes, written only on success
 *
 * Return: 0; -EINVAL not a size; -ERANGE 2^64 bytes or more; the rule is in @err.
 */
int size_parse(const char *text, uint64_t *ret, struct error *err);

#define SIZE_TEXT_SIZE 32

/**
 * size_format() - The shortest exact text that size_parse() reads back
 * @buf: SIZE_TEXT_SIZE bytes
 *
 * Return: @buf, "128G" or, where no unit divides it, plain bytes.
 */
const char *size_format(uint64_t bytes, char *buf);

/** size_format_rounded() - For people: "953.7 MiB"; @buf of SIZE_TEXT_SIZE bytes. Return: @buf. */
const char *size_format_rounded(uint64_t bytes, char *buf);

#endif
