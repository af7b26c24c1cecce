# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The lab's machine: the programs and disks that a run takes along, QEMU's arguments, one boot. Sourced
# by scripts/lab after lab_image.sh; reads its variables for the command line and sets some for it.
# shellcheck disable=SC2154,SC2034

# --- programs ---------------------------------------------------------------------------------------

# machine_program: sets BMVM, this machine's own, which makes the base image.
machine_program() {
	if [ -z "${BMVM:-}" ]; then
		install_packages build
		build release -DCMAKE_BUILD_TYPE=Release -DBMVM_TESTS=OFF
		BMVM=$(build_folder release)/bmvm
	fi
	export BMVM
}

# suite_program SUITE: sets $program, built where it is to run.
suite_program() {
	local suite=$1 tools id log
	# shellcheck source=/dev/null
	if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = "$suite" ]; then
		program=$BMVM
		return
	fi
	provide_host "$suite"
	tools=$(host_folder "$suite")/tools
	id=$(basename "$(build_folder "$suite")")
	log=$(build_folder "$suite").log
	mkdir -p "$tools/src"
	exec {build_lock}> "$tools/src/$id.lock"
	flock "$build_lock"
	rm -rf "$tools/src/$id"
	mkdir "$tools/src/$id"
	copy_tree "$tools/src/$id"
	# shellcheck disable=SC2016 # expanded by the inner shell
	if ! "$top/tests/roots/run" --inside "$tools" sh -euc '
		cmake -S "$1" -B "$1-build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBMVM_TESTS=OFF
		ninja -C "$1-build"' build "/src/$id" > "$log" 2>&1 < /dev/null; then
		tail -30 "$log" >&2
		die "bmvm does not build on $suite; the whole log: $log"
	fi
	exec {build_lock}>&-
	program=$tools/src/$id-build/bmvm
}

copy_tree() {
	tar -C "$top" --exclude=./.git --exclude='./build*' -c . | tar -C "$1" -x
}

# --- disks ------------------------------------------------------------------------------------------

# data_disk FOLDER DISK: a file system that holds the folder, for reading.
data_disk() {
	local mib
	mib=$(du -sm "$1" | cut -f 1)
	: > "$2" # else mke2fs tells that it makes a file
	mke2fs -q -t ext4 -O ^has_journal -b 4096 -m 0 -E root_owner=0:0 -d "$1" "$2" "$((mib + mib / 8 + 16))M"
}

# provide_images_disk: sets $images_disk, bmvm's store with the image "default"; made once per image.
provide_images_disk() {
	local results status=0
	results=$(mktemp)
	BMVM_TEST_RESULTS=${BMVM_TEST_RESULTS:-$results}
	install_packages e2e
	make_mount_points
	provide_image || status=$?
	unmake_mount_points
	[ $status = 0 ] || die "no base image for the lab: see $guest_cache.log"
	rm -f "$results"
	images_disk=$lab_folder/images-$(sha256sum < "$guest_cache/images/default/manifest.json" | cut -c1-12).ext4
	mkdir -p "$lab_folder"
	if [ ! -e "$images_disk" ]; then
		rm -rf "$lab_folder"/images-*.ext4 "$lab_folder"/images-*.digests
		data_disk "$guest_cache/images" "$images_disk.$$"
		mv "$images_disk.$$" "$images_disk"
	fi
}

# keep_digests: bmvm hashes each file of an image once, and knows a file by its identity, which is the same
# in every lab with this disk; under emulation that hashing costs as much as a small boot.
keep_digests() {
	local folder=${images_disk:-none}.digests
	if [ -n "${images_disk:-}" ] && [ ! -d "$folder" ] && [ -d "$run/share/digests" ]; then
		cp -a "$run/share/digests" "$folder.$$"
		mv -T "$folder.$$" "$folder" 2> /dev/null || rm -rf "$folder.$$"
	fi
}

# make_job_disk [interactive]: CMD and what it needs, as $run/job.ext4.
make_job_disk() {
	local interactive=$1 folder=$run/job word file rows columns
	mkdir -p "$folder/bin" "$folder/tree" "$folder/in"
	cp "$top/scripts/lab-host/session" "$folder/session"
	cp "$program" "$folder/bin/bmvm"
	copy_tree "$folder/tree"
	for file in "${copies[@]}"; do
		cp -a "$file" "$folder/in/"
	done
	[ ! -d "${images_disk:-none}.digests" ] || cp -a "$images_disk.digests" "$folder/digests"
	[ -z "$interactive" ] || touch "$folder/interactive"
	echo "$timeout" > "$folder/timeout"
	{
		printf '#!/bin/bash\ncd /lab/job/tree || exit\n'
		for word in "${env_words[@]}"; do
			printf 'export %q\n' "$word"
		done
		if [ -n "$interactive" ]; then
			read -r rows columns < <(stty size)
			printf 'export TERM=%q\nstty rows %d columns %d\n' "${TERM:-linux}" "$rows" "$columns"
		fi
		printf 'exec'
		printf ' %q' "${job[@]}"
		printf '\n'
	} > "$folder/command"
	chmod 755 "$folder/command"
	data_disk "$folder" "$run/job.ext4"
	rm -rf "$folder"
}

# --- QEMU -------------------------------------------------------------------------------------------

# outer_qemu: sets the array $qemu: this machine's QEMU, or that of the suite where only that one emulates
# the suite's SR-IOV NIC. The latter runs under its own loader, with its own firmware and modules.
outer_qemu() {
	local folder root
	folder=$(host_folder "$suite")
	qemu=(qemu-system-x86_64)
	[ "$suite" != bookworm ] && ! has_device igb || return 0
	root=$run/qemu
	mkdir "$root"
	tar -C "$root" -x -f "$folder/qemu.tar"
	export QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu
	qemu=("$root/lib64/ld-linux-x86-64.so.2" --library-path
		"$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu"
		"$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios")
}

has_device() {
	[[ "$("${qemu[@]}" -machine none -device "$1,help" 2> /dev/null)" == "$1 options:"* ]]
}

# drive ID FILE FORMAT OPTIONS: a virtio disk that the lab finds by its serial number.
drive() {
	arguments+=(-drive "id=$1,file=$2,format=$3,if=none,$4" -device "virtio-blk-pci,drive=$1,serial=$1")
}

port() {
	arguments+=(-device "pcie-root-port,id=rp$1,bus=pcie.0,chassis=$1,slot=$1")
}

add_machine() {
	arguments+=(-name bmvm-lab -M "q35,kernel-irqchip=split" -accel "tcg,thread=multi"
		-cpu "EPYC,+svm,+npt" -smp 2 -m "$memory" -nodefaults -no-user-config -display none -no-reboot
		-device "intel-iommu,intremap=on,caching-mode=on")
}

add_disks() {
	local folder
	folder=$(host_folder "$suite")
	drive host "$folder/host.qcow2" qcow2 snapshot=on
	drive job "$run/job.ext4" raw readonly=on
	[ -z "${images_disk:-}" ] || drive images "$images_disk" raw readonly=on
	arguments+=(-virtfs "local,path=$run/share,mount_tag=share,security_model=none")
}

# What bmvm is for. Each behind a root port of its own, as on a real board, but for one without driver.
add_devices() {
	local vfs="sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4"
	truncate -s 64M "$run/namespace"
	port 1 # an SR-IOV controller whose VFs do I/O on a namespace
	arguments+=(-device "nvme-subsys,id=ss0"
		-device "nvme,id=nv0,bus=rp1,serial=lab,subsys=ss0,max_ioqpairs=16,msix_qsize=24,$vfs"
		-drive "id=namespace,file=$run/namespace,format=raw,if=none"
		-device "nvme-ns,drive=namespace,nsid=1,bus=nv0")
	port 2 # the display device of a GPU vendor
	arguments+=(-device "pcie-pci-bridge,id=br2,bus=rp2" -device "ati-vga,bus=br2,addr=1")
	if has_device igb; then
		port 3
		arguments+=(-netdev "user,id=net,restrict=on" -device "igb,bus=rp3,netdev=net")
	fi
	if [ "$bar" != 0 ]; then
		port 4
		arguments+=(-object "memory-backend-memfd,id=bar,size=$bar,share=on"
			-device "ivshmem-plain,memdev=bar,bus=rp4")
	fi
	arguments+=(-device edu)
}

# The console is a file. A shell has a console of its own, on this terminal.
add_consoles() {
	arguments+=(-serial "file:$run/console.log")
	if [ -n "$1" ]; then
		arguments+=(-chardev "stdio,id=terminal,signal=off" -device virtio-serial-pci
			-device "virtconsole,chardev=terminal")
	fi
}

# A kernel that locks up panics, and a panic ends QEMU: a hung lab is seen before its time is over.
add_kernel() {
	local folder line
	folder=$(host_folder "$suite")
	line="console=ttyS0 root=/dev/vda rw init=/lab-init intel_iommu=on iommu=pt loglevel=5 fsck.mode=skip"
	line="$line softlockup_panic=1 panic=1 oops=panic sysctl.kernel.watchdog_thresh=15"
	[ "$hugepages" = 0 ] || line="$line hugepages=$hugepages"
	arguments+=(-kernel "$folder/vmlinux" -initrd "$folder/initrd.img" -append "$line $append")
}

# machine_arguments [interactive]: sets the arrays $qemu and $arguments.
machine_arguments() {
	arguments=()
	outer_qemu
	add_machine
	add_disks
	add_devices
	add_consoles "$1"
	add_kernel
	printf '%s\n' "${qemu[@]}" "${arguments[@]}" > "$run/qemu.args"
}

# --- one boot ---------------------------------------------------------------------------------------

boot_seconds=240 # until CMD starts; 10 on an idle machine
heart_seconds=90 # without a beat from the lab, whose processors may both be stuck in a nested guest
machine_pid=

# run_machine: boot, and show what CMD writes while it runs. Fails when the lab ended without CMD's
# status; $machine_end then says how, and $machine_broken if it was QEMU that failed. QEMU ends with
# this script, however that ends.
run_machine() {
	local start=$SECONDS status=0
	rm -rf "$run/share" "$run/heartless"
	mkdir -p "$run/share/out"
	touch "$run/share/stdout" "$run/share/stderr" "$run/console.log"
	TMPDIR=$run setpriv --pdeathsig KILL timeout --foreground -k 5 $((timeout + boot_seconds)) \
		setpriv --pdeathsig KILL "${qemu[@]}" "${arguments[@]}" <&0 2> "$run/qemu.log" &
	machine_pid=$!
	show stdout &
	show stderr >&2 &
	watch_heart &
	{ wait "$machine_pid" || status=$?; } 2> /dev/null # where the shell would tell of a kill
	machine_pid=
	wait
	machine_seconds=$((SECONDS - start))
	[ ! -e "$run/share/status" ] || return 0
	explain_end "$status"
	return 1
}

explain_end() {
	machine_broken=
	if [ -e "$run/heartless" ]; then
		machine_end="no sign of life for $(cat "$run/heartless") s"
		return
	fi
	case $1 in
	0) machine_end="it went down by itself" ;;
	124 | 137) machine_end="no end after $machine_seconds s" ;;
	*) machine_end="QEMU ended with $1: $(tail -1 "$run/qemu.log")" machine_broken=1 ;;
	esac
}

# show FILE: as it grows, until the machine is off.
show() {
	tail --pid "$machine_pid" -s 0.2 -c +1 -f "$run/share/$1" 2> /dev/null
}

# watch_heart: ends a machine that has shown no sign of life for too long.
watch_heart() {
	local last patience
	while kill -0 "$machine_pid" 2> /dev/null; do
		sleep 1
		patience=$heart_seconds
		last=$(stat -c %Y "$run/share/alive" 2> /dev/null) || {
			patience=$boot_seconds
			last=$(stat -c %Y "$run/share/out")
		}
		if [ $((EPOCHSECONDS - last)) -gt "$patience" ]; then
			echo "$patience" > "$run/heartless"
			kill -KILL "$machine_pid" # QEMU goes with it
			return
		fi
	done
}

end_machine() {
	[ -z "$machine_pid" ] || kill "$machine_pid" 2> /dev/null || true
	wait
}
