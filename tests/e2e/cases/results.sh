# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Results out of hostile guests: nothing lands outside the destination.

# In the guest's folder: whatever may lie in a folder.
test_hostile_folder() {
	mkdir dest
	echo untouched > victim
	ln -s ../victim dest/trap
	expect 0 run_vm --workdir /srv "$(with '"results": {"collect": ["*"], "to": "'"$PWD"'/dest", "max_size": "1M"}')" -- sh -euc '
		echo good > good.txt
		mkdir folder && echo inner > folder/inner
		ln -s /etc/shadow shadow
		ln -s / root && ln -s ../../.. up
		mknod device c 1 3; mknod disk b 8 0; mkfifo pipe
		printf "x" > "$(printf "esc\033[31mape")"; printf "x" > "$(printf "new\nline")"
		cp /bin/true setuid && chmod 6755 setuid
		echo overwritten > trap' > out 2> err
	same "$(cat dest/good.txt)" good
	same "$(cat dest/folder/inner)" inner
	same "$(cat victim)" untouched
	same "$(find dest ! -type f ! -type d ! -name trap | wc -l)" 0
	same "$(find dest -perm /7000 | wc -l)" 0
	same "$(find dest -name '*[[:cntrl:]]*' | wc -l)" 0
	has_not err $'\033'
	same "$(ls)" "$(printf '%s\n' dest err out victim)"
}

full_test_sparse_file_of_a_tebibyte() {
	mkdir dest
	local code=0
	timeout 200 "$BMVM" run "${small[@]}" --workdir /srv \
		"$(with '"results": {"collect": ["huge", "small"], "to": "'"$PWD"'/dest", "max_size": "4M"}')" -- \
		sh -c 'echo fine > small; truncate -s 1T huge' > out 2> err || code=$?
	same $code 125
	has err 'huge|results|max_size|4'
	[ "$(du -sm dest | cut -f 1)" -le 5 ] || fail "$(du -sm dest)"
	[ "$(find dest -type f -size +4M | wc -l)" = 0 ] || fail "a file beyond the cap"
}

# The guest's tar itself lies: entries with "..", absolute names, links and files through them.
test_hostile_tar() {
	mkdir dest make make/sub
	echo evil > make/evil
	ln -s "$PWD" make/link
	(
		cd make || exit
		tar -cf ../stream.tar --transform 's|^evil$|../escaped|' evil
		tar -rf ../stream.tar -P --transform "s|^evil\$|$suite_dir/absolute|" evil
		tar -rf ../stream.tar link
		tar -rf ../stream.tar --transform 's|^evil$|link/through|' evil
		tar -rf ../stream.tar --transform 's|^evil$|sub/../../dots|' evil
		tar -rf ../stream.tar --transform 's|^evil$|honest|' evil
	)
	rm -rf make
	local code=0
	run_vm --workdir /srv --copy-in stream.tar:/srv/stream.tar "$(with '"results": {"collect": ["*"], "to": "'"$PWD"'/dest"}')" -- \
		sh -c 'tar=$(command -v tar); printf "#!/bin/sh\nexec cat /srv/stream.tar\n" > /srv/tar; chmod 755 /srv/tar; mv /srv/tar $tar' > out 2> err || code=$?
	echo "exit code $code"
	same "$(ls)" "$(printf '%s\n' dest err out stream.tar)"
	[ ! -e "$suite_dir/absolute" ] || fail "an absolute name was followed"
	same "$(find dest -type l | wc -l)" 0
	same "$(find "$suite_dir" -name escaped -o -name dots)" ''
	same "$(find "$suite_dir" -path "$PWD/dest" -prune -o -name through -print)" ''
	same "$(cat dest/honest)" evil
}
