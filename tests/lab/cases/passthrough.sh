# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Devices passed for real: taken by bmvm on this kernel, seen in a guest that really boots, given back.

# state: everything of the devices that a run may change, one fact a line.
state() {
	local dir file
	for dir in "$pci"/*; do
		echo "$dir driver $(driver_of "${dir##*/}")"
		for file in driver_override sriov_numvfs sriov_drivers_autoprobe enable power/control reset_method; do
			[ ! -e "$dir/$file" ] || echo "$dir $file $(cat "$dir/$file" 2> /dev/null)"
		done
	done
	find $mdevs -mindepth 1 2> /dev/null || true
	find /dev/vfio 2> /dev/null | sort || true
	cut -d ' ' -f 1 /proc/modules | sort
}

# passed KEYS -- CMD...: a small guest with these keys of baremetal_vm.
passed() {
	local keys=$1 words
	shift
	code=0
	run_vm "$(with '"retry": {"tries": 1}, '"$keys")" --receipt receipt.json "$@" > out 2> err < /dev/null || code=$?
	words=$(grep -oE 'no sign of life.*|no SSH server answered.*|guest unresponsive.*' err) || return 0
	[ $code != 125 ] || hung "$words"
}

test_looking_changes_nothing() {
	local display
	display=$(one $(functions_with vendor 0x1002))
	state > before
	"$BMVM" gpus > out
	has out "^$display"
	"$BMVM" gpus --all --json > all.json
	holds all.json 'length > 5'
	"$BMVM" run --dry-run --gpu-mode vfio --gpus "$display" --hypervisor kvm -- true > out
	has out "would take .*$display to vfio-pci"
	state > after
	diff before after
}

# refused WORDS KEYS: the documented refusal, and nothing changed.
refused() {
	expect 125 run_vm "$(with "$2")" -- true 2> err
	has err "$1"
	state > after
	diff before after
}

test_refusals_change_nothing() {
	local pf lpc shared
	pf=$(sriov_controller)
	lpc=$(one $(functions_with class 0x060100))
	shared=$(functions_with class 0x010601)
	state > before
	refused 'shares|group' '"devices": [{"address": "'"$shared"'", "mode": "vfio"}]'
	has err "${lpc%.*}"
	refused 'bridge|endpoint|group' '"devices": [{"address": "'"$lpc"'", "mode": "vfio"}]'
	refused '4' '"gpu_passthrough": {"mode": "sriov", "gpu_ids": ["'"$pf"'"], "num_vfs": 5}'
	refused 'no such|not there|there is no' '"devices": [{"address": "0000:99:00.0", "mode": "vfio"}]'
}

limit_test_display_device_and_two_vfs_in_one_guest=280
test_display_device_and_two_vfs_in_one_guest() {
	local display pf
	display=$(one $(functions_with vendor 0x1002))
	pf=$(sriov_controller)
	echo vfio-pci > "$pci/$display/driver_override" # an administrator's, to be found again
	state > before
	passed '"gpu_passthrough": {"mode": "sriov", "gpu_ids": ["'"$pf"'"], "num_vfs": 2}, "devices": [{"address": "'"$display"'", "mode": "vfio"}]' \
		-- sh -c 'cat /sys/bus/pci/devices/*/vendor | grep -c 0x1002; cat /sys/bus/pci/devices/*/class | grep -c 0x010802'
	state > after
	same "$code" 0
	printf '1\n2\n' | cmp - out
	diff before after
	holds receipt.json '.clean and .verified and (.devices | length) == 3'
	holds receipt.json '[.devices[].guest_address] | all(. != null)'
	echo > "$pci/$display/driver_override"
	no_vm_left
}

limit_test_killed_while_devices_are_taken=120
test_killed_while_devices_are_taken() {
	local display
	display=$(one $(functions_with vendor 0x1002))
	state > before
	start_vm "$(with '"devices": [{"address": "'"$display"'", "mode": "vfio"}]')" --name lost -- true
	wait_until 60 qemu_of
	same "$(driver_of "$display")" vfio-pci
	kill -KILL "$(guardian_of)" $front
	ended $front
	"$BMVM" recover > out
	has out 'lost: removed'
	state > after
	diff before after
}
