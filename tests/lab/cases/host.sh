# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The lab itself is what it says, and bmvm runs in it as on a bare-metal node.

full_test_display_device_can_be_passed() {
	local display member
	display=$(one $(functions_with vendor 0x1002))
	same "$(cat "$pci/$display/class")" 0x030000
	for member in "$pci/$display/iommu_group/devices"/*; do
		[ "${member##*/}" != "$display" ] || continue
		[[ "$(cat "$member/class")" == 0x0604* ]] || fail "${member##*/}, no bridge, is in the group"
	done
}

full_test_groups_of_several_devices() {
	local function
	for function in $(functions_with class 0x060100); do
		[ "$(find "$pci/$function/iommu_group/devices" -type l | wc -l)" -gt 1 ] || fail "$function is alone"
	done
}

full_test_driverless_device() {
	same "$(driver_of "$(one $(functions_with device 0x11e8))")" ""
}

full_test_huge_bar() {
	local address function
	function=$(one $(functions_with device 0x1110))
	address=$(sed -n 3p "$pci/$function/resource")
	set -- $address
	[ $(($2 - $1 + 1)) -ge $((1 << 30)) ] || fail "its BAR 2 is $address"
}

full_test_vfio_pci_loads() {
	[ ! -e /sys/bus/pci/drivers/vfio-pci ] || fail "vfio-pci is there without being loaded"
	modprobe vfio-pci
	[ -c /dev/vfio/vfio ] || fail "no /dev/vfio/vfio"
	modprobe -r vfio-pci
	[ ! -e /sys/bus/pci/drivers/vfio-pci ] || fail "vfio-pci is still there"
}

full_test_virtual_functions() {
	local pf vf second
	pf=$(sriov_controller)
	same "$(cat "$pci/$pf/sriov_totalvfs")" 4
	modprobe vfio-pci
	echo 2 > "$pci/$pf/sriov_numvfs"
	vf=$(basename "$(readlink "$pci/$pf/virtfn0")")
	second=$(basename "$(readlink "$pci/$pf/virtfn1")")
	[ "$(group_of "$vf")" != "$(group_of "$second")" ] || fail "two VFs in one group"
	[ "$(group_of "$vf")" != "$(group_of "$pf")" ] || fail "a VF in the group of its PF"
	echo vfio-pci > "$pci/$vf/driver_override"
	[ ! -e "$pci/$vf/driver" ] || echo "$vf" > "$pci/$vf/driver/unbind"
	echo "$vf" > /sys/bus/pci/drivers_probe
	same "$(driver_of "$vf")" vfio-pci
	[ -c "/dev/vfio/$(group_of "$vf")" ] || fail "no node for the VF's group"
	echo "$vf" > "$pci/$vf/driver/unbind"
	echo 0 > "$pci/$pf/sriov_numvfs"
	[ ! -e "$pci/$vf" ] || fail "the VF is still there"
	modprobe -r vfio-pci
}

full_test_mediated_devices() {
	local parent uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 types
	for parent in mtty mdpy mbochs; do
		types=/sys/class/mdev_bus/$parent/mdev_supported_types
		[ -n "$(ls $types)" ] || fail "$parent has no types"
	done
	types=/sys/class/mdev_bus/mbochs/mdev_supported_types/mbochs-small
	same "$(cat $types/device_api)" vfio-pci
	echo $uuid > $types/create
	[ -e "$mdevs/$uuid/iommu_group" ] || fail "the new device has no group"
	echo 1 > "$mdevs/$uuid/remove"
	[ ! -e "$mdevs/$uuid" ] || fail "the device is still there"
}

full_test_check() {
	"$BMVM" check --json > out || true
	holds out '.[] | select(.id == "cpu") | .status == "ok"'
	holds out '.[] | select(.id == "kvm") | .status == "ok"'
	holds out '.[] | select(.id == "iommu") | .found != "off"'
	holds out '.[] | select(.id == "image") | .status == "ok"'
}

limit_full_test_nested_run=400
full_test_nested_run() {
	nested -- uname -r
	same "$code" 0
	has out '^[0-9]+\.[0-9]+\.'
	holds receipt.json '.hypervisor == "kvm" and .outcome == "success" and .verified and .clean'
	no_vm_left || fail "something of the VM is left"
}
