# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the cases in the lab share; the assertions are those of the end-to-end layer. Each case runs in
# a process of its own, in a scratch folder of its own, and leaves the lab as it found it.

export HV=kvm BMVM=/lab/job/bin/bmvm suite_dir=/tmp
. "$here/../e2e/lib.sh"

pci=/sys/bus/pci/devices
mdevs=/sys/bus/mdev/devices

# hung WORDS: ends the case as one that may be tried again: under emulation nested guests hang, or fault in
# their kernel's entry, now and then.
hung() {
	echo "HUNG: $*"
	exit 75
}

# nested [OPTION...] -- CMD...: a small guest in the lab; streams in out and err, receipt.json, $code.
# $keys are of baremetal_vm. bmvm's own second try is off: the case's is enough.
keys=
nested() {
	local words
	code=0
	run_vm "$(with '"retry": {"tries": 1}'"${keys:+, $keys}")" --receipt receipt.json "$@" > out 2> err < /dev/null || code=$?
	words=$(grep -oE 'no sign of life.*|no SSH server answered.*|guest unresponsive.*|double fault: 0000' err) || return 0
	[ $code != 125 ] || hung "$words"
}

# functions_with FILE TEXT: the PCI functions that have this in that file of theirs.
functions_with() {
	local dir
	for dir in "$pci"/*; do
		[ "$(cat "$dir/$1" 2> /dev/null)" != "$2" ] || echo "${dir##*/}"
	done
}

# one WORD...: the only word there is.
one() {
	[ $# = 1 ] || fail "$# instead of one: $*"
	echo "$1"
}

group_of() {
	basename "$(readlink "$pci/$1/iommu_group")"
}

driver_of() {
	[ ! -e "$pci/$1/driver" ] || basename "$(readlink "$pci/$1/driver")"
}

sriov_controller() {
	one $(functions_with class 0x010802 | while read -r function; do
		[ ! -e "$pci/$function/sriov_totalvfs" ] || echo "$function"
	done)
}

display_device() {
	one $(functions_with vendor 0x1002)
}

driverless_device() {
	one $(functions_with device 0x11e8)
}

big_device() {
	one $(functions_with device 0x1110)
}

# --- the state of the devices -------------------------------------------------------------------------

# state: everything of the devices that a run may change, one fact a line.
state() {
	local dir file
	for dir in "$pci"/*; do
		echo "$dir driver $(driver_of "${dir##*/}")"
		for file in driver_override sriov_numvfs sriov_drivers_autoprobe enable power/control d3cold_allowed reset_method; do
			[ ! -e "$dir/$file" ] || echo "$dir $file $(cat "$dir/$file" 2> /dev/null)"
		done
	done
	find $mdevs -mindepth 1 2> /dev/null || true
	find /dev/vfio 2> /dev/null | sort || true
	cut -d ' ' -f 1 /proc/modules | sort
	[ ! -e /run/bmvm/ledger.json ] || jq -c '.entries | paths(scalars)' /run/bmvm/ledger.json | sed 's/^/held /'
	find /run/bmvm/devices -type f -size +0 2> /dev/null || true
}

remember() {
	state > before
}

as_before() {
	state > after
	diff before after || fail "the host is not as before"
}

# refused WORDS KEYS: the documented refusal, and nothing changed.
refused() {
	expect 125 run_vm "$(with "$2")" -- true 2> err
	has err "$1"
	as_before
}

# started NAME KEYS: a VM whose guest boots; it ends with its front, $front.
started() {
	start_vm "$(with '"retry": {"tries": 1}, '"$2")" --name "$1" -- sleep 1000
	mv -f out "out.$1"
	mv -f err "err.$1"
	wait_until 90 running "$1"
}

running() {
	pgrep -f "^[^ ]*qemu-system-x86_64 -name guest=$1,"
}

# stopped FRONT: as by somebody who switches it off; what is not given back is code 125.
stopped() {
	kill -TERM "$1"
	ended "$1"
	same $code 143
}
