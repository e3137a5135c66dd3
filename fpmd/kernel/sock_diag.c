// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asks the kernel which TCP sockets there are. Runs on fpmd's event loop. Invariant: an answer is
 * the kernel's of this moment, nothing is remembered.
 */
#include "fpmd/kernel/sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define STATE(s) (1u << (s))
#define ALL_STATES 0xffffu

static void set_address(__be32 out[4], const struct in6_addr *address)
{
	if (address_is_ipv4(address))
		out[0] = address_to_ipv4(address);
	else
		memcpy(out, address, sizeof(*address));
}

static struct in6_addr get_address(int family, const __be32 address[4])
{
	struct in6_addr result;

	if (family == AF_INET)
		return address_from_ipv4(address[0]);
	memcpy(&result, address, sizeof(result));
	return result;
}

/* The kernel falls back to a listener, so that the answer has to be compared. */
struct answer {
	const struct flow *flow;
	int state;
	uid_t user;
};

static struct flow answer_flow(const struct inet_diag_msg *answer)
{
	struct flow flow = {0};

	flow.vip = get_address(answer->idiag_family, answer->id.idiag_src);
	flow.client = get_address(answer->idiag_family, answer->id.idiag_dst);
	flow.vip_port = ntohs(answer->id.idiag_sport);
	flow.client_port = ntohs(answer->id.idiag_dport);
	flow.protocol = IPPROTO_TCP;
	return flow;
}

static void take_answer(void *arg, const struct nlmsghdr *message)
{
	struct answer *answer = arg;
	const struct inet_diag_msg *socket = nlmsg_data(message);
	struct flow flow;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)) || socket->idiag_state == TCP_LISTEN)
		return;
	flow = answer_flow(socket);
	if (!flow_equal(&flow, answer->flow))
		return;
	answer->state = socket->idiag_state;
	answer->user = socket->idiag_uid;
}

/* Returns 0 or a negative errno; without a socket the state is 0. */
static int ask(struct rtnl *rtnl, struct answer *answer)
{
	const struct flow *flow = answer->flow;
	bool ipv4 = address_is_ipv4(&flow->vip);
	struct inet_diag_req_v2 request = {.sdiag_family = ipv4 ? AF_INET : AF_INET6,
					   .sdiag_protocol = IPPROTO_TCP,
					   .idiag_states = ALL_STATES};
	int status;

	set_address(request.id.idiag_src, &flow->vip);
	set_address(request.id.idiag_dst, &flow->client);
	request.id.idiag_sport = htons(flow->vip_port);
	request.id.idiag_dport = htons(flow->client_port);
	request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	status = rtnl_request(
		rtnl, rtnl_message(SOCK_DIAG_BY_FAMILY, NLM_F_ACK, &request, sizeof(request)),
		take_answer, answer);
	return status == -ENOENT ? 0 : status;
}

int sock_diag_state(struct rtnl *rtnl, const struct flow *flow)
{
	struct answer answer = {.flow = flow};
	int status = ask(rtnl, &answer);

	return status < 0 ? status : answer.state;
}

int sock_diag_user(struct rtnl *rtnl, const struct flow *flow, uid_t *user)
{
	struct answer answer = {.flow = flow};
	int status = ask(rtnl, &answer);

	*user = answer.user;
	if (status < 0 || !answer.state)
		return status;
	return answer.state == TCP_ESTABLISHED ? 1 : -ENOTCONN;
}

struct dump {
	sock_diag_vip_fn *is_vip;
	void *vip_arg;
	kernel_session_fn *fn;
	void *arg;
};

static void take_session(void *arg, const struct nlmsghdr *message)
{
	struct dump *dump = arg;
	const struct inet_diag_msg *socket = nlmsg_data(message);
	struct flow flow;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)))
		return;
	flow = answer_flow(socket);
	if (dump->is_vip(dump->vip_arg, &flow.vip))
		dump->fn(dump->arg, &flow);
}

static int dump_family(struct rtnl *rtnl, int family, uint32_t states, struct dump *dump)
{
	struct inet_diag_req_v2 request = {.sdiag_family = (uint8_t)family,
					   .sdiag_protocol = IPPROTO_TCP,
					   .idiag_states = states};

	return rtnl_request(
		rtnl, rtnl_message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request)),
		take_session, dump);
}

static int dump_error(struct rtnl *rtnl, int status, struct error *error)
{
	return rtnl_error(rtnl, status, error,
			  status == -ENOENT
				  ? "TCP sockets: this kernel has no inet_diag and tcp_diag"
				  : "dump of TCP sockets");
}

int sock_diag_dump(struct rtnl *rtnl, sock_diag_vip_fn *is_vip, void *vip_arg,
		   kernel_session_fn *fn, void *arg, struct error *error)
{
	const uint32_t states = ALL_STATES & ~(STATE(TCP_LISTEN) | STATE(TCP_SYN_SENT) |
					       STATE(TCP_SYN_RECV) | STATE(TCP_TIME_WAIT) |
					       STATE(TCP_CLOSE) | STATE(KERNEL_TCP_NEW_SYN_RECV));
	struct dump dump = {.is_vip = is_vip, .vip_arg = vip_arg, .fn = fn, .arg = arg};
	int status = dump_family(rtnl, AF_INET, states, &dump);

	if (status < 0)
		return dump_error(rtnl, status, error);
	/* IPv6 sockets of dual-stack listeners have IPv4 sessions too. ENOENT: no IPv6 here. */
	status = dump_family(rtnl, AF_INET6, states, &dump);
	return status == 0 || status == -ENOENT ? 0 : dump_error(rtnl, status, error);
}

int sock_diag_check(struct rtnl *rtnl, struct error *error)
{
	int status = dump_family(rtnl, AF_INET, 0, NULL);

	return status == 0 ? 0 : dump_error(rtnl, status, error);
}
