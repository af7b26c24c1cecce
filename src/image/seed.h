/* SPDX-License-Identifier: MIT */
/*
 * The seed: a folder that gives a fresh guest its identity, attached as a read-only disk labelled
 * CIDATA (QEMU's vvfat, or an ISO file made here where QEMU lacks it).
 *
 * It holds two layouts of the same facts, since whoever boots picks what it understands:
 *   user-data meta-data network-config    NoCloud, for cloud-init
 *   bmvm-seed/                            one plain file per fact, for images built here; what
 *                                         reads them is in scripts/guest
 * The NoCloud files are JSON, which is YAML in which nothing is left to quoting rules.
 *
 * The seed carries the guest's private SSH host key, and QEMU may read it under another uid: its
 * files are readable for all, so the folder must lie in one that only its owner can enter.
 */
#ifndef BMVM_IMAGE_SEED_H
#define BMVM_IMAGE_SEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/**
 * struct seed - Identity of one guest; strings borrowed
 * @hostname:         as syntax_is_vm_name() has it
 * @instance_id:      cloud-init's idea of "a new machine"; letters, digits, '-', '_', '.'
 * @machine_id:       32 lower-case hex digits, not all zero
 * @ssh_user:         who logs in; made (with sudo) where the guest has no such user
 * @authorized_key:   public key, "TYPE BASE64 [COMMENT]"; the comment is not passed on. NULL: none
 * @host_key_private: the guest's ed25519 SSH host key, OpenSSH format
 * @host_key_public:  its public half, "ssh-ed25519 BASE64 [COMMENT]"
 * @macs:             NICs that shall use DHCP, "52:54:00:..."; the boot may wait for the first,
 * which is SSH's, and not for the others, where nobody may answer. None: every virtio NIC, which
 * only guests with netplan or systemd-networkd understand
 * @n_macs:           how many
 * @bmvm_only:        leave the NoCloud files out: an image that reads bmvm-seed/ needs none, and
 *                    starts cloud-init, which is slow, only when they are there
 */
struct seed {
	const char *hostname;
	const char *instance_id;
	const char *machine_id;
	const char *ssh_user;
	const char *authorized_key;
	const char *host_key_private;
	const char *host_key_public;
	const char *const *macs;
	size_t n_macs;
	bool bmvm_only;
};

/**
 * seed_write() - Write the seed into an empty folder
 * @dir_fd: the folder
 *
 * Every field is checked first; nothing is written unless all are sound. Files get mode 0444,
 * folders 0755. Return: 0; -EINVAL naming the field and the rule; errno of writing.
 */
int seed_write(int dir_fd, const struct seed *seed, struct error *err);

/**
 * seed_iso_program() - The host's program that can make the ISO
 *
 * Return: absolute path of genisoimage, mkisofs, xorrisofs or xorriso (in this order), owned by the
 * caller; NULL when there is none.
 */
char *seed_iso_program(void);

/**
 * seed_make_iso() - Pack a written seed into an ISO 9660 file labelled CIDATA
 * @dir:         path of the folder seed_write() filled
 * @iso:         new file, mode 0444
 * @deadline_ns: for the program, which is killed then
 *
 * Only for a QEMU without vvfat. Return: 0; -ENOENT when no program can do it (the hint names the
 * package); -ETIMEDOUT; -EIO with the program's words.
 */
int seed_make_iso(const char *dir, const char *iso, uint64_t deadline_ns, struct error *err);

#endif
