/* SPDX-License-Identifier: MIT */
#include "results/page.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/embed.h"
#include "results/html.h"

extern const char page_script[] __attribute__((visibility("hidden")));
extern const char page_style[] __attribute__((visibility("hidden")));
extern const char page_mail_style[] __attribute__((visibility("hidden")));

EMBED(page_script, "src/results/page/report.js");
EMBED(page_style, "src/results/page/report.css");
EMBED(page_mail_style, "src/results/page/mail.css");

/* 'sha256-...' of a text; 'none' without a digest, which then is refused rather than let in. */
static void put_source(FILE *out, const char *text)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned char base64[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
	unsigned int len = 0;

	if (EVP_Digest(text, strlen(text), md, &len, EVP_sha256(), NULL) != 1) {
		(void)fputs("'none'", out);
		return;
	}
	(void)EVP_EncodeBlock(base64, md, (int)len);
	(void)fprintf(out, "'sha256-%s'", (const char *)base64);
}

static void put_policy(FILE *out)
{
	(void)fputs(
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"base-uri 'none'; form-action 'none'; style-src ",
		out);
	put_source(out, page_style);
	(void)fputs("; script-src ", out);
	put_source(out, page_script);
	(void)fputs("\">\n", out);
}

void page_begin(FILE *out, enum page_kind kind, const char *title)
{
	(void)fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", out);
	if (kind == PAGE_BROWSER)
		put_policy(out);
	(void)fputs(
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
		out);
	html_str(out, title);
	(void)fprintf(out, "</title>\n<style>%s</style>\n",
		      kind == PAGE_BROWSER ? page_style : page_mail_style);
	if (kind == PAGE_BROWSER)
		(void)fprintf(out, "<script>%s</script>\n", page_script);
	(void)fputs("</head>\n<body>\n<h1>", out);
	html_str(out, title);
	(void)fputs("</h1>\n", out);
}

void page_end(FILE *out, const char *made)
{
	(void)fprintf(out, "<footer>Made by bmvm %s", BMVM_VERSION);
	if (made != NULL) {
		(void)fputs(", ", out);
		html_str(out, made);
	}
	(void)fputs("</footer>\n</body>\n</html>\n", out);
}
