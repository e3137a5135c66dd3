// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/ask.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/frame.h"
#include "fpm/holdfast.pb-c.h"

#define TIMEOUT_S 5

static const char *const topics[] = {
	[HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY] = "summary",
	[HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS] = "members",
	[HOLDFAST__SHOW_REQUEST__TOPIC__PINS] = "pins",
	[HOLDFAST__SHOW_REQUEST__TOPIC__SESSIONS] = "sessions",
	[HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY] = "directory",
	[HOLDFAST__SHOW_REQUEST__TOPIC__COUNTERS] = "counters",
	[HOLDFAST__SHOW_REQUEST__TOPIC__PATHS] = "paths",
};

static int find_topic(const char *word, struct error *error)
{
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		if (topics[i] && !strcmp(topics[i], word))
			return (int)i;
	return error_set(error,
			 "there is no topic %.60s: it is one of summary, members, paths, pins, "
			 "sessions, directory, counters",
			 word);
}

static int open_socket(const char *path, struct error *error)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(error, "socket path %.100s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, "socket: %s", strerror(errno));
	if (!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) &&
	    !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	error_set(error, "%.100s: %s: does fpmd run, and are you root or FRR's user?", path,
		  strerror(errno));
	close(fd);
	return -1;
}

static int send_request(int fd, int topic, bool json, struct error *error)
{
	Holdfast__ShowRequest request = HOLDFAST__SHOW_REQUEST__INIT;
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	uint8_t bytes[FRAME_HEADER_SIZE + 64];
	size_t size;

	request.id = 1;
	request.topic = (Holdfast__ShowRequest__Topic)topic;
	request.json = json;
	frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REQUEST;
	frame.show_request = &request;
	size = holdfast__frame__pack(&frame, bytes + FRAME_HEADER_SIZE);
	frame_header_write(bytes, FRAME_PROTOBUF, size);
	size += FRAME_HEADER_SIZE;
	if (send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size)
		return 0;
	return error_set(error, "fpmd takes no question: %s", strerror(errno));
}

/* Returns 1 after the last part of the answer. */
static int write_part(const struct frame *frame, FILE *out, struct error *error)
{
	Holdfast__Frame *message =
		holdfast__frame__unpack(NULL, frame->payload_size, frame->payload);
	int last = 0;

	if (!message)
		return error_set(error, "the answer does not decode: is fpmd of another version?");
	if (message->body_case == HOLDFAST__FRAME__BODY_SHOW_REPLY) {
		fputs(message->show_reply->text, out);
		last = message->show_reply->last;
	}
	holdfast__frame__free_unpacked(message, NULL);
	return last;
}

static int read_answer(int fd, FILE *out, struct error *error)
{
	static uint8_t bytes[FRAME_SIZE_MAX];
	size_t size = 0;

	for (;;) {
		ssize_t got = recv(fd, bytes + size, sizeof(bytes) - size, 0);
		size_t used = 0;
		struct frame frame;

		if (got <= 0)
			return error_set(error, "fpmd does not answer: %s",
					 got ? strerror(errno) : "it closed the connection");
		size += (size_t)got;
		while (frame_parse(bytes + used, size - used, &frame) == FRAME_COMPLETE) {
			int last = write_part(&frame, out, error);

			if (last)
				return last > 0 ? 0 : -1;
			used += frame.size;
		}
		memmove(bytes, bytes + used, size - used);
		size -= used;
	}
}

int ask_show(const char *socket_path, const char *topic, bool json, FILE *out, struct error *error)
{
	int number = find_topic(topic, error), fd, status;

	if (number < 0)
		return -1;
	fd = open_socket(socket_path, error);
	if (fd < 0)
		return -1;
	status = send_request(fd, number, json, error);
	if (!status)
		status = read_answer(fd, out, error);
	close(fd);
	if (!status && fflush(out))
		return error_set(error, "the answer cannot be written: %s", strerror(errno));
	return status;
}
