#!/bin/sh
# SPDX-License-Identifier: MIT
# mmdebstrap setup hook of the bmvm guest image: where packages come from.
set -eu

root=$1
suite=${BMVM_SUITE:?}

die() {
	echo "bmvm-image: $*" >&2
	exit 1
}

# Prints "uri|release|component|keyring" of every package list apt uses on this machine.
host_lists() {
	env -u APT_CONFIG apt-get indextargets 'Created-By: Packages' |
		awk -v RS= -F '\n' '
		{
			uri = rel = comp = key = origin = ""
			for (i = 1; i <= NF; i++) {
				at = index($i, ": ")
				name = substr($i, 1, at - 1)
				value = substr($i, at + 2)
				if (name == "Repo-URI") uri = value
				if (name == "Release") rel = value
				if (name == "Component") comp = value
				if (name == "Signed-By") key = value
				if (name == "Origin") origin = value
			}
			if (comp == "main" && (origin == "" || origin == "Debian"))
				print uri "|" rel "|" comp "|" key
		}'
}

# shellcheck source=/dev/null
host=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
lists=$(host_lists)
[ -n "$lists" ] || die "this machine's apt has no Debian package source"

sources=$root/etc/apt/sources.list.d/bmvm.list
: > "$sources"
echo "$lists" | while IFS='|' read -r uri rel comp key; do
	case $rel in
	"$suite" | "$suite"-*) ;;
	"$host" | "$host"-*) rel=$suite${rel#"$host"} ;;
	*) continue ;;
	esac
	line="deb ${key:+[signed-by=$key] }$uri $rel $comp"
	grep -qxF "$line" "$sources" || echo "$line" >> "$sources"
done
[ -s "$sources" ] || die "no package source of this machine can serve $suite"
sed 's/^/bmvm-image: /' "$sources" >&2
rm -f "$root/etc/apt/sources.list"
