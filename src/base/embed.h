/* SPDX-License-Identifier: MIT */
/*
 * Files of the source tree as part of the program, so that it needs none beside it.
 *
 * A file that uses this has an entry in CMakeLists.txt, which makes it be compiled again when what
 * it embeds changes, and defines BMVM_SOURCE_DIR for it.
 */
#ifndef BMVM_BASE_EMBED_H
#define BMVM_BASE_EMBED_H

/**
 * EMBED() - Define an array of a file's bytes with a NUL behind them
 * @symbol: declared `extern const char SYMBOL[] __attribute__((visibility("hidden")))`
 * @path:   string literal, relative to the top of the source tree
 */
#define EMBED(symbol, path)                                                                        \
	__asm__(".pushsection .rodata\n"                                                           \
		".globl " #symbol                                                                  \
		"\n"                                                                               \
		".hidden " #symbol "\n" #symbol                                                    \
		":\n"                                                                              \
		".incbin \"" BMVM_SOURCE_DIR "/" path                                              \
		"\"\n"                                                                             \
		".byte 0\n"                                                                        \
		".popsection\n")

#endif
