/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logging to syslog, or to standard error in the foreground. Pure parts never call it. */
#ifndef HOLDFAST_LOG_H
#define HOLDFAST_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* The bits of `debug holdfast`, numbered as enum DebugTopic of fpm/holdfast.proto. */
enum log_topic {
	TOPIC_FPM = 1,
	TOPIC_MEMBERS = 2,
	TOPIC_SESSIONS = 4,
	TOPIC_STRAYS = 8,
	TOPIC_DIRECTORY = 16,
	TOPIC_KERNEL = 32,
	TOPIC_PATHS = 64,
};

void log_open(bool to_stderr);
void log_set_debug(uint32_t topics);
bool log_debugs(enum log_topic topic);
/* Gets what log_debug() writes, too. NULL: nobody does. */
void log_set_listener(void (*listener)(void *arg, const char *line), void *arg);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(enum log_topic topic, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
