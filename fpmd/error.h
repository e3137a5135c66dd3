/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An error as a value: one line that names the cause and the remedy, for the caller to log, show
 * or ignore. Functions that take a struct error return 0, or -1 with the text set.
 */
#ifndef HOLDFAST_ERROR_H
#define HOLDFAST_ERROR_H

#define ERROR_TEXT_SIZE 256

struct error {
	char text[ERROR_TEXT_SIZE];
};

/* Sets the text (printf-style) and returns -1. *error* may be NULL. */
int error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
