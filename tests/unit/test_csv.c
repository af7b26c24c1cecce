/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "results/csv.h"

/* A copy on the heap without a NUL, so that a sanitizer sees reads behind the end. */
static int parse_n(const char *text, size_t len, struct csv *ret, struct error *err)
{
	char *copy = malloc(len > 0 ? len : 1);
	int r;

	memcpy(copy, text, len);
	r = csv_parse(copy, len, ret, err);
	free(copy);
	return r;
}

static int parse(const char *text, struct csv *ret)
{
	return parse_n(text, strlen(text), ret, NULL);
}

/* The table as "a|b;c|d": cells, records. */
static char *shown(const struct csv *csv)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < csv->n_columns; i++) {
		struct csv_cell cell = csv_header(csv, i);

		fprintf(out, "%s%.*s", i > 0 ? "|" : "", (int)cell.len, cell.text);
	}
	for (size_t row = 0; row < csv->n_rows; row++) {
		for (size_t i = 0; i < csv_row_cells(csv, row); i++)
			fprintf(out, "%s%s", i > 0 ? "|" : ";", csv_cell(csv, row, i).text);
	}
	fclose(out);
	return text;
}

static const struct {
	const char *text;
	const char *shown;
} good[] = {
	{ "", "" },
	{ "\n\r\n\r\n", "" },
	{ "a", "a" },
	{ "a,b\n1,2\n", "a|b;1|2" },
	{ "a,b\n1,2", "a|b;1|2" },
	{ "a,b\r\n1,2\r\n", "a|b;1|2" },
	{ "a,b\r1,2\r3,4", "a|b;1|2;3|4" },
	{ "\xef\xbb\xbf"
	  "a,b\n1,2\n",
	  "a|b;1|2" },
	{ "\xef\xbb\xbf\"a\",b\n", "a|b" },
	{ "a,b\n\n\n1,2\n\n", "a|b;1|2" },
	{ "a,b\n1\n1,2,3\n", "a|b;1;1|2|3" },
	{ "a,b\n,\n1,", "a|b;|;1|" },
	{ "a\n\"\"\n", "a;" },
	{ "a\n\"x,y\"\n\"x\ny\"\n\"x\r\ny\"", "a;x,y;x\ny;x\r\ny" },
	{ "a\n\"say \"\"hi\"\"\"\n\"\"\"\"\n", "a;say \"hi\";\"" },
	{ "a,b\n5\" disk,x\"y\"z\n", "a|b;5\" disk|x\"y\"z" },
	{ "a,b\n\"x\"y,\"x\" \"y\"\n", "a|b;xy|x \"y\"" },
	{ "a,b\n\"x,y\nz\n", "a|b;x,y\nz\n" },
	{ "a,b\n1,\"", "a|b;1|" },
	{ "a,b\n \t, 1 \n", "a|b; \t| 1 " },
	{ "a\n\xff\xc0\x80\n", "a;\xff\xc0\x80" },
};

Test(csv, reads_what_is_found)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_CSV struct csv csv = CSV_INIT;
		AUTO_FREE char *text = NULL;

		cr_assert_eq(parse(good[i].text, &csv), 0, "case %zu", i);
		text = shown(&csv);
		cr_assert_str_eq(text, good[i].shown, "case %zu", i);
	}
}

Test(csv, keeps_nul_bytes_in_cells)
{
	static const char text[] = "a,b\n1\0,\"\0,2\"\n";
	AUTO_CSV struct csv csv = CSV_INIT;
	struct csv_cell cell;

	cr_assert_eq(parse_n(text, sizeof(text) - 1, &csv, NULL), 0);
	cell = csv_cell(&csv, 0, 0);
	cr_assert_eq(cell.len, 2);
	cr_assert_eq(memcmp(cell.text, "1\0", 3), 0);
	cell = csv_cell(&csv, 0, 1);
	cr_assert_eq(cell.len, 3);
	cr_assert_eq(memcmp(cell.text, "\0,2", 4), 0);
}

Test(csv, finds_columns_by_name)
{
	AUTO_CSV struct csv csv = CSV_INIT;

	cr_assert_eq(parse(" model ,performance,x,x\nm,1.5,2,3\nn\n", &csv), 0);
	cr_assert_eq(csv_column(&csv, "model"), 0);
	cr_assert_eq(csv_column(&csv, "x"), 2);
	cr_assert_eq(csv_column(&csv, "metric"), -ENOENT);
	cr_assert_eq(csv_column(&csv, ""), -ENOENT);
	cr_assert_str_eq(csv_get(&csv, 0, "performance"), "1.5");
	cr_assert_str_eq(csv_get(&csv, 1, "performance"), "");
	cr_assert_str_eq(csv_get(&csv, 2, "performance"), "");
	cr_assert_str_eq(csv_get(&csv, 0, "metric"), "");
	cr_assert_str_eq(csv_header(&csv, 0).text, " model ");
	cr_assert_eq(csv_header(&csv, 4).len, 0);
	cr_assert_eq(csv_row_cells(&csv, 2), 0);
}

Test(csv, tells_lines)
{
	AUTO_CSV struct csv csv = CSV_INIT;

	cr_assert_eq(parse("\n\na\r\n\"x\r\n\r\ny\ny\rz\"\r\n\r1\n\"", &csv), 0);
	cr_assert_eq(csv.n_rows, 3);
	cr_assert_eq(csv_row_line(&csv, 0), 4);
	cr_assert_eq(csv_row_line(&csv, 1), 10);
	cr_assert_eq(csv_row_line(&csv, 2), 11);
	cr_assert_eq(csv_row_line(&csv, 3), 0);
	cr_assert_eq(csv.unclosed, 11);
}

Test(csv, refuses_utf16)
{
	static const char *const texts[] = {
		"\xff\xfe"
		"a",
		"\xfe\xff"
		"a"
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct csv csv = CSV_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(parse_n(texts[i], 3, &csv, &err), -EILSEQ);
		cr_assert(strstr(err.msg, "UTF-16") != NULL);
		cr_assert_null(csv.text);
	}
}

Test(csv, is_bounded)
{
	size_t len = CSV_CELLS_MAX + 1;
	AUTO_FREE char *commas = malloc(len);
	AUTO_FREE char *large = calloc(1, CSV_CAP + 1);
	AUTO_CSV struct csv csv = CSV_INIT;
	struct error err = ERROR_INIT;

	memset(commas, ',', len);
	cr_assert_eq(csv_parse(commas, CSV_CELLS_MAX - 1, &csv, &err), 0);
	cr_assert_eq(csv.n_columns, CSV_CELLS_MAX);
	csv_done(&csv);
	commas[9] = '\n';
	cr_assert_eq(csv_parse(commas, len, &csv, &err), -EFBIG);
	cr_assert(strstr(err.msg, "line 2: more than 8388608 cells") != NULL, "%s", err.msg);
	cr_assert_eq(csv_parse(large, CSV_CAP + 1, &csv, &err), -EFBIG);
	cr_assert_str_eq(err.msg, "larger than 64 MiB");
}

Test(csv, reads_a_cell_of_a_megabyte)
{
	size_t len = (size_t)1 << 20;
	AUTO_FREE char *text = malloc(len + 5);
	AUTO_CSV struct csv csv = CSV_INIT;

	memset(text, '"', len + 5);
	memcpy(text, "a\n\"", 3);
	cr_assert_eq(csv_parse(text, len + 4, &csv, NULL), 0);
	cr_assert_eq(csv_cell(&csv, 0, 0).len, len / 2);
	cr_assert_eq(csv.unclosed, 0);
}

static char *written(const struct csv_cell *cells, size_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	csv_write_row(out, cells, n);
	fclose(out);
	return text;
}

Test(csv, quotes_where_it_must)
{
	static const struct {
		const char *cell;
		const char *text;
	} cases[] = {
		{ "", "\"\"\n" },         { "a b", "a b\n" },
		{ "a,b", "\"a,b\"\n" },   { "a\"", "\"a\"\"\"\n" },
		{ "a\nb", "\"a\nb\"\n" }, { "a\r", "\"a\r\"\n" },
		{ "'a'", "'a'\n" },       { "\xef\xbb\xbf", "\"\xef\xbb\xbf\"\n" },
	};
	struct csv_cell row[] = { csv_text("a"), csv_text(NULL), csv_text("1,5") };
	AUTO_FREE char *three = written(row, 3);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct csv_cell cell = csv_text(cases[i].cell);
		AUTO_FREE char *text = written(&cell, 1);

		cr_assert_str_eq(text, cases[i].text);
	}
	cr_assert_str_eq(three, "a,,\"1,5\"\n");
}

Test(csv, trims)
{
	struct csv_cell cell = csv_trim(csv_text(" \ta b\r\n"));

	cr_assert_eq(cell.len, 3);
	cr_assert_eq(memcmp(cell.text, "a b", 3), 0);
	cr_assert_eq(csv_trim(csv_text(" \n")).len, 0);
}

Test(csv, reads_files_and_names_them)
{
	char dir[] = "/tmp/bmvm-csv-XXXXXX";
	AUTO_CLOSE int fd = -1;
	AUTO_CSV struct csv csv = CSV_INIT;
	struct error err = ERROR_INIT;

	cr_assert(mkdtemp(dir) != NULL);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(file_write_atomic_at(fd, "t.csv", "a\n1\n", 4, 0600, NULL), 0);
	cr_assert_eq(csv_read_at(fd, "t.csv", &csv, &err), 0);
	cr_assert_str_eq(csv_get(&csv, 0, "a"), "1");
	cr_assert_eq(csv_read_at(fd, "none.csv", &csv, &err), -ENOENT);
	cr_assert(strstr(err.msg, "none.csv") != NULL);
	cr_assert_eq(file_write_atomic_at(fd, "t.csv", "\xff\xfe", 2, 0600, NULL), 0);
	csv_done(&csv);
	cr_assert_eq(csv_read_at(fd, "t.csv", &csv, &err), -EILSEQ);
	cr_assert_str_eq(err.msg, "t.csv: the text is UTF-16; save it as UTF-8");
	cr_assert_eq(file_remove_tree_at(AT_FDCWD, dir, NULL), 0);
}
