#!/bin/sh
# SPDX-License-Identifier: MIT
# bmvm check through the command line: exit codes, streams, what is printed where. It runs on the real host, so it
# says nothing about which checks pass, but for what the configuration alone decides.
set -u

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
# a fresh user: nothing of this host's own images and VMs is seen or touched
export HOME="$work" XDG_STATE_HOME="$work/state" XDG_RUNTIME_DIR="$work/run"
mkdir -m 700 "$work/run"

# expect CODE NAME ARGS...: run bmvm check with ARGS, output in $work/out and $work/err
expect() {
	want=$1
	name=$2
	shift 2
	"$BMVM" check "$@" >"$work/out" 2>"$work/err"
	got=$?
	if [ "$got" -ne "$want" ]; then
		echo "FAIL: $name: exit code $got, not $want"
		sed 's/^/  /' "$work/out" "$work/err"
		failures=$((failures + 1))
	fi
}

# has FILE TEXT: the last output has TEXT
has() {
	if ! grep -qF -- "$2" "$work/$1"; then
		echo "FAIL: $name: no \"$2\" in std$1"
		sed 's/^/  /' "$work/$1"
		failures=$((failures + 1))
	fi
}

# empty FILE: the last output is empty
empty() {
	if [ -s "$work/$1" ]; then
		echo "FAIL: $name: std$1 is not empty"
		sed 's/^/  /' "$work/$1"
		failures=$((failures + 1))
	fi
}

expect 0 "help" --help
has out "--boot"
empty err

expect 2 "unknown option" --bogus
has err "--bogus"
empty out
expect 2 "operand" something
has err "something"
expect 2 "missing file" -f "$work/none.json"
has err "none.json"
expect 2 "wrong key" -c '{"baremetal_vm":{"vcpu":4}}'
has err "vcpus"
expect 2 "wrong hypervisor" --hypervisor xen
has err "hypervisor"
empty out

expect 1 "no such image" --hypervisor tcg -c '{"baremetal_vm":{"base_image":"no-such-image"}}'
has out "no-such-image"
has out "not ready: "
empty err

expect 1 "too much memory" --hypervisor tcg --memory 60T --json
has out '"id":"memory"'
has out "are more than this host has"

expect 1 "no such mount" --hypervisor tcg \
	-c '{"baremetal_vm":{"mounts":[{"host":"/proc/none","guest":"/mnt"}]}}'
has out "mounts[0]: /proc/none"
expect 1 "no such key" --hypervisor tcg -c '{"baremetal_vm":{"ssh_key":"/proc/none"}}'
has out "/proc/none: No such file"
expect 1 "no such CPU" --hypervisor tcg -c '{"baremetal_vm":{"cpu_pinning":[8000],"vcpus":1}}'
has out "CPU 8000 is not online"
expect 1 "no such QEMU" --hypervisor tcg -c '{"baremetal_vm":{"qemu_binary":"/proc/none"}}'
has out "correct qemu_binary"
expect 1 "no such firmware" --hypervisor tcg \
	-c '{"baremetal_vm":{"firmware":{"code":"/proc/none","vars":"/proc/none"}}}'
has out "/proc/none"

expect 1 "quiet" --hypervisor tcg --image no-such-image --quiet
has out "failed   base image"
if grep -qE '^(ok|info|warning) ' "$work/out"; then
	echo "FAIL: quiet shows more than what failed"
	failures=$((failures + 1))
fi

# The options of a run are taken as they are, and what a run needs by them is looked at.
cat > "$work/vm.json" <<'END'
{"baremetal_vm": {"base_image": "no-such-image"}}
END
expect 1 "options of a run of models" --hypervisor tcg -f "$work/vm.json" --tags quick --timeout 100 --live-output \
	--receipt "$work/receipt.json" -s "$work/s.json" --wait 5 -q
has out "failed   base image"
empty err
expect 1 "options and command of a run" --hypervisor tcg --image no-such-image --name a --env A=b --workdir /tmp \
	--collect '*.txt' --preserve=on-failure --no-tty -v -- no-such-command --bogus
has out "no-such-image"
empty err
expect 2 "an option of a run that is wrong" --tags quick --timeout -5
has err "--timeout: must be seconds"
expect 2 "no option of a run" --tags quick --timout 5
has err "did you mean \"--timeout\"?"

# With models a virtual function is the default, as for madengine. A host with an IOMMU shows nothing of that.
iommu() {
	awk '$2 == "IOMMU" { print $1 }' "$work/out"
}
expect 1 "a command asks for no GPU" --hypervisor tcg --image no-such-image -- true
if [ "$(iommu)" = info ]; then
	expect 1 "a run of models asks for a GPU" --hypervisor tcg --image no-such-image --tags quick
	[ "$(iommu)" = failed ] || { echo "FAIL: --tags asks for no GPU"; failures=$((failures + 1)); }
	expect 1 "a manifest asks for one" --hypervisor tcg --image no-such-image -m m.json
	[ "$(iommu)" = failed ] || { echo "FAIL: -m asks for no GPU"; failures=$((failures + 1)); }
	expect 1 "a run of models without GPU" --hypervisor tcg --image no-such-image --tags quick --gpu-mode none
	[ "$(iommu)" = info ] || { echo "FAIL: --gpu-mode none asks for a GPU"; failures=$((failures + 1)); }
fi

# a disk of our own makes the host ready wherever QEMU is installed
if command -v qemu-img >/dev/null && command -v qemu-system-x86_64 >/dev/null; then
	qemu-img create -q -f qcow2 "$work/disk.qcow2" 16M || exit 1
	expect 0 "ready" --hypervisor tcg --image "$work/disk.qcow2" --memory 64M --vcpus 1
	has out "ready: "
	has out "disk.qcow2"
	empty err
	expect 0 "ready, quietly" --hypervisor tcg --image "$work/disk.qcow2" --memory 64M --vcpus 1 --quiet
	empty out
else
	echo "skipped: no QEMU here, so no host that is ready"
	expect 1 "without QEMU" --hypervisor tcg --json
	has out '"apt-get install'
fi

[ "$failures" -eq 0 ] || exit 1
echo "check: all fine"
