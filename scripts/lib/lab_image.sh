# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The lab's disks: its host image, one for each suite and recipe, and what travels with a run.
# Sourced after common.sh and guests.sh. A finished host image is a folder of
#
#   host.qcow2 vmlinux initrd.img   the lab's root disk, its kernel (uncompressed: QEMU enters it
#                                   directly) and initramfs
#   qemu.tar                        QEMU of that suite, with its libraries
#   SHA256SUMS                      of these, written last and checked before every use
#   tools/                          a root of the same suite with compilers and kernel headers
#
# Builds take a lock, work beside the folder's final name, and get that name as their last step, so
# one that was cut off never counts. A lab that runs holds the lock shared.
# shellcheck disable=SC2154 # $top is common.sh's

lab_folder=$(work_folder)/lab
lab_recipe=$top/scripts/lab-host

# Essential packages apart. Names must hold in every suite; ?exact-name matches nothing where a
# package does not exist.
host_packages="udev kmod initramfs-tools zstd e2fsprogs util-linux procps iproute2 pciutils nvme-cli jq
	openssh-client qemu-system-x86 qemu-utils ?exact-name(virtiofsd) ovmf libjson-c5 libssh-4 bsdutils"

commas() {
	xargs printf '%s\n' | paste -sd ,
}

lab_key() {
	cat "$lab_recipe"/* "$top/scripts/lib/lab_image.sh" "$top/scripts/guest/setup-hook.sh" |
		sha256sum | cut -c1-12
}

# host_folder SUITE
host_folder() {
	echo "$lab_folder/$1-$(lab_key)"
}

# --- building ---------------------------------------------------------------------------------------

# make_tree SUITE FOLDER PACKAGES [MMDEBSTRAP-OPTION...]
make_tree() {
	local suite=$1 tree=$2 packages=$3
	shift 3
	INITRD=No BMVM_SUITE=$suite mmdebstrap --quiet --mode=root --variant=minbase \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--setup-hook="'$top/scripts/guest/setup-hook.sh' \"\$1\"" \
		--include="$packages" "$@" "$suite" "$tree" < /dev/null
}

in_tools() {
	"$top/tests/roots/run" --inside "$@"
}

# compile_samples TOOLS RELEASE: the kernel's sample mediated devices, from the distribution's source,
# into /linux/samples/vfio-mdev. Their own Makefile wants options that the distribution's kernel is
# built without.
compile_samples() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_tools "$1" sh -euc '
		mkdir -p /linux
		tar -C /linux -x --wildcards --strip-components=1 -f /usr/src/linux-source-*.tar.xz \
			"*/samples/vfio-mdev" "*/scripts/extract-vmlinux"
		cd /linux/samples/vfio-mdev
		echo "obj-m := mtty.o mdpy.o mbochs.o" > Makefile
		make -s -j "$(nproc)" -C "/lib/modules/$1/build" M="$PWD" modules' samples "$2"
}

# uncompressed TOOLS VMLINUZ: the ELF kernel on stdout.
uncompressed() {
	cp "$2" "$1/linux/vmlinuz"
	in_tools "$1" sh /linux/scripts/extract-vmlinux /linux/vmlinuz
}

# make_host_tree SUITE RELEASE FOLDER SAMPLES
make_host_tree() {
	local suite=$1 release=$2 tree=$3 samples=$4
	# shellcheck disable=SC2016,SC2086 # expanded by the hook; a list of names
	SAMPLES=$samples RECIPE=$lab_recipe RELEASE=$release \
		make_tree "$suite" "$tree" "linux-image-$release,$(commas <<< $host_packages)" \
		--customize-hook='
			updates=$1/lib/modules/$RELEASE/updates
			mkdir -p "$updates"
			cp "$SAMPLES"/*.ko "$updates"
			install -m 755 "$RECIPE/init" "$1/lab-init"
			install -m 644 "$RECIPE/initramfs.conf" "$1/etc/initramfs-tools/conf.d/lab"
			install -m 644 "$RECIPE/initramfs.modules" "$1/etc/initramfs-tools/modules"
			chroot "$1" depmod "$RELEASE"
			chroot "$1" update-initramfs -c -k "$RELEASE"
			mkdir -p "$1/lab" "$1/var/lib/bmvm/images"
			chmod 711 "$1/var/lib/bmvm"
			echo lab > "$1/etc/hostname"
			printf "127.0.0.1\tlocalhost lab\n" > "$1/etc/hosts"'
}

# make_disk TREE DISK SIZE
make_disk() {
	: > "$2.raw" # else mke2fs tells that it makes a file
	mke2fs -q -t ext4 -O ^has_journal -m 0 -E assume_storage_prezeroed=1 -d "$1" "$2.raw" "$3"
	qemu-img convert -f raw -O qcow2 "$2.raw" "$2"
	rm "$2.raw"
}

# pack_qemu TREE FILE: QEMU as it stands in the tree, with the libraries it asks for. It runs in place
# under its own dynamic loader, so it need not match this machine's libraries.
pack_qemu() {
	local tree=$1 libraries
	libraries=$(chroot "$tree" ldd /usr/bin/qemu-system-x86_64 | grep -oE '/[^ )]+')
	# shellcheck disable=SC2086 # a list of names without blanks
	(cd "$tree" && printf '.%s\n' $libraries /usr/bin/qemu-system-x86_64 && find ./usr/lib/x86_64-linux-gnu/qemu \
		./usr/share/qemu ./usr/share/seabios -name '*.rom' -o -name '*.bin' -o -name 'accel-tcg*.so') |
		tar -C "$tree" --dereference -c -f "$2" -T -
}

build_host_in() {
	local suite=$1 new=$2 release
	# shellcheck disable=SC2046 # a list of names
	make_tree "$suite" "$new/tools" \
		"$(commas <<< "$(packages_of build) make linux-headers-amd64 linux-source xz-utils zstd")"
	release=$(basename "$new"/tools/lib/modules/*-amd64)
	say "lab: $suite, Linux $release: compiling the sample devices"
	compile_samples "$new/tools" "$release"
	say "lab: $suite: the host"
	make_host_tree "$suite" "$release" "$new/tree" "$new/tools/linux/samples/vfio-mdev"
	cp "$new/tree/boot/initrd.img-$release" "$new/initrd.img"
	uncompressed "$new/tools" "$new/tree/boot/vmlinuz-$release" > "$new/vmlinux"
	pack_qemu "$new/tree" "$new/qemu.tar"
	rm -rf "$new"/tree/boot/*
	make_disk "$new/tree" "$new/host.qcow2" 12G
	rm -rf "$new/tree"
	(cd "$new" && sha256sum host.qcow2 vmlinux initrd.img qemu.tar > SHA256SUMS)
}

host_is_whole() {
	[ -f "$1/SHA256SUMS" ] && (cd "$1" && sha256sum --quiet --check SHA256SUMS) >&2
}

# remove_old_hosts SUITE: images of other recipes, unless a lab runs from them.
remove_old_hosts() {
	local folder fd
	for folder in "$lab_folder/$1"-*/; do
		folder=${folder%/}
		[ "$folder" != "$(host_folder "$1")" ] || continue
		exec {fd}> "${folder%.new}.lock"
		! flock --nonblock "$fd" || rm -rf "$folder"
		exec {fd}>&-
	done
}

# provide_host SUITE: make sure that the image is there and whole, and hold it until this process ends.
lab_provided=
provide_host() {
	local suite=$1 folder log status start=$SECONDS
	[ "$lab_provided" != "$suite" ] || return 0
	folder=$(host_folder "$suite")
	log=$folder.log
	mkdir -p "$lab_folder"
	exec {lab_lock}> "$folder.lock"
	flock "$lab_lock"
	if ! host_is_whole "$folder"; then
		[ "$(id -u)" = 0 ] || die "the lab's host image is not built yet, and building it needs root"
		say "building the lab's $suite host (once, some minutes); log: $log"
		rm -rf "$folder" "$folder.new"
		mkdir "$folder.new"
		set +e # a shell heeds -e only where nothing looks at the status
		(set -e; build_host_in "$suite" "$folder.new") > "$log" 2>&1
		status=$?
		set -e
		if [ $status != 0 ]; then
			tail -30 "$log" >&2
			rm -rf "$folder.new"
			die "the lab's $suite host could not be built; the whole log: $log"
		fi
		sync -f "$folder.new"
		mv -T "$folder.new" "$folder"
		remove_old_hosts "$suite"
		say "the lab's $suite host is built: $((SECONDS - start)) s"
	fi
	flock --shared "$lab_lock"
	lab_provided=$suite
}
