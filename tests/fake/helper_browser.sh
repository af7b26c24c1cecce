# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2016 # the single quotes hold jq
# A headless Chromium for tests of pages, driven by its DevTools protocol over two pipes: JSON messages,
# each ended by a NUL. Sourced; wants jq. Nothing is loaded but the files that browser_open names.

browser_program() {
	command -v chromium || command -v chromium-browser || command -v google-chrome
}

# browser_start FOLDER: profile and pipes live there
browser_start() {
	mkfifo "$1/to" "$1/from"
	HOME=$1 "$(browser_program)" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
		--disable-background-networking --disable-component-update --hide-scrollbars \
		--user-data-dir="$1/profile" --remote-debugging-pipe about:blank \
		3< "$1/to" 4> "$1/from" < /dev/null > "$1/browser.log" 2>&1 &
	browser_pid=$!
	exec {browser_to}> "$1/to" {browser_from}< "$1/from"
	browser_id=0
	browser_session=
	local target
	target=$(browser_call Target.getTargets | jq -r '.targetInfos[] | select(.type == "page") | .targetId')
	browser_session=$(browser_call Target.attachToTarget "{\"targetId\": \"$target\", \"flatten\": true}" | jq -r .sessionId)
	browser_call Page.enable > /dev/null
}

browser_stop() {
	[ -n "${browser_pid:-}" ] || return 0
	kill "$browser_pid" 2> /dev/null
	wait "$browser_pid" 2> /dev/null
	browser_pid=
}

# browser_message WANT-JQ: the next message for which the expression is true
browser_message() {
	local message
	while IFS= read -r -d '' -t 120 message <&"$browser_from"; do
		if jq -e "$1" <<< "$message" > /dev/null; then
			printf '%s' "$message"
			return 0
		fi
	done
	echo "the browser does not answer" >&2
	return 1
}

# browser_call METHOD [PARAMETERS]: prints the result. The id may repeat in sub-shells, as calls never overlap.
browser_call() {
	local message
	browser_id=$((browser_id + 1))
	jq -cnj --arg method "$1" --argjson params "${2:-{\}}" --argjson id "$browser_id" --arg session "$browser_session" \
		'{$id, $method, $params} + (if $session == "" then {} else {sessionId: $session} end)' >&"$browser_to"
	printf '\0' >&"$browser_to"
	message=$(browser_message ".id == $browser_id") || return 1
	jq -e 'has("error") | not' <<< "$message" > /dev/null || { echo "$1: $message" >&2; return 1; }
	jq -c .result <<< "$message"
}

# browser_open FILE: returns when it is loaded
browser_open() {
	browser_call Page.navigate "$(jq -cn --arg url "file://$1" '{$url}')" > /dev/null || return 1
	until [ "$(browser_eval 'document.readyState + location.protocol')" = completefile: ]; do
		sleep 0.05
	done
}

# browser_eval EXPRESSION: prints its value, a string as it is, anything else as JSON
browser_eval() {
	browser_call Runtime.evaluate "$(jq -cn --arg e "$1" '{expression: $e, returnByValue: true, awaitPromise: true}')" |
		jq -r 'if .exceptionDetails then "exception: " + (.exceptionDetails | tostring) else .result.value end'
}

# browser_click EXPRESSION: the mouse, in the middle of that element
browser_click() {
	local place
	place=$(browser_eval "(() => { const e = $1; e.scrollIntoView({block: 'center', inline: 'center'});
		const r = e.getBoundingClientRect(); return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()")
	local button='{type: $type, x: .x, y: .y, button: "left", clickCount: 1}' type
	for type in mousePressed mouseReleased; do
		browser_call Input.dispatchMouseEvent "$(jq -c --arg type $type "$button" <<< "$place")" > /dev/null
	done
}

# browser_key KEY TEXT CODE: pressed and released where the focus is
browser_key() {
	local key='{type: $type, key: $key, code: $key, windowsVirtualKeyCode: $code, text: $text}' type
	for type in keyDown keyUp; do
		browser_call Input.dispatchKeyEvent "$(jq -cn --arg type $type --arg key "$1" --arg text "$2" --argjson code "$3" "$key")" > /dev/null
	done
}

browser_type() {
	browser_call Input.insertText "$(jq -cn --arg text "$1" '{$text}')" > /dev/null
}

# browser_window WIDTH HEIGHT
browser_window() {
	browser_call Emulation.setDeviceMetricsOverride "{\"width\": $1, \"height\": $2, \"deviceScaleFactor\": 1, \"mobile\": false}" > /dev/null
}

# browser_media TYPE SCHEME: "print" or "", "light" or "dark"
browser_media() {
	browser_call Emulation.setEmulatedMedia "{\"media\": \"$1\", \"features\": [{\"name\": \"prefers-color-scheme\", \"value\": \"$2\"}]}" > /dev/null
}

# browser_screenshot FILE
browser_screenshot() {
	browser_call Page.captureScreenshot '{"format": "png"}' | jq -r .data | base64 -d > "$1"
}
