#!/bin/sh
# SPDX-License-Identifier: MIT
# The top level holds what the design lists and nothing else, and the README only names commands
# that exist.
set -eu
cd "$BMVM_SOURCE"
bad=0

for entry in *; do
	case $entry in
	CMakeLists.txt | src | qmp | sysfs | scripts | tests | examples | README.md | LICENSE) ;;
	build*) ;;
	*) echo "$entry: not a top-level entry of the design"; bad=1 ;;
	esac
done
for entry in CMakeLists.txt src qmp sysfs scripts tests examples README.md LICENSE .ci/run; do
	[ -e "$entry" ] || { echo "$entry is missing"; bad=1; }
done

# `bmvm COMMAND` at the start of a line of a code block.
if [ -e README.md ]; then
	awk '/^```/ { code = !code; next } code' README.md |
		sed -nE 's/^(\$ |# )?(.*\| *)?(sudo )?bmvm ([a-z]+).*/\4/p' | sort -u > "$BMVM_BUILD/readme-commands"
	while read -r command; do
		"$BMVM" "$command" --help > /dev/null 2>&1 || { echo "README: bmvm $command --help fails"; bad=1; }
	done < "$BMVM_BUILD/readme-commands"
	grep -oE 'scripts/[a-z]+' README.md | sort -u > "$BMVM_BUILD/readme-scripts"
	while read -r script; do
		[ -e "$script" ] || { echo "README: there is no $script"; bad=1; }
	done < "$BMVM_BUILD/readme-scripts"
fi
exit $bad
