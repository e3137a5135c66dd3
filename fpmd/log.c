// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

static bool foreground = true;
static uint32_t debug_topics;
static void (*debug_listener)(void *arg, const char *line);
static void *debug_listener_arg;

void log_open(bool to_stderr)
{
	foreground = to_stderr;
	if (!foreground)
		openlog("fpmd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_set_debug(uint32_t topics)
{
	debug_topics = topics;
}

void log_set_listener(void (*listener)(void *arg, const char *line), void *arg)
{
	debug_listener = listener;
	debug_listener_arg = arg;
}

bool log_debugs(enum log_topic topic)
{
	return debug_topics & topic;
}

static void write_line(int priority, const char *format, va_list args)
{
	static const char *const names[] = {
		[LOG_ERR] = "error",
		[LOG_WARNING] = "warning",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	char line[1024], stamp[32];
	struct timespec now;
	struct tm broken_down;

	vsnprintf(line, sizeof(line), format, args);
	if (priority == LOG_DEBUG && debug_listener)
		debug_listener(debug_listener_arg, line);
	if (!foreground) {
		syslog(priority, "%s", line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &broken_down);
	strftime(stamp, sizeof(stamp), "%Y/%m/%d %H:%M:%S", &broken_down);
	fprintf(stderr, "%s.%03ld fpmd: %s: %s\n", stamp, now.tv_nsec / 1000000, names[priority],
		line);
}

#define WRITE_LINE(priority)                                                                       \
	do {                                                                                       \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		write_line(priority, format, args);                                                \
		va_end(args);                                                                      \
	} while (0)

void log_error(const char *format, ...)
{
	WRITE_LINE(LOG_ERR);
}

void log_warn(const char *format, ...)
{
	WRITE_LINE(LOG_WARNING);
}

void log_info(const char *format, ...)
{
	WRITE_LINE(LOG_INFO);
}

void log_debug(enum log_topic topic, const char *format, ...)
{
	if (log_debugs(topic))
		WRITE_LINE(LOG_DEBUG);
}
