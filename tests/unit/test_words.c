/* SPDX-License-Identifier: MIT */
/* Splitting and quoting words, compared with what shells do. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strv.h"
#include "workload/expand.h"
#include "workload/variables.h"
#include "workload/words.h"

static const char *const good[] = {
	"",
	"   ",
	"a",
	" a  b\tc d ",
	"--shm-size=16g --ulimit memlock=-1",
	"'a b' \"c d\" e\\ f",
	"a'b'\"c\"d",
	"'' \"\"",
	"'it'\\''s'",
	"\"a\\\"b\\\\c\\$d\\`e\\x\"",
	"'$HOME `x` \\ \" ;|&<>()'",
	"\"it's\"",
	"a#b a~b \\~ \\# '~' '#'",
	"$ a$ \"$\" \"a$ b\" 100$%",
	"*.nothing-of-that-name? [x]y",
	"a\\\nb \"c\\\nd\"",
	"\xc3\xa4 \xff",
	"a=b -v=/x:/y:ro --device /dev/dri",
};

/* What a real shell makes of a text, one word per line, each in < >. */
static char *by_shell(const char *shell, const char *text)
{
	AUTO_FREE char *command = NULL;
	char *got = calloc(1, 8192);
	size_t len = 0;
	ssize_t n;
	int fds[2];
	pid_t pid;

	cr_assert(asprintf(&command, "for w in %s\ndo printf '<%%s>\\n' \"$w\"; done", text) > 0);
	cr_assert(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		if (strcmp(shell, "bash --posix") == 0)
			execlp("bash", "bash", "--posix", "-c", command, (char *)NULL);
		execlp(shell, shell, "-c", command, (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	while ((n = read(fds[0], got + len, 8191 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return got;
}

static char *bracketed(const struct strv *words)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < words->n; i++)
		(void)fprintf(out, "<%s>\n", words->v[i]);
	(void)fclose(out);
	return text;
}

Test(words, are_split_as_shells_do)
{
	static const char *const shells[] = { "bash", "dash" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_STRV struct strv words = STRV_INIT;
		struct error err = ERROR_INIT;
		AUTO_FREE char *got = NULL;

		cr_assert(words_split(good[i], &words, &err) == 0, "%s: %s", good[i], err.msg);
		got = bracketed(&words);
		for (size_t k = 0; k < ARRAY_SIZE(shells); k++) {
			AUTO_FREE char *want = by_shell(shells[k], good[i]);

			cr_assert_str_eq(got, want, "%s in %s", good[i], shells[k]);
		}
	}
}

Test(words, newlines_are_blanks)
{
	AUTO_STRV struct strv words = STRV_INIT;

	cr_assert(words_split("a\n b\n", &words, NULL) == 0);
	cr_assert_eq(words.n, 2);
	cr_assert_str_eq(words.v[1], "b");
}

Test(words, what_needs_a_shell_is_refused)
{
	static const struct {
		const char *text;
		const char *want;
	} table[] = {
		{ "a; b", "byte 2, ;" },
		{ "a & b", "byte 3" },
		{ "a|b", "operator" },
		{ "a > /etc/x", "operator" },
		{ "<x", "byte 1" },
		{ "$(id)", "not expanded" },
		{ "a(b)", "operator" },
		{ "a $HOME", "byte 3, $HOME" },
		{ "\"${x}\"", "byte 2, ${x}" },
		{ "\"a$b\"", "not expanded" },
		{ "$1", "not expanded" },
		{ "$'a'", "not expanded" },
		{ "`id`", "not run" },
		{ "\"`id`\"", "not run" },
		{ "~/x", "write the folder" },
		{ "a ~", "byte 3" },
		{ "# x", "comment" },
		{ "a 'b", "byte 3, 'b: this quote is not closed" },
		{ "a \"b", "byte 3, \"b: this quote is not closed" },
		{ "a\\", "backslash" },
		{ "\"a\\", "backslash" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_STRV struct strv words = STRV_INIT;
		struct error err = ERROR_INIT;

		cr_assert_eq(words_split(table[i].text, &words, &err), -EINVAL, "%s",
			     table[i].text);
		cr_assert(strstr(err.msg, table[i].want) != NULL, "%s: %s", table[i].text, err.msg);
	}
}

Test(words, a_text_without_end_is_refused)
{
	AUTO_FREE char *text = malloc(WORDS_TEXT_MAX + 2);
	AUTO_STRV struct strv words = STRV_INIT;

	memset(text, 'a', WORDS_TEXT_MAX + 1);
	text[WORDS_TEXT_MAX + 1] = '\0';
	cr_assert_eq(words_split(text, &words, NULL), -EFBIG);
	text[WORDS_TEXT_MAX] = '\0';
	cr_assert_eq(words_split(text, &words, NULL), 0);
	cr_assert_eq(words.n, 1);
}

Test(words, quoted_ones_are_read_back)
{
	static const char *const argv[] = { "docker", "a b", "",   "it's", "$x",    "\n",
					    "-v",     "~",   "#x", "a=b",  "\xff!", NULL };
	AUTO_FREE char *text = words_text((char *const *)argv);
	AUTO_FREE char *one = words_quoted("a b"), *empty = words_text(NULL);
	AUTO_FREE char *got = by_shell("bash", text);
	AUTO_STRV struct strv want = STRV_INIT, mine = STRV_INIT;
	AUTO_FREE char *expected = NULL;

	strv_add_all(&want, (char *const *)argv);
	expected = bracketed(&want);
	cr_assert_str_eq(got, expected);
	cr_assert(words_split(text, &mine, NULL) == 0);
	cr_assert_eq(mine.n, want.n);
	for (size_t i = 0; i < mine.n; i++)
		cr_assert_str_eq(mine.v[i], want.v[i]);
	cr_assert(strncmp(text, "docker 'a b' '' ", 16) == 0, "%s", text);
	cr_assert_str_eq(one, "'a b'");
	cr_assert_str_eq(empty, "");
}

/* ---- variables ---- */

static const char *const with_variables[] = {
	"-v $DIR/.cache:/c -e T=$TWO",
	"\"$TWO\" $TWO a$TWO\"b\"",
	"$EMPTY a$EMPTY \"$EMPTY\" $UNSET \"${UNSET}\" ''$UNSET",
	"${DIR}x $DIR-x ${DIR}${TWO}x$ONE",
	"'$DIR' \\$DIR \"\\$DIR\" '\"$DIR\"' \"'$DIR'\"",
	"$ODD \"$ODD\" x$ODD\"$ODD\"'$ODD'",
	"$BLANKS a${BLANKS}b \"$BLANKS\"",
	"-v ~/d:/d ~ a~ ~\t~/x \"~/x\" '~/x' \\~/x a ~/",
	"T=~/x --volume=~/x a~/x \"\"~/x",
	"$ $% a$ \"a$\" a\\\n$ONE",
	"$HASH ${HASH}",
};

static void set_variables(void)
{
	cr_assert_eq(setenv("HOME", "/ho me", 1), 0);
	cr_assert_eq(setenv("DIR", "/d/e", 1), 0);
	cr_assert_eq(setenv("TWO", "a  b", 1), 0);
	cr_assert_eq(setenv("ONE", "1", 1), 0);
	cr_assert_eq(setenv("EMPTY", "", 1), 0);
	cr_assert_eq(setenv("BLANKS", " \t x\ny ", 1), 0);
	cr_assert_eq(setenv("ODD", "'\"\\$(echo x)`echo x`;&|<>$ONE~", 1), 0);
	cr_assert_eq(setenv("HASH", "#x ~ ~/y", 1), 0);
	cr_assert_eq(unsetenv("UNSET"), 0);
}

Test(words, variables_become_what_they_do_in_a_shell)
{
	static const char *const shells[] = { "bash --posix", "dash" };

	set_variables();
	for (size_t i = 0; i < ARRAY_SIZE(with_variables); i++) {
		AUTO_FREE char *text = expand_variables(with_variables[i], environ, false, NULL);
		AUTO_STRV struct strv words = STRV_INIT;
		AUTO_FREE char *got = NULL;
		struct error err = ERROR_INIT;

		cr_assert_eq(words_split(text, &words, &err), 0, "%s: %s", text, err.msg);
		got = bracketed(&words);
		for (size_t k = 0; k < ARRAY_SIZE(shells); k++) {
			AUTO_FREE char *want = by_shell(shells[k], with_variables[i]);

			cr_expect_str_eq(got, want, "%s in %s: %s", with_variables[i], shells[k],
					 got);
		}
	}
}

/* Nothing is half done: what is no variable's plain name is refused as before. */
Test(words, other_expansions_stay_for_the_refusal)
{
	static const char *const texts[] = { "${ONE:-x}", "${ONE",  "$(echo $ONE)", "$$ONE",
					     "$1",        "`$ONE`", "~a/x",         "\"${}\"",
					     "$'$ONE'",   "$?",     "a $ONE;b",     "${#ONE}" };

	set_variables();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO_FREE char *text = expand_variables(texts[i], environ, false, NULL);
		AUTO_STRV struct strv words = STRV_INIT;

		cr_expect_eq(words_split(text, &words, NULL), -EINVAL, "%s", text);
	}
}

Test(words, secrets_and_what_is_not_set)
{
	char *const env[] = { (char *)"MAD_SECRETS_X=s3 cret", (char *)"A=a", NULL };
	AUTO_STRV struct strv unset = STRV_INIT, none = STRV_INIT;
	AUTO_FREE char *text = expand_variables("$A $MAD_SECRETS_X \"$MAD_SECRETS_X\" $B${B} ~/$A",
						env, true, &unset);
	AUTO_FREE char *empty = expand_variables("$A", NULL, false, &none);

	cr_expect_str_eq(text, "a '" VARIABLES_MASK "' \"" VARIABLES_MASK "\"  ~/a");
	cr_assert_eq(unset.n, 1);
	cr_expect_str_eq(unset.v[0], "B");
	cr_expect_str_eq(empty, "");
	cr_assert_eq(none.n, 1);
}
