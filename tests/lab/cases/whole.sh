# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Whole functions: taken on this kernel, seen in a guest that really boots, given back.

test_looking_changes_nothing() {
	local display
	display=$(display_device)
	remember
	"$BMVM" gpus > out
	has out "^$display"
	"$BMVM" gpus --all --json > all.json
	holds all.json 'length > 5'
	"$BMVM" check --gpu-mode vfio --gpus "$display" > out || true
	has out 'IOMMU'
	"$BMVM" run --dry-run --gpu-mode vfio --gpus "$display" --hypervisor kvm -- true > out
	has out "$display"
	has out 'vfio-pci"?,'
	as_before
}

test_refusals_change_nothing() {
	local lpc disk bus
	lpc=$(one $(functions_with class 0x060100))
	disk=$(one $(functions_with class 0x010601))
	bus=$(one $(functions_with class 0x0c0500))
	modprobe i2c-i801
	same "$(driver_of "$bus")" i801_smbus
	remember
	refused 'shares IOMMU group' '"devices": [{"address": "'"$disk"'"}]'
	has err "$bus .*i801_smbus"
	refused 'bridge|endpoint|group' '"devices": [{"address": "'"$lpc"'"}]'
	refused 'there is no PCI function 0000:99:00.0' '"devices": [{"address": "0000:99:00.0"}]'
	refused 'is no GPU' '"gpu_passthrough": {"mode": "vfio", "gpu_ids": ["'"$disk"'"]}'
	modprobe -r i2c-i801
}

# A device with a driver, one without, one with an administrator's override; the last has a BAR larger
# than the guest's memory.
limit_full_test_three_devices_in_one_guest=420
full_test_three_devices_in_one_guest() {
	local display driverless big
	display=$(display_device)
	driverless=$(driverless_device)
	big=$(big_device)
	modprobe pci-stub
	echo pci-stub > "$pci/$display/driver_override"
	echo "$display" > /sys/bus/pci/drivers_probe
	echo > "$pci/$display/driver_override"
	same "$(driver_of "$display")" pci-stub
	echo vfio-pci > "$pci/$big/driver_override"
	remember
	keys='"gpu_passthrough": {"mode": "vfio", "gpu_ids": ["'$display'"]}, "devices": [{"address": "'$driverless'"}, {"address": "'$big'"}]'
	# shellcheck disable=SC2016 # for the guest
	nested -- sh -c 'for f in /sys/bus/pci/devices/*; do echo "$(cat $f/vendor) $(cat $f/device) $(sed -n 3p $f/resource)"; done'
	same "$code" 0
	as_before
	has out '^0x1002 0x5046 '
	has out '^0x1234 0x11e8 '
	set -- $(sed -n 's/^0x1af4 0x1110 //p' out)
	[ $(($2 - $1 + 1)) = $((1 << 30)) ] || fail "in the guest the big BAR is $1 $2"
	holds receipt.json '.clean and .verified and (.devices | length) == 3'
	holds receipt.json '[.devices[].guest_address] | all(. != null)'
	echo > "$pci/$big/driver_override"
	echo "$display" > "$pci/$display/driver/unbind"
	no_vm_left
}
