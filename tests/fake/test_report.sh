#!/bin/sh
# SPDX-License-Identifier: MIT
# bmvm report through the command line: exit codes, streams, what is written where.
set -u

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# expect CODE NAME ARGS...: run bmvm report with ARGS, output in out and err
expect() {
	want=$1
	name=$2
	shift 2
	"$BMVM" report "$@" > out 2> err
	got=$?
	if [ "$got" -ne "$want" ]; then
		echo "FAIL: $name: exit code $got, not $want"
		sed 's/^/  /' out err
		failures=$((failures + 1))
	fi
}

fail() {
	echo "FAIL: $name: $*"
	failures=$((failures + 1))
}

# has FILE TEXT; prints TEXT: the whole of stdout; empty FILE
has() {
	grep -qF -- "$2" "$1" || { fail "no \"$2\" in $1"; sed 's/^/  /' "$1" | head -20; }
}
prints() {
	[ "$(cat out)" = "$1" ] || fail "prints \"$(cat out)\", not \"$1\""
}
empty() {
	[ ! -s "$1" ] || { fail "$1 is not empty"; sed 's/^/  /' "$1"; }
}

printf 'model,performance,metric,status\na,1,m,SUCCESS\n' > perf.csv

expect 0 "help" --help
has out to-html
has out to-email
expect 0 "help of to-html" to-html --help
has out --csv-file-path
expect 2 "no command"
expect 2 "unknown command" to-htm
has err to-html
expect 2 "no file" to-html
has err --csv-file
expect 2 "operand" to-html perf.csv
expect 2 "unknown option" to-html --csv perf.csv

expect 0 "a page" to-html --csv-file perf.csv
prints perf.html
empty err
has perf.html "<h1>perf.csv</h1>"
[ "$(stat -c %a perf.html)" = 644 ] || fail "the page's mode is $(stat -c %a perf.html)"
rm perf.html
expect 0 "the older spelling" to-html --csv-file-path=./perf.csv -v
prints ./perf.html
[ -s perf.html ] || fail "no page"
expect 0 "another name" to-html --csv-file perf.csv --output "page two.html"
prints "page two.html"
cp perf.csv perf.txt
expect 1 "not a .csv" to-html --csv-file perf.txt
has err ".csv"
has err --output
empty out
expect 0 "not a .csv, with a name for the page" to-html --csv-file perf.txt -o x.html

expect 1 "no such file" to-html --csv-file none.csv
has err none.csv
[ ! -e none.html ] || fail "a page of nothing"
mkdir folder.csv
expect 1 "a folder" to-html --csv-file folder.csv
: > void.csv
expect 1 "an empty file" to-html --csv-file void.csv
has err "has no header"
printf '\377\376a\0,\0' > wide.csv
expect 1 "UTF-16" to-html --csv-file wide.csv
has err wide.csv
expect 1 "nowhere to write" to-html --csv-file perf.csv --output missing/page.html
has err missing
expect 1 "no receipt" to-html --csv-file perf.csv --receipt perf.csv
has err "receipt: perf.csv"
printf '{"vm": "v1", "stages": [{"name": "start", "seconds": 2}]}' > receipt.json
expect 0 "a receipt" to-html --csv-file perf.csv --receipt receipt.json --receipt .
has perf.html "Where the time went"

mkfifo fifo
ln -s fifo link
for to in fifo link none. .; do
	[ $to = none. ] && to=
	expect 1 "no file to write to: \"$to\"" to-html --csv-file perf.csv --output "$to"
	has err "--output: "
	has err "hint: --output - writes the page to stdout"
	empty out
	expect 1 "no file to write a mail to: \"$to\"" to-email --output "$to"
	has err "--output: "
done
[ -p fifo ] || fail "a FIFO was replaced"
[ -p link ] || fail "a link to a FIFO was replaced"
expect 0 "to stdout" to-html --csv-file perf.csv --output -
has out "<h1>perf.csv</h1>"
tail -n 1 out | grep -q '</html>' || fail "more than the page on stdout"
[ ! -e ./- ] || fail "a file called -"
# only the link is looked at, which is no device of the host
ln -s /proc/self/fd/1 stdout
expect 1 "the file that is stdout" to-html --csv-file perf.csv --output stdout
[ -L stdout ] || fail "a link such as /dev/stdout was replaced"

ln perf.csv hard
ln -s perf.csv soft
for to in perf.csv ./perf.csv hard soft; do
	expect 1 "the rows' own file: $to" to-html --csv-file perf.csv --output $to
	has err "--output: $to is what the page is made of"
done
expect 1 "the receipt's own file" to-html --csv-file perf.csv --receipt receipt.json --output receipt.json
has err "is what the page is made of"
[ "$(head -n 1 perf.csv)" = "model,performance,metric,status" ] || fail "the rows were replaced"
rm hard soft

mkdir mail none
cp perf.csv mail/b.csv
cp perf.csv mail/a.csv
mkdir mail/c.csv
expect 0 "a mail" to-email --dir mail
prints mail/run_results.html
empty err
[ "$(grep -o '<h2>[^<]*' mail/run_results.html | tr '\n' ' ')" = "<h2>a.csv <h2>b.csv " ] || fail "wrong files"
expect 0 "another name" to-email --directory mail -o "$work/m.html"
prints "$work/m.html"
(cd mail && "$BMVM" report to-email) > out || fail "in the current folder"
prints run_results.html
for to in b.csv "$work/mail/b.csv"; do
	expect 1 "a file of the mail's: $to" to-email --dir mail --output "$to"
	has err "is what the page is made of"
done
for to in new.csv ../mail/new.csv; do
	expect 1 "a CSV file beside them: $to" to-email --dir mail --output $to
	has err "would be a CSV file of that folder"
done
[ "$(head -n 1 mail/b.csv)" = "model,performance,metric,status" ] || fail "the rows were replaced"
[ ! -e mail/new.csv ] || fail "a page called .csv"
expect 0 "a mail to stdout" to-email --dir mail -o -
has out "<h2>b.csv"
! grep -q run_results out || fail "more than the page on stdout"
[ ! -e mail/- ] || fail "a file called -"
cp wide.csv mail/d.csv
expect 1 "one cannot be read" to-email --dir mail
has err "1 of 3 files"
has mail/run_results.html "<h2>b.csv"
has mail/run_results.html "<h2>d.csv</h2>"
expect 0 "no CSV file" to-email --dir none
empty out
has err "no CSV file"
[ ! -e none/run_results.html ] || fail "a page of nothing"
expect 1 "no such folder" to-email --dir missing
has err missing

# with sudo in a user's folder the pages are the user's
if [ "$(id -u)" -eq 0 ]; then
	mkdir users && cp perf.csv users && chown 4711:4712 users
	expect 0 "a page of a user's" to-html --csv-file users/perf.csv
	expect 0 "a mail of a user's" to-email --dir users
	[ "$(stat -c %u:%g users/perf.html users/run_results.html | uniq)" = 4711:4712 ] || fail "the pages are not the user's"
fi

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
