#!/bin/sh
# SPDX-License-Identifier: MIT
# Rules of the house that no compiler knows.
set -eu
cd "$BMVM_SOURCE"
bad=0

# forbid RULE PATTERN FILE...: no line of the files may match; a comment line may.
forbid() {
	rule=$1 pattern=$2
	shift 2
	hits=$(grep -nE "$pattern" "$@" /dev/null | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*|//)' || true)
	[ -z "$hits" ] || { printf '%s:\n%s\n' "$rule" "$hits"; bad=1; }
}

c_files=$(find src qmp sysfs -name '*.[ch]' | sort)
all_files=$(find src qmp sysfs tests scripts .ci -type f ! -path 'tests/data/*' | sort)

# Where a path below /sys, /proc or /dev may be spelled out: the roots themselves, what a jail looks
# like from inside, names as other programs have them, and texts (hints for the user).
roots='^src/(host/(host|fit|check_rows|check_devices|device_users|device_disks)\.c|vm/jail\.[ch]|config/syntax\.c|run/(readiness|machine_plan|device_plan)\.c)$'
c_files_but() {
	echo "$c_files" | grep -vE "$1"
}

# shellcheck disable=SC2046,SC2086 # lists of names without blanks
{
	forbid "no shell on the host" '(^|[^_[:alnum:]])(system|popen)\(|"/bin/sh"' $c_files
	forbid "only main() ends the program" '(^|[^_[:alnum:]])exit\(' $(c_files_but '^src/main\.c$')
	forbid "early returns and cleanup attributes, not goto" '^[[:space:]]*goto ' $c_files
	forbid "roots are injected: a path below a directory handle" \
		'"/(sys|dev/([^nf]|n[^u]|f[^d])|proc/([^s]|s[^e]|self/[^f]))' $(c_files_but "$roots")
	forbid "unfinished work belongs into an issue" '[^[:alnum:]](TO''DO|FIX''ME|XX''X)([^[:alnum:]]|$)' \
		$all_files CMakeLists.txt
}

for file in $all_files; do
	case $file in
	*.[ch])
		lines=$(wc -l < "$file")
		[ "$lines" -le 600 ] || { echo "$file: $lines lines, at most 600"; bad=1; }
		;;
	esac
	case $file in
	*.md | *.json) ;;
	*) head -3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || { echo "$file: no SPDX line"; bad=1; } ;;
	esac
done
exit $bad
