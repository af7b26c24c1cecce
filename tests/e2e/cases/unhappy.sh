# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Guests and hosts that fail: a clear error within seconds, exit code 125, and nothing left.

test_guest_crashes() {
	start_vm --receipt receipt.json -- sh -c 'echo 1 > /proc/sys/kernel/sysrq; sleep 1; echo c > /proc/sysrq-trigger; sleep 300'
	in_command
	SECONDS=0
	ended $front
	same $code 125
	[ $SECONDS -lt 60 ] || fail "noticed after $SECONDS s"
	has err 'panicked'
	has err 'last lines of the guest'
	holds receipt.json '.clean and .outcome == "infrastructure"'
}

full_test_guest_powers_off() {
	expect 125 run_vm -- sh -c 'echo o > /proc/sysrq-trigger; sleep 300' 2> err
	has err 'powered off|power|shut'
}

# Its folder of disks is a small file system here.
test_disk_full_under_the_overlay() {
	mount -t tmpfs -o size=100m,mode=700 none /var/lib/bmvm/vms
	local code=0
	run_vm "$(with '"disk_size": "9G"')" -- dd if=/dev/urandom of=/root/fill bs=1M count=400 conv=fsync > out 2> err || code=$?
	umount /var/lib/bmvm/vms
	same $code 125
	has err 'space|full|ENOSPC|I/O error'
}

full_test_guest_without_sshd() {
	local image=/var/lib/bmvm/images/default keys
	keys=$(jq -c --arg dir $image '{
		kernel: ($dir + "/" + .kernel.file), initrd: ($dir + "/" + .initrd.file),
		append: (.append + " systemd.unit=basic.target"), timeouts: {boot: 45}}' $image/manifest.json)
	expect 125 run_vm "--additional-context={\"baremetal_vm\": $keys}" -- true 2> err
	has err 'SSH|ssh|sshd'
}

test_guest_that_stops_answering() {
	start_vm "$(with '"timeouts": {"unresponsive": 10}')" -- sleep 300
	in_command
	sleep 2
	kill -STOP "$(qemu_of)"
	SECONDS=0
	ended $front
	same $code 125
	[ $SECONDS -ge 8 ] && [ $SECONDS -lt 60 ] || fail "noticed after $SECONDS s"
	has err 'unresponsive|answer'
}

test_qemu_that_does_not_start() {
	expect 125 run_vm "$(with '"qemu_args": ["-no-such-option"]')" -- true 2> err
	has err 'no-such-option'
	has_not err 'trying again'
}

# Nothing hides the verification: neither a receipt that cannot be written, nor another's `destroy`.
test_differences_are_told_by_the_run_and_by_destroy() {
	cp -a /var/lib/bmvm/images/default /var/lib/bmvm/images/touched
	mkdir folder
	start_vm --name told --image touched --receipt folder/receipt.json -- sleep 300
	in_command
	rm -r folder
	touch /var/lib/bmvm/images/touched/disk.qcow2
	expect 1 "$BMVM" destroy told 2> destroy.err
	has destroy.err 'not as it was|not as before'
	ended $front
	same $code 125
	has err 'not as before: base image'
	has err 'receipt'
	"$BMVM" image rm touched
}

full_test_guardian_that_hangs() {
	local guardian
	start_vm "$(with '"cleanup": {"timeout": 1}')" -- sleep 300
	in_command
	guardian=$(guardian_of)
	kill -STOP "$guardian"
	kill -TERM $front
	ended $front
	same $code 143 # what was made is undone: the signal tells how it ended
	has err 'does not answer'
	has err 'undoing from its journal'
	no_vm_left
}
