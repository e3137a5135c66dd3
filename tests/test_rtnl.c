// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/kernel/rtnl.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include "fpmd/kernel/sock_diag.h"
#include "tests/unit.h"

static int dump(struct rtnl *rtnl, uint8_t protocol)
{
	struct inet_diag_req_v2 request = {.sdiag_family = AF_INET, .sdiag_protocol = protocol};

	return rtnl_request(
		rtnl, rtnl_message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request)),
		NULL, NULL);
}

/* A kernel without tcp_diag is not one without sessions. */
START_TEST(a_dump_that_fails_says_so)
{
	struct rtnl rtnl;
	struct error error;

	ck_assert_int_eq(rtnl_open(&rtnl, NETLINK_SOCK_DIAG, &error), 0);
	ck_assert_int_eq(dump(&rtnl, IPPROTO_ESP), -ENOENT);
	ck_assert_int_eq(dump(&rtnl, IPPROTO_TCP), 0);
	ck_assert_msg(sock_diag_check(&rtnl, &error) == 0, "%s", error.text);
	rtnl_close(&rtnl);
}
END_TEST

UNIT_MAIN("rtnl", a_dump_that_fails_says_so)
