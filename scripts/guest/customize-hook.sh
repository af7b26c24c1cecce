#!/bin/sh
# SPDX-License-Identifier: MIT
# mmdebstrap customize hook of the bmvm guest image: turns a fresh Debian tree into a disk that boots
# by direct kernel start and by UEFI firmware alone. Runs on the host ($1: the tree), as root or as the root of
# a user namespace; needs no loop device and mounts nothing outside its own mount namespace. bmvm embeds
# this text and setup-hook.sh and runs, in the folder that is to receive the image, stdin /dev/null:
#
#   mmdebstrap --mode=root|unshare --variant=minbase --format=null --skip=cleanup,check/signed-by
#     --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"'
#     --dpkgopt=path-exclude=/usr/share/{man,doc,locale,info}/*      (one option each)
#     --dpkgopt=path-include=/usr/share/doc/*/copyright
#     --include=PACKAGES
#     --setup-hook='exec sh -euc "$BMVM_SETUP_HOOK" setup "$1"'
#     --customize-hook='exec sh -euc "$BMVM_CUSTOMIZE_HOOK" customize "$1"'
#     --customize-hook='download /bmvm-out/F F'     (F: disk.qcow2 vmlinux initrd.img cmdline)
#     SUITE /dev/null -
#
# Packages: systemd-sysv systemd-resolved udev dbus openssh-server openssh-sftp-server cloud-init sudo iproute2
#   ca-certificates procps kmod fdisk e2fsprogs initramfs-tools zstd xz-utils linux-image-amd64
#   systemd-boot-efi; for a guest with Docker docker.io, ?exact-name(docker-cli) and
#   ?exact-name(docker-buildx) (packages of their own from Debian 13 on).
# Environment: BMVM_SETUP_HOOK, BMVM_CUSTOMIZE_HOOK (the two texts), BMVM_SUITE, TMPDIR (a folder that a user
#   namespace may enter, with 4 GiB free), INITRD=No (the initramfs is made once, here, not by each
#   package), SOURCE_DATE_EPOCH; BMVM_ROOT_SIZE: size of the root file system, 8G (it grows at boot).
# Host packages: mmdebstrap dosfstools mtools e2fsprogs fdisk qemu-utils util-linux; uidmap without root.
# Outputs: disk.qcow2 (GPT: ESP with systemd-boot, then the ext4 root), and for a direct boot vmlinux (the
#   uncompressed kernel: QEMU enters it by PVH), initrd.img, cmdline (one line, what -append needs).
#
# The guest takes its identity from a disk labelled CIDATA (vfat or ISO 9660), folder bmvm-seed. Each
# file is optional, plain data, and of one line unless said; none of it is run:
#   hostname              machine-id (32 lower-case hex digits)
#   hosts                 all of /etc/hosts; absent: made from the host name
#   user                  who logs in, root when absent; made with passwordless sudo where missing
#   authorized_keys       of that user, any number of lines
#   ssh_host_ed25519_key  the guest's host key, OpenSSH format; with it ssh_host_ed25519_key.pub
# cloud-init runs only when the same disk holds meta-data (NoCloud) and the kernel line lacks
# cloud-init=disabled; it then keeps the host key and the root login. In the guest,
# /usr/local/lib/bmvm/boot-file kernel|initrd|cmdline writes what a direct boot of its present system
# needs to stdout; a new kernel or initramfs is copied to the ESP by itself.
set -eu

root=$1
suite=${BMVM_SUITE:?}
root_size=${BMVM_ROOT_SIZE:-8G}
esp_mib=128
# Fixed ids: the same recipe gives the same disk, and the kernel line is known beforehand.
disk_uuid=6d766d62-0000-4000-8000-000000000000
esp_partuuid=6d766d62-0001-4000-8000-000000000001
root_partuuid=6d766d62-0002-4000-8000-000000000002
root_uuid=6d766d62-0003-4000-8000-000000000003
esp_volume=6D766D62
kernel_line="root=PARTUUID=$root_partuuid rootfstype=ext4 rw"
kernel_line="$kernel_line rootflags=noatime,noinit_itable,errors=remount-ro fsck.mode=skip"
# No MAC system: Docker works without profiles. The kernel's first words show that it lives.
kernel_line="$kernel_line console=ttyS0 loglevel=6 systemd.show_status=auto panic=-1"
kernel_line="$kernel_line lsm=landlock,yama,bpf audit=0 cryptomgr.notests"

die() {
	echo "bmvm-image: $*" >&2
	exit 1
}

note() {
	echo "bmvm-image: $*" >&2
}

# put MODE PATH: standard input becomes the guest's file PATH.
put() {
	mkdir -p "$root${2%/*}"
	cat > "$root$2"
	chmod "$1" "$root$2"
}

guest() {
	chroot "$root" "$@"
}

mask() {
	for unit in "$@"; do
		ln -sfn /dev/null "$root/etc/systemd/system/$unit"
	done
}

# --- who the guest is: from the seed, before systemd starts -----------------------------------

write_seed() {
	put 755 /usr/local/lib/bmvm/seed << 'END'
#!/bin/sh
# SPDX-License-Identifier: MIT
# seed [ROOT]: gives the system under ROOT (this one when absent) the identity that the disk
# labelled CIDATA holds in its folder bmvm-seed. All of it is data, nothing of it is run. Runs in
# the initramfs (klibc: only sh, cat, mkdir, mount, umount, ln, chroot, blkid) or, where that did not
# find the disk, from bmvm-seed.service.
set -u
root=${1:-}
mnt=/run/bmvm/seed
dir=$mnt/bmvm-seed

find_disk() {
	blkid -c /dev/null -l -o device -t LABEL=CIDATA ||
		blkid -c /dev/null -l -o device -t LABEL=cidata
}

mount_seed() {
	disk=$(find_disk)
	# Once more for a CD or a slow controller; ahci is not loaded by itself, see modprobe.d.
	[ -n "$disk$root" ] || modprobe -aq ahci virtio_scsi sd_mod sr_mod
	for try in 1 2 3 4 5; do
		[ -z "$disk$root" ] || break
		[ "$try" = 1 ] || sleep 1
		udevadm settle -t 10
		disk=$(find_disk)
	done
	[ -n "$disk" ] || return 1
	mkdir -p "$mnt"
	mount -t vfat -o ro,nosuid,nodev,noexec "$disk" "$mnt" 2> /dev/null ||
		mount -t iso9660 -o ro,nosuid,nodev,noexec "$disk" "$mnt"
}

# first NAME: sets value to the first line of a file of the seed; fails when there is none.
first() {
	value=
	[ -f "$dir/$1" ] || return 1
	IFS= read -r value < "$dir/$1" || :
	[ -n "$value" ]
}

apply_machine_id() {
	first machine-id || return 0
	case $value in
	*[!0-9a-f]*) return 0 ;;
	esac
	[ ${#value} -eq 32 ] || return 0
	[ -n "$root" ] || umount /etc/machine-id 2> /dev/null
	echo "$value" > "$root/etc/machine-id"
}

apply_hostname() {
	first hostname || return 0
	case $value in
	*[!0-9A-Za-z.-]*) return 0 ;;
	esac
	echo "$value" > "$root/etc/hostname"
	[ -n "$root" ] || echo "$value" > /proc/sys/kernel/hostname
	if [ -f "$dir/hosts" ]; then
		cat "$dir/hosts" > "$root/etc/hosts"
		return
	fi
	printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' \
		"$value" > "$root/etc/hosts"
}

apply_host_key() {
	key=$root/etc/ssh/ssh_host_ed25519_key
	[ -f "$dir/ssh_host_ed25519_key" ] || return 0
	(umask 077 && cat "$dir/ssh_host_ed25519_key" > "$key")
	[ ! -f "$dir/ssh_host_ed25519_key.pub" ] || cat "$dir/ssh_host_ed25519_key.pub" > "$key.pub"
}

in_root() {
	if [ -n "$root" ]; then
		chroot "$root" "$@"
	else
		"$@"
	fi
}

apply_other_user() {
	in_root /bin/sh -c '
		user=$1
		id "$user" > /dev/null 2>&1 || useradd -m -s /bin/bash "$user" || exit
		umask 077
		printf "%s ALL=(ALL:ALL) NOPASSWD: ALL\n" "$user" > /etc/sudoers.d/90-bmvm
		chmod 440 /etc/sudoers.d/90-bmvm
		home=$(getent passwd "$user" | cut -d: -f6)
		mkdir -p "$home/.ssh"
		cat > "$home/.ssh/authorized_keys"
		chown -R "$user:" "$home/.ssh"' apply "$1" < "$dir/authorized_keys"
}

apply_user() {
	[ -f "$dir/authorized_keys" ] || return 0
	first user || value=root
	case $value in
	root) ;;
	[!a-z_]* | *[!0-9a-z_-]*) return 0 ;;
	*)
		apply_other_user "$value"
		return
		;;
	esac
	(umask 077 && mkdir -p "$root/root/.ssh" &&
		cat "$dir/authorized_keys" > "$root/root/.ssh/authorized_keys")
}

# cloud-init runs only when the seed holds something for it.
want_cloud_init() {
	[ -f "$mnt/meta-data" ] || return 0
	IFS= read -r line < /proc/cmdline
	case " $line " in
	*" cloud-init=disabled "*) return 0 ;;
	esac
	mkdir -p /run/systemd/system/multi-user.target.wants
	ln -s /lib/systemd/system/cloud-init.target \
		/run/systemd/system/multi-user.target.wants/cloud-init.target
	[ -n "$root" ] || systemctl start --no-block cloud-init.target
}

mount_seed || exit 0
if [ -d "$dir" ]; then
	apply_machine_id
	apply_hostname
	apply_host_key
	apply_user
fi
want_cloud_init
umount "$mnt"
: > /run/bmvm/seeded
END
	put 644 /etc/systemd/system/bmvm-seed.service << 'END'
[Unit]
Description=Identity of this virtual machine
DefaultDependencies=no
ConditionPathExists=!/run/bmvm/seeded
After=systemd-remount-fs.service systemd-udev-trigger.service
Before=systemd-networkd.service cloud-init-local.service ssh.service sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/bmvm/seed

[Install]
WantedBy=sysinit.target
END
	put 644 /etc/systemd/system/bmvm-host-key.service << 'END'
[Unit]
Description=SSH host key where no seed brought one
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
After=bmvm-seed.service cloud-init.service cloud-init-network.service
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
END
	guest systemctl -q enable bmvm-seed.service bmvm-host-key.service
}

# --- the root file system follows the size of the disk ------------------------------------------

write_grow() {
	put 755 /usr/local/lib/bmvm/grow << 'END'
#!/bin/sh
# SPDX-License-Identifier: MIT
# Grows the root partition, the last of its disk, and the file system in it.
set -eu
part=$(findmnt -n -o SOURCE /)
part=/sys/class/block/${part##*/}
[ -e "$part/partition" ] || exit 0
disk=$(readlink -f "$part/..")
read -r total < "$disk/size"
read -r start < "$part/start"
read -r size < "$part/size"
read -r number < "$part/partition"
# The second copy of the GPT takes 33 sectors; partitions end on a MiB.
end=$(((total - 33) / 2048 * 2048))
[ $((end - start - size)) -ge 2048 ] || exit 0
echo ", $((end - start))" |
	sfdisk -q -f --no-reread --no-tell-kernel -N "$number" "/dev/${disk##*/}"
partx -u -n "$number" "/dev/${disk##*/}"
/lib/systemd/systemd-growfs /
END
	put 644 /etc/systemd/system/bmvm-grow.service << 'END'
[Unit]
Description=Root file system as large as its disk
DefaultDependencies=no
After=systemd-remount-fs.service
Before=ssh.service docker.service multi-user.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/bmvm/grow

[Install]
WantedBy=sysinit.target
END
	guest systemctl -q enable bmvm-grow.service
}

# --- kernel and initramfs ------------------------------------------------------------------------

write_boot_file() {
	put 755 /usr/local/lib/bmvm/boot-file << 'END'
#!/bin/sh
# SPDX-License-Identifier: MIT
# boot-file kernel|initrd|cmdline: writes what a direct boot of this system needs to stdout. The
# kernel comes uncompressed (QEMU starts it through its PVH entry): unpacking it costs seconds
# under emulation.
set -eu
image=$(find /boot -maxdepth 1 -name 'vmlinuz-*' | sort -V | tail -n 1)
[ -n "$image" ]

# number OFFSET: the little-endian 32-bit number at OFFSET of the kernel image.
number() {
	od -A n -t u4 -j "$1" -N 4 "$image" | tr -d ' '
}

payload() {
	sectors=$(od -A n -t u1 -j 497 -N 1 "$image" | tr -d ' ')
	tail -c +$(((sectors + 1) * 512 + $(number 584) + 1)) "$image" | head -c "$(number 588)"
}

kernel() {
	case $(payload | head -c 4 | od -A n -t x1 | tr -d ' ') in
	fd377a58) payload | xz -dc --single-stream ;;
	28b52ffd) payload | head -c -4 | zstd -qdc ;; # the kernel build appends the size
	1f8b*) payload | gzip -qdc ;;
	*) cat "$image" ;;
	esac
}

case $1 in
kernel) kernel ;;
initrd) cat "/boot/initrd.img-${image##*/vmlinuz-}" ;;
cmdline) cat /usr/local/lib/bmvm/cmdline ;;
*) exit 2 ;;
esac
END
	echo "$kernel_line" | put 644 /usr/local/lib/bmvm/cmdline
	put 755 /usr/local/lib/bmvm/update-esp << 'END'
#!/bin/sh
# SPDX-License-Identifier: MIT
# Copies the newest kernel and its initramfs to the EFI system partition (kernel and initramfs hook).
set -eu
esp=/dev/disk/by-partuuid/6d766d62-0001-4000-8000-000000000001
image=$(find /boot -maxdepth 1 -name 'vmlinuz-*' | sort -V | tail -n 1)
initrd=/boot/initrd.img-${image##*/vmlinuz-}
[ -b "$esp" ] && [ -f "$initrd" ] || exit 0
mnt=/run/bmvm/esp
mkdir -p "$mnt"
mount -t vfat "$esp" "$mnt"
trap 'umount "$mnt"' EXIT
cp "$image" "$mnt/bmvm/vmlinuz.new"
cp "$initrd" "$mnt/bmvm/initrd.new"
mv "$mnt/bmvm/vmlinuz.new" "$mnt/bmvm/vmlinuz"
mv "$mnt/bmvm/initrd.new" "$mnt/bmvm/initrd.img"
END
	for dir in kernel/postinst.d kernel/postrm.d initramfs/post-update.d; do
		mkdir -p "$root/etc/$dir"
		ln -sf /usr/local/lib/bmvm/update-esp "$root/etc/$dir/zz-bmvm-esp"
	done
}

write_initramfs() {
	put 644 /etc/initramfs-tools/conf.d/bmvm << 'END'
MODULES=list
COMPRESS=zstd
COMPRESSLEVEL=6
FSTYPE=ext4
RESUME=none
KEYMAP=n
END
	# Loading is done by scripts/init-top/bmvm, so that one process loads all of them.
	: > "$root/etc/initramfs-tools/modules"
	put 755 /etc/initramfs-tools/hooks/bmvm << 'END'
#!/bin/sh
# SPDX-License-Identifier: MIT
# The root disk of a virtual machine is simply there: no udev, no fsck, a few drivers.
case ${1:-} in
prereqs)
	echo udev fsck kmod thermal
	exit 0
	;;
esac
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4 crc32c_generic crc32c_intel vfat nls_ascii nls_cp437 isofs \
	virtio_net pvpanic_pci pvpanic_mmio virtio_scsi sd_mod sr_mod ahci nvme
copy_exec /sbin/blkid /sbin
mkdir -p "$DESTDIR/usr/local/lib/bmvm"
cp -p /usr/local/lib/bmvm/seed "$DESTDIR/usr/local/lib/bmvm/seed"
rm -rf "$DESTDIR/scripts/init-top/udev" "$DESTDIR/scripts/init-bottom/udev" \
	"$DESTDIR/scripts/init-top/all_generic_ide" "$DESTDIR/scripts/init-top/blacklist" \
	"$DESTDIR/scripts/init-top/keymap" "$DESTDIR/scripts/local-premount/resume"
for dir in "$DESTDIR" "$DESTDIR/usr"; do
	rm -rf "$dir/lib/systemd" "$dir/lib/udev" "$dir/bin/udevadm" "$dir/sbin/fsck" "$dir/sbin/fsck.ext4" \
		"$dir/sbin/e2fsck" "$dir/sbin/logsave" "$dir/sbin/dmsetup"
done
END
	put 755 /etc/initramfs-tools/scripts/init-top/bmvm << 'END'
#!/bin/sh
[ "${1:-}" != prereqs ] || exit 0
exec modprobe -aqb virtio_pci virtio_blk ext4 virtio_net pvpanic_pci pvpanic_mmio
END
	put 755 /etc/initramfs-tools/scripts/local-block/bmvm << 'END'
#!/bin/sh
# The root disk is not on virtio-blk: look further.
[ "${1:-}" != prereqs ] || exit 0
exec modprobe -aqb virtio_scsi ahci nvme sd_mod
END
	put 755 /etc/initramfs-tools/scripts/local-bottom/bmvm << 'END'
#!/bin/sh
# The seed disk, when it is one of those already here.
[ "${1:-}" != prereqs ] || exit 0
exec /usr/local/lib/bmvm/seed "${rootmnt:?}"
END
	guest update-initramfs -c -k all
}

# --- network, sshd, console ----------------------------------------------------------------------

write_network() {
	put 644 /etc/systemd/network/80-bmvm.network << 'END'
[Match]
Name=en* eth*

[Link]
RequiredForOnline=no

[Network]
DHCP=ipv4
IPv6AcceptRA=yes

[DHCPv4]
ClientIdentifier=mac
UseHostname=no
END
	put 644 /etc/systemd/system/systemd-networkd-wait-online.service.d/bmvm.conf << 'END'
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=30
END
	# The resolver starts after sshd; a command that comes sooner asks QEMU's own.
	rm -f "$root/etc/resolv.conf"
	printf 'nameserver 127.0.0.53\nnameserver 10.0.2.3\n' | put 644 /etc/resolv.conf
	mkdir -p "$root/etc/tmpfiles.d"
	ln -sfn /dev/null "$root/etc/tmpfiles.d/systemd-resolve.conf"
	guest systemctl -q enable systemd-networkd.service
}

write_sshd() {
	put 644 /etc/ssh/sshd_config.d/10-bmvm.conf << 'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
MaxStartups 100
MaxSessions 200
END
	rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/update-motd.d/* "$root/etc/motd"
	sed -i -e '/pam_motd/d' -e '/pam_mail/d' "$root/etc/pam.d/sshd"
	# The distribution's unit waits for the network; listening need not. The workload runs in this
	# service: one of its processes killed for memory is not the end of the service.
	put 644 /etc/systemd/system/ssh.service << 'END'
[Unit]
Description=OpenBSD Secure Shell server
After=bmvm-seed.service bmvm-grow.service cloud-init.service cloud-init-network.service

[Service]
Type=notify
EnvironmentFile=-/etc/default/ssh
ExecStart=/usr/sbin/sshd -D $SSHD_OPTS
ExecReload=/usr/sbin/sshd -t
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
OOMPolicy=continue
Restart=on-failure
RestartPreventExitStatus=255
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755
TasksMax=infinity
LimitMEMLOCK=infinity
LimitNOFILE=1048576
LimitNPROC=infinity

[Install]
WantedBy=multi-user.target
Alias=sshd.service
END
	guest systemctl -q enable ssh.service
}

write_console() {
	put 644 /etc/systemd/system/serial-getty@ttyS0.service.d/bmvm.conf << 'END'
[Unit]
After=ssh.service

[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --wait-cr --noissue --keep-baud 115200,38400,9600 - $TERM
END
	guest systemctl -q enable serial-getty@ttyS0.service
}

write_cloud_init() {
	put 644 /etc/cloud/cloud.cfg.d/90-bmvm.cfg << 'END'
# The host key and the host name come from the seed's own folder when it has them.
datasource_list: [ NoCloud ]
ssh_deletekeys: false
ssh_genkeytypes: [ ed25519 ]
disable_root: false
locale: C.UTF-8
END
}

# --- a quick start ---------------------------------------------------------------------------------

trim_units() {
	mask systemd-binfmt.service systemd-firstboot.service systemd-journal-flush.service \
		systemd-network-generator.service systemd-pcrphase.service systemd-pcrphase-sysinit.service \
		systemd-pstore.service systemd-random-seed.service systemd-repart.service \
		systemd-update-utmp.service systemd-update-utmp-runlevel.service \
		systemd-user-sessions.service systemd-machine-id-commit.service \
		modprobe@drm.service modprobe@efi_pstore.service modprobe@dm_mod.service \
		modprobe@loop.service getty@tty1.service e2scrub_reap.service apt-daily.timer \
		apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
		systemd-tmpfiles-clean.timer tmp.mount
	mkdir -p "$root/etc/tmpfiles.d" "$root/etc/systemd/system-generators"
	# Without systemd-user-sessions nothing would take /run/nologin away.
	ln -sfn /dev/null "$root/etc/tmpfiles.d/systemd-nologin.conf"
	for path in "$root"/lib/systemd/system-generators/*; do
		case ${path##*/} in
		systemd-fstab-generator | systemd-run-generator | systemd-sysv-generator) ;;
		*) ln -sfn /dev/null "$root/etc/systemd/system-generators/${path##*/}" ;;
		esac
	done
	# Not needed to log in: after sshd.
	for unit in dbus.service systemd-logind.service systemd-resolved.service; do
		printf '[Unit]\nAfter=ssh.service\n' | put 644 "/etc/systemd/system/$unit.d/bmvm.conf"
	done
	late="sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount"
	late="$late sys-fs-fuse-connections.mount"
	mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
	for unit in $late; do
		ln -sfn /dev/null "$root/etc/systemd/system/sysinit.target.wants/$unit"
	done
	rm -f "$root/etc/systemd/system/sysinit.target.wants/systemd-resolved.service"
	put 644 /etc/systemd/system/bmvm-late.service << END
[Unit]
Description=What need not be there before sshd
After=ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/systemctl start --no-block $late systemd-resolved.service
ExecStart=/bin/udevadm trigger --action=add --subsystem-match=tty --subsystem-match=cpu \
  --sysname-match=ttyS* --sysname-match=cpu0
ExecStart=-/sbin/modprobe -q ahci

[Install]
WantedBy=multi-user.target
END
	guest systemctl -q enable bmvm-late.service
	guest systemctl -q set-default multi-user.target
}

# Coldplug is the most expensive part of a boot: leave out devices for which udev does nothing that
# matters (one event per terminal, CPU and 128 MiB of memory), and drivers of the chipset that only
# cost time. ahci and what the CPU can do come after sshd.
trim_udev() {
	put 644 /etc/systemd/system/systemd-udev-trigger.service.d/bmvm.conf << 'END'
[Service]
ExecStart=
ExecStart=-udevadm trigger --action=add --prioritized-subsystem=net,block \
  --subsystem-nomatch=tty --subsystem-nomatch=vc --subsystem-nomatch=vtconsole \
  --subsystem-nomatch=mem --subsystem-nomatch=memory --subsystem-nomatch=cpu \
  --subsystem-nomatch=workqueue --subsystem-nomatch=bdi --subsystem-nomatch=acpi \
  --subsystem-nomatch=pnp --subsystem-nomatch=clockevents --subsystem-nomatch=clocksource \
  --subsystem-nomatch=event_source --subsystem-nomatch=machinecheck --subsystem-nomatch=node
END
	put 644 /etc/modprobe.d/bmvm.conf << 'END'
# Loaded by bmvm-late.service
blacklist ahci
# networkd would load the wireless stack just to ask it
blacklist cfg80211
blacklist iTCO_wdt
blacklist i2c_i801
blacklist lpc_ich
blacklist pcspkr
blacklist psmouse
END
}

trim_services() {
	put 644 /etc/systemd/journald.conf.d/bmvm.conf << 'END'
[Journal]
Storage=volatile
RuntimeMaxUse=32M
Audit=no
END
	put 644 /etc/sysctl.d/90-bmvm.conf << 'END'
kernel.printk = 4 4 1 7
END
	rm -f "$root/etc/modules-load.d/modules.conf"
	echo "PARTUUID=$root_partuuid / ext4 noatime,noinit_itable,errors=remount-ro 0 0" | put 644 /etc/fstab
	printf '[Unit]\nConditionKernelCommandLine=!rw\n' |
		put 644 /etc/systemd/system/systemd-remount-fs.service.d/bmvm.conf
	if [ -e "$root/lib/systemd/system/docker.socket" ]; then
		guest systemctl -q disable docker.service containerd.service
		guest systemctl -q enable docker.socket
	fi
}

clean() {
	echo bmvm | put 644 /etc/hostname
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' | put 644 /etc/hosts
	echo LANG=C.UTF-8 | put 644 /etc/default/locale
	: > "$root/etc/machine-id"
	rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
		"$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root"/var/cache/ldconfig/aux-cache \
		"$root"/var/lib/dbus/machine-id "$root"/var/lib/systemd/random-seed "$root"/tmp/* "$root"/var/tmp/* \
		"$root/etc/apt/apt.conf.d/00mmdebstrap" "$root/etc/apt/apt.conf.d/01bmvm-build" \
		"$root/usr/sbin/policy-rc.d"
	# Small while building; in the guest apt does what people are used to.
	sed -i /Install-Recommends/d "$root/etc/apt/apt.conf.d/99mmdebstrap"
	find "$root/var/log" -type f -delete
	if [ -e "$root/sbin/start-stop-daemon.REAL" ]; then
		mv "$root/sbin/start-stop-daemon.REAL" "$root/sbin/start-stop-daemon"
	fi
	touch "$root/etc/.updated" "$root/var/.updated"
}

# --- the disk --------------------------------------------------------------------------------------

make_esp() {
	esp=$work/esp.img
	truncate -s "${esp_mib}M" "$esp"
	mkfs.vfat -F 32 -n BMVM-ESP -i "$esp_volume" "$esp" > /dev/null
	mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries ::/bmvm
	mcopy -i "$esp" "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
	printf 'timeout 0\ndefault bmvm.conf\neditor no\n' > "$work/loader.conf"
	printf 'title bmvm\nlinux /bmvm/vmlinuz\ninitrd /bmvm/initrd.img\noptions %s\n' "$kernel_line" \
		> "$work/bmvm.conf"
	mcopy -i "$esp" "$work/loader.conf" ::/loader/loader.conf
	mcopy -i "$esp" "$work/bmvm.conf" ::/loader/entries/bmvm.conf
	mcopy -i "$esp" "$1" ::/bmvm/vmlinuz
	mcopy -i "$esp" "$out/initrd.img" ::/bmvm/initrd.img
}

# /proc, /sys and /dev are mounted in the tree while this hook runs: a private, non-recursive bind
# mount shows the tree without them.
make_root() {
	mkdir "$work/view"
	# shellcheck disable=SC2016
	unshare --mount --propagation private sh -euc '
		tree=$1 view=$2
		shift 2
		if mountpoint -q "$tree/proc"; then
			mount --bind "$tree" "$view"
			tree=$view
		fi
		exec mke2fs -q -t ext4 -d "$tree" "$@"' make_root "$root" "$work/view" \
		-U "$root_uuid" -L bmvm-root -i 32768 -m 0 -J size=32 -O '^orphan_file,^metadata_csum_seed' \
		-E "assume_storage_prezeroed=1,root_owner=0:0,hash_seed=$root_uuid" "$work/root.img" "$root_size"
	rmdir "$work/view"
}

make_disk() {
	disk=$work/disk.raw
	truncate -s $(($(stat -c %s "$work/root.img") + (esp_mib + 2) * 1048576)) "$disk"
	sfdisk -q "$disk" << END
label: gpt
label-id: $disk_uuid
start=1MiB, size=${esp_mib}MiB, type=U, uuid=$esp_partuuid, name=bmvm-esp
start=$((esp_mib + 1))MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=$root_partuuid, name=bmvm-root
END
	dd if="$work/esp.img" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
	dd if="$work/root.img" of="$disk" bs=1M seek=$((esp_mib + 1)) conv=notrunc,sparse status=none
	rm "$work/esp.img" "$work/root.img"
	qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd "$disk" "$work/disk.qcow2"
	rm "$disk"
}

work=$(mktemp -d "${root%/*}/bmvm-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

note "setting up the $suite guest"
write_seed
write_grow
write_boot_file
write_network
write_sshd
write_console
write_cloud_init
trim_units
trim_udev
trim_services
write_initramfs
out=$work/out
mkdir "$out"
guest /usr/local/lib/bmvm/boot-file kernel > "$out/vmlinux"
guest /usr/local/lib/bmvm/boot-file initrd > "$out/initrd.img"
guest /usr/local/lib/bmvm/boot-file cmdline > "$out/cmdline"
clean
note "making the disk"
make_esp "$(find "$root/boot" -name 'vmlinuz-*' | sort -V | tail -n 1)"
make_root
make_disk
mv "$work/disk.qcow2" "$out/disk.qcow2"
mv "$out" "$root/bmvm-out"
