/* SPDX-License-Identifier: MIT */
/* One series of runs as a small plot: inline SVG with its caption. */
#ifndef BMVM_RESULTS_HTML_PLOT_H
#define BMVM_RESULTS_HTML_PLOT_H

#include <stdio.h>

struct csv;
struct series;

#define HTML_PLOT_POINTS 120

/**
 * html_plot() - Write a figure
 * @csv: what the series was made from
 *
 * Up to HTML_PLOT_POINTS runs each has its point; of more, the plot is a band from the lowest to
 * the highest of neighbours. Runs without a value are crosses at the bottom.
 */
void html_plot(FILE *out, const struct csv *csv, const struct series *s);

#endif
