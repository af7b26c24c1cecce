# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Processes that die while devices are taken; writes that hang in the kernel.

taking() {
	remember
	started lost '"devices": [{"address": "'"$(sriov_controller)"'", "mode": "sriov", "num_vfs": 2},
		{"address": "'"$(display_device)"'"}]'
	same "$(driver_of "$(display_device)")" vfio-pci
}

given_back() {
	wait_until 60 no_vm_left
	as_before
}

limit_test_qemu=180
test_qemu() {
	taking
	kill -KILL "$(qemu_of)"
	ended $front
	same $code 125
	given_back
}

limit_test_front=180
test_front() {
	taking
	kill -KILL $front
	ended $front
	given_back
	holds /var/lib/bmvm/receipts/lost.json '.clean and .verified'
}

limit_full_test_guardian=180
full_test_guardian() {
	taking
	kill -KILL "$(guardian_of)"
	ended $front
	same $code 125
	given_back
}

limit_test_front_and_guardian=180
test_front_and_guardian() {
	taking
	kill -KILL "$(guardian_of)" $front
	ended $front
	"$BMVM" recover > out
	has out 'lost: removed'
	given_back
}

# slow SECONDS: the device that has no driver gets one that does not let go for so long.
slow() {
	device=$(driverless_device)
	modprobe bmvm_slow
	same "$(driver_of "$device")" bmvm_slow
	remember
	echo "$1" > /sys/module/bmvm_slow/parameters/seconds
	keys='"devices": [{"address": "'$device'"}]'
	start_vm "$(with "$keys")" --name stuck -- true
	wait_until 60 hangs
}

hangs() {
	grep -qs bmvm_slow_remove /proc/[0-9]*/stack
}

# Nobody gets the device before the write has come through, and been undone.
quarantined_until_it_ends() {
	"$BMVM" gpus --all > out
	has out 'quarantined: a write to it hangs in the kernel .VM stuck.'
	expect 125 run_vm "$(with "$keys")" -- true 2> err
	has err "$device"
	wait_until 90 gone hangs
	echo 0 > /sys/module/bmvm_slow/parameters/seconds
	"$BMVM" recover > out
	has out 'stuck: removed'
	"$BMVM" gpus --all > out
	has_not out quarantined
	as_before
	no_vm_left
	modprobe -r bmvm_slow
}

limit_full_test_write_that_hangs_and_nobody_is_left=240
full_test_write_that_hangs_and_nobody_is_left() {
	slow 75
	kill -KILL "$(guardian_of)" $front
	ended $front
	expect 1 "$BMVM" recover > out
	has out 'stuck: failed: .* hangs in the kernel'
	quarantined_until_it_ends
}

# The guardian waits for it as long as it may.
limit_full_test_write_that_hangs_longer_than_the_guardian_waits=360
full_test_write_that_hangs_longer_than_the_guardian_waits() {
	slow 120
	kill -KILL $front
	ended $front
	wait_until 110 gone guardian_of
	quarantined_until_it_ends
}
