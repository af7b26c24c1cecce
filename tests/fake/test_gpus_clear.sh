#!/bin/sh
# SPDX-License-Identifier: MIT
# bmvm gpus --clear: a device that answers loses its quarantine, another one keeps it. As a user of
# its own, whose quarantine it is, with the real /sys.
set -eu

address=$(find /sys/bus/pci/devices -mindepth 1 -maxdepth 1 2>/dev/null | sort | head -1)
[ -n "$address" ] || { echo "SKIP: no PCI device here"; exit 77; }
address=${address##*/}
none=fffe:ff:1f.7

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
folder=$home/run/bmvm/quarantine
mkdir -p "$folder" "$home/state"
for name in "$address" "$none"; do
	printf '{"boot": "x", "vm": "red", "why": "a test", "since": 1}' > "$folder/$name"
done
chmod -R go-rwx "$home"

# clear CODE TEXT ADDRESS: the exit code, and what is said.
clear() {
	code=0
	set -- "$1" "$2" gpus --clear "$3"
	want=$1 text=$2
	shift 2
	if [ "$(id -u)" -eq 0 ]; then
		set -- setpriv --reuid 65534 --regid 65534 --clear-groups "$BMVM" "$@"
	else
		set -- "$BMVM" "$@"
	fi
	XDG_RUNTIME_DIR=$home/run XDG_STATE_HOME=$home/state "$@" > "$home.out" 2>&1 || code=$?
	said=$(cat "$home.out")
	rm -f "$home.out"
	case $code:$said in
	"$want":*"$text"*) ;;
	*) echo "expected $want \"$text\", got $code: $said"; exit 1 ;;
	esac
}

if [ "$(id -u)" -eq 0 ]; then
	chown -R 65534:65534 "$home"
fi
clear 0 "$address answers: its quarantine is lifted" "$address"
[ ! -e "$folder/$address" ] || { echo "$address is quarantined still"; exit 1; }
clear 0 "$address is not quarantined" "$address"
clear 1 "$none: it cannot be read" "$none"
[ -e "$folder/$none" ] || { echo "$none is not quarantined any more"; exit 1; }
clear 2 "clear" "00:zz.0"
