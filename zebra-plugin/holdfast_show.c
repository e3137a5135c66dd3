/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_show.h. A slot is taken in the main pthread (by its flag) and then belongs to the
 * FPM pthread until that gives it back. At most SLOTS requests and TEXT_MAX bytes are held.
 */
#include "zebra-plugin/compat.h"

#include <fcntl.h>
#include <stdatomic.h>

#include "lib/command.h"
#include "lib/json.h"
#include "lib/network.h"

#include "zebra-plugin/holdfast_counters.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_frontend.h"
#include "zebra-plugin/holdfast_show.h"
#include "zebra-plugin/holdfast_wire.h"

#define SLOTS 8
#define TEXT_MAX ((size_t)16 * 1024 * 1024)
#define ANSWER_MS 2000
#define READER_MS 60000 /* a pager may keep vtysh from reading for so long */

struct show {
	atomic_bool used;
	uint32_t id;
	int fd;
	struct holdfast_question question;

	bool asked, done, cut, in_line;
	char *text;
	size_t size, capacity, sent;
	holdfast_event *t_answer, *t_write, *t_reader;
};

static struct show shows[SLOTS];
static uint32_t last_id;

static void show_write(holdfast_event *event);

static void show_release(struct show *show)
{
	holdfast_event_off(show->t_answer);
	holdfast_event_off(show->t_write);
	holdfast_event_off(show->t_reader);
	if (show->fd >= 0)
		close(show->fd);
	free(show->text);
	show->text = NULL;
	show->size = show->capacity = show->sent = 0;
	show->asked = show->done = show->cut = show->in_line = false;
	show->fd = -1;
	atomic_store(&show->used, false);
}

static int text_grow(struct show *show, size_t size)
{
	size_t capacity = show->capacity ? show->capacity : 4096;
	char *text;

	if (show->size + size <= show->capacity)
		return 0;
	if (show->size + size > TEXT_MAX)
		return -1;
	while (capacity < show->size + size)
		capacity *= 2;
	text = realloc(show->text, capacity);
	if (!text)
		return -1;
	show->text = text;
	show->capacity = capacity;
	return 0;
}

/* The last 256 bytes are kept for the note that it was cut, and for the trailer. */
static void text_append(struct show *show, const char *text, size_t size)
{
	if (show->cut || !size)
		return;
	if (show->sent == show->size)
		show->sent = show->size = 0;
	if (text_grow(show, size + 256)) {
		show->cut = true;
		return;
	}
	memcpy(show->text + show->size, text, size);
	show->size += size;
	show->in_line = text[size - 1] != '\n';
}

static void text_print(struct show *show, const char *format, ...) PRINTFRR(2, 3);

static void text_print(struct show *show, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintfrr(line, sizeof(line), format, arguments);
	va_end(arguments);
	text_append(show, line, strlen(line));
}

static void reader_gave_up(holdfast_event *event)
{
	show_release(HOLDFAST_EVENT_ARG(event));
}

static void show_flush(struct show *show)
{
	holdfast_event_off(show->t_reader);
	while (show->sent < show->size) {
		ssize_t written = send(show->fd, show->text + show->sent, show->size - show->sent,
				       MSG_NOSIGNAL | MSG_DONTWAIT);

		if (written < 0 && ERRNO_IO_RETRY(errno)) {
			holdfast_add_write(holdfast_fpm_loop(), show_write, show, show->fd,
					   &show->t_write);
			holdfast_add_timer_ms(holdfast_fpm_loop(), reader_gave_up, show, READER_MS,
					      &show->t_reader);
			return;
		}
		if (written < 0) {
			show_release(show);
			return;
		}
		show->sent += (size_t)written;
	}
	if (show->done)
		show_release(show);
}

static void show_write(holdfast_event *event)
{
	show_flush(HOLDFAST_EVENT_ARG(event));
}

static json_object *module_json(void)
{
	struct holdfast_fpm_state state;
	json_object *module = json_object_new_object(), *counters = json_object_new_object(),
		    *problems = json_object_new_array();
	const char *name, *help;
	uint64_t value;
	size_t i;

	holdfast_fpm_state_get(&state);
	json_object_object_add(module, "socket", json_object_new_string(state.path));
	json_object_object_add(module, "connected", json_object_new_boolean(state.connected));
	if (!state.connected)
		json_object_object_add(module, "reason", json_object_new_string(state.reason));
	for (i = 0; i < state.problem_count; i++)
		json_object_array_add(problems, json_object_new_string(state.problems[i].text));
	json_object_object_add(module, "problems", problems);
	for (i = 0; (name = holdfast_counter_get(i, &help, &value)); i++)
		json_object_object_add(counters, name, json_object_new_int64((int64_t)value));
	json_object_object_add(counters, "queue-overflows",
			       json_object_new_int64((int64_t)state.overflows));
	json_object_object_add(counters, "frames-dropped",
			       json_object_new_int64((int64_t)state.dropped));
	json_object_object_add(module, "counters", counters);
	return module;
}

typedef void print_fn(void *arg, const char *line);

static void module_print(bool with_counters, print_fn *print, void *arg)
{
	struct holdfast_fpm_state state;
	const char *name, *help;
	char line[512];
	uint64_t value;
	size_t i;

	holdfast_fpm_state_get(&state);
	if (!state.enabled)
		snprintf(line, sizeof(line),
			 "zebra: module does not connect, it is not configured");
	else if (state.connected)
		snprintf(line, sizeof(line), "zebra: module connected to fpmd (socket %s)",
			 state.path);
	else
		snprintf(line, sizeof(line), "zebra: module not connected to fpmd (socket %s: %s)",
			 state.path, state.reason);
	print(arg, line);
	/* When fpmd is there, it tells what is wrong itself. */
	for (i = 0; !state.connected && i < state.problem_count; i++) {
		snprintf(line, sizeof(line), "  problem: %s", state.problems[i].text);
		print(arg, line);
	}
	if (!with_counters)
		return;
	for (i = 0; (name = holdfast_counter_get(i, &help, &value)); i++) {
		snprintf(line, sizeof(line), "  %-22s %12" PRIu64 "  %s", name, value, help);
		print(arg, line);
	}
	snprintf(line, sizeof(line), "  %-22s %12" PRIu64 "  %s", "queue-overflows",
		 state.overflows, "times that the queue to fpmd was full");
	print(arg, line);
	snprintf(line, sizeof(line), "  %-22s %12" PRIu64 "  %s", "frames-dropped", state.dropped,
		 "frames lost to that; each time a replay follows");
	print(arg, line);
}

static void print_to_text(void *arg, const char *line)
{
	text_append(arg, line, strlen(line));
	text_append(arg, "\n", 1);
}

static void print_to_vty(void *arg, const char *line)
{
	vty_out(arg, "%s\n", line);
}

static bool takes_module_part(const struct show *show)
{
	return show->question.topic == SHOW_SUMMARY || show->question.topic == SHOW_COUNTERS;
}

/* Puts the module's own part under "module". An answer that is no object stays as it is. */
static void json_merge(struct show *show)
{
	json_object *answer;
	const char *text;

	if (show->cut || text_grow(show, 1))
		return;
	show->text[show->size] = '\0';
	answer = json_tokener_parse(show->text);
	if (json_object_is_type(answer, json_type_object)) {
		json_object_object_add(answer, "module", module_json());
		text = json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
		show->size = 0;
		if (text) {
			text_append(show, text, strlen(text));
			text_append(show, "\n", 1);
		}
	}
	json_object_put(answer);
}

/* The note and the trailer that ends an answer for vtysh. */
static void show_finish(struct show *show, int status)
{
	static const char note[] = "\n% the output was too long and was cut\n";
	char trailer[4] = {0, 0, 0, (char)status};

	holdfast_event_off(show->t_answer);
	if (show->cut) {
		show->cut = false;
		if (show->capacity - show->size > sizeof(note))
			text_append(show, note, sizeof(note) - 1);
		trailer[3] = CMD_WARNING;
	}
	if (trailer[3] != CMD_SUCCESS)
		holdfast_count(COUNT_SHOWS_FAILED, 1);
	text_append(show, trailer, sizeof(trailer));
	show->done = true;
	if (show->cut) { /* no memory at all: vtysh learns it from the end of the connection */
		shutdown(show->fd, SHUT_RDWR);
		show_release(show);
		return;
	}
	show_flush(show);
}

static void show_fail(struct show *show, const char *format, ...) PRINTFRR(2, 3);

static void show_fail(struct show *show, const char *format, ...)
{
	char reason[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintfrr(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	if (show->question.json && (takes_module_part(show) || !show->asked || !show->size)) {
		json_object *answer = json_object_new_object();
		const char *text;

		json_object_object_add(answer, "error", json_object_new_string(reason));
		json_object_object_add(answer, "module", module_json());
		text = json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
		show->size = show->sent = 0;
		if (text) {
			text_append(show, text, strlen(text));
			text_append(show, "\n", 1);
		}
		json_object_put(answer);
	} else {
		text_print(show, "%% %s\n", reason);
	}
	show_finish(show, CMD_WARNING);
}

static void show_timed_out(holdfast_event *event)
{
	show_fail(HOLDFAST_EVENT_ARG(event), "fpmd did not answer within %d s", ANSWER_MS / 1000);
}

static void show_wait(struct show *show)
{
	holdfast_event_off(show->t_answer);
	holdfast_add_timer_ms(holdfast_fpm_loop(), show_timed_out, show, ANSWER_MS,
			      &show->t_answer);
}

static void show_ask(holdfast_event *event)
{
	struct show *show = HOLDFAST_EVENT_ARG(event);
	uint8_t frame[HOLDFAST_SMALL_FRAME_SIZE];
	size_t size;

	size = holdfast_wire_show_request(show->id, &show->question, frame, sizeof(frame));
	if (!size || holdfast_fpm_send(frame, size)) {
		show_fail(show, "fpmd is not connected, or does not read: try again");
		return;
	}
	holdfast_count(COUNT_SHOWS, 1);
	show->asked = true;
	show_wait(show);
}

void holdfast_show_reply(uint32_t id, const char *text, bool last)
{
	struct show *show;

	for (show = shows; show < shows + SLOTS; show++)
		if (atomic_load(&show->used) && show->asked && show->id == id && !show->done)
			break;
	if (show == shows + SLOTS) /* too late */
		return;
	text_append(show, text, strlen(text));
	if (last && show->in_line)
		text_append(show, "\n", 1);
	if (!last) {
		show_wait(show);
		if (!(show->question.json && takes_module_part(show)))
			show_flush(show);
		return;
	}
	if (takes_module_part(show)) {
		if (show->question.json) {
			json_merge(show);
		} else {
			print_to_text(show, "");
			module_print(show->question.topic == SHOW_COUNTERS, print_to_text, show);
		}
	}
	show_finish(show, CMD_SUCCESS);
}

void holdfast_show_disconnected(void)
{
	struct show *show;

	for (show = shows; show < shows + SLOTS; show++)
		if (atomic_load(&show->used) && show->asked && !show->done)
			show_fail(show, "fpmd went away before it had answered");
}

void holdfast_show_stop(void)
{
	struct show *show;

	for (show = shows; show < shows + SLOTS; show++) {
		if (!atomic_load(&show->used))
			continue;
		show->t_answer = show->t_write = show->t_reader = NULL;
		show_release(show);
	}
}

void holdfast_show_module(struct vty *vty)
{
	module_print(true, print_to_vty, vty);
}

int holdfast_show_unconnected(struct vty *vty, bool configured, bool json)
{
	struct holdfast_fpm_state state;
	char reason[256];

	holdfast_fpm_state_get(&state);
	if (configured)
		snprintf(
			reason, sizeof(reason),
			"fpmd is not connected (socket %s: %s): start it, e.g. systemctl start fpmd",
			state.path, state.reason);
	else
		snprintf(reason, sizeof(reason), "%s", holdfast_frontend_unconfigured());
	if (json) {
		json_object *answer = json_object_new_object();

		json_object_object_add(answer, "error", json_object_new_string(reason));
		json_object_object_add(answer, "module", module_json());
		vty_out(vty, "%s\n",
			json_object_to_json_string_ext(
				answer, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(answer);
		return CMD_WARNING;
	}
	vty_out(vty, "%% %s\n", reason);
	return CMD_WARNING;
}

int holdfast_show_begin(struct vty *vty, const struct holdfast_question *question)
{
	struct show *show;

	if (vty->type != VTY_SHELL_SERV) {
		vty_out(vty, "%% this command works in vtysh only\n");
		return CMD_WARNING;
	}
	for (show = shows; show < shows + SLOTS; show++)
		if (!atomic_load(&show->used))
			break;
	if (show == shows + SLOTS) {
		vty_out(vty,
			"%% %d show requests wait already, for fpmd or for a pager: try again\n",
			SLOTS);
		return CMD_WARNING;
	}
	show->fd = fcntl(vty->wfd, F_DUPFD_CLOEXEC, 3);
	if (show->fd < 0) {
		vty_out(vty, "%% %s\n", safe_strerror(errno));
		return CMD_WARNING;
	}
	show->id = ++last_id;
	show->question = *question;
	atomic_store(&show->used, true);
	holdfast_add_event(holdfast_fpm_loop(), show_ask, show, 0, NULL);
	return CMD_SUSPEND;
}
