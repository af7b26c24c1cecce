#!/bin/bash
# SPDX-License-Identifier: MIT
# The page of `bmvm report to-html` in a real browser: sorting clicked and keyed, filtered, paged, at two widths, dark,
# printed; a hostile file stays text; nothing else is loaded or run. The pictures stay in the build folder.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/helper_browser.sh"
browser_program > /dev/null || { echo "SKIP: no Chromium"; exit 77; }
command -v jq > /dev/null || { echo "SKIP: no jq"; exit 77; }

work=$(mktemp -d) || exit 1
trap 'browser_stop; rm -rf "$work"' EXIT
failures=0
export LC_ALL=C.UTF-8

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# is WHAT EXPRESSION VALUE: the page says so
is() {
	local found
	found=$(browser_eval "$2")
	[ "$found" = "$3" ] || fail "$1: \"$found\", not \"$3\""
}

# page NAME: of $work/NAME.csv, opened
page() {
	"$BMVM" report to-html --csv-file "$work/$1.csv" > "$work/out" || { fail "no page of $1.csv"; return 1; }
	[ "$(cat "$work/out")" = "$work/$1.html" ] || fail "to-html prints $(cat "$work/out")"
	browser_open "$work/$1.html"
}

# JavaScript: a column's header, and its cells from top to bottom
head_of() {
	echo "[...document.querySelectorAll('thead th')].find(h => h.textContent === '$1').querySelector('button')"
}
cells_of() {
	echo "(() => { const c = [...document.querySelectorAll('thead th')].findIndex(h => h.textContent === '$1');
		return [...document.querySelectorAll('tbody tr')].map(r => r.cells[c] ? r.cells[c].textContent : '').join(' '); })()"
}
sorted_by() {
	echo "[...document.querySelectorAll('thead th')].map(h => (h.getAttribute('aria-sort') || '-')[0]).join('')"
}

browser_start "$work" || { cat "$work/browser.log"; echo "FAIL: no browser"; exit 1; }
browser_window 1280 900

# --- sorting ------------------------------------------------------------------------------------------

printf 'model,performance,metric,status\na,9,m,SUCCESS\nb,10,m,SUCCESS\nc,-2.5,m,SUCCESS\nd,,,FAILURE\nB2,1e3,m,SUCCESS\nb10,0.5,m,SUCCESS\n' > "$work/sort.csv"
page sort
is "newest first" "$(cells_of model)" "b10 B2 d c b a"
is "nothing but the row sorts" "$(sorted_by)" "d----"
browser_click "$(head_of performance)"
is "numbers ascending" "$(cells_of performance)" "-2.5 0.5 9 10 1e3 "
is "told so" "$(sorted_by)" "---a-"
browser_click "$(head_of performance)"
is "numbers descending, empty last" "$(cells_of performance)" "1e3 10 9 0.5 -2.5 "
is "told so" "$(sorted_by)" "---d-"
browser_eval "$(head_of model).focus()" > /dev/null
browser_key Enter $'\r' 13
is "texts by Enter, numbers in them as numbers" "$(cells_of model)" "a b B2 b10 c d"
browser_key " " " " 32
is "and by the space bar" "$(cells_of model)" "d c b10 B2 b a"
is "the focus stays" "document.activeElement === $(head_of model)" true
is "rows are all there" "document.querySelectorAll('tbody tr').length" 6

# --- filtering ----------------------------------------------------------------------------------------

browser_click "document.querySelector('input')"
browser_type "SUCC b"
sleep 0.5
is "filtered, order kept" "$(cells_of model)" "b10 B2 b"
is "count" "document.querySelector('output').textContent" "3 rows (of 6)"
browser_type "zzz"
sleep 0.5
is "nothing left" "document.querySelector('.none').hidden" false
browser_eval "document.querySelector('input').value = ''; document.querySelector('input').dispatchEvent(new Event('input'))" > /dev/null
sleep 0.5
is "all again" "$(cells_of model)" "d c b10 B2 b a"

# --- hostile ------------------------------------------------------------------------------------------

evil='<script>window.hit=1</script><img src=x onerror=window.hit=2></title></td></table>&amp;'
{
	printf 'model,performance,metric,status,"%s"\n' "$evil"
	for i in 1 2 3; do
		printf '"%s","%d","%s ""><svg onload=window.hit=3>",SUCCESS,"%s%d"\n' "$evil" $i "$evil" "$evil" $i
	done
	printf '"a\nb",1,"\377\300nul\0nul\033[31m",FAILURE,%s\n' "$(head -c 1000000 /dev/zero | tr '\0' x)"
} > "$work/evil.csv"
page evil
is "no script of the file ran" "String(window.hit)" undefined
is "one script in the page" "document.scripts.length" 1
is "no image in the page" "document.images.length" 0
is "the header is text" "document.querySelector('thead').rows[0].cells[5].textContent" "$evil"
is "a cell is text" "document.querySelector('tbody').rows[1].cells[1].querySelector('details').lastChild.data" "$evil"
is "three of four rows plotted" "document.querySelectorAll('.plot .dot').length" 3
is "a long cell is cut" "document.querySelector('tbody').rows[0].cells[5].textContent.length < 10000" true
is "a script that got in would not run" "(() => { const s = document.createElement('script');
	s.textContent = 'window.hit = 4'; document.head.append(s); return String(window.hit); })()" undefined
is "nothing is loaded" "performance.getEntriesByType('resource').length" 0
printf 'model,status\n"unclosed' > "$work/open.csv"
page open
is "the quote is said" "document.body.textContent.includes('line 2 of the file is never closed')" true

# --- looks: no sideways scrolling, readable colours, print ----------------------------------------------

awk -v rows=10000 'BEGIN {
	srand(7)
	print "model,n_gpus,args,docker_file,gpu_architecture,performance,metric,status,test_duration,build_number,machine_name"
	for (i = 1; i <= rows; i++) {
		m = int(rand() * 6)
		bad = rand() < .05
		printf "model_%d_with_a_long_name_%d,8,--batch-size %d --config configs/some/long/path/of/a/file.csv --iterations 100,docker/model_%d.ubuntu.amd.Dockerfile,gfx942,%s,%s,%s,%.2f,%d,node-7\n",
			m, m * 11, m, m, bad ? "" : 1000 * (m + 1) + 50 * rand() + i / 50, bad ? "" : "samples_per_second", bad ? "FAILURE" : "SUCCESS", rand() * 900, i
	}
}' > "$work/many.csv"
page many
is "so many rows have boxes" "document.querySelectorAll('tbody tr').length" 200
is "told which" "document.querySelector('output').textContent" "Rows 1–200 of 10,000"
browser_click "$(head_of test_duration)"
is "the smallest of all rows is first" "document.querySelector('tbody').rows[0].cells[5].textContent" \
	"$(tail -n +2 "$work/many.csv" | cut -d, -f9 | sort -n | head -1)"
browser_click "document.querySelectorAll('.pager button')[1]"
is "the next piece" "document.querySelector('output').textContent" "Rows 201–400 of 10,000"
is "a plot of each model" "document.querySelectorAll('.plot svg').length" 6

# the lowest contrast of text with the page, times 10
contrast="(() => { const light = name => { const d = document.createElement('i'); d.style.color = 'var(' + name + ')';
	document.body.append(d); const c = getComputedStyle(d).color.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
		.map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); d.remove();
	return .2126 * c[0] + .7152 * c[1] + .0722 * c[2] + .05; };
	const paper = light('--paper');
	return Math.floor(10 * Math.min(...['--ink', '--soft', '--accent', '--bad'].map(name => light(name))
		.map(text => Math.max(text, paper) / Math.min(text, paper)))); })()"

for look in "1280 light" "390 dark" "390 light" "1280 dark"; do
	read -r width scheme <<< "$look"
	browser_window "$width" 1400
	browser_media "" "$scheme"
	is "at $width no sideways scrolling" "document.documentElement.scrollWidth <= innerWidth" true
	[ "$(browser_eval "$contrast")" -ge 45 ] || fail "$scheme: a colour has too little contrast"
	browser_eval "scrollTo(0, 0)" > /dev/null
	browser_screenshot "$BMVM_BUILD/report-$width-$scheme.png"
	dimensions=$(od -An -j16 -N8 -tu1 "$BMVM_BUILD/report-$width-$scheme.png" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }')
	[ "$dimensions" = "${width}x1400" ] || fail "the picture is $dimensions"
done
browser_media print light
is "printed without tools" "getComputedStyle(document.querySelector('.pager')).display" none
is "printed whole" "document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth + 1 ||
	getComputedStyle(document.querySelector('.scroll')).overflow === 'visible'" true

# --- without the script -----------------------------------------------------------------------------------

browser_media "" light
head -301 "$work/many.csv" > "$work/still.csv"
browser_call Emulation.setScriptExecutionDisabled '{"value": true}' > /dev/null
page still
is "all rows can be read" "[...document.querySelectorAll('tbody tr')].filter(row => row.getClientRects().length > 0).length" 300
is "nothing is there that needs it" \
	"[...document.querySelectorAll('button, input')].filter(e => e.getClientRects().length > 0).length" 0
browser_call Emulation.setScriptExecutionDisabled '{"value": false}' > /dev/null

# --- a mail ---------------------------------------------------------------------------------------------

mkdir "$work/mail"
cp "$work/sort.csv" "$work/evil.csv" "$work/mail"
"$BMVM" report to-email --dir "$work/mail" > "$work/out" || fail "to-email"
browser_open "$work/mail/run_results.html"
is "both files, by name" "[...document.querySelectorAll('h2')].map(h => h.textContent).join()" "evil.csv,sort.csv"
is "no script in a mail" "document.scripts.length + String(window.hit)" 0undefined

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
