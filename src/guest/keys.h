/* SPDX-License-Identifier: MIT */
/*
 * SSH key pairs made in memory: the key a run logs in with, and the guest's own host key.
 *
 * Nothing here touches the disk but keys_load_file(), which reads a key the user named. Private
 * texts are wiped before their memory is freed.
 */
#ifndef BMVM_GUEST_KEYS_H
#define BMVM_GUEST_KEYS_H

#include "base/cleanup.h"

struct error;

/**
 * struct keypair - An ed25519 key as text; strings owned
 * @private_pem: OpenSSH private key file, unencrypted, with its final newline
 * @public_line: "ssh-ed25519 BASE64 COMMENT", one line without newline
 */
struct keypair {
	char *private_pem;
	char *public_line;
};

#define KEYPAIR_INIT                                                                               \
	{                                                                                          \
		.private_pem = NULL                                                                \
	}

/**
 * keypair_generate() - Make a fresh ed25519 pair
 * @comment: third field of the public line; printable ASCII without spaces, not empty
 * @ret:     filled on success; free with keypair_done()
 *
 * Return: 0; -EINVAL bad comment; -ENOMEM; -EIO when libssh fails.
 */
int keypair_generate(const char *comment, struct keypair *ret, struct error *err);

/** keypair_done() - Wipe and free; accepts an empty pair. */
void keypair_done(struct keypair *kp);

#define AUTO_KEYPAIR CLEANUP(keypair_done)

/**
 * keys_load_file() - Read a private key file the user named (`ssh_key`)
 * @path: file; OpenSSH or PEM format
 * @ret:  the file's text and the public line of the key; free with keypair_done()
 *
 * Return: 0; -ENOENT, -EACCES and other errno of opening it; -EFBIG over 64 KiB; -ENOKEY it is
 * encrypted (a run cannot ask for a passphrase); -EINVAL it is no private key.
 */
int keys_load_file(const char *path, struct keypair *ret, struct error *err);

#endif
