# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Virtual GPUs: mediated devices, made by type and given to a guest.

vgpu() {
	echo '"gpu_passthrough": {"mode": "vgpu", "gpu_ids": ["'"$1"'"], "vgpu_type": "'"$2"'", "num_vfs": '"${3:-1}"'}'
}

types=/sys/class/mdev_bus/mbochs/mdev_supported_types

full_test_refusals_change_nothing() {
	local uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001
	remember
	refused 'no vGPU type "mbochs-huge"; there are: .*mbochs-small' "$(vgpu mbochs mbochs-huge)"
	refused 'room for 4 of type mbochs-large .*5 asked for' "$(vgpu mbochs mbochs-large 5)"
	echo $uuid > $types/mbochs-large/create
	remember
	refused 'room for 3 of type mbochs-large .*4 asked for' "$(vgpu mbochs mbochs-large 4)"
	echo 1 > $mdevs/$uuid/remove
}

limit_full_test_made_by_name_and_seen_in_a_guest=420
full_test_made_by_name_and_seen_in_a_guest() {
	local name
	name=$(cat $types/mbochs-small/name)
	remember
	keys=$(vgpu mbochs "$name")
	nested -- sh -c 'cat /sys/bus/pci/devices/*/class | grep -c 0x0380; ls /dev/dri | grep -c card'
	same "$code" 0
	printf '1\n1\n' | cmp - out
	as_before
	holds receipt.json '.clean and .verified and (.devices | length) == 1'
	no_vm_left
}
