#!/bin/sh
# SPDX-License-Identifier: MIT
# bmvm gpus --clear, with the real /sys: refused to a user, who could not even read root's entries.
# As root, with folders of its own: a device that answers loses its quarantine, and so does what is
# not there any more.
set -eu

# clear CODE TEXT COMMAND...: the exit code, and what is said.
clear() {
	code=0 want=$1 text=$2
	shift 2
	said=$("$@" 2>&1) || code=$?
	case $code:$said in
	"$want":*"$text"*) ;;
	*) echo "expected $want \"$text\", got $code: $said"; exit 1 ;;
	esac
}

# As root in a mount namespace, where /run and /var/lib are empty.
if [ "${1-}" = inside ]; then
	address=$2 none=fffe:ff:1f.7 folder=/run/bmvm/quarantine
	mount -t tmpfs none /run
	mount -t tmpfs none /var/lib
	(umask 077 && mkdir -p $folder)
	for name in "$address" $none; do
		printf '{"boot": "x", "vm": "red", "why": "a test", "since": 1}' > "$folder/$name"
	done
	clear 0 "$address answers: its quarantine is lifted" "$BMVM" gpus --clear "$address"
	[ ! -e "$folder/$address" ] || { echo "$address is quarantined still"; exit 1; }
	clear 0 "$address is not quarantined" "$BMVM" gpus --clear "$address"
	clear 0 "$none is not there any more" "$BMVM" gpus --clear $none
	[ ! -e "$folder/$none" ] || { echo "$none is quarantined still"; exit 1; }
	exit
fi

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/run" "$home/state"
export XDG_RUNTIME_DIR="$home/run" XDG_STATE_HOME="$home/state"
as_user='' in_namespace="unshare --map-root-user --mount"
if [ "$(id -u)" -eq 0 ]; then
	chown -R 65534:65534 "$home"
	as_user="setpriv --reuid 65534 --regid 65534 --clear-groups" in_namespace="unshare --mount"
fi
# shellcheck disable=SC2086 # several words
{
	clear 1 "lifting a quarantine needs root" $as_user "$BMVM" gpus --clear 0000:00:00.0
	clear 2 "clear" $as_user "$BMVM" gpus --clear "00:zz.0"
}

address=$(find /sys/bus/pci/devices -mindepth 1 -maxdepth 1 2>/dev/null | sort | head -1)
[ -n "$address" ] || { echo "SKIP: no PCI device here"; exit 77; }
# shellcheck disable=SC2086
$in_namespace sh -c 'mount -t tmpfs none /run' 2>/dev/null ||
	{ echo "SKIP: no mount namespace can be made here"; exit 77; }
# shellcheck disable=SC2086
$in_namespace "$0" inside "${address##*/}"
