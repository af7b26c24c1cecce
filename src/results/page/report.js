/* SPDX-License-Identifier: MIT */
/*
 * Sorts, filters and pages the tables of the report. Without it they are whole, just still.
 *
 * All rows are in the page; those beyond the first piece have no boxes until they are wanted, as a
 * browser lays out some hundred rows at once but not ten thousand. Rows are only ever moved.
 */
'use strict';
document.documentElement.classList.add('js');

document.addEventListener('DOMContentLoaded', () => {
	const PIECE = 200;
	const count = new Intl.NumberFormat('en');
	const texts = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

	for (const sheet of document.querySelectorAll('.sheet'))
		liven(sheet);

	function liven(sheet) {
		const table = sheet.querySelector('table');
		const body = table.tBodies[0];
		const heads = [...table.tHead.rows[0].cells];
		const rows = [...table.rows].slice(1);
		const keys = new Map(); // column -> key of each row
		const search = sheet.querySelector('input');
		const told = sheet.querySelector('output');
		const none = sheet.querySelector('.none');
		const pager = sheet.querySelector('.pager');
		const [back, on, all] = pager.querySelectorAll('button');
		let order = rows.map((row, i) => i);
		let hay = null;   // what the filter looks at, of each row
		let view = order; // rows that pass the filter, in order
		let first = 0;
		let whole = false;

		table.append(body);
		for (const rest of [...table.tBodies].slice(0, -1))
			rest.remove();
		heads.forEach(dress);
		search.addEventListener('focus', () => setTimeout(readAll), { once: true });
		search.addEventListener('input', later(filter, 120));
		back.addEventListener('click', () => go(first - PIECE));
		on.addEventListener('click', () => go(first + PIECE));
		all.addEventListener('click', () => { whole = !whole; go(0); });
		sheet.querySelector('.tools').hidden = rows.length < 2;
		if (search.value !== '') // the browser may have kept it
			filter();
		else
			show();

		function dress(head, column) {
			const button = document.createElement('button');

			button.type = 'button';
			button.append(...head.childNodes);
			button.addEventListener('click', () => sort(column));
			head.append(button);
		}

		function cellText(row, column) {
			const cell = row.cells[column];

			return cell === undefined ? '' : cell.textContent.trim();
		}

		// A number, a text, or null for an empty cell.
		function keyOf(text) {
			const value = text === '' ? NaN : Number(text);

			return text === '' ? null : Number.isFinite(value) ? value : text;
		}

		function keysOf(column) {
			if (!keys.has(column))
				keys.set(column, rows.map(row => keyOf(cellText(row, column))));
			return keys.get(column);
		}

		// Numbers before texts, empty cells last whatever the direction.
		function compare(a, b, sign) {
			if (a === null || b === null)
				return (a === null) - (b === null);
			if (typeof a !== typeof b)
				return sign * (typeof a === 'number' ? -1 : 1);
			return sign * (typeof a === 'number' ? a - b : texts.compare(a, b));
		}

		function sort(column) {
			const descending = heads[column].getAttribute('aria-sort') === 'ascending';
			const of = keysOf(column);

			order.sort((i, j) => compare(of[i], of[j], descending ? -1 : 1) || i - j);
			for (const head of heads)
				head.removeAttribute('aria-sort');
			heads[column].setAttribute('aria-sort', descending ? 'descending' : 'ascending');
			filter();
		}

		function readAll() {
			if (hay === null)
				hay = rows.map(row => [...row.cells].map(cell => cell.textContent).join('\n').toLowerCase());
		}

		function filter() {
			const words = search.value.toLowerCase().split(/\s+/).filter(word => word !== '');

			if (words.length > 0)
				readAll();
			view = words.length === 0 ? order : order.filter(i => words.every(word => hay[i].includes(word)));
			go(0);
		}

		function go(to) {
			first = Math.max(0, to);
			show();
			table.parentElement.scrollTop = 0;
		}

		function show() {
			const end = whole ? view.length : Math.min(first + PIECE, view.length);
			const piece = document.createDocumentFragment();

			for (let k = first; k < end; k++)
				piece.append(rows[view[k]]);
			body.replaceChildren(piece);
			none.hidden = view.length > 0;
			pager.hidden = view.length <= PIECE;
			back.disabled = first === 0;
			on.disabled = end === view.length;
			all.textContent = whole ? 'Show fewer' : 'Show all';
			told.textContent = say(end);
		}

		function say(end) {
			const of = view.length === rows.length ? '' : ` (of ${count.format(rows.length)})`;

			if (view.length === 0)
				return `No row${of}`;
			if (end - first === view.length)
				return `${count.format(view.length)} ${view.length === 1 ? 'row' : 'rows'}${of}`;
			return `Rows ${count.format(first + 1)}\u2013${count.format(end)} of ${count.format(view.length)}${of}`;
		}
	}

	// One call when the events have paused for so long.
	function later(call, milliseconds) {
		let timer = 0;

		return () => {
			clearTimeout(timer);
			timer = setTimeout(call, milliseconds);
		};
	}
});
