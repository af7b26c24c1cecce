# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the cases in the lab share; the assertions are those of the end-to-end layer. Each case runs in
# a process of its own, in a scratch folder of its own, and leaves the lab as it found it.

export HV=kvm BMVM=/lab/job/bin/bmvm suite_dir=/tmp
. "$here/../e2e/lib.sh"

pci=/sys/bus/pci/devices
mdevs=/sys/bus/mdev/devices

# hung WORDS: ends the case as one that may be tried again: nested guests hang now and then.
hung() {
	echo "HUNG: $*"
	exit 75
}

# nested [OPTION...] -- CMD...: a small guest in the lab; streams in out and err, receipt.json, $code.
# bmvm's own second try is off: the case's is enough.
nested() {
	local words
	code=0
	run_vm "$(with '"retry": {"tries": 1}')" --receipt receipt.json "$@" > out 2> err < /dev/null || code=$?
	words=$(grep -oE 'no sign of life.*|no SSH server answered.*|guest unresponsive.*' err) || return 0
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
