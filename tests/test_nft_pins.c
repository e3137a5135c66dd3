/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pins; see nft_rig.h. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/nft_rig.h"

START_TEST(takeover_keeps_pins)
{
	uint16_t ids[8];
	struct seen seen;

	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	ck_assert_uint_eq(change(0, 20000, 0, 1), 0);
	ck_assert_uint_eq(change(20000, 5, 0, 2), 0);
	nft_close(nft);

	/* the same layout */
	open_it();
	ck_assert_uint_eq(nft_owners(nft, ids, 8), 2);
	seen = dump();
	ck_assert_uint_eq(seen.by_owner[1], 20000);
	ck_assert_uint_eq(seen.by_owner[2], 5);
	ck_assert_int_eq(ask("nft list chains | grep -c 'type filter'"), 3);
	nft_close(nft);

	/* another size; then one that is too small */
	options.pins_max = 30000;
	open_it();
	ck_assert_int_eq(ask("nft -t list map ip holdfast pins | grep -c 'size 30000'"), 1);
	ck_assert_uint_eq(dump().count, 20005);
	nft_close(nft);
	options.pins_max = 100;
	open_it();
	ck_assert_int_eq(ask("nft -t list map ip holdfast pins | grep -c 'size 20005'"), 1);
	ck_assert_uint_eq(dump().count, 20005);
	ck_assert_uint_eq(change(30000, 1, 0, 1), 1);
	ck_assert_uint_eq(change(0, 20000, 1, 0), 0);
	ck_assert_uint_eq(dump().count, 5);
}
END_TEST

START_TEST(hundred_thousand)
{
	struct seen seen;
	double start;

	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 0, 1), 0);
	printf("100k pins: install %.0f ms", (seconds() - start) * 1e3);
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 1, 2), 0);
	printf(", change owner %.0f ms", (seconds() - start) * 1e3);
	start = seconds();
	seen = dump();
	printf(", dump %.0f ms", (seconds() - start) * 1e3);
	ck_assert_uint_eq(seen.by_owner[2], 100000);
	ck_assert_int_eq(nft_owner_remove(nft, 2, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "pins still point"));
	ck_assert(nft_owner_known(nft, 2));
	start = seconds();
	ck_assert_uint_eq(change(0, 100000, 2, 0), 0);
	printf(", delete %.0f ms\n", (seconds() - start) * 1e3);
	ck_assert_uint_eq(dump().count, 0);
	ok(nft_owner_remove(nft, 2, &error));
}
END_TEST

START_TEST(others_change_pins)
{
	struct kernel_pin_change *changes;
	struct seen seen;
	double start;

	open_it();
	for (uint16_t id = 1; id < 4; id++)
		ok(nft_owner_add(nft, id, &error));
	ck_assert_uint_eq(change(0, 5000, 0, 1), 0);
	/* One removed, one added, one with a number of nobody; then changes that meet all of them.
	 */
	run_ok("nft delete element ip holdfast pins '{ 10.0.0.0 . 1034 . " VIP " . 80 }'");
	run_ok("nft add element ip holdfast pins '{ 10.0.0.0 . 6030 . " VIP " . 80 : 3 }'");
	run_ok("nft add element ip holdfast pins '{ 10.0.0.0 . 6031 . " VIP " . 80 : 77 }'");
	start = seconds();
	ck_assert_uint_eq(change(0, 10000, 0, 2), 0);
	printf("10k changes against what others did: %.0f ms\n", (seconds() - start) * 1e3);
	seen = dump();
	ck_assert_uint_eq(seen.by_owner[2], 10000);
	ck_assert_uint_eq(seen.count, 10000);
	/* All gone behind our back, and then removed by us. */
	run_ok("nft flush map ip holdfast pins");
	ck_assert_uint_eq(change(0, 10000, 2, 0), 0);
	ck_assert_uint_eq(dump().count, 0);

	/* faulty changes do not harm the others */
	changes = changes_make(0, 100, 0, 1);
	changes[3].new_owner = 9;
	changes[4].flow.protocol = IPPROTO_UDP;
	address_parse("2001:db8::1", &changes[5].flow.client);
	address_parse("2001:db8::1", &changes[6].flow.client);
	address_parse("2001:db8::2", &changes[6].flow.vip);
	ck_assert_uint_eq(nft_pins_change(nft, changes, 100), 4);
	ck_assert_int_eq(changes[3].status, -ENOENT);
	ck_assert_int_eq(changes[4].status, -EINVAL);
	ck_assert_int_eq(changes[5].status, -EINVAL);
	ck_assert_int_eq(changes[6].status, -EAFNOSUPPORT);
	ck_assert_int_eq(changes[7].status, 0);
	free(changes);

	/* the same flow several times: the last one counts */
	changes = changes_make(200, 3, 0, 1);
	changes[1].flow = changes[2].flow = changes[0].flow;
	changes[1].new_owner = 2;
	changes[2].new_owner = 0;
	ck_assert_uint_eq(nft_pins_change(nft, changes, 3), 0);
	ck_assert_uint_eq(dump().count, 96);
	changes[2].new_owner = 3;
	ck_assert_uint_eq(nft_pins_change(nft, changes, 3), 0);
	ck_assert_uint_eq(dump().by_owner[3], 1);
	free(changes);

	/* an owner's chain that others removed: its pins wait for the repair */
	run_ok("nft flush map ip holdfast pins && nft flush map ip holdfast owners && "
	       "nft flush chain ip holdfast owner_3 && nft delete chain ip holdfast owner_3");
	changes = changes_make(1000, 1000, 0, 1);
	changes[500].new_owner = changes[777].new_owner = 3;
	ck_assert_uint_eq(nft_pins_change(nft, changes, 1000), 0);
	ck_assert_uint_eq(dump().by_owner[1], 998);
	free(changes);
	ok(nft_repair(nft, NULL, &error));
	ck_assert_uint_eq(dump().by_owner[3], 3);
	ck_assert_int_eq(
		ask("nft list map ip holdfast owners | grep -c '0x00000003 : goto owner_3'"), 1);
	ck_assert_int_eq(ask("nft list chain ip holdfast owner_3 | grep -c 'mark set'"), 1);
}
END_TEST

/* What changes while the map is gone is so after the repair, and no repair fails for ever. */
START_TEST(changes_without_a_map)
{
	struct kernel_pin_change *changes;
	size_t restored;

	address_parse("2001:db8:ffff::3", &options.local_members[1]);
	open_it();
	for (uint16_t id = 1; id < 4; id++)
		ok(nft_owner_add(nft, id, &error));
	ck_assert_uint_eq(change(0, 100, 0, 1), 0);
	ck_assert_uint_eq(change(100, 100, 0, 2), 0);
	run_ok("nft flush ruleset");
	changes = changes_make(0, 110, 1, 0);
	for (int i = 100; i < 110; i++) { /* the other family has its map again */
		address_parse(CLIENT6, &changes[i].flow.client);
		address_parse(VIP6, &changes[i].flow.vip);
		changes[i].old_owner = 0;
		changes[i].new_owner = 3;
	}
	ck_assert_uint_eq(nft_pins_change(nft, changes, 110), 0);
	free(changes);
	ck_assert_int_eq(nft_owner_remove(nft, 2, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "pins still point"));
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(restored, 110);
	ck_assert_uint_eq(dump().by_owner[2], 100);
	ck_assert_uint_eq(dump().by_owner[3], 10);

	/* an owner that goes meanwhile */
	run_ok("nft delete table ip holdfast");
	ck_assert_uint_eq(change(100, 100, 2, 0), 0);
	ok(nft_owner_remove(nft, 2, &error));
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(dump().count, 10);
	ck_assert_int_eq(ask("nft list table ip holdfast | grep -c 'chain owner_'"), 2);
}
END_TEST

/* Somebody else's element is not taken for a pin. */
START_TEST(foreign_element)
{
	size_t restored;

	open_it();
	ok(nft_owner_add(nft, 1, &error));
	run_ok("nft add element ip holdfast pins '{ 10.0.0.0 . 1024 . " VIP " . 80 : 77, "
	       "10.0.0.0 . 1025 . " VIP " . 80 : 77, 10.0.0.0 . 1026 . " VIP " . 80 : 0x10001 }'");
	ck_assert_uint_eq(dump().count, 0);
	ck_assert_uint_eq(change(0, 1, 0, 1), 0);
	ck_assert_uint_eq(dump().count, 1);
	ok(nft_repair(nft, &restored, &error));
	ck_assert_uint_eq(dump().by_owner[1], 1);
	ck_assert_int_eq(ask("nft list map ip holdfast pins | grep -o ' : 0x' | wc -l"), 1);
}
END_TEST

/* Pins to an owner whose id a smaller mask has no room for lead nowhere, not to another owner. */
START_TEST(adopted_owner_does_not_fit)
{
	open_it();
	ok(nft_owner_add(nft, 4095, &error));
	ok(nft_owner_add(nft, 1, &error));
	ck_assert_uint_eq(change(0, 1, 0, 4095), 0);
	nft_close(nft);
	options.mark_owner_mask = 0x00ff0000;
	open_it();
	ck_assert_int_eq(ask("nft list chain ip holdfast owner_4095 | grep -c drop"), 1);
	ck_assert_int_eq(ask("nft list chain ip holdfast owner_1 | grep -c 0x80010000"), 1);
}
END_TEST

/* Those that leave no say to a recorded path, and those that lead nowhere in particular. */
START_TEST(direct_pins)
{
	struct kernel_pin_change *changes;
	uint16_t ids[8];
	struct seen seen;

	options.mark_path_mask = 0x0fff0000u;
	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ck_assert_uint_eq(change(0, 3, 0, 1), 0);
	ck_assert_uint_eq(change(3, 4, 0, KERNEL_PIN_DIRECT | 1), 0);
	ck_assert_uint_eq(change(7, 5, 0, KERNEL_PIN_DIRECT), 0);
	changes = changes_make(12, 1, 0, KERNEL_PIN_DIRECT | 2);
	ck_assert_uint_eq(nft_pins_change(nft, changes, 1), 1);
	ck_assert_int_eq(changes[0].status, -ENOENT);
	free(changes);
	nft_close(nft);

	open_it();
	ck_assert_uint_eq(nft_owners(nft, ids, 8), 1);
	seen = dump();
	ck_assert_uint_eq(seen.count, 12);
	ck_assert_uint_eq(seen.by_owner[1], 3);
	ck_assert_uint_eq(seen.direct[1], 4);
	ck_assert_uint_eq(seen.direct[0], 5);
	/* The path's bits stay in the one chain only. */
	ck_assert_int_eq(ask("nft list chain ip holdfast owner_1 | grep -c '& 0xbffff001'"), 1);
	ck_assert_int_eq(ask("nft list chain ip holdfast direct_1 | grep -c '& 0xb000f001'"), 1);
	ck_assert_int_eq(ask("nft list chain ip holdfast direct_0 | grep -c '& 0x3000f000'"), 1);

	ck_assert_uint_eq(change(0, 3, 1, 0), 0);
	ck_assert_int_eq(nft_owner_remove(nft, 1, &error), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "pins still point"));
	run_ok("nft flush ruleset");
	ok(nft_repair(nft, NULL, &error));
	ck_assert_uint_eq(dump().direct[1], 4);
	ck_assert_uint_eq(change(3, 4, KERNEL_PIN_DIRECT | 1, KERNEL_PIN_DIRECT), 0);
	ok(nft_owner_remove(nft, 1, &error));
	ck_assert_int_eq(ask("nft list chains | grep -c '_1'"), 0);
	ck_assert_uint_eq(dump().direct[0], 9);
}
END_TEST

/* As an fpmd left it that knew neither paths nor direct chains, and whose pins lead to chains. */
START_TEST(table_of_an_older_fpmd)
{
	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ck_assert_uint_eq(change(0, 3, 0, 1), 0);
	nft_close(nft);
	run_ok("nft flush map ip holdfast owners; "
	       "for c in prerouting stray director direct_0 direct_1; do "
	       "nft flush chain ip holdfast $c || exit 1; done; "
	       "for c in director direct_0 direct_1; do "
	       "nft delete chain ip holdfast $c || exit 1; done; "
	       "nft delete set ip holdfast routed; nft delete set ip holdfast linkdown; "
	       "nft delete map ip holdfast owners && nft delete map ip holdfast pins && "
	       "nft add map ip holdfast pins '{ type ipv4_addr . inet_service . ipv4_addr . "
	       "inet_service : verdict; size 65536; }' && "
	       "for p in 1024 1025 1026; do nft add element ip holdfast pins "
	       "\"{ 10.0.0.0 . $p . " VIP " . 80 : goto owner_1 }\" || exit 1; done");
	open_it();
	ck_assert_uint_eq(dump().by_owner[1], 3);
	ck_assert_int_eq(ask("nft list map ip holdfast pins | grep -o ' : 0x00000001' | wc -l"), 3);
	ck_assert_uint_eq(change(0, 3, 1, KERNEL_PIN_DIRECT | 1), 0);
	ck_assert_uint_eq(dump().direct[1], 3);
}
END_TEST

START_TEST(map_is_full)
{
	struct kernel_pin_change *changes;
	size_t full = 0;

	options.pins_max = 1000;
	open_it();
	ok(nft_owner_add(nft, 1, &error));
	ok(nft_owner_add(nft, 2, &error));
	changes = changes_make(0, 1500, 0, 1);
	ck_assert_uint_eq(nft_pins_change(nft, changes, 1500), 500);
	for (int i = 0; i < 1500; i++)
		full += changes[i].status == -ENFILE;
	ck_assert_uint_eq(full, 500);
	free(changes);
	ck_assert_uint_eq(dump().count, 1000);
	ck_assert_uint_eq(change(0, 1000, 1, 2), 0);
	ck_assert_uint_eq(dump().by_owner[2], 1000);
	ck_assert_uint_eq(change(0, 10, 2, 0), 0);
	/* others fill it behind our back */
	for (int i = 0; i < 5; i++)
		run_ok("nft add element ip holdfast pins '{ 10.9.9.9 . %d . " VIP " . 80 : 77 }'",
		       1000 + i);
	ck_assert_uint_eq(change(0, 10, 0, 2), 5);
	ck_assert_uint_eq(dump().count, 995);
}
END_TEST

NFT_MAIN("nft_pins", direct_pins, table_of_an_older_fpmd, takeover_keeps_pins, hundred_thousand,
	 others_change_pins, changes_without_a_map, foreign_element, adopted_owner_does_not_fit,
	 map_is_full)
