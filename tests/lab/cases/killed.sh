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

limit_test_guardian=180
test_guardian() {
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

# A driver that does not let go for a while, with nobody there any more when it does.
limit_test_write_that_hangs=240
test_write_that_hangs() {
	local device
	device=$(driverless_device)
	modprobe bmvm_slow
	same "$(driver_of "$device")" bmvm_slow
	remember
	echo 40 > /sys/module/bmvm_slow/parameters/seconds
	start_vm "$(with '"devices": [{"address": "'"$device"'"}]')" --name stuck -- true
	wait_until 60 hangs
	kill -KILL $front
	ended $front
	wait_until 60 gone guardian_of
	"$BMVM" gpus --all > out
	has out "$device.*quarantined"
	expect 125 run_vm "$(with '"devices": [{"address": "'"$device"'"}]')" -- true 2> err
	wait_until 60 gone hangs
	echo 0 > /sys/module/bmvm_slow/parameters/seconds
	"$BMVM" recover > out
	has out 'stuck: removed'
	"$BMVM" gpus --all > out
	! grep -q quarantined out || "$BMVM" gpus --clear "$device"
	"$BMVM" gpus --all > out
	has_not out 'quarantined'
	as_before
	modprobe -r bmvm_slow
}

hangs() {
	grep -qs bmvm_slow_remove /proc/[0-9]*/stack
}
