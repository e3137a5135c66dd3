/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others change, and its repair; see nft_rig.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/kernel/nft_private.h"
#include "tests/nft_rig.h"

START_TEST(others_change_rules)
{
	struct in6_addr vip;
	char what[96] = "";
	size_t restored;
	double start;

	open_it();
	ok(nft_watch(nft, base, changed, what, &error));
	address_parse(VIP, &vip);
	ok(nft_vips_set(nft, &vip, 1, &error));
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 0, 1), 0);
	printf("100k pins while watched: %.0f ms", (seconds() - start) * 1e3);
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 1, 0), 0);
	printf(", delete %.0f ms\n", (seconds() - start) * 1e3);
	ck_assert_uint_eq(change(0, 5000, 0, 1), 0);
	run_ok("nft add table ip other && nft add chain ip other holdfast");
	loop(100);
	ck_assert_str_eq(what, "");

	run_ok("nft flush ruleset");
	loop(100);
	ck_assert_msg(strstr(what, "another program"), "%s", what);
	puts(what);
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 5000);
	ck_assert_uint_eq(dump().by_owner[1], 5000);
	ck_assert_int_eq(ask("nft list set ip holdfast vips | grep -c '192.0.2.80 }'"), 1);
	ck_assert_int_eq(ask("nft list table ip holdfast | grep -c 'chain owner_'"), 2);

	what[0] = 0;
	run_ok("nft flush chain ip holdfast tunnel");
	loop(1200);
	ck_assert_str_eq(what, "rule in tunnel deleted by another program");
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 0);
	ck_assert_int_eq(ask("nft list chain ip holdfast tunnel | grep -c drop"), 2);

	what[0] = 0;
	run_ok("nft 'add table ip holdfast { flags dormant; }'");
	loop(1200);
	ck_assert_str_eq(what, "table changed by another program");
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 0);
	ck_assert_int_eq(ask("nft list table ip holdfast | grep -c dormant"), 0);

	what[0] = 0;
	run_ok("nft delete element ip holdfast pins '{ 10.0.0.0 . 1034 . " VIP " . 80 }'; "
	       "nft add element ip holdfast pins '{ 10.0.9.0 . 1034 . " VIP " . 80 : 77 }'");
	run_ok("nft delete element ip holdfast pins '{ 10.0.0.0 . 1035 . " VIP " . 80 }'; "
	       "nft add element ip holdfast pins '{ 10.0.0.0 . 1035 . " VIP " . 80 : 2 }'");
	loop(1200);
	ck_assert_msg(strstr(what, "element of pins"), "%s", what);
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 3);
	ck_assert_uint_eq(dump().by_owner[1], 5000);
	what[0] = 0;
	loop(100);
	ck_assert_str_eq(what, "");
}
END_TEST

/* While a large transaction of ours runs nobody listens. */
START_TEST(others_change_something_meanwhile)
{
	struct in6_addr vip;
	uint32_t generation;
	char what[96] = "";

	open_it();
	ok(nft_watch(nft, base, changed, what, &error));
	address_parse(VIP, &vip);
	ok(nft_vips_set(nft, &vip, 1, &error));
	ok(nft_owner_add(nft, 1, &error));

	ck_assert(nft_watch_pause(nft, &generation));
	ck_assert_uint_eq(change(0, 10, 0, 1), 0);
	ck_assert_uint_eq(change(0, 10, 1, 0), 0);
	nft_watch_resume(nft, generation, 2);
	loop(100);
	ck_assert_str_eq(what, "");

	ck_assert(nft_watch_pause(nft, &generation));
	ck_assert_uint_eq(change(0, 10, 0, 1), 0);
	run_ok("nft flush map ip holdfast pins");
	nft_watch_resume(nft, generation, 1);
	loop(100);
	ck_assert_str_eq(what, "notifications were missed");

	what[0] = 0;
	ck_assert_uint_eq(change(100, 1000, 0, 1), 0);
	run_ok("nft flush map ip holdfast pins");
	loop(1200);
	ck_assert_str_eq(what, "element of pins deleted by another program");
}
END_TEST

START_TEST(both_families)
{
	struct kernel_pin_change *changes;
	struct in6_addr vips[2];
	struct seen seen;
	char what[96] = "";
	size_t restored;

	address_parse("2001:db8:ffff::3", &options.local_members[1]);
	open_it();
	address_parse(VIP, &vips[0]);
	address_parse(VIP6, &vips[1]);
	ok(nft_vips_set(nft, vips, 2, &error));
	ck_assert_int_eq(ask("nft list set ip6 holdfast vips | grep -c 2001:db8::80"), 1);
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	changes = changes_make(0, 20000, 0, 1);
	for (size_t i = 0; i < 20000; i += 2) {
		address_parse(CLIENT6, &changes[i].flow.client);
		changes[i].flow.vip = vips[1];
	}
	ck_assert_uint_eq(nft_pins_change(nft, changes, 20000), 0);
	free(changes);
	seen = dump();
	ck_assert_uint_eq(seen.by_owner[1], 20000);
	ck_assert_int_eq(ask("nft list map ip6 holdfast pins | grep -o ' : 0x00000001' | wc -l"),
			 10000);
	nft_close(nft);
	open_it();
	ck_assert_uint_eq(dump().count, 20000);
	ok(nft_watch(nft, base, changed, what, &error));
	run_ok("nft delete table ip6 holdfast");
	loop(100);
	ck_assert_msg(strstr(what, "another program"), "%s", what);
	ok(nft_vips_set(nft, &vips[1], 1, &error)); /* the table is gone: noted for the repair */
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 10000);
	ck_assert_int_eq(ask("nft list set ip6 holdfast vips | grep -c 2001:db8::80"), 1);
	ck_assert_uint_eq(dump().count, 20000);
	nft_close(nft);

	/* IPv6 is configured no more: its table goes */
	memset(&options.local_members[1], 0, 16);
	open_it();
	ck_assert_int_eq(ask("nft list tables ip6 | grep -c holdfast"), 0);
	ck_assert_uint_eq(dump().count, 10000);
}
END_TEST

NFT_MAIN("nft_watch", others_change_rules, others_change_something_meanwhile, both_families)
