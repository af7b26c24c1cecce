/* SPDX-License-Identifier: MIT */
#include "guest/script.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/exec.h"

void script_quote(FILE *out, const char *s)
{
	(void)fputc('\'', out);
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			(void)fputs("'\\''", out);
		else
			(void)fputc(*s, out);
	}
	(void)fputc('\'', out);
}

static void put_words(FILE *out, const char *first, char *const *words)
{
	(void)fputs(first, out);
	for (; words != NULL && *words != NULL; words++) {
		(void)fputc(' ', out);
		script_quote(out, *words);
	}
	(void)fputc('\n', out);
}

/* Ends a memory stream; the text, or NULL if anything went wrong while writing it. */
static char *finish(FILE *out, char **text)
{
	bool bad = ferror(out) != 0;

	if (fclose(out) != 0 || bad) {
		free(*text);
		*text = NULL;
	}
	return *text;
}

char *script_with_args(const char *script, char *const *argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	put_words(out, "set --", argv);
	(void)fputs(script, out);
	return finish(out, &text);
}

static bool is_identifier(const char *s, size_t len)
{
	if (len == 0 || isdigit((unsigned char)s[0]))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c > 127 || !(isalnum(c) || c == '_'))
			return false;
	}
	return true;
}

static int put_env(FILE *out, char *const *env, struct error *err)
{
	for (; env != NULL && *env != NULL; env++) {
		const char *eq = strchr(*env, '=');
		size_t len = eq != NULL ? (size_t)(eq - *env) : strlen(*env);

		if (eq == NULL || !is_identifier(*env, len))
			return error_set(err, EINVAL,
					 "environment: \"%s\" is not NAME=VALUE with a name of "
					 "letters, digits and _",
					 *env);
		(void)fprintf(out, "export %.*s=", (int)len, *env);
		script_quote(out, eq + 1);
		(void)fputc('\n', out);
	}
	return 0;
}

/*
 * The process group: normally sshd gave the login shell a session and it became this sh. Where it
 * did not, setsid makes one; field 5 of stat is the group, counted behind the name's parenthesis.
 */
static const char announce[] =
	"bmvm_s= bmvm_x=\n"
	"read -r bmvm_s < /proc/$$/stat\n"
	"bmvm_s=${bmvm_s##*')'}; bmvm_s=${bmvm_s#* }; bmvm_s=${bmvm_s#* }\n"
	"bmvm_s=${bmvm_s#* }; bmvm_s=${bmvm_s%% *}\n"
	"if [ \"$bmvm_s\" = $$ ]; then bmvm_s=-$$\n"
	"elif command -v setsid > /dev/null; then bmvm_s=-$$; bmvm_x=setsid\n"
	"else bmvm_s=$$; fi\n";

/* Says what a shell says and with its code, instead of the shell's own words about this script. */
static const char find_program[] =
	"bmvm_find() {\n"
	"bmvm_no=127\n"
	"case $1 in\n"
	"*/*) [ -e \"$1\" ] || return 1; bmvm_no=126\n"
	"[ -f \"$1\" ] && [ -x \"$1\" ]; return ;;\n"
	"esac\n"
	"bmvm_p=$PATH:\n"
	"while [ -n \"$bmvm_p\" ]; do\n"
	"bmvm_d=${bmvm_p%%:*}; bmvm_p=${bmvm_p#*:}\n"
	"bmvm_d=${bmvm_d:-.}/$1\n"
	"[ -f \"$bmvm_d\" ] || continue\n"
	"[ -x \"$bmvm_d\" ] && return 0\n"
	"bmvm_no=126\n"
	"done\n"
	"return 1\n"
	"}\n"
	"bmvm_find \"$1\" || {\n"
	"case $bmvm_no in\n"
	"126) printf '%s: Permission denied\\n' \"$1\" >&2 ;;\n"
	"*) printf '%s: command not found\\n' \"$1\" >&2 ;;\n"
	"esac\n"
	"exit $bmvm_no\n"
	"}\n";

static int put_job(FILE *out, const struct guest_command *cmd, const char *token, struct error *err)
{
	int r;

	if (cmd->workdir != NULL) {
		(void)fputs("CDPATH= cd -- ", out);
		script_quote(out, cmd->workdir);
		(void)fprintf(out, " || { printf '%s workdir\\n' >&2; exit 125; }\n", token);
	}
	(void)fputs(announce, out);
	(void)fprintf(out, "printf '%s %%s\\n' \"$bmvm_s\" >&2\n", token);
	r = put_env(out, cmd->env, err);
	if (r < 0)
		return r;
	put_words(out, "set --", cmd->argv);
	(void)fputs(find_program, out);
	/* Only a name that begins with a dash needs "--", which old shells do not know. */
	(void)fprintf(out, "exec $bmvm_x %s\"$@\"\n", cmd->argv[0][0] == '-' ? "-- " : "");
	return 0;
}

int script_job(const struct guest_command *cmd, const char *token, char **ret, struct error *err)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (out == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (cmd->argv[0] == NULL) {
		(void)finish(out, &text);
		free(text);
		return error_set(err, EINVAL, "no command given");
	}
	r = put_job(out, cmd, token, err);
	if (finish(out, &text) == NULL && r == 0)
		return error_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		free(text);
		return r;
	}
	*ret = text;
	return 0;
}

/*
 * Bytes that mean nothing inside single quotes to sh, csh (which looks for ! and newlines even
 * there) and fish (which looks for backslash-quote and backslash-backslash).
 */
static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || strchr(" /._-,:=+@", c) != NULL;
}

char *script_inline(const char *script)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	(void)fputs("exec sh -c 'eval \"$(printf %b \"$1\")\"' bmvm '", out);
	for (; *script != '\0'; script++) {
		if ((unsigned char)*script < 128 && is_plain(*script))
			(void)fputc(*script, out);
		else
			(void)fprintf(out, "\\0%03o", (unsigned int)(unsigned char)*script);
	}
	(void)fputc('\'', out);
	if (finish(out, &text) != NULL && size > SCRIPT_INLINE_MAX) {
		free(text);
		errno = EFBIG;
		return NULL;
	}
	return text;
}

char *script_from_file(const char *path)
{
	AUTO_FREE char *script = NULL;

	/* $0 stays "bmvm", and the file is gone before CMD starts. */
	if (asprintf(&script,
		     "bmvm_f='%s'\nbmvm_s=$(cat \"$bmvm_f\"; rm -f \"$bmvm_f\")\n"
		     "eval \"$bmvm_s\"\n",
		     path) < 0) {
		script = NULL;
		return NULL;
	}
	return script_inline(script);
}
