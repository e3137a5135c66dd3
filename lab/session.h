/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One client session of the lab and its whole life: connect from a given port, ask, check the
 * reply, end. No loop of its own: the caller polls the descriptor and gives the time
 * (CLOCK_MONOTONIC, ns). Invariant: at most one request is outstanding, and the first reply fixes
 * the owner.
 */
#ifndef HOLDFAST_LAB_SESSION_H
#define HOLDFAST_LAB_SESSION_H

#include "lab/beat.h"

enum session_state {
	SESSION_IDLE, /* not connected yet */
	SESSION_CONNECTING,
	SESSION_OPEN,
	SESSION_CLOSING, /* the server closes first; we wait for our FIN's acknowledgement */
	SESSION_ENDED,
};

enum session_result {
	SESSION_LIVES,
	SESSION_CLOSED, /* an orderly end that was asked for */
	SESSION_RESET,
	SESSION_TIMED_OUT,
	SESSION_WRONG_OWNER, /* another server answered, or replies were lost or repeated */
	SESSION_FAILED,	     /* never got a connection */
};

struct session {
	int fd;
	enum session_state state;
	enum session_result result;
	bool outstanding;
	bool peer_closed; /* the server sent FIN */
	bool last;	  /* the next request asks the server to close */
	uint16_t port;
	unsigned int reconnects;
	char owner[24];
	unsigned long seq;
	unsigned long replies;
	unsigned long retransmits; /* of connections that ended */
	int64_t asked_ns;
	int64_t max_stall_ns;
	int64_t ended_ns;
	int64_t peer_closed_ns;
	int64_t reopen_ns; /* when to connect again; 0: not at all */
	size_t length;
	char line[BEAT_LINE_MAX];
};

/* Starts to connect from session->port. On failure the session ends with SESSION_FAILED. */
void session_connect(struct session *session, const struct sockaddr_in *to, int64_t now);

/* Sends a request if none is outstanding. */
void session_ask(struct session *session, int64_t now);

/* The descriptor is readable or has an error. Returns the latency of a reply in ns, else 0. */
int64_t session_event(struct session *session, int64_t now);

/* Looks whether a SESSION_CLOSING session is through. */
void session_check_closing(struct session *session, int64_t now);

/* Ends the session with *result* and closes the descriptor; *abort* sends a RST. */
void session_end(struct session *session, enum session_result result, bool abort, int64_t now);

/* Retransmissions so far, those of earlier connections included. */
unsigned long session_retransmits(const struct session *session);

const char *session_result_name(enum session_result result);

#endif
