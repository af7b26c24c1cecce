/* SPDX-License-Identifier: MIT */
#include "guest/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define KEY_FILE_MAX ((size_t)64 * 1024)

static void ssh_keyp(ssh_key *key)
{
	ssh_key_free(*key);
	*key = NULL;
}

#define AUTO_SSH_KEY CLEANUP(ssh_keyp)

static void ssh_stringp(char **s)
{
	ssh_string_free_char(*s);
	*s = NULL;
}

#define AUTO_SSH_TEXT CLEANUP(ssh_stringp)

static bool is_comment(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s <= ' ' || *s > '~')
			return false;
	}
	return true;
}

/* "TYPE BASE64" or "TYPE BASE64 COMMENT". */
static int public_line(ssh_key key, const char *comment, char **ret)
{
	AUTO_SSH_TEXT char *b64 = NULL;
	int n;

	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return -EIO;
	n = asprintf(ret, "%s %s%s%s", ssh_key_type_to_char(ssh_key_type(key)), b64,
		     comment != NULL ? " " : "", comment != NULL ? comment : "");
	if (n < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* sshd reads ed25519 keys only in OpenSSH's own format, which newer libssh has to be asked for. */
static int private_text(ssh_key key, char **ret)
{
	char *text = NULL;
	int rc;

#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)
	rc = ssh_pki_export_privkey_base64_format(key, NULL, NULL, NULL, &text,
						  SSH_FILE_FORMAT_OPENSSH);
#else
	rc = ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text);
#endif
	if (rc != SSH_OK || text == NULL)
		return -EIO;
	*ret = strdup(text);
	explicit_bzero(text, strlen(text));
	ssh_string_free_char(text);
	return *ret == NULL ? -ENOMEM : 0;
}

int keypair_generate(const char *comment, struct keypair *ret, struct error *err)
{
	AUTO_KEYPAIR struct keypair kp = KEYPAIR_INIT;
	AUTO_SSH_KEY ssh_key key = NULL;
	int r;

	if (!is_comment(comment))
		return error_set(err, EINVAL, "SSH key: bad comment");
	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
		return error_set(err, EIO, "cannot make an SSH key");
	r = private_text(key, &kp.private_pem);
	if (r == 0)
		r = public_line(key, comment, &kp.public_line);
	if (r < 0)
		return error_set(err, -r, "cannot make an SSH key: %s", strerror(-r));
	ret->private_pem = TAKE_PTR(kp.private_pem);
	ret->public_line = TAKE_PTR(kp.public_line);
	return 0;
}

void keypair_done(struct keypair *kp)
{
	if (kp->private_pem != NULL)
		explicit_bzero(kp->private_pem, strlen(kp->private_pem));
	free(kp->private_pem);
	free(kp->public_line);
	kp->private_pem = NULL;
	kp->public_line = NULL;
}

/* Called by libssh, which sets the type, only for a key that is encrypted. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static int note_encrypted(const char *prompt, char *buf, size_t len, int echo, int verify,
			  void *userdata)
{
	bool *encrypted = userdata;

	(void)prompt;
	(void)buf;
	(void)len;
	(void)echo;
	(void)verify;
	*encrypted = true;
	return -1;
}

int keys_load_file(const char *path, struct keypair *ret, struct error *err)
{
	AUTO_KEYPAIR struct keypair kp = KEYPAIR_INIT;
	AUTO_SSH_KEY ssh_key key = NULL;
	bool encrypted = false;
	int r;

	r = file_read_at(AT_FDCWD, path, KEY_FILE_MAX, &kp.private_pem, NULL, err);
	if (r < 0)
		return error_prefix(err, r, "SSH key");
	if (ssh_pki_import_privkey_base64(kp.private_pem, NULL, note_encrypted, &encrypted, &key) !=
	    SSH_OK) {
		if (!encrypted)
			return error_set(err, EINVAL, "SSH key %s: not a private key", path);
		r = error_set(err, ENOKEY, "SSH key %s: encrypted with a passphrase", path);
		return error_hint(err, r,
				  "a run cannot ask for it; make a key without one: "
				  "ssh-keygen -t ed25519 -N '' -f FILE");
	}
	r = public_line(key, NULL, &kp.public_line);
	if (r < 0)
		return error_set(err, -r, "SSH key %s: %s", path, strerror(-r));
	ret->private_pem = TAKE_PTR(kp.private_pem);
	ret->public_line = TAKE_PTR(kp.public_line);
	return 0;
}
