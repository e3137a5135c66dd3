/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAT rules of others that meet a VIP; see nft_rig.h. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/nft_rig.h"

/* After *command*, if any, *vip* is translated or not, and the text contains *words*. */
struct row {
	const char *command, *vip;
	int expected;
	const char *words;
};

static void rows_check(const struct row *rows, size_t count)
{
	struct in6_addr address;

	open_it();
	for (size_t i = 0; i < count; i++) {
		if (rows[i].command)
			run_ok("%s", rows[i].command);
		address_parse(rows[i].vip, &address);
		error.text[0] = 0;
		ck_assert_msg(nft_translated(nft, &address, &error) == rows[i].expected,
			      "row %zu, %s: not %d: %s", i, rows[i].vip, rows[i].expected,
			      error.text);
		ck_assert_msg(!rows[i].words || strstr(error.text, rows[i].words), "row %zu: %s", i,
			      error.text);
	}
}

#define ROWS_TEST(name, ...)                                                                       \
	START_TEST(name)                                                                           \
	{                                                                                          \
		const struct row rows[] = {__VA_ARGS__};                                           \
                                                                                                   \
		rows_check(rows, sizeof(rows) / sizeof(rows[0]));                                  \
	}                                                                                          \
	END_TEST

#define NAT "iptables-nft -t nat "

ROWS_TEST(translated_by_iptables, {NULL, VIP, 0, NULL},
	  {NAT "-A PREROUTING -d " VIP " -p tcp --dport 80 -j DNAT --to 10.88.0.2:8080", VIP, 1,
	   VIP " port 80 is translated by a NAT rule in table ip nat chain PREROUTING"},
	  {NULL, "192.0.2.81", 0, NULL}, {NULL, "2001:db8::1", 0, NULL}, {NAT "-F", VIP, 0, NULL},
	  {NAT "-A PREROUTING -d 192.0.2.0/24 -p tcp -j REDIRECT --to-ports 81", VIP, 1, NULL},
	  {NULL, "192.0.3.80", 0, NULL},
	  {NAT "-F && " NAT "-A PREROUTING -d 192.0.2.64/27 -p udp -j DNAT --to 10.88.0.2", VIP, 0,
	   NULL},
	  {NAT "-A PREROUTING -d 192.0.2.64/27 -p tcp -j DNAT --to 10.88.0.2", VIP, 1, NULL},
	  {NULL, "192.0.2.99", 0, NULL},
	  {NAT "-F && " NAT "-A PREROUTING ! -d " VIP " -p tcp -j DNAT --to 10.88.0.2", VIP, 0,
	   NULL})

ROWS_TEST(
	translated_by_docker,
	{NAT "-N DOCKER && " NAT "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER && " NAT
	     "-A DOCKER -i docker0 -j RETURN",
	 VIP, 0, NULL},
	{NAT
	 "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
	 VIP, 1, VIP " port 8080 is translated"},
	{NULL, VIP, 1, "chain DOCKER"},
	/* the remedy that the text names */
	{NAT "-I PREROUTING -d " VIP " -j ACCEPT", VIP, 0, NULL}, {NULL, "192.0.2.81", 1, NULL},
	/* published on another address */
	{NAT "-F DOCKER && " NAT "-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp --dport 8080 "
	     "-j DNAT --to-destination 172.17.0.2:80",
	 "192.0.2.81", 0, NULL})

ROWS_TEST(
	translated_by_kube_proxy,
	{NAT
	 "-N KUBE-SERVICES && " NAT "-N KUBE-SVC-A && " NAT "-N KUBE-SEP-A && " NAT
	 "-A PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES && " NAT
	 "-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j KUBE-SVC-A && " NAT
	 "-A KUBE-SVC-A -m statistic --mode random --probability 0.5 -j KUBE-SEP-A && " NAT
	 "-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.0.5:53",
	 VIP, 0, NULL},
	{NULL, "10.96.0.10", 1, NULL},
	{NAT "-A KUBE-SERVICES -d " VIP "/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-A", VIP, 1,
	 "port 443"})

ROWS_TEST(
	translated_by_nftables,
	{"nft -f - <<'EOF'\n"
	 "table inet lb {\n"
	 " map services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.1 . tcp . 443 : goto svc } }\n"
	 " set nets { type ipv4_addr; flags interval; elements = { 203.0.113.0/24, 10.0.0.0-10.0.0.9 } }\n"
	 " map ports { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 198.18.0.1 . 80 : 10.0.0.1 . 80 } }\n"
	 " chain svc { meta l4proto tcp dnat ip to 10.244.0.9:6443; }\n"
	 " chain pre { type nat hook prerouting priority dstnat;\n"
	 "  ip daddr . meta l4proto . th dport vmap @services\n"
	 "  ip daddr @nets tcp dport 81 redirect to :8081\n"
	 "  ip daddr { 198.18.1.1, 198.18.1.2 } dnat ip to 10.0.0.1\n"
	 "  ip6 daddr 2001:db8::80 tcp dport 80 dnat ip6 to [2001:db8::99]:80\n"
	 " }\n"
	 "}\n"
	 "EOF",
	 VIP, 0, NULL},
	{NULL, "10.96.0.1", 1, NULL}, {NULL, "203.0.113.200", 1, NULL},
	{NULL, "203.0.114.0", 0, NULL}, {NULL, "10.0.0.9", 1, NULL}, {NULL, "10.0.0.10", 0, NULL},
	{NULL, "198.18.1.2", 1, NULL}, {NULL, "198.18.1.3", 0, NULL},
	{NULL, "2001:db8::80", 1, NULL}, {NULL, "2001:db8::81", 0, NULL},
	{"nft add rule inet lb pre fib daddr type local tcp dport 30080 jump svc", VIP, 1,
	 "port 30080"})

ROWS_TEST(translated_by_conntrack,
	  {"conntrack -I -p tcp -s " CLIENT " -d " VIP
	   " --sport 1000 --dport 80 --dst-nat 10.88.0.2:8080 "
	   "--state ESTABLISHED -t 100 >/dev/null 2>&1",
	   VIP, 1, VIP " port 80 is translated on this host"},
	  {NULL, "192.0.2.81", 0, NULL})

NFT_MAIN("nft_translated", translated_by_iptables, translated_by_docker, translated_by_kube_proxy,
	 translated_by_nftables, translated_by_conntrack)
