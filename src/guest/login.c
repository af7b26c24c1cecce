/* SPDX-License-Identifier: MIT */
/*
 * guest_connect(): banner, key exchange, host key, login; tried again while a booting guest is not
 * ready for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/watch.h"
#include "guest/banner.h"
#include "guest/session.h"
#include "guest/session_private.h"
#include "guest/wait.h"

#define HOST_KEY_GRACE_S 10
/*
 * Pauses between tries, growing. OpenSSH 9.8 and later shuts a client out that fails too often: a
 * refused key counts 5 s, a connection that does not log in 1 s, and at 15 s it begins. All that
 * comes through QEMU's network is one client.
 */
#define RETRY_MS      300
#define RETRY_MAX_MS  2000
#define DENIED_MS     2000
#define DENIED_MAX_MS 6000

/*
 * AES-GCM first: with the AES instructions of every x86 server it is twice as fast as
 * chacha20-poly1305, and it need not change keys during a long transfer.
 */
static const char ciphers[] =
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
	"chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr";

/* Why an attempt failed in a way that may pass; 0 and negative values as everywhere. */
enum retry {
	RETRY_LOST = 1,
	RETRY_DENIED,
	RETRY_HOST_KEY,
};

struct login {
	const struct guest_login *want;
	const struct watchset *ws;
	uint64_t deadline_ns;
	unsigned int retry_ms, denied_ms; /* the next pauses */
	ssh_key key;
	ssh_key host_key;
	struct guest *g;
};

static int import_keys(struct login *l, struct error *err)
{
	const char *line = l->want->host_key;
	AUTO_FREE char *type = NULL;
	AUTO_FREE char *b64 = NULL;

	if (ssh_pki_import_privkey_base64(l->want->private_pem, NULL, NULL, NULL, &l->key) !=
	    SSH_OK)
		return error_set(err, EINVAL, "SSH key: not a usable private key");
	if (line == NULL)
		return 0;
	if (sscanf(line, "%ms %ms", &type, &b64) != 2 ||
	    ssh_pki_import_pubkey_base64(b64, ssh_key_type_from_name(type), &l->host_key) != SSH_OK)
		return error_set(err, EINVAL, "SSH host key: not a public key line");
	return 0;
}

/* The algorithms that can present the pinned key; RSA keys have several. */
static const char *host_key_algorithms(ssh_key key)
{
	enum ssh_keytypes_e type = ssh_key_type(key);

	return type == SSH_KEYTYPE_RSA ? "rsa-sha2-512,rsa-sha2-256" : ssh_key_type_to_char(type);
}

static int set_options(struct login *l, ssh_session s, int *fd)
{
	static const char nowhere[] = "/nonexistent/bmvm";
	unsigned int port = l->want->port;
	bool no = false;
	long timeout_s = 10;
	int rc = 0;

	rc |= ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no);
	rc |= ssh_options_set(s, SSH_OPTIONS_SSH_DIR, nowhere);
	rc |= ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, nowhere);
	rc |= ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, nowhere);
	rc |= ssh_options_set(s, SSH_OPTIONS_HOST, "127.0.0.1");
	rc |= ssh_options_set(s, SSH_OPTIONS_PORT, &port);
	rc |= ssh_options_set(s, SSH_OPTIONS_USER, l->want->user);
	rc |= ssh_options_set(s, SSH_OPTIONS_COMPRESSION, "no");
	rc |= ssh_options_set(s, SSH_OPTIONS_CIPHERS_C_S, ciphers);
	rc |= ssh_options_set(s, SSH_OPTIONS_CIPHERS_S_C, ciphers);
	rc |= ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &timeout_s);
	if (l->host_key != NULL)
		rc |= ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, host_key_algorithms(l->host_key));
	rc |= ssh_options_set(s, SSH_OPTIONS_FD, fd);
	return rc == 0 ? 0 : -EINVAL;
}

/* Sleep until the half-made session can go on. Return: 0; RETRY_LOST; < 0 from a watch. */
static int wait_handshake(struct login *l, const char *doing, struct error *err)
{
	struct wait w = { .deadline_ns = l->deadline_ns };
	short events = POLLIN;

	if (clock_now_ns() >= l->deadline_ns) {
		(void)error_set(err, ETIMEDOUT, "%s took too long", doing);
		return RETRY_LOST;
	}
	if (guest_output_pending(l->g))
		events |= POLLOUT;
	(void)wait_add(&w, l->g->fd, events);
	return wait_poll(&w, l->ws, err);
}

static int exchange_keys(struct login *l, struct error *err)
{
	int rc;

	while ((rc = ssh_connect(l->g->session)) == SSH_AGAIN) {
		int r = wait_handshake(l, "the SSH key exchange", err);

		if (r != 0)
			return r;
	}
	if (rc == SSH_OK)
		return 0;
	(void)error_set(err, ECONNRESET, "SSH key exchange: %s", ssh_get_error(l->g->session));
	return RETRY_LOST;
}

static int check_host_key(struct login *l, struct error *err)
{
	ssh_key key = NULL;
	char *b64 = NULL;
	int n = -1;
	bool same;

	if (ssh_get_server_publickey(l->g->session, &key) != SSH_OK)
		return error_set(err, EPROTO, "the guest showed no SSH host key");
	same = l->host_key == NULL || ssh_key_cmp(key, l->host_key, SSH_KEY_CMP_PUBLIC) == 0;
	if (ssh_pki_export_pubkey_base64(key, &b64) == SSH_OK)
		n = asprintf(&l->g->host_key, "%s %s", ssh_key_type_to_char(ssh_key_type(key)),
			     b64);
	ssh_string_free_char(b64);
	ssh_key_free(key);
	if (n < 0) {
		l->g->host_key = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	if (same)
		return 0;
	(void)error_set(err, EKEYREJECTED,
			"the SSH server on port %u is not this guest: it has another host key",
			(unsigned int)l->want->port);
	return RETRY_HOST_KEY;
}

static int authenticate(struct login *l, struct error *err)
{
	int rc;

	while ((rc = ssh_userauth_publickey(l->g->session, NULL, l->key)) == SSH_AUTH_AGAIN) {
		int r = wait_handshake(l, "the SSH login", err);

		if (r != 0)
			return r;
	}
	if (rc == SSH_AUTH_SUCCESS)
		return 0;
	if (rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL) {
		(void)error_set(err, EACCES, "the guest refuses the SSH key for user \"%s\"",
				l->want->user);
		return RETRY_DENIED;
	}
	(void)error_set(err, ECONNRESET, "SSH login: %s", ssh_get_error(l->g->session));
	return RETRY_LOST;
}

/* From here on the session is only moved by guest_wait(). */
static int settle(struct login *l, struct error *err)
{
	struct guest *g = l->g;
	const char *cipher = ssh_get_cipher_out(g->session);

	g->event = ssh_event_new();
	g->cipher = strdup(cipher != NULL ? cipher : "unknown");
	if (g->event == NULL || g->cipher == NULL ||
	    ssh_event_add_session(g->event, g->session) != SSH_OK)
		return error_set(err, ENOMEM, "out of memory");
	/* libssh makes its socket blocking: a large send could then stall everything here. */
	if (fd_set_nonblock(g->fd) < 0)
		return error_errno(err, "SSH socket");
	ssh_set_counters(g->session, &g->sent, &g->received);
	g->last_rx_ns = clock_now_ns();
	g->patience_ns = l->want->unresponsive_s * NS_PER_S;
	return 0;
}

/* Takes @fd. Return: 0 with l->g set; enum retry; negative errno. */
static int login_once(struct login *l, int fd, struct error *err)
{
	AUTO_GUEST struct guest *g = calloc(1, sizeof(*g));
	int r;

	if (g != NULL)
		g->session = ssh_new();
	if (g == NULL || g->session == NULL) {
		close_fd(&fd);
		return error_set(err, ENOMEM, "out of memory");
	}
	g->fd = fd;
	l->g = g;
	ssh_set_blocking(g->session, 0);
	if (set_options(l, g->session, &fd) < 0) {
		close_fd(&fd);
		return error_set(err, EINVAL, "SSH options: %s", ssh_get_error(g->session));
	}
	r = exchange_keys(l, err);
	if (r == 0)
		r = check_host_key(l, err);
	if (r == 0)
		r = authenticate(l, err);
	if (r == 0)
		r = settle(l, err);
	l->g = r == 0 ? TAKE_PTR(g) : NULL;
	return r;
}

static int pause_until(uint64_t until_ns, const struct watchset *ws, struct error *err)
{
	while (clock_now_ns() < until_ns) {
		struct wait w = { .deadline_ns = until_ns };
		int r = wait_poll(&w, ws, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static unsigned int pause_ms(struct login *l, int why)
{
	unsigned int *ms = why == RETRY_DENIED ? &l->denied_ms : &l->retry_ms;
	unsigned int most = why == RETRY_DENIED ? DENIED_MAX_MS : RETRY_MAX_MS;
	unsigned int now = *ms;

	*ms = 2 * now < most ? 2 * now : most;
	return now;
}

/* @err holds why the last try failed, and keeps it when time is up. */
static int next_try(struct login *l, int why, int *ret_fd, struct error *err)
{
	struct error now = ERROR_INIT;
	uint64_t until_ns = deadline_min(deadline_in_ms(pause_ms(l, why)), l->deadline_ns);
	int r = pause_until(until_ns, l->ws, &now);

	if (r == 0)
		r = banner_wait(l->want->port, l->deadline_ns, l->ws, ret_fd, &now);
	if (r == -ETIMEDOUT)
		return err->code == ECONNRESET ? -ETIMEDOUT : -err->code;
	if (r < 0)
		*err = now;
	return r;
}

/* Takes @fd, the first connection that showed a banner. @err is not NULL. */
static int login_until(struct login *l, int fd, struct error *err)
{
	int r = 0;

	while (r == 0) {
		struct error before = *err;

		r = login_once(l, fd, err);
		if (r <= 0)
			return r;
		/* a try that time cut short says less than the refusal before it */
		if (err->code == ETIMEDOUT &&
		    (before.code == EACCES || before.code == EKEYREJECTED))
			*err = before;
		if (r == RETRY_HOST_KEY)
			l->deadline_ns =
				deadline_min(l->deadline_ns, deadline_in_s(HOST_KEY_GRACE_S));
		r = next_try(l, r, &fd, err);
	}
	return r;
}

int guest_connect(const struct guest_login *login, const struct watchset *ws,
		  struct guest_times *ret_times, struct guest **ret, struct error *err)
{
	struct login l = {
		.want = login,
		.ws = ws,
		.retry_ms = RETRY_MS,
		.denied_ms = DENIED_MS,
	};
	struct error unread = ERROR_INIT;
	uint64_t start_ns = clock_now_ns();
	uint64_t banner_ns;
	int fd = -1;
	int r;

	if (err == NULL)
		err = &unread;
	r = import_keys(&l, err);
	if (ret_times != NULL)
		*ret_times = (struct guest_times){ .banner_s = 0 };
	if (r == 0)
		r = banner_wait(login->port, login->boot_deadline_ns, ws, &fd, err);
	banner_ns = clock_now_ns();
	if (ret_times != NULL)
		ret_times->banner_s = (double)(banner_ns - start_ns) / (double)NS_PER_S;
	l.deadline_ns = deadline_in_s(login->ssh_s);
	if (r == 0)
		r = login_until(&l, fd, err);
	if (ret_times != NULL && fd >= 0)
		ret_times->auth_s = clock_seconds_since(banner_ns);
	ssh_key_free(l.key);
	ssh_key_free(l.host_key);
	if (r == 0)
		*ret = l.g;
	return r;
}
