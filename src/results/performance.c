/* SPDX-License-Identifier: MIT */
#include "results/performance.h"

#include <stdio.h>
#include <string.h>

/* No beginning of a keyword occurs again inside it, so a mismatch never has to look back. */
static const char performance_word[] = "performance:";
static const char trainer_word[] = "train_samples_per_second";

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Of which numbers are made. */
static bool is_number_byte(char c)
{
	return is_digit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

static void text_add(struct performance_text *t, char c)
{
	if (c == '\0')
		c = '?';
	if (t->n < PERFORMANCE_MAX)
		t->text[t->n] = c;
	if (t->n <= PERFORMANCE_MAX)
		t->n++;
}

static void text_begin(struct performance_text *t, char c)
{
	t->n = 0;
	text_add(t, c);
}

/* Return: false when it was too long to be kept. */
static bool text_end(struct performance_text *t)
{
	if (t->n > PERFORMANCE_MAX)
		return false;
	t->text[t->n] = '\0';
	return true;
}

static const char *skip_digits(const char *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

/* [+\-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+\-]?[0-9]+)? from start to end */
static bool is_number(const char *p)
{
	const char *digits;

	if (*p == '+' || *p == '-')
		p++;
	digits = p;
	p = skip_digits(p);
	if (*p == '.')
		p = skip_digits(p + 1);
	else if (p == digits)
		return false;
	if (*digits == '.' && p == digits + 1)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		if (*p == '+' || *p == '-')
			p++;
		if (!is_digit(*p))
			return false;
		p = skip_digits(p);
	}
	return *p == '\0';
}

/* Return: whether @c is the last byte of @word, all others of which were before it. */
static bool keyword_ends(const char *word, size_t *seen, char c)
{
	*seen = c == word[*seen] ? *seen + 1 : c == word[0];
	if (word[*seen] != '\0')
		return false;
	*seen = 0;
	return true;
}

static void end_metric(struct performance_scan *s)
{
	s->state = text_end(&s->metric) ? PERFORMANCE_FOUND : PERFORMANCE_SEARCHING;
}

/* What looked like a unit is none, or nothing follows it: the metric if white space was before it.
 */
static void end_unit(struct performance_scan *s)
{
	s->state = PERFORMANCE_SEARCHING;
	if (s->spaced)
		end_metric(s);
}

static void in_metric(struct performance_scan *s, char c)
{
	if (is_space(c) || c == ',')
		end_metric(s);
	else
		text_add(&s->metric, c);
}

static void begin_metric(struct performance_scan *s, char c)
{
	text_begin(&s->metric, c);
	s->state = PERFORMANCE_METRIC;
}

static void behind_value(struct performance_scan *s, char c)
{
	if (is_space(c)) {
		s->spaced = true;
	} else if (c == '/') {
		text_begin(&s->metric, c);
		s->state = PERFORMANCE_UNIT;
	} else if (c == ',') {
		if (s->comma || s->spaced)
			s->state = PERFORMANCE_SEARCHING;
		s->comma = true;
	} else if (s->spaced) {
		begin_metric(s, c);
	} else {
		s->state = PERFORMANCE_SEARCHING;
	}
}

static void in_value(struct performance_scan *s, char c)
{
	if (is_number_byte(c)) {
		text_add(&s->value, c);
	} else if (text_end(&s->value) && is_number(s->value.text)) {
		s->comma = s->spaced = false;
		s->state = PERFORMANCE_BEHIND_VALUE;
		behind_value(s, c);
	} else {
		s->state = PERFORMANCE_SEARCHING;
	}
}

static void before_value(struct performance_scan *s, char c)
{
	if (is_space(c)) {
		s->spaced = true;
	} else if (s->spaced && is_number_byte(c)) {
		text_begin(&s->value, c);
		s->state = PERFORMANCE_VALUE;
	} else {
		s->state = PERFORMANCE_SEARCHING;
	}
}

static void in_unit(struct performance_scan *s, char c)
{
	bool named = s->metric.n > 1;

	if (is_letter(c)) {
		text_add(&s->metric, c);
	} else if (named && is_space(c)) {
		s->state = PERFORMANCE_BEHIND_UNIT;
	} else if (named && c == ',') {
		s->state = PERFORMANCE_BEHIND_COMMA;
		s->comma_spaced = false;
	} else if (s->spaced) {
		s->state = PERFORMANCE_METRIC;
		in_metric(s, c);
	} else {
		s->state = PERFORMANCE_SEARCHING;
	}
}

static void behind_unit(struct performance_scan *s, char c)
{
	if (c == ',') {
		s->state = PERFORMANCE_BEHIND_COMMA;
		s->comma_spaced = false;
	} else if (!is_space(c)) {
		begin_metric(s, c);
	}
}

static void behind_comma(struct performance_scan *s, char c)
{
	if (is_space(c))
		s->comma_spaced = true;
	else if (c == ',' || !s->comma_spaced)
		end_unit(s);
	else
		begin_metric(s, c);
}

static void step(struct performance_scan *s, char c)
{
	/* a keyword inside a candidate counts only if the candidate fails at its last byte: the
	 * colon can be nowhere but in a metric */
	bool begins = keyword_ends(performance_word, &s->keyword, c);

	switch (s->state) {
	case PERFORMANCE_BEFORE_VALUE:
		before_value(s, c);
		break;
	case PERFORMANCE_VALUE:
		in_value(s, c);
		break;
	case PERFORMANCE_BEHIND_VALUE:
		behind_value(s, c);
		break;
	case PERFORMANCE_UNIT:
		in_unit(s, c);
		break;
	case PERFORMANCE_BEHIND_UNIT:
		behind_unit(s, c);
		break;
	case PERFORMANCE_BEHIND_COMMA:
		behind_comma(s, c);
		break;
	case PERFORMANCE_METRIC:
		in_metric(s, c);
		break;
	case PERFORMANCE_SEARCHING:
	case PERFORMANCE_FOUND:
		break;
	}
	if (begins && s->state == PERFORMANCE_SEARCHING) {
		s->state = PERFORMANCE_BEFORE_VALUE;
		s->spaced = false;
	}
}

static bool is_separator(char c)
{
	return is_space(c) || c == '\'' || c == '"' || c == ':' || c == '=';
}

static void trainer_end(struct performance_scan *s)
{
	bool kept = text_end(&s->trainer.value);

	s->trainer.state = kept ? PERFORMANCE_FOUND : PERFORMANCE_SEARCHING;
}

static void trainer_step(struct performance_scan *s, char c)
{
	bool begins = keyword_ends(trainer_word, &s->trainer.keyword, c);

	if (s->trainer.state == PERFORMANCE_VALUE) {
		if (is_number_byte(c))
			text_add(&s->trainer.value, c);
		else
			trainer_end(s);
	} else if (begins) {
		s->trainer.state = PERFORMANCE_BEFORE_VALUE;
		s->trainer.separated = false;
	} else if (s->trainer.state == PERFORMANCE_BEFORE_VALUE) {
		if (is_separator(c)) {
			s->trainer.separated = true;
		} else if (s->trainer.separated && is_digit(c)) {
			text_begin(&s->trainer.value, c);
			s->trainer.state = PERFORMANCE_VALUE;
		} else {
			s->trainer.state = PERFORMANCE_SEARCHING;
		}
	}
}

/* Over what cannot begin a keyword. Return: the first byte that may. */
static const char *skip(const char *p, const char *end, char first)
{
	const char *found = memchr(p, first, (size_t)(end - p));

	return found == NULL ? end : found;
}

static void feed_trainer(struct performance_scan *s, const char *p, const char *end)
{
	while (p < end && s->trainer.state != PERFORMANCE_FOUND) {
		if (s->trainer.state == PERFORMANCE_SEARCHING && s->trainer.keyword == 0)
			p = skip(p, end, trainer_word[0]);
		if (p < end)
			trainer_step(s, *p++);
	}
}

void performance_feed(struct performance_scan *scan, const char *bytes, size_t len)
{
	const char *p = bytes, *end = bytes + len;

	if (len == 0)
		return;
	while (p < end && scan->state != PERFORMANCE_FOUND) {
		if (scan->state == PERFORMANCE_SEARCHING && scan->keyword == 0)
			p = skip(p, end, performance_word[0]);
		if (p < end)
			step(scan, *p++);
	}
	if (scan->state != PERFORMANCE_FOUND)
		feed_trainer(scan, bytes, end);
}

/* What the end of the text decides. */
static void end_of_log(struct performance_scan *s)
{
	if (s->state == PERFORMANCE_METRIC)
		end_metric(s);
	else if (s->state == PERFORMANCE_UNIT || s->state == PERFORMANCE_BEHIND_UNIT ||
		 s->state == PERFORMANCE_BEHIND_COMMA)
		end_unit(s);
	if (s->trainer.state == PERFORMANCE_VALUE)
		trainer_end(s);
}

bool performance_end(struct performance_scan *scan, struct performance *ret)
{
	end_of_log(scan);
	*ret = (struct performance){ .value = "" };
	if (scan->state == PERFORMANCE_FOUND) {
		memcpy(ret->value, scan->value.text, sizeof(ret->value));
		memcpy(ret->metric, scan->metric.text, sizeof(ret->metric));
	} else if (scan->trainer.state == PERFORMANCE_FOUND) {
		memcpy(ret->value, scan->trainer.value.text, sizeof(ret->value));
		(void)snprintf(ret->metric, sizeof(ret->metric), "samples_per_second");
	}
	return ret->value[0] != '\0';
}
