#!/bin/sh
# SPDX-License-Identifier: MIT
# mmdebstrap setup hook of the bmvm guest image (see customize-hook.sh): packages come from where this
# machine's apt gets its own. Of every Debian source, "main" of the wanted suite ($BMVM_SUITE) is taken, or
# else of this machine's own suite with the name replaced. Keyrings named by signed-by go into the
# guest, which keeps the sources; proxies of this machine's apt are used while building only.
set -eu

root=$1
suite=${BMVM_SUITE:?}
archive_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
	echo "bmvm-image: $*" >&2
	exit 1
}

# Prints "uri|release|file:entry" of every package list apt uses on this machine.
host_lists() {
	apt-get indextargets 'Created-By: Packages' |
		awk -v RS= -F '\n' '
		{
			uri = rel = comp = entry = origin = ""
			for (i = 1; i <= NF; i++) {
				at = index($i, ": ")
				name = substr($i, 1, at - 1)
				value = substr($i, at + 2)
				if (name == "Repo-URI") uri = value
				if (name == "Release") rel = value
				if (name == "Component") comp = value
				if (name == "Sourcesentry") entry = value
				if (name == "Origin") origin = value
			}
			if (comp == "main" && (origin == "" || origin == "Debian"))
				print uri "|" rel "|" entry
		}'
}

# keyring FILE ENTRY: the signed-by of one entry (a stanza of a .sources file, a line of another).
keyring() {
	case $1 in
	*.sources) awk -v RS= -v n="$2" -F '\n' 'NR == n {
		for (i = 1; i <= NF; i++)
			if (tolower($i) ~ /^signed-by:[ \t]*\//) {
				sub(/^[^:]*:[ \t]*/, "", $i)
				print $i
			}
		}' "$1" ;;
	*) sed -n "$2s/^[^[]*\[[^]]*signed-by=\([^] ]*\).*/\1/p" "$1" ;;
	esac
}

# Without any signed-by apt trusts the files of trusted.gpg.d; where there are none, the archive's.
default_keyring() {
	for file in /etc/apt/trusted.gpg.d/*.asc /etc/apt/trusted.gpg.d/*.gpg; do
		[ ! -e "$file" ] || return 0
	done
	[ ! -e "$archive_keyring" ] || echo "$archive_keyring"
}

unset APT_CONFIG
# shellcheck source=/dev/null
host=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
lists=$(host_lists)
[ -n "$lists" ] || die "apt of this machine has no source of Debian packages: see /etc/apt"

sources=$root/etc/apt/sources.list.d/bmvm.list
: > "$sources"
echo "$lists" | while IFS='|' read -r uri rel entry; do
	case $rel in
	"$suite" | "$suite"-*) ;;
	"$host" | "$host"-*) rel=$suite${rel#"$host"} ;;
	*) continue ;;
	esac
	key=$(keyring "${entry%:*}" "${entry##*:}")
	key=${key:-$(default_keyring)}
	line="deb ${key:+[signed-by=$key] }$uri $rel main"
	grep -qxF "$line" "$sources" || echo "$line" >> "$sources"
	case $key in
	'' | "${archive_keyring%/*}"/debian-archive-*) ;;
	*) mkdir -p "$root${key%/*}" && cp "$key" "$root$key" ;;
	esac
done
[ -s "$sources" ] || die "none of this machine's package sources (of $host) can serve $suite"
sed 's/^/bmvm-image: /' "$sources" >&2
rm -f "$root/etc/apt/sources.list"
apt-config dump --format '%f "%v";%n' | grep -i '^Acquire::[a-z]*::Proxy' \
	> "$root/etc/apt/apt.conf.d/01bmvm-build" || :
