#!/bin/sh
# Makes the image bmvm-guest of the guest's own programs, so that the models of this package need no registry. Run
# as root in the guest by the key docker.script of vm.json.
set -eu
files="/bin/sh /bin/bash /etc/passwd /etc/group"
for program in awk cat chmod cp date env grep head ls mkdir mv rm sed seq sleep tail touch whoami; do
	[ ! -x "/usr/bin/$program" ] || files="$files /usr/bin/$program"
done
# shellcheck disable=SC2086 # a list of paths without blanks
libraries=$(ldd $files 2> /dev/null | grep -o '/[^ ):]*' | sort -u)
# shellcheck disable=SC2086
printf '%s\n' $files $libraries | sort -u |
	tar -c -P -h --hard-dereference -f - -T - |
	docker import --change 'ENV PATH=/usr/bin:/bin' - bmvm-guest
