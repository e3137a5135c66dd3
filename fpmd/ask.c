// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/frame.h"
#include "fpm/holdfast.pb-c.h"
#include "fpmd/flow.h"

#define TIMEOUT_S 5
/* Of a request with all its fields. */
#define REQUEST_SIZE_MAX 128

static const char *const topics[] = {
	[HOLDFAST__SHOW_REQUEST__TOPIC__SUMMARY] = "summary",
	[HOLDFAST__SHOW_REQUEST__TOPIC__MEMBERS] = "members",
	[HOLDFAST__SHOW_REQUEST__TOPIC__PINS] = "pins",
	[HOLDFAST__SHOW_REQUEST__TOPIC__SESSIONS] = "sessions",
	[HOLDFAST__SHOW_REQUEST__TOPIC__DIRECTORY] = "directory",
	[HOLDFAST__SHOW_REQUEST__TOPIC__COUNTERS] = "counters",
	[HOLDFAST__SHOW_REQUEST__TOPIC__PATHS] = "paths",
	[HOLDFAST__SHOW_REQUEST__TOPIC__FLOW] = "flow",
};

static int find_topic(const char *word, struct error *error)
{
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		if (topics[i] && !strcmp(topics[i], word))
			return (int)i;
	return error_set(error,
			 "there is no topic %.60s: it is one of summary, members, paths, pins, "
			 "sessions, directory, counters, flow",
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

/* The four words of a flow; the bytes of the addresses are kept in *client* and *vip*. */
static int read_flow(char *const *words, size_t count, Holdfast__Flow *flow,
		     struct in6_addr *client, struct in6_addr *vip, struct error *error)
{
	unsigned long ports[2];

	if (count != 4)
		return error_set(error, "a flow is CLIENT PORT VIP PORT");
	for (size_t i = 0; i < 2; i++) {
		const char *word = words[2 * i + 1];
		char *end;

		ports[i] = strtoul(word, &end, 10);
		if (word[0] < '0' || word[0] > '9' || *end || !ports[i] || ports[i] > UINT16_MAX)
			return error_set(error, "port %.60s is not in 1-65535", word);
	}
	if (address_parse(words[0], client))
		return error_set(error, "%.60s is no address", words[0]);
	if (address_parse(words[2], vip))
		return error_set(error, "%.60s is no address", words[2]);
	flow->client.data = client->s6_addr;
	flow->client.len = sizeof(*client);
	flow->client_port = (uint32_t)ports[0];
	flow->vip.data = vip->s6_addr;
	flow->vip.len = sizeof(*vip);
	flow->vip_port = (uint32_t)ports[1];
	return 0;
}

static int send_request(int fd, Holdfast__ShowRequest *request, struct error *error)
{
	Holdfast__Frame frame = HOLDFAST__FRAME__INIT;
	uint8_t bytes[FRAME_HEADER_SIZE + REQUEST_SIZE_MAX];
	size_t size;

	frame.body_case = HOLDFAST__FRAME__BODY_SHOW_REQUEST;
	frame.show_request = request;
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

int ask_show(const char *socket_path, char *const *words, size_t count, bool json, FILE *out,
	     struct error *error)
{
	Holdfast__ShowRequest request = HOLDFAST__SHOW_REQUEST__INIT;
	Holdfast__Flow flow = HOLDFAST__FLOW__INIT;
	int topic = find_topic(words[0], error), fd, status;
	struct in6_addr client, vip;

	if (topic < 0)
		return -1;
	if (topic == HOLDFAST__SHOW_REQUEST__TOPIC__FLOW) {
		if (read_flow(words + 1, count - 1, &flow, &client, &vip, error))
			return -1;
		request.flow = &flow;
	} else if (count > 1) {
		return error_set(error, "`%.60s` is not expected behind %s", words[1], words[0]);
	}
	request.id = 1;
	request.topic = (Holdfast__ShowRequest__Topic)topic;
	request.json = json;
	fd = open_socket(socket_path, error);
	if (fd < 0)
		return -1;
	status = send_request(fd, &request, error);
	if (!status)
		status = read_answer(fd, out, error);
	close(fd);
	if (!status && fflush(out))
		return error_set(error, "the answer cannot be written: %s", strerror(errno));
	return status;
}
