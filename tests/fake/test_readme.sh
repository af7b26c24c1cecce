#!/bin/bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # backticks are what is looked for
# The README says what is so: its tables, command lines, options, paths and messages are those of the
# program and of the source tree. Nothing is run that needs a guest.
set -u
cd "$BMVM_SOURCE" || exit 1
readme=README.md
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
# a fresh user: nothing of this host's own images and VMs is seen or touched
export HOME="$work" XDG_STATE_HOME="$work/state" XDG_RUNTIME_DIR="$work/run" LC_ALL=C.UTF-8
mkdir -m 700 "$work/run"

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# between FROM TO: the lines between two HTML comments, without them
between() {
	sed -n "/^<!-- $1/,/^<!-- $2/p" "$readme" | sed '1d;$d'
}

# blocks LANGUAGE: the fenced blocks of one language; @@ ends each
blocks() {
	awk -v want="$1" '
	/^```/ { if (on) { print "@@"; on = 0; inside = 0 } else if (inside) inside = 0; else { inside = 1; on = substr($0, 4) == want }; next }
	on' "$readme"
}

# spans: every `code span` of the prose and the tables
spans() {
	awk '/^```/ { code = !code; next } !code' "$readme" | grep -oE '`[^`]+`' | tr -d '`'
}

# --- tables that are the program's ------------------------------------------------------------------

if ! diff <("$BMVM" run --help-config=markdown) <(between keys 'end of keys') > "$work/keys"; then
	fail "the key table is not that of bmvm run --help-config=markdown:"
	head -20 "$work/keys"
fi

between 'exit codes' 'end of exit codes' > "$work/codes"
sed -nE 's/.*EXIT_CODE_[A-Z_]+ = ([0-9]+).*/\1/p' src/cli/cli.h | sort -n > "$work/codes.h"
sed -nE 's/^\| ([0-9]+) \|.*/\1/p' "$work/codes" | sort -n > "$work/codes.md"
[ -s "$work/codes.h" ] || fail "no exit codes found in src/cli/cli.h"
diff "$work/codes.h" "$work/codes.md" || fail "the exit code table is not that of src/cli/cli.h"

# --- commands ----------------------------------------------------------------------------------------

# help_of COMMAND [SUBCOMMAND]: its --help, kept in a file
help_of() {
	local file="$work/help-${1}-${2:-}"
	[ -e "$file" ] || "$BMVM" "$@" --help > "$file" 2> /dev/null || { rm -f "$file"; return 1; }
	cat "$file"
}

sed -n '/^## Commands/,/^## /p' "$readme" | grep '^| `bmvm' > "$work/rows"
while read -r row; do
	names=$(grep -oE '`bmvm [a-z]+( (build|import|list|verify|shell|rm|to-html|to-email)\b)?' <<< "$row" | sed 's/`bmvm //')
	while read -r name; do
		# shellcheck disable=SC2086 # a command and its sub-command
		help_of $name > /dev/null || fail "bmvm $name --help fails"
	done <<< "$names"
done < "$work/rows"
listed=$("$BMVM" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for name in image report; do
	listed+=$(printf '\n'; "$BMVM" $name --help | sed -n "/^Commands:/,/^\$/s/^  \([a-z-]*\) .*/$name \1/p")
done
while read -r name; do
	[ "$name" = image ] || [ "$name" = report ] || grep -qE "\`bmvm $name( [^\`]*)?\`" "$work/rows" || fail "bmvm $name is not in the command table"
done <<< "$listed"

# --- options -----------------------------------------------------------------------------------------

# options_of TEXT: the long options named in it
options_of() {
	grep -oE -- '--[a-z][a-z-]*[a-z]' <<< "$1" | sort -u
}

{
	"$BMVM" --help
	for name in run check gpus ps ssh console logs destroy recover image discover; do help_of $name; done
	for name in build import list verify shell rm; do help_of image $name; done
	for name in to-html to-email; do help_of report $name; done
	echo --version --help
} > "$work/help"
# A span that begins with another program's name has that program's options.
spans | grep -E '^(-|bmvm )' > "$work/spans"
while read -r option; do
	grep -qE -- "(^|[^a-z-])$option([^a-z-]|\$)" "$work/help" || fail "no command has the option $option"
done <<< "$(options_of "$(cat "$work/spans")")"

# --- command lines -----------------------------------------------------------------------------------

# words LINE: the words of a simple command, one a line, up to the first operator or comment
words() {
	xargs -n 1 printf '%s\n' <<< "$1" 2> /dev/null | awk '/^[|<>&;#]/ { exit } { print }'
}

# check_line LINE: `bmvm ...` must be a command line the program understands
check_line() {
	local line=$1 argv option command help
	mapfile -t argv < <(words "$line")
	[ "${argv[0]}" = bmvm ] || { fail "not readable as a command: $line"; return; }
	command=("${argv[1]}")
	[[ ${argv[1]} != @(image|report) ]] || command+=("${argv[2]}")
	help=$(help_of "${command[@]}") || { fail "no such command: $line"; return; }
	for option in "${argv[@]:${#command[@]}+1}"; do
		[ "$option" != -- ] || break
		[[ $option == -* ]] || continue
		grep -qE -- "(^|[ ,])${option%%=*}([ =,[]|\$)" <<< "$help" || fail "no option $option: $line"
	done
	[ "${command[0]}" = run ] || return 0
	# parses the options with their values, then prints the keys instead of running
	"$BMVM" run --help-config "${argv[@]:2}" > /dev/null 2> "$work/err" || { fail "$line"; cat "$work/err"; }
	[[ " ${argv[*]} " == *" -- "?* || " ${argv[*]} " == *" --tags "?* ]] || fail "no command: $line"
}

{ blocks sh; blocks console; blocks yaml; } | sed -E 's/^(\$| *-) //; s/^(.*[|] *)?(sudo )?bmvm /bmvm /' | grep '^bmvm ' > "$work/lines"
spans | grep -E '^bmvm (run|check) .*(--|-f) ' | grep -v '\[' >> "$work/lines"
[ "$(wc -l < "$work/lines")" -gt 20 ] || fail "only $(wc -l < "$work/lines") command lines found"
while read -r line; do
	check_line "$line"
done < "$work/lines"

# --- configurations ----------------------------------------------------------------------------------

# json_blocks N: the Nth block of JSON
blocks json | awk -v dir="$work" '/^@@$/ { n++; next } { print > (dir "/json-" n + 0) }'
configurations=0
for file in "$work"/json-*; do
	if grep -q '"baremetal_vm"' "$file"; then
		configurations=$((configurations + 1))
		"$BMVM" check -f "$file" > /dev/null 2> "$work/err"
		[ $? -lt 2 ] || { fail "a configuration is refused:"; cat "$file" "$work/err"; }
	else
		grep -oE '"[a-z_0-9]+":' "$file" | tr -d ':' | sort -u | while read -r key; do
			grep -rqF --include='*.c' -- "$key" src/ || echo "$key"
		done > "$work/unknown"
		[ ! -s "$work/unknown" ] || fail "the receipt has no member $(tr '\n' ' ' < "$work/unknown")"
	fi
done
[ $configurations -ge 2 ] || fail "only $configurations configurations found"

# --- paths, packages, messages -----------------------------------------------------------------------

while read -r path; do
	[ -e "$path" ] || fail "there is no $path"
done < <(
	spans | grep -oE '^(src|qmp|sysfs|tests|scripts|examples)/[^ ]*'
	grep -oE '\]\([^)#]+' "$readme" | cut -c3-
	blocks sh | grep -oE '(^| )(scripts|examples|src|tests)/[^ ]+'
)
while read -r anchor; do
	grep -E '^##' "$readme" | sed -E 's/^#+ //; s/[`,]//g; s/ /-/g' | tr '[:upper:]' '[:lower:]' |
		grep -qxF -- "$anchor" || fail "there is no heading #$anchor"
done < <(grep -oE '\]\(#[^)]+' "$readme" | cut -c4-)

blocks sh | grep '^apt-get install' > "$work/apt"
# shellcheck source=scripts/lib/common.sh
(. scripts/lib/common.sh && packages_of build && packages_of run && packages_of image) | tr " " "\n" > "$work/packages"
[ -s "$work/packages" ] || fail "scripts/lib/common.sh names no packages"
while read -r name; do
	[ "$name" = virtiofsd ] || grep -qwF -- "$name" "$work/apt" || fail "package $name is not named"
done < "$work/packages"

# What is quoted of the program's messages is in its source; long texts are split there.
find src/ -name '*.c' -exec cat {} + | tr -d '\n' | sed -E 's/"[[:space:]]*"//g' > "$work/source"
sed -n '/^## Troubleshooting/,/^## /p' "$readme" | sed -nE 's/^\| ([^|]*) \|.*/\1/p' | grep -oE '`[^`]+ [^`]+`' |
	tr -d '`' | grep -vE '^bmvm |^docker' > "$work/messages"
[ -s "$work/messages" ] || fail "no messages found"
while read -r message; do
	grep -qF -- "${message//\"/\\\"}" "$work/source" || fail "the program never says: $message"
done < "$work/messages"

base=$(sed -nE 's/.*JAIL_UID_BASE +([0-9]+)U.*/\1/p' src/vm/jail.h)
count=$(sed -nE 's/.*JAIL_UID_COUNT +([0-9]+)U.*/\1/p' src/vm/jail.h)
uids="from $(printf '0x%x' "$base") ($base) to $(printf '0x%x' $((base + count - 1))) ($((base + count - 1)))"
tr "\n" " " < "$readme" | grep -qF -- "$uids" || fail "the range of user ids is $uids"

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
