# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# VFs, a whole function and a virtual device in one VM: all or nothing.

mixed() {
	echo '"devices": [{"address": "'"$(sriov_controller)"'", "mode": "sriov", "num_vfs": 2},
		{"address": "'"$(display_device)"'"}], "gpu_passthrough": {"mode": "vgpu", "gpu_ids": ["mbochs"], "vgpu_type": "'"$1"'"}'
}

test_one_that_fails_takes_none() {
	remember
	refused 'no vGPU type|has no .*type' "$(mixed mbochs-none)"
}

limit_test_all_in_one_guest=420
test_all_in_one_guest() {
	remember
	keys=$(mixed mbochs-small)
	nested -- sh -c 'cat /sys/bus/pci/devices/*/vendor | grep -c 0x1002; cat /sys/bus/pci/devices/*/class | grep -c 0x010802; cat /sys/bus/pci/devices/*/class | grep -c 0x0380'
	same "$code" 0
	printf '1\n2\n1\n' | cmp - out
	as_before
	holds receipt.json '.clean and .verified and (.devices | length) == 4'
	no_vm_left
}
