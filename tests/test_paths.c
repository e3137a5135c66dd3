// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Routes are written as letters: "AB" is a route with next hops A and B, each on an interface of
 * its own; 'a' is the gateway of A on another interface, "AA" twice the same.
 */
#include <stdio.h>
#include <sys/socket.h>

#include "fpmd/paths.h"
#include "tests/unit.h"

#define ROUTES 8
#define HOPS 8
#define MASK 0x0ff00000

static struct paths paths;
static struct paths_route vips[ROUTES], members[ROUTES];
static struct route_next_hop hops[2 * ROUTES][HOPS];
static size_t vip_count, member_count;
static uint64_t now;

/* What the kernel was told. */
static struct kernel_path kernel[KERNEL_PATH_MAX + 1];
static unsigned int told, removed;
static bool refuse;

static struct route_next_hop hop_make(char name)
{
	struct route_next_hop hop = {.weight = 1};
	char text[ADDRESS_TEXT_SIZE];
	char upper = name >= 'a' ? (char)(name - 'a' + 'A') : name;

	snprintf(text, sizeof(text), "10.0.%d.1", upper - 'A');
	hop.gateway = unit_address(text);
	snprintf(hop.interface, sizeof(hop.interface), "up%c", name);
	return hop;
}

static void route_set(struct paths_route *route, struct route_next_hop *to, const char *address,
		      const char *names)
{
	memset(route, 0, sizeof(*route));
	route->address = unit_address(address);
	route->hops = to;
	for (; *names; names++)
		to[route->hop_count++] = hop_make(*names);
}

static void vip(size_t index, const char *address, const char *names)
{
	route_set(&vips[index], hops[index], address, names);
	if (index >= vip_count)
		vip_count = index + 1;
}

/* VIP 0 is 192.0.2.80; member i is 10.255.0.i. "-": the member is not reachable at all. */
static void routes(const char *vip_hops, const char *first, const char *second, const char *third)
{
	const char *names[3] = {first, second, third};

	vip(0, "192.0.2.80", vip_hops);
	member_count = 0;
	for (size_t i = 0; i < 3; i++) {
		char text[ADDRESS_TEXT_SIZE];

		if (!names[i] || names[i][0] == '-')
			continue;
		snprintf(text, sizeof(text), "10.255.0.%zu", i + 1);
		route_set(&members[member_count], hops[ROUTES + i], text, names[i]);
		members[member_count++].owner = true;
	}
}

static bool same_key(const struct kernel_path *a, const struct kernel_path *b)
{
	return a->family == b->family && address_equal(&a->hop.gateway, &b->hop.gateway) &&
	       !strcmp(a->hop.interface, b->hop.interface);
}

/* What holds at every moment. */
static int tell(void *arg, uint16_t id, const struct kernel_path *path)
{
	struct kernel_path *has = &kernel[id];

	if (refuse)
		return -1;
	if (!path) {
		ck_assert_uint_eq(has->id, id);
		has->id = 0;
		removed++;
		return 0;
	}
	ck_assert_uint_eq(path->id, id);
	if (has->id) {
		ck_assert(same_key(has, path));
		ck_assert(address_equal(&has->member, &path->member));
		ck_assert_int_eq(has->shared, path->shared);
		ck_assert(has->up || !path->up);
		ck_assert_int_ne(memcmp(has, path, sizeof(*path)), 0);
	}
	ck_assert(path->up || !path->offered);
	for (unsigned int other = 1; path->offered && other <= paths.max; other++)
		ck_assert(other == id || !kernel[other].id || !kernel[other].offered ||
			  !same_key(&kernel[other], path));
	memcpy(has, path, sizeof(*path));
	told++;
	return 0;
}

static unsigned int update(bool settled)
{
	struct paths_view view = {vips, vip_count, members, member_count};

	told = removed = 0;
	ck_assert_int_eq(paths_update(&paths, &view, settled, now), 0);
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 0);
	return told + removed;
}

static void begin(void)
{
	paths_clear(&paths);
	paths_init(&paths, MASK);
	memset(kernel, 0, sizeof(kernel));
	vip_count = member_count = 0;
	refuse = false;
	now = 1000000;
}

/* The id that new flows by this next hop get; 0: none. */
static uint16_t offered(char name)
{
	struct route_next_hop hop = hop_make(name);

	for (uint16_t id = 1; id <= paths.max; id++)
		if (kernel[id].id && kernel[id].offered &&
		    !strcmp(kernel[id].hop.interface, hop.interface) &&
		    kernel[id].family == AF_INET)
			return id;
	return 0;
}

static void settled(const char *vip_hops, const char *first, const char *second, const char *third)
{
	routes(vip_hops, first, second, third);
	update(true);
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(update(false), 0);
}

static void expect(uint16_t id, enum path_state state)
{
	ck_assert_ptr_nonnull(path_find(&paths, id));
	ck_assert_int_eq(path_find(&paths, id)->state, state);
	ck_assert_uint_eq(kernel[id].id, id);
	ck_assert_int_eq(kernel[id].up, state != PATH_FAILED);
	ck_assert_int_eq(kernel[id].offered, state == PATH_IN_USE);
}

static void expect_leads_to(uint16_t id, const char *member)
{
	struct in6_addr address = {0};

	if (member)
		address = unit_address(member);
	ck_assert_int_eq(kernel[id].shared, !member);
	ck_assert(address_equal(&kernel[id].member, &address));
}

START_TEST(a_next_hop_is_a_path)
{
	uint16_t a, b;

	begin();
	settled("AB", "A", "B", NULL);
	a = offered('A');
	b = offered('B');
	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(b, 0);
	expect_leads_to(a, "10.255.0.1");
	expect_leads_to(b, "10.255.0.2");
	ck_assert_uint_eq(path_find(&paths, a)->vips, 1);
	/* Another order of next hops, another weight: nothing is told. */
	routes("BA", "A", "B", NULL);
	hops[0][0].weight = 7;
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(path_find(&paths, b)->weight, 7);
	ck_assert_uint_eq(path_find(&paths, a)->weight, 1);
	/* One more member moves nobody. */
	settled("ABC", "A", "B", "C");
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	expect_leads_to(offered('C'), "10.255.0.3");
}
END_TEST

START_TEST(the_interface_and_the_family_belong_to_the_key)
{
	begin();
	settled("Aa", "A", "a", NULL);
	ck_assert_uint_ne(offered('A'), 0);
	ck_assert_uint_ne(offered('a'), 0);
	ck_assert_uint_ne(offered('A'), offered('a'));
	ck_assert_uint_eq(paths.count, 2);
	/* An IPv6 VIP by the same next hops (RFC 5549 the other way round). */
	vip(1, "2001:db8::80", "A");
	ck_assert_uint_eq(update(true), 1);
	ck_assert_uint_eq(paths.count, 3);
	/* A second VIP of a family that there is. */
	vip(2, "192.0.2.81", "Aa");
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(path_find(&paths, offered('A'))->vips, 2);
	/* One without a gateway cannot be told apart from others. */
	memset(&hops[2][1].gateway, 0, sizeof(hops[2][1].gateway));
	ck_assert_uint_eq(update(true), 0);
}
END_TEST

START_TEST(several_members_are_shared)
{
	uint16_t a, b;

	begin();
	settled("AB", "AB", "AB", "AB");
	a = offered('A');
	b = offered('B');
	expect_leads_to(a, NULL);
	expect_leads_to(b, NULL);
	ck_assert(IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	ck_assert_uint_eq(kernel[a].backup_count, 0);
	/* How many they are does not matter, nor a member's route that has the next hop twice. */
	settled("AB", "AB", "AB", NULL);
	ck_assert_uint_eq(offered('A'), a);
	settled("AB", "AAB", "-", NULL);
	expect_leads_to(offered('A'), "10.255.0.1");
}
END_TEST

START_TEST(whom_it_leads_to_makes_another_id)
{
	uint16_t one, both, other;

	begin();
	settled("A", "A", NULL, NULL);
	one = offered('A');
	/* One to several. */
	settled("A", "A", "A", NULL);
	both = offered('A');
	ck_assert_uint_ne(both, one);
	expect_leads_to(both, NULL);
	expect(one, PATH_SUPERSEDED);
	expect_leads_to(one, "10.255.0.1");
	/* Several to another one. */
	settled("A", "-", "A", NULL);
	other = offered('A');
	ck_assert_uint_ne(other, one);
	ck_assert_uint_ne(other, both);
	expect_leads_to(other, "10.255.0.2");
	expect(both, PATH_SUPERSEDED);
	/* As it was: the id's flows still belong to whom it leads to. */
	settled("A", "A", NULL, NULL);
	ck_assert_uint_eq(offered('A'), one);
	expect(other, PATH_SUPERSEDED);
	/* The VIP's route loses it for a moment. */
	settled("B", "A", NULL, NULL);
	expect(one, PATH_DRAINED);
	expect(other, PATH_SUPERSEDED);
	settled("AB", "A", NULL, NULL);
	/* All of them fail with the next hop. */
	settled("B", "B", NULL, NULL);
	expect(one, PATH_FAILED);
	expect(both, PATH_FAILED);
	ck_assert_uint_eq(kernel[other].id, 0); /* nobody is behind it any more */
}
END_TEST

START_TEST(nobody_known_changes_nothing)
{
	uint16_t one;

	begin();
	settled("A", "A", NULL, NULL);
	one = offered('A');
	settled("A", "-", "B", NULL);
	ck_assert_uint_eq(offered('A'), one);
	settled("A", "A", "B", NULL);
	ck_assert_uint_eq(offered('A'), one);
	/* From the beginning: it may be anybody. */
	begin();
	settled("A", NULL, NULL, NULL);
	expect_leads_to(offered('A'), NULL);
	one = offered('A');
	settled("A", "A", NULL, NULL);
	ck_assert_uint_ne(offered('A'), one);
	expect(one, PATH_SUPERSEDED);
	/* Members of the other family are not counted. */
	begin();
	routes("A", "A", NULL, NULL);
	route_set(&members[1], hops[ROUTES + 1], "2001:db8::2", "A");
	member_count = 2;
	update(true);
	expect_leads_to(offered('A'), "10.255.0.1");
}
END_TEST

/* The VIP's route loses the next hop first, or the members' routes do. */
START_TEST(drained_and_failed_in_either_order)
{
	uint16_t a, b;

	begin();
	settled("AB", "A", "B", NULL);
	a = offered('A');
	b = offered('B');
	settled("B", "A", "B", NULL);
	expect(a, PATH_DRAINED);
	expect(b, PATH_IN_USE);
	/* Back again, as if nothing had been. */
	settled("AB", "A", "B", NULL);
	ck_assert_uint_eq(offered('A'), a);
	/* Drained, then its host is gone from there, but reachable: it has failed at once. */
	settled("B", "A", "B", NULL);
	routes("B", "B", "B", NULL);
	ck_assert_uint_eq(update(false), 1);
	expect(a, PATH_FAILED);
	expect(b, PATH_IN_USE);
	update(true);
	ck_assert_uint_ne(offered('B'), b); /* it leads to both now */
	expect(a, PATH_FAILED);

	begin();
	settled("AB", "A", "B", NULL);
	a = offered('A');
	routes("AB", "B", "B", NULL);
	ck_assert_uint_eq(update(false), 0);
	expect(a, PATH_IN_USE);
	routes("B", "B", "B", NULL);
	ck_assert_uint_eq(update(false), 1);
	expect(a, PATH_FAILED);
	expect_leads_to(a, "10.255.0.1");
	ck_assert(!IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	/* It comes back, as another. */
	settled("AB", "A", "B", NULL);
	ck_assert_uint_ne(offered('A'), 0);
	ck_assert_uint_ne(offered('A'), a);
	expect(a, PATH_FAILED);
}
END_TEST

/* A leaf: the other way of the same members remains. */
START_TEST(a_shared_path_fails)
{
	uint16_t a;

	begin();
	settled("AB", "AB", "AB", "AB");
	a = offered('A');
	routes("B", "AB", "B", "B");
	ck_assert_uint_eq(update(false), 0);
	routes("B", "B", "B", "B");
	ck_assert_uint_eq(update(false), 1);
	expect(a, PATH_FAILED);
	settled("AB", "AB", "AB", "AB");
	ck_assert_uint_ne(offered('A'), a);
}
END_TEST

START_TEST(a_dead_members_path_goes)
{
	uint16_t a;

	begin();
	settled("AB", "A", "B", NULL);
	a = offered('A');
	/* The next hop is still the VIP's. */
	settled("AB", "-", "B", NULL);
	expect(a, PATH_IN_USE);
	ck_assert(IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	routes("B", "-", "B", NULL);
	ck_assert_uint_eq(update(false), 1);
	expect(a, PATH_FAILED);
	ck_assert_uint_eq(update(true), 1);
	ck_assert_uint_eq(kernel[a].id, 0);
	ck_assert_ptr_null(path_find(&paths, a));
}
END_TEST

START_TEST(all_at_once_is_this_host)
{
	uint16_t a, b;

	begin();
	settled("AB", "A", "B", NULL);
	a = offered('A');
	b = offered('B');
	/* Whatever goes first. */
	routes("", "A", "B", NULL);
	ck_assert_uint_eq(update(false), 0);
	routes("", "-", "B", NULL);
	ck_assert_uint_eq(update(false), 0);
	routes("", "-", "-", NULL);
	ck_assert_uint_eq(update(false), 0);
	ck_assert_uint_eq(update(true), 0);
	expect(a, PATH_IN_USE);
	expect(b, PATH_IN_USE);
	/* One after the other comes back. */
	now += 100000;
	routes("B", "", "B", NULL);
	ck_assert_uint_eq(update(false), 0);
	ck_assert_uint_eq(update(true), 0);
	now += REACH_RETURN_MS - 1;
	ck_assert(!paths_thaw_is_due(&paths, now));
	ck_assert_uint_eq(update(true), 0);
	settled("AB", "A", "B", NULL);
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	/* Or it does not. */
	settled("", NULL, NULL, NULL);
	settled("B", "-", "B", NULL);
	expect(a, PATH_IN_USE);
	now += REACH_RETURN_MS;
	ck_assert(paths_thaw_is_due(&paths, now));
	update(true);
	ck_assert(!paths_thaw_is_due(&paths, now));
	ck_assert_uint_eq(kernel[a].id, 0);
	expect(b, PATH_IN_USE);
	/* The VIP is gone everywhere, the members are not: that is a drain. */
	settled("", "-", "B", NULL);
	expect(b, PATH_DRAINED);
}
END_TEST

START_TEST(backups)
{
	struct route_next_hop b = hop_make('B');
	uint16_t a;

	begin();
	settled("AC", "AB", "C", NULL);
	a = offered('A');
	ck_assert(address_equal(&kernel[a].backup_owner, &members[0].address));
	ck_assert_uint_eq(kernel[a].backup_count, 0);
	/* It runs no Holdfast: by its other next hops. */
	members[0].owner = false;
	ck_assert_uint_eq(update(true), 1);
	ck_assert(IN6_IS_ADDR_UNSPECIFIED(&kernel[a].backup_owner));
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	ck_assert(address_equal(&kernel[a].backup[0].gateway, &b.gateway));
	ck_assert_str_eq(kernel[a].backup[0].interface, b.interface);
	/* They stay when it fails, and are not touched by what others lose. */
	routes("C", "B", "C", NULL);
	members[0].owner = false;
	ck_assert_uint_eq(update(false), 1);
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	/* Its flows are there when the next hop is back as another path, and the other one fails.
	 */
	routes("AC", "A", "C", NULL);
	members[0].owner = false;
	update(true);
	expect(a, PATH_FAILED);
	ck_assert_uint_eq(kernel[a].backup_count, 1);
	ck_assert_str_eq(kernel[a].backup[0].interface, "upA");
	ck_assert_uint_eq(kernel[offered('A')].backup_count, 0);
	/* The only way has none. */
	begin();
	routes("A", "A", NULL, NULL);
	members[0].owner = false;
	update(true);
	ck_assert_uint_eq(kernel[offered('A')].backup_count, 0);
	/* No more than there is room for. */
	begin();
	routes("A", "A", NULL, NULL);
	members[0].owner = false;
	{
		static struct route_next_hop many[KERNEL_BACKUP_HOPS_MAX + 9];

		for (unsigned int i = 0; i < KERNEL_BACKUP_HOPS_MAX + 9; i++)
			many[i] = hop_make((char)('A' + i));
		members[0].hops = many;
		members[0].hop_count = KERNEL_BACKUP_HOPS_MAX + 9;
		update(true);
		ck_assert_uint_eq(kernel[offered('A')].backup_count, KERNEL_BACKUP_HOPS_MAX);
		ck_assert_str_eq(kernel[offered('A')].backup[0].interface, "upB");
	}
	/* A member that is only believed in, since this host was cut off. */
	begin();
	settled("AC", "AB", "C", NULL);
	a = offered('A');
	routes("C", "", "C", NULL);
	update(false);
	expect(a, PATH_FAILED);
	update(true);
	ck_assert(address_equal(&kernel[a].backup_owner, &members[0].address));
}
END_TEST

static void count(uint16_t id, uint32_t flows, uint32_t probation)
{
	struct kernel_path_flows counts[KERNEL_PATH_MAX + 1] = {0};

	counts[id] = (struct kernel_path_flows){flows, probation};
	told = removed = 0;
	paths_counted(&paths, counts, KERNEL_PATH_MAX + 1, now);
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 0);
}

START_TEST(an_id_lives_as_long_as_a_flow_may_carry_it)
{
	uint16_t a, b;

	begin();
	settled("AB", "AB", "AB", NULL);
	a = offered('A');
	b = offered('B');
	settled("B", "B", "B", NULL);
	now += PATH_REST_MS - 1;
	count(a, 0, 0);
	expect(a, PATH_FAILED);
	now++;
	count(a, 1, 0);
	expect(a, PATH_FAILED);
	ck_assert_uint_eq(path_find(&paths, a)->counted.flows, 1);
	count(a, 0, 1);
	expect(a, PATH_FAILED);
	count(a, 0, 0);
	ck_assert_uint_eq(removed, 1);
	ck_assert_uint_eq(kernel[a].id, 0);
	/* One in use needs no flow. */
	expect(b, PATH_IN_USE);
	/* The same next hop gets another number, as long as there are any. */
	settled("AB", "AB", "AB", NULL);
	ck_assert_uint_ne(offered('A'), a);
}
END_TEST

START_TEST(when_ids_run_out)
{
	uint16_t a, b, c;

	begin();
	paths_init(&paths, 0x3 << 20);
	ck_assert_uint_eq(paths.max, 3);
	settled("ABC", "ABC", "ABC", "ABC");
	a = offered('A');
	b = offered('B');
	c = offered('C');
	/* All are in use. */
	settled("ABCD", "ABCD", "ABCD", "ABCD");
	ck_assert_uint_eq(offered('D'), 0);
	ck_assert_uint_eq(paths.without_id, 1);
	ck_assert_uint_eq(paths.ids_reused, 0);
	ck_assert_uint_eq(offered('A'), a);
	/* The one that failed first is given away, and the kernel forgets its flows. */
	routes("ACD", "ACD", "ACD", "ACD");
	update(false);
	expect(b, PATH_FAILED);
	now++;
	update(true);
	ck_assert_uint_eq(removed, 1);
	ck_assert_uint_eq(offered('D'), b);
	ck_assert_uint_eq(paths.without_id, 0);
	ck_assert_uint_eq(paths.ids_reused, 1);
	ck_assert_uint_eq(offered('C'), c);
	/* A mask without bits: nothing is recorded. */
	begin();
	paths_init(&paths, 0);
	settled("AB", "A", "B", NULL);
	ck_assert_uint_eq(paths.count, 0);
	ck_assert_uint_eq(paths.without_id, 2);
}
END_TEST

START_TEST(what_could_not_be_told_is_told_again)
{
	struct paths_view view = {vips, 1, members, 0};

	begin();
	routes("AB", NULL, NULL, NULL);
	vip_count = 1;
	refuse = true;
	ck_assert_int_eq(paths_update(&paths, &view, true, now), 0);
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 2);
	refuse = false;
	ck_assert_uint_eq(paths_report(&paths, tell, NULL), 0);
	ck_assert_uint_ne(offered('A'), 0);
	ck_assert_uint_ne(offered('B'), 0);
	/* What failed before the kernel heard of it need not be told. */
	begin();
	routes("AB", NULL, NULL, NULL);
	ck_assert_int_eq(paths_update(&paths, &view, true, now), 0);
	routes("A", NULL, NULL, NULL);
	ck_assert_uint_eq(update(false), 1);
	ck_assert_uint_eq(paths.count, 1);
}
END_TEST

/* What an earlier fpmd left: the table above goes, the kernel stays. */
static void restart(void)
{
	static struct kernel_path left[KERNEL_PATH_MAX + 1];

	memcpy(left, kernel, sizeof(left));
	paths_clear(&paths);
	paths_init(&paths, MASK);
	for (unsigned int id = 1; id <= paths.max; id++)
		if (left[id].id)
			ck_assert_int_eq(paths_adopt(&paths, &left[id], now), 0);
}

START_TEST(a_restart_takes_over)
{
	uint16_t a, b, c, old;

	begin();
	settled("ABC", "A", "B", "C");
	a = offered('A');
	b = offered('B');
	c = offered('C');
	settled("ABC", "A", "AB", "C");
	old = a;
	a = offered('A');
	ck_assert_uint_ne(a, old);
	restart();
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	expect(old, PATH_SUPERSEDED);
	/* Nothing is told yet, or not all: they wait. */
	restart();
	routes("", NULL, NULL, NULL);
	vip_count = 0;
	ck_assert_uint_eq(update(false), 0);
	settled("B", "-", "B", "-");
	ck_assert_uint_eq(offered('A'), a);
	ck_assert_uint_eq(offered('B'), b);
	settled("BC", "-", "B", "C");
	ck_assert_uint_eq(offered('C'), c);
	now += REACH_LEARN_MS;
	ck_assert(paths_thaw_is_due(&paths, now));
	settled("BC", "B", "B", "C");
	expect(a, PATH_FAILED);
	expect(old, PATH_FAILED);
	/* One that has failed stays so. */
	restart();
	settled("ABC", "A", "B", "C");
	expect(old, PATH_FAILED);
	ck_assert_uint_ne(offered('A'), old);
	/* Ids that do not fit. */
	{
		struct kernel_path path = {.id = 256, .family = AF_INET, .up = true};

		ck_assert_int_eq(paths_adopt(&paths, &path, now), -1);
		path.id = 0;
		ck_assert_int_eq(paths_adopt(&paths, &path, now), -1);
		path.id = b;
		ck_assert_int_eq(paths_adopt(&paths, &path, now), -1);
	}
}
END_TEST

/* -- any routes in any order -- */

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void any_hops(char names[HOPS])
{
	size_t used = 0;

	for (char name = 'A'; name < 'A' + 5; name++)
		if (any(3))
			names[used++] = name;
	names[used] = '\0';
}

static bool has_hop(const struct paths_route *route, const struct kernel_path *path)
{
	for (size_t i = 0; i < route->hop_count; i++)
		if (!strcmp(route->hops[i].interface, path->hop.interface))
			return true;
	return false;
}

static bool is_alive(const struct kernel_path *path)
{
	bool alive = has_hop(&vips[0], path);

	for (size_t i = 0; i < member_count; i++)
		alive |= has_hop(&members[i], path);
	return alive;
}

static void check_settled(void)
{
	bool frozen = paths.thaw_ms || paths.cut_off;

	for (unsigned int id = 1; id <= paths.max; id++) {
		ck_assert_int_eq(!!kernel[id].id, !!path_find(&paths, (uint16_t)id));
		if (kernel[id].id && kernel[id].up && !frozen)
			ck_assert(is_alive(&kernel[id]));
	}
	for (size_t i = 0; i < vips[0].hop_count; i++) {
		uint16_t id = offered(vips[0].hops[i].interface[2]);
		const struct paths_route *behind = NULL;
		size_t leads = 0;

		ck_assert_uint_ne(id, 0);
		for (size_t j = 0; j < member_count; j++)
			if (has_hop(&members[j], &kernel[id])) {
				behind = &members[j];
				leads++;
			}
		if (leads > 1)
			ck_assert(kernel[id].shared);
		if (leads == 1 && !frozen) {
			ck_assert(!kernel[id].shared);
			ck_assert(address_equal(&kernel[id].member, &behind->address));
		}
	}
	for (unsigned int id = 1; id <= paths.max; id++)
		if (kernel[id].id && kernel[id].offered && !paths.cut_off && !frozen)
			ck_assert(has_hop(&vips[0], &kernel[id]));
	ck_assert_uint_eq(update(true), 0);
	ck_assert_uint_eq(update(false), 0);
}

START_TEST(any_order)
{
	char names[4][HOPS] = {"ABC", "A", "B", "C"};

	seed = (uint32_t)_i * 7919 + 1;
	begin();
	for (int step = 0; step < 400; step++) {
		static struct kernel_path_flows counts[KERNEL_PATH_MAX + 1];
		uint32_t what = any(20);

		now += any(50);
		if (what == 0)
			now += any(2 * REACH_RETURN_MS);
		if (what == 1)
			for (int i = 0; i < 4; i++)
				names[i][0] = '\0';
		else
			any_hops(names[any(4)]);
		/* One that has no route is reachable for a moment, or is not. */
		routes(names[0], names[1][0] || any(4) ? names[1] : "-", names[2],
		       names[3][0] ? names[3] : "-");
		for (size_t i = 0; i < member_count; i++)
			members[i].owner = i % 2;
		if (any(3)) {
			update(false);
			continue;
		}
		update(true);
		check_settled();
		if (what == 2) {
			restart();
			ck_assert_uint_eq(update(true), 0);
			check_settled();
		}
		for (unsigned int id = 1; id <= paths.max; id++)
			counts[id].flows = any(2);
		paths_counted(&paths, counts, KERNEL_PATH_MAX + 1, now);
		paths_report(&paths, tell, NULL);
		for (unsigned int id = 1; id <= paths.max; id++)
			if (counts[id].flows && path_find(&paths, (uint16_t)id))
				ck_assert_uint_eq(kernel[id].id, id);
		ck_assert_uint_eq(update(true), 0);
	}
	ck_assert_uint_eq(paths.without_id, 0);
	paths_clear(&paths);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_next_hop_is_a_path,
				      the_interface_and_the_family_belong_to_the_key,
				      several_members_are_shared,
				      whom_it_leads_to_makes_another_id,
				      nobody_known_changes_nothing,
				      drained_and_failed_in_either_order,
				      a_shared_path_fails,
				      a_dead_members_path_goes,
				      all_at_once_is_this_host,
				      backups,
				      an_id_lives_as_long_as_a_flow_may_carry_it,
				      when_ids_run_out,
				      what_could_not_be_told_is_told_again,
				      a_restart_takes_over};
	Suite *suite = suite_create("paths");
	TCase *tcase = tcase_create("paths");
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tcase_add_test(tcase, cases[i]);
	tcase_add_loop_test(tcase, any_order, 0, 60);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
