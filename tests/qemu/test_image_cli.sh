#!/bin/sh
# SPDX-License-Identifier: MIT
# bmvm image through the command line, as an ordinary user with folders of his own: exit codes, what is printed, and
# that nothing is left of what failed.
set -u

command -v qemu-img > /dev/null || { echo "SKIP: no qemu-img"; exit 77; }
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
images=$work/state/bmvm/images

fail() {
	echo "FAIL: $*"
	sed 's/^/  /' out err
	failures=$((failures + 1))
}

# expect CODE WORD ARGS...: run bmvm image with ARGS; WORD must be in what it says
expect() {
	want=$1
	word=$2
	shift 2
	"$BMVM" image "$@" > out 2> err
	got=$?
	[ "$got" = "$want" ] || fail "image $*: exit code $got, not $want"
	[ -z "$word" ] || cat out err | grep -qF -- "$word" || fail "image $*: says nothing of \"$word\""
}

qemu-img create -q -f qcow2 base.qcow2 8M
qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 top.qcow2 16M
echo text > text.img

# what was typed
expect 2 'unknown command' ""
expect 0 'Commands:' --help
for c in build import list verify shell rm; do
	expect 0 "Usage: bmvm image $c" $c --help
done
expect 2 'did you mean "import"' imprt
expect 2 'which FILE' import
expect 2 'one FILE' import base.qcow2 top.qcow2
expect 2 'no name for an image' import --name ../x base.qcow2
expect 2 '--initrd needs --kernel' import --initrd base.qcow2 base.qcow2
expect 2 'exclude each other' import --cloud-init --no-cloud-init base.qcow2
expect 2 'which image' verify
expect 2 'which image' rm
expect 2 'which IMAGE' shell
expect 2 'needs --from' build --script text.img
expect 2 'needs --from' build --hypervisor tcg
expect 2 'does not go with --from' build --from base --name x --docker --package y
expect 2 'needs a --script or a --package' build --from base --name x
expect 2 'needs the --name' build --from base --package y
expect 2 'No such file' build --from base --name x --script nowhere
expect 2 'no name of a package' build --package 'a b'
expect 2 'no name of a Debian release' build --suite ../x
expect 2 'unknown option "--nmae"; did you mean "--name"' build --nmae x
expect 2 'unexpected argument "x"' list x

# what is there
expect 0 'NAME' list
expect 1 'there is no image "nothing"' verify nothing
expect 1 'there is no image "nothing"' rm nothing
expect 1 'No such file' import nowhere.qcow2
expect 1 'no partition table' import text.img
expect 0 'stands on' import --name one --cloud-init top.qcow2
expect 1 'there is an image one already' import --name one top.qcow2
expect 0 'copying' import --name one --replace base.qcow2
expect 0 'one: ok' verify one
expect 1 'one' verify two
expect 0 'unknown' list
expect 0 '"in_use":false' list --json
expect 0 '"ok":true' verify --json one
[ "$(ls -A "$images")" = one ] || fail "the folder of images holds more: $(ls -A "$images")"
[ "$(stat -c %a "$images/one/disk.qcow2")" = 444 ] || fail "the disk can be written"

# a VM holds it
exec 9< "$images/one/disk.qcow2"
flock -s 9
expect 1 'in use by a VM' rm one
expect 1 'in use by a VM' import --name one --replace base.qcow2
expect 0 '"in_use":true' list --json
exec 9<&-

# it was damaged
chmod u+w "$images/one/disk.qcow2"
printf x | dd of="$images/one/disk.qcow2" bs=1 seek=1000 conv=notrunc status=none
expect 1 'not what its manifest says' verify one
rm "$images/one/manifest.json"
expect 0 'unusable' list
mkdir "$images/.tmp-abcdef"
expect 0 '' rm one
[ -z "$(ls -A "$images")" ] || fail "something is left: $(ls -A "$images")"

[ "$failures" = 0 ]
