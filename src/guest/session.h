/* SPDX-License-Identifier: MIT */
/*
 * One SSH connection to a guest, kept open for everything a run does in it.
 *
 * QEMU's user network accepts a TCP connection long before the guest's sshd listens, so only the
 * server's banner counts as life: each attempt waits for it a bounded time, then connects anew.
 * No agent, no ssh_config, no known_hosts, no prompt: the key and the expected host key are given.
 *
 * Every wait here and in the other guest modules is non-blocking inside: it serves the caller's
 * watchset at once and ends at its deadline, whatever the guest does.
 */
#ifndef BMVM_GUEST_SESSION_H
#define BMVM_GUEST_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct error;
struct watchset;
struct guest;

/**
 * struct guest_login - Where and as whom; everything borrowed for the call
 * @port:             TCP port on 127.0.0.1
 * @user:             login name
 * @private_pem:      private key text, unencrypted
 * @host_key:         public line the guest must present; NULL: first contact, any is taken (see
 *                    guest_host_key())
 * @boot_deadline_ns: until the first banner
 * @ssh_s:            seconds from the first banner until logged in; refused logins are tried again
 *                    until then, as a booting guest may not have its keys in place yet
 * @unresponsive_s:   once logged in, every wait fails with -ETIMEDOUT "guest unresponsive" when the
 *                    guest answers nothing at all for so many seconds; 0: never. Silence is no
 *                    reason: the guest's sshd is asked. A stopped or stalled caller is none either
 */
struct guest_login {
	unsigned short port;
	const char *user;
	const char *private_pem;
	const char *host_key;
	uint64_t boot_deadline_ns;
	unsigned int ssh_s;
	unsigned int unresponsive_s;
};

/**
 * struct guest_times - Where the wait went, seconds
 * @banner_s: from the call until the first banner
 * @auth_s:   from the first banner until logged in
 */
struct guest_times {
	double banner_s;
	double auth_s;
};

/**
 * guest_connect() - Connect and log in, waiting while the guest boots
 * @ws:        served all the time; NULL: none
 * @ret_times: NULL if not wanted; filled as far as it got also on failure
 * @ret:       the connection; end with guest_close()
 *
 * Blocks until logged in or a deadline has passed.
 * Return: 0; -ETIMEDOUT no banner, or no login, in time (@err says which and how far it came);
 * -EKEYREJECTED another host key than @host_key (tried again for up to 10 s, as a guest may be
 * replacing it); -EACCES the key was refused until the end; -EINVAL bad @private_pem or @host_key;
 * what a watch returned.
 */
int guest_connect(const struct guest_login *login, const struct watchset *ws,
		  struct guest_times *ret_times, struct guest **ret, struct error *err);

/** guest_close() - Disconnect and free; never blocks; accepts NULL. */
void guest_close(struct guest *g);

static inline void guest_closep(struct guest **g)
{
	guest_close(*g);
	*g = NULL;
}

#define AUTO_GUEST CLEANUP(guest_closep)

/** guest_host_key() - The public line ("TYPE BASE64") the guest presented; borrowed from @g. */
const char *guest_host_key(const struct guest *g);

/** guest_cipher() - Name of the cipher in use, for the receipt; borrowed from @g. */
const char *guest_cipher(const struct guest *g);

/**
 * guest_ping() - One round trip to the guest's sshd
 * Return: 0 it answered; -ETIMEDOUT; -ECONNRESET the connection is gone; what a watch returned.
 */
int guest_ping(struct guest *g, uint64_t deadline_ns, const struct watchset *ws, struct error *err);

#endif
