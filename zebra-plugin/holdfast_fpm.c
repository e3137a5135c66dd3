/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See holdfast_fpm.h. Everything in `client` belongs to the FPM pthread, but for `shared` (under
 * its mutex), the queue (locks itself) and the two flags (atomic). Memory is given once, at the
 * start.
 */
#include "zebra-plugin/compat.h"

#include <stdatomic.h>
#include <sys/un.h>

#include "lib/frr_pthread.h"
#include "lib/memory.h"
#include "lib/network.h"
#include "zebra/zebra_router.h"

#include "fpm/frame.h"
#include "fpm/holdfast.pb-c.h"
#include "zebra-plugin/holdfast_counters.h"
#include "zebra-plugin/holdfast_fpm.h"
#include "zebra-plugin/holdfast_memory.h"
#include "zebra-plugin/holdfast_show.h"
#include "zebra-plugin/holdfast_snapshot.h"

#define QUEUE_SIZE (1024 * 1024)
#define OUT_SIZE (128 * 1024)
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 2000
#define RETRY_FAST_MS 5000 /* after the end of a connection that was good */
#define OVERFLOW_REPLAY_MS 200
#define WRITES_IN_A_ROW 16

DEFINE_MTYPE_STATIC(HOLDFAST, HOLDFAST_BUFFER, "Holdfast FPM buffer");

static struct {
	struct frr_pthread *pthread; /* lives until holdfast_fpm_fini(): others may still wake it */
	bool running;		     /* main pthread */
	void (*replay)(void);
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct holdfast_queue queue;
	atomic_bool enabled, connected;

	int fd;
	uint8_t *in, *out;
	size_t in_used, out_head, out_used;
	unsigned int retry_ms;
	struct timeval connected_at, lost_at;
	bool outage_logged;
	holdfast_event *t_connect, *t_read, *t_write, *t_wake, *t_overflow;

	holdfast_event *t_replay; /* on zebra's main loop */

	struct {
		pthread_mutex_t mutex;
		char reason[64];
		size_t problem_count;
		struct error problems[HOLDFAST_PROBLEMS_MAX];
		size_t config_count;
		struct error config_problems[HOLDFAST_PROBLEMS_MAX];
	} shared;
} client = {.fd = -1};

static void client_connect(holdfast_event *event);
static void client_write(holdfast_event *event);

static holdfast_loop *client_loop(void)
{
	return client.pthread->master;
}

static void reason_set(const char *reason)
{
	pthread_mutex_lock(&client.shared.mutex);
	strlcpy(client.shared.reason, reason, sizeof(client.shared.reason));
	pthread_mutex_unlock(&client.shared.mutex);
}

/* Tries often for a while after a good connection ended: fpmd is being restarted. */
static void client_retry(void)
{
	unsigned int wait_ms = client.retry_ms;

	if (client.lost_at.tv_sec && monotime_since(&client.lost_at, NULL) < RETRY_FAST_MS * 1000LL)
		wait_ms = RETRY_MIN_MS;
	else
		client.retry_ms = MIN(client.retry_ms * 2, RETRY_MAX_MS);
	holdfast_add_timer_ms(client_loop(), client_connect, NULL, wait_ms, &client.t_connect);
}

static void client_disconnect(const char *reason)
{
	bool was_connected = atomic_exchange(&client.connected, false);

	holdfast_event_off(client.t_read);
	holdfast_event_off(client.t_write);
	holdfast_event_off(client.t_overflow);
	if (client.fd >= 0)
		close(client.fd);
	client.fd = -1;
	client.in_used = client.out_head = client.out_used = 0;
	holdfast_queue_close(&client.queue);
	reason_set(reason);
	if (was_connected) {
		holdfast_count(COUNT_DISCONNECTS, 1);
		if (monotime_since(&client.connected_at, NULL) >= RETRY_MAX_MS * 1000LL) {
			monotime(&client.lost_at);
			client.retry_ms = RETRY_MIN_MS;
		}
		pthread_mutex_lock(&client.shared.mutex);
		client.shared.problem_count = 0;
		pthread_mutex_unlock(&client.shared.mutex);
		holdfast_show_disconnected();
		holdfast_snapshot_disconnected();
	}
	if (!client.outage_logged)
		zlog_warn("Holdfast: fpmd is not connected (socket %s: %s)", client.path, reason);
	client.outage_logged = true;
	client_retry();
}

static void problems_set(const Holdfast__Status *status)
{
	struct error old[HOLDFAST_PROBLEMS_MAX];
	size_t old_count, count = MIN(status->n_problems, (size_t)HOLDFAST_PROBLEMS_MAX), i, j;

	pthread_mutex_lock(&client.shared.mutex);
	old_count = client.shared.problem_count;
	memcpy(old, client.shared.problems, sizeof(old));
	for (i = 0; i < count; i++)
		strlcpy(client.shared.problems[i].text, status->problems[i],
			sizeof(client.shared.problems[i].text));
	client.shared.problem_count = count;
	pthread_mutex_unlock(&client.shared.mutex);

	for (i = 0; i < count; i++) {
		for (j = 0; j < old_count; j++)
			if (!strncmp(old[j].text, status->problems[i], sizeof(old[j].text) - 1))
				break;
		if (j == old_count)
			zlog_warn("Holdfast: fpmd: %.*s", ERROR_TEXT_SIZE - 1, status->problems[i]);
	}
}

/* Returns 0, or -1 if the payload is not one of our messages. */
static int message_handle(const struct frame *frame)
{
	Holdfast__Frame *message;

	message = holdfast__frame__unpack(NULL, frame->payload_size, frame->payload);
	if (!message)
		return -1;
	holdfast_count(COUNT_FRAMES_RECEIVED, 1);
	switch (message->body_case) {
	case HOLDFAST__FRAME__BODY_SHOW_REPLY:
		if (!holdfast_snapshot_reply(message->show_reply->id, message->show_reply->text,
					     message->show_reply->last))
			holdfast_show_reply(message->show_reply->id, message->show_reply->text,
					    message->show_reply->last);
		break;
	case HOLDFAST__FRAME__BODY_STATUS:
		problems_set(message->status);
		break;
	case HOLDFAST__FRAME__BODY_LOG:
		zlog_debug("Holdfast: fpmd: %s", message->log->line);
		break;
	default:
		holdfast_count(COUNT_FRAMES_UNEXPECTED, 1);
		break;
	}
	holdfast__frame__free_unpacked(message, NULL);
	return 0;
}

static void client_read(holdfast_event *event)
{
	size_t done = 0;
	ssize_t got;

	got = read(client.fd, client.in + client.in_used, FRAME_SIZE_MAX - client.in_used);
	if (got < 0 && ERRNO_IO_RETRY(errno)) {
		holdfast_add_read(client_loop(), client_read, NULL, client.fd, &client.t_read);
		return;
	}
	if (got <= 0) {
		client_disconnect(got ? safe_strerror(errno) : "closed by fpmd");
		return;
	}
	client.in_used += (size_t)got;
	while (done < client.in_used) {
		struct frame frame;
		enum frame_status status =
			frame_parse(client.in + done, client.in_used - done, &frame);

		if (status == FRAME_INCOMPLETE)
			break;
		if (status == FRAME_BAD || frame.type != FRAME_PROTOBUF || message_handle(&frame)) {
			holdfast_count(COUNT_FRAMES_BAD, 1);
			client_disconnect("it sent what is no frame of ours");
			return;
		}
		done += frame.size;
	}
	memmove(client.in, client.in + done, client.in_used - done);
	client.in_used -= done;
	holdfast_add_read(client_loop(), client_read, NULL, client.fd, &client.t_read);
}

static void replay_event(holdfast_event *event)
{
	client.replay();
}

static void replay_request(void)
{
	holdfast_add_event(zrouter.master, replay_event, NULL, 0, &client.t_replay);
}

static void overflow_replay(holdfast_event *event)
{
	if (atomic_load(&client.connected) && holdfast_queue_overflowed(&client.queue))
		replay_request();
}

/* Fills the buffer from the queue once it is empty. Returns whether there is anything to write. */
static bool out_fill(void)
{
	uint64_t frames = 0;

	if (client.out_used)
		return true;
	client.out_head = 0;
	client.out_used = holdfast_queue_take(&client.queue, client.out, OUT_SIZE, &frames);
	holdfast_count(COUNT_FRAMES_SENT, frames);
	if (client.out_used)
		return true;
	if (holdfast_queue_overflowed(&client.queue))
		holdfast_add_timer_ms(client_loop(), overflow_replay, NULL, OVERFLOW_REPLAY_MS,
				      &client.t_overflow);
	return false;
}

static void client_write(holdfast_event *event)
{
	int i;

	for (i = 0; i < WRITES_IN_A_ROW && out_fill(); i++) {
		ssize_t written = send(client.fd, client.out + client.out_head, client.out_used,
				       MSG_NOSIGNAL | MSG_DONTWAIT);

		if (written < 0 && ERRNO_IO_RETRY(errno))
			break;
		if (written < 0) {
			client_disconnect(safe_strerror(errno));
			return;
		}
		client.out_head += (size_t)written;
		client.out_used -= (size_t)written;
		holdfast_count(COUNT_BYTES_SENT, (uint64_t)written);
	}
	if (out_fill())
		holdfast_add_write(client_loop(), client_write, NULL, client.fd, &client.t_write);
}

static void client_wake(holdfast_event *event)
{
	if (client.fd >= 0 && !client.t_write)
		client_write(NULL);
}

int holdfast_fpm_send(const uint8_t *frame, size_t size)
{
	if (client.fd < 0)
		return -1;
	if (client.out_head + client.out_used + size > OUT_SIZE) {
		memmove(client.out, client.out + client.out_head, client.out_used);
		client.out_head = 0;
	}
	if (client.out_used + size > OUT_SIZE)
		return -1;
	memcpy(client.out + client.out_head + client.out_used, frame, size);
	client.out_used += size;
	holdfast_count(COUNT_FRAMES_SENT, 1);
	holdfast_add_write(client_loop(), client_write, NULL, client.fd, &client.t_write);
	return 0;
}

static void client_connect(holdfast_event *event)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (client.fd >= 0)
		return;
	memcpy(address.sun_path, client.path, sizeof(address.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		client_disconnect(safe_strerror(errno));
		return;
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = errno;

		close(fd);
		client_disconnect(safe_strerror(error));
		return;
	}
	client.fd = fd;
	client.outage_logged = false;
	monotime(&client.connected_at);
	holdfast_queue_close(&client.queue);
	atomic_store(&client.connected, true);
	holdfast_count(COUNT_CONNECTS, 1);
	zlog_info("Holdfast: fpmd is connected (socket %s)", client.path);
	holdfast_add_read(client_loop(), client_read, NULL, fd, &client.t_read);
	holdfast_snapshot_connected();
	replay_request();
}

/* Any pthread. */
static void wake_if_needed(enum holdfast_push result)
{
	if (result == HOLDFAST_PUSHED_FIRST || result == HOLDFAST_OVERFLOW)
		holdfast_add_event(client_loop(), client_wake, NULL, 0, &client.t_wake);
}

enum holdfast_push holdfast_fpm_open(const uint8_t *frame, size_t size)
{
	enum holdfast_push result;

	if (!client.running || !atomic_load(&client.connected))
		return HOLDFAST_CLOSED;
	result = holdfast_queue_open(&client.queue, frame, size);
	wake_if_needed(result);
	return result;
}

enum holdfast_push holdfast_fpm_push(const uint8_t *frame, size_t size)
{
	enum holdfast_push result = holdfast_queue_push(&client.queue, frame, size);

	wake_if_needed(result);
	return result;
}

unsigned int holdfast_fpm_queue_fill(void)
{
	return holdfast_queue_fill(&client.queue);
}

bool holdfast_fpm_connected(void)
{
	return atomic_load(&client.connected);
}

void holdfast_fpm_state_get(struct holdfast_fpm_state *state)
{
	memset(state, 0, sizeof(*state));
	strlcpy(state->path, client.path, sizeof(state->path));
	state->enabled = atomic_load(&client.enabled);
	state->connected = atomic_load(&client.connected);
	pthread_mutex_lock(&client.shared.mutex);
	strlcpy(state->reason, client.shared.reason, sizeof(state->reason));
	memcpy(state->problems, client.shared.config_problems,
	       client.shared.config_count * sizeof(state->problems[0]));
	memcpy(state->problems + client.shared.config_count, client.shared.problems,
	       client.shared.problem_count * sizeof(state->problems[0]));
	state->problem_count = client.shared.config_count + client.shared.problem_count;
	pthread_mutex_unlock(&client.shared.mutex);
	holdfast_queue_counters(&client.queue, &state->overflows, &state->dropped);
	state->queue_fill = holdfast_queue_fill(&client.queue);
}

void holdfast_fpm_config_problems(const struct error *problems, size_t count)
{
	count = MIN(count, (size_t)HOLDFAST_PROBLEMS_MAX);
	pthread_mutex_lock(&client.shared.mutex);
	memcpy(client.shared.config_problems, problems, count * sizeof(problems[0]));
	client.shared.config_count = count;
	pthread_mutex_unlock(&client.shared.mutex);
}

holdfast_loop *holdfast_fpm_loop(void)
{
	return client_loop();
}

int holdfast_fpm_init(const char *path, void (*replay)(void))
{
	if (strlen(path) >= sizeof(client.path)) {
		zlog_err("Holdfast: the path of fpmd's socket is longer than %zu bytes: %s",
			 sizeof(client.path) - 1, path);
		return -1;
	}
	strlcpy(client.path, path, sizeof(client.path));
	if (holdfast_queue_init(&client.queue, QUEUE_SIZE)) {
		zlog_err("Holdfast: no memory for the queue");
		return -1;
	}
	if (pthread_mutex_init(&client.shared.mutex, NULL)) {
		holdfast_queue_fini(&client.queue);
		zlog_err("Holdfast: no mutex");
		return -1;
	}
	client.replay = replay;
	client.retry_ms = RETRY_MIN_MS;
	client.in = XMALLOC(MTYPE_HOLDFAST_BUFFER, FRAME_SIZE_MAX);
	client.out = XMALLOC(MTYPE_HOLDFAST_BUFFER, OUT_SIZE);
	reason_set("not tried yet");
	return 0;
}

int holdfast_fpm_start(void)
{
	client.pthread = frr_pthread_new(NULL, "Holdfast FPM", "zebra_holdfast");
	if (!client.pthread) {
		zlog_err("Holdfast: no FPM pthread");
		return -1;
	}
	if (frr_pthread_run(client.pthread, NULL)) {
		zlog_err("Holdfast: the FPM pthread does not start");
		frr_pthread_destroy(client.pthread);
		client.pthread = NULL;
		return -1;
	}
	frr_pthread_wait_running(client.pthread);
	client.running = true;
	if (atomic_load(&client.enabled))
		holdfast_add_event(client_loop(), client_connect, NULL, 0, &client.t_connect);
	return 0;
}

void holdfast_fpm_enable(void)
{
	if (atomic_exchange(&client.enabled, true) || !client.running)
		return;
	holdfast_add_event(client_loop(), client_connect, NULL, 0, &client.t_connect);
}

void holdfast_fpm_stop(void)
{
	if (!client.running)
		return;
	client.running = false;
	atomic_store(&client.connected, false);
	holdfast_queue_close(&client.queue);
	frr_pthread_stop(client.pthread, NULL);
	holdfast_event_off(client.t_replay);
	holdfast_show_stop();
	holdfast_snapshot_stop();
	if (client.fd >= 0)
		close(client.fd);
	client.fd = -1;
}

void holdfast_fpm_fini(void)
{
	if (client.pthread)
		frr_pthread_destroy(client.pthread);
	client.pthread = NULL;
	XFREE(MTYPE_HOLDFAST_BUFFER, client.in);
	XFREE(MTYPE_HOLDFAST_BUFFER, client.out);
	holdfast_queue_fini(&client.queue);
	pthread_mutex_destroy(&client.shared.mutex);
}
