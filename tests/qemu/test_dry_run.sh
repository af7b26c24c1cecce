#!/bin/sh
# SPDX-License-Identifier: MIT
# bmvm run --dry-run as an ordinary user with an image of his own: every example gets as far as QEMU's
# arguments, and what a run would find wrong only later is refused.
set -u

command -v qemu-img > /dev/null || { echo "SKIP: no qemu-img"; exit 77; }
command -v qemu-system-x86_64 > /dev/null || { echo "SKIP: no QEMU"; exit 77; }
if [ "$(id -u)" = 0 ]; then
	# root's images have a fixed place: be somebody else
	command -v setpriv > /dev/null || { echo "SKIP: no setpriv"; exit 77; }
	exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$0"
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
export HOME="$work" XDG_STATE_HOME="$work/state" XDG_RUNTIME_DIR="$work/run"
mkdir -m 700 "$work/run"

fail() {
	echo "FAIL: $*"
	sed 's/^/  /' out err
	failures=$((failures + 1))
}

# dry OPTION...: a dry run on software emulation; its exit code in $code
dry() {
	code=0
	"$BMVM" run --dry-run --hypervisor tcg "$@" -- true > out 2> err || code=$?
}

# refused WORDS OPTION...: a dry run says WORDS and ends with 125
refused() {
	words=$1
	shift
	dry "$@"
	[ $code = 125 ] || fail "$*: exit code $code"
	grep -qF -- "$words" err || fail "$*: says nothing of \"$words\""
}

qemu-img create -q -f qcow2 disk.qcow2 16M
echo kernel > vmlinuz
"$BMVM" image import --name default --cloud-init --kernel vmlinuz disk.qcow2 > out 2> err || fail "import"

# --- the examples; what this host may lack is told by its name -----------------------------------------

mkdir scratch
for file in "$BMVM_SOURCE"/examples/*.json; do
	sed "s,/var/tmp/bmvm-example,$work/scratch," "$file" > example.json
	dry -f example.json
	if [ $code = 0 ]; then
		grep -q '^would run .*qemu-system' out || fail "$file: no arguments of QEMU"
	else
		grep -qE 'hugepages|cpu_pinning|needs OVMF|common-licenses|IOMMU|have to be pinned|base image' err || fail "$file"
	fi
done

# --- a place on the host -------------------------------------------------------------------------------

dry -c '{"baremetal_vm": {"numa_node": 0}}' --memory 64M --vcpus 1
if [ $code = 0 ]; then
	grep -q '^numa node   0, CPUs [0-9]' out || fail "the node is not told"
	grep -q '"host-nodes":\[0\],"policy":"bind"' out || fail "memory is not bound"
else
	grep -qE 'numa_node: (there is no node 0|of node 0|node 0 has no CPU)|no memory bound' err || fail "numa_node 0"
fi
refused 'there is no node 1000 here' -c '{"baremetal_vm": {"numa_node": 1000}}'
dry -c '{"baremetal_vm": {"numa_node": "auto"}}'
[ $code = 0 ] || fail "numa_node auto without devices"
grep -q 'no device is passed, so "auto" binds nothing' err || fail "nothing is said of numa_node auto"
refused 'network.bridge: there is no interface bmvm-none' \
	-c '{"baremetal_vm": {"network": {"mode": "bridge", "bridge": "bmvm-none"}}}'
refused 'network.tap: there is no interface bmvm-none' \
	-c '{"baremetal_vm": {"network": {"mode": "tap", "tap": "bmvm-none"}}}'
refused 'network.mode: "tap" makes a network interface, which needs root' \
	-c '{"baremetal_vm": {"network": {"mode": "tap"}}}'

dry -c '{"baremetal_vm": {"firmware": {"code": "'"$work"'/vmlinuz", "vars": "'"$work"'/vmlinuz"}}}'
[ $code = 0 ] || fail "a kernel in the image and UEFI firmware"

# --- what would be found out only after the boot -------------------------------------------------------

mkfifo fifo
ln -s loop loop
mkdir -m 555 shut
refused '--copy-in none:x: none: No such file' --copy-in none:x
refused 'fifo is neither file nor folder' --copy-in fifo:x
refused '/dev/zero is neither file nor folder' --copy-in /dev/zero:x
refused 'Too many levels of symbolic links' --copy-in loop:x
refused 'results.to: none: No such file' -c '{"baremetal_vm": {"results": {"collect": ["*"], "to": "none"}}}'
refused 'results.to: vmlinuz is no folder' -c '{"baremetal_vm": {"results": {"collect": ["*"], "to": "vmlinuz"}}}'
refused 'results.to: shut: Permission denied' -c '{"baremetal_vm": {"results": {"collect": ["*"], "to": "shut"}}}'
# QEMU's limit is its own: 288 once, 4096 since.
most=$(printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"query-machines"}' '{"execute":"quit"}' |
	qemu-system-x86_64 -M none -display none -qmp stdio | tr '}' '\n' |
	sed -nE '/"alias": "q35"/s/.*"cpu-max": ([0-9]+).*/\1/p')
if [ "$most" -lt 4096 ]; then
	refused "vcpus: must be at most $most" --vcpus 4096
else
	dry --vcpus 4096
	[ $code = 0 ] || fail "--vcpus 4096 is refused, though QEMU can do $most"
fi
refused '--name: must be small letters' --name a-
mkdir -p "$work/state/bmvm/vms/taken"
refused '--name: a VM named taken exists already' --name taken
dry --copy-in vmlinuz:x --collect '*' --name free
[ $code = 0 ] || fail "what is in order is refused"

# --- models --------------------------------------------------------------------------------------------

mkdir -p docker scripts/a
echo true > scripts/a/run.sh
echo '# CONTEXT {}' > docker/a.Dockerfile
echo "# CONTEXT {'gpu_vendor': 'NVIDIA'}" > docker/b.Dockerfile
cat > models.json <<- 'END'
	[ { "name": "a", "dockerfile": "docker/a", "scripts": "scripts/a", "args": "", "tags": [] },
	  { "name": "b", "dockerfile": "docker/b", "scripts": "scripts/a", "args": "", "tags": [] } ]
END
code=0
"$BMVM" run --dry-run --hypervisor tcg -c '{"baremetal_vm": {"gpu_passthrough": {"mode": "none"}}}' --tags a,b \
	> out 2> err || code=$?
[ $code = 0 ] || fail "two models, of which one cannot be built: exit code $code"
grep -q '^would run   model a in ci-a_a$' out || fail "the model that can be built"
grep -q '^cannot run  model b: no Dockerfile docker/b' out || fail "the model that cannot be built"
grep -q 'error: model "b": no Dockerfile docker/b' err || fail "it is not told on stderr"

[ "$failures" = 0 ]
