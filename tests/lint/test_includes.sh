#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Who may include whom:
#   cli -> run -> {workload guest vm image results host} -> config -> base
# Inside the braces only workload -> guest, results and vm -> image, host; whoever is further left
# may use everything further right. The one exception is host/host.h, the handles of the host's roots
# and of our own folders, which image gets injected like everybody else. qmp and sysfs include nothing of ours and serve run, vm and host.
set -eu
cd "$BMVM_SOURCE"

may_include() {
	case $1 in
	base) echo base ;;
	config) echo config base ;;
	guest | image | results | host) echo "$1" config base ;;
	vm) echo vm image host config base ;;
	workload) echo workload guest results config base ;;
	run) echo run workload guest vm image results host config base ;;
	cli) echo cli run workload guest vm image results host config base ;;
	esac
}

uses_library() {
	case $1 in
	run | vm | host) return 0 ;;
	*) return 1 ;;
	esac
}

bad=0
complain() {
	echo "$1 includes \"$2\""
	bad=1
}

# Each include of our own, "file path", named from the roots src/ and the top.
list=$(find src qmp sysfs -name '*.[ch]' -exec grep -Ho '^#include "[^"]*"' {} + | sed 's/:#include "\(.*\)"/ \1/')
while read -r file header; do
	case $file in
	src/main.c) from=cli ;;
	src/*) from=${file#src/} from=${from%%/*} ;;
	*) from=${file%%/*} ;;
	esac
	to=${header%%/*}
	case $from:$to in
	qmp:qmp | sysfs:sysfs) continue ;;
	qmp:* | sysfs:*) complain "$file" "$header"; continue ;;
	image:host) [ "$header" = host/host.h ] || complain "$file" "$header"; continue ;;
	*:qmp | *:sysfs) uses_library "$from" || complain "$file" "$header"; continue ;;
	esac
	case " $(may_include "$from") " in
	*" $to "*) ;;
	*) complain "$file" "$header" ;;
	esac
done << END
$list
END
exit $bad
