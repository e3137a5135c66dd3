// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of pins, whoever wants them: installed and removed in as few transactions as possible,
 * checked now and then, taken over from an earlier fpmd. Invariant: the table has what the kernel
 * has.
 */
#include <stdlib.h>
#include <utlist.h>

#include "fpmd/daemon.h"
#include "fpmd/log.h"

#define LOOKUP_DEADLINE_MS 1000
#define CHECKS_MAX 500 /* pins that are being checked at a time */
#define PIN_BATCH 1024

struct check {
	struct daemon *daemon;
	struct flow flow;
	struct check *next, *prev;
};

static void note_failed(struct daemon *d, int status)
{
	if (!d->counters.pins_failed++)
		log_error("pins: the kernel refuses a change of pins: error %d", -status);
}

/* What the kernel calls it. */
static uint16_t target(uint16_t owner, bool direct)
{
	return direct ? owner | KERNEL_PIN_DIRECT : owner;
}

static uint16_t pin_target(const struct pin *pin)
{
	return target(pin->owner, pin->direct);
}

static void table_remove(struct daemon *d, struct pin *pin)
{
	d->owners.table[pin->owner].pins--;
	director_unpinned(d, pin->path);
	pin_remove(&d->pins, pin);
}

void pinning_remove(struct daemon *d, struct pin *pin, uint64_t *counter)
{
	struct kernel_pin_change change = {.flow = pin->flow, .old_owner = pin_target(pin)};
	char text[FLOW_TEXT_SIZE];

	if (kernel_pins_change(d->kernel, &change, 1)) {
		note_failed(d, change.status);
		pin_doubt(&d->pins, pin, clock_ms());
		return;
	}
	table_remove(d, pin);
	(*counter)++;
	log_debug(TOPIC_STRAYS, "pins: %s removed", flow_text(&change.flow, text));
}

static struct pin *add(struct daemon *d, const struct flow *flow, uint16_t owner)
{
	struct pin *pin = pin_add(&d->pins, flow, owner, clock_ms());

	if (pin)
		return pin;
	d->counters.pins_full++;
	daemon_problem(d, PROBLEM_PINS,
		       "%zu pins: the table is full, further detours cost a look-up "
		       "for each segment; raise `pins max`",
		       pins_count(&d->pins));
	return NULL;
}

/* Of the pins that the kernel did not take the table has what was before; returns how many. */
static size_t give_up_failed(struct daemon *d, const struct kernel_pin_change *changes,
			     struct pin_wish *const *wishes, size_t count)
{
	size_t given_up = 0;

	for (size_t i = 0; i < count; i++) {
		struct pin *pin = changes[i].status ? pin_find(&d->pins, &changes[i].flow) : NULL;

		if (!pin)
			continue;
		wishes[i]->done = false;
		note_failed(d, changes[i].status);
		if (changes[i].old_owner) {
			d->owners.table[pin->owner].pins--;
			pin->owner = changes[i].old_owner & ~KERNEL_PIN_DIRECT;
			pin->direct = changes[i].old_owner & KERNEL_PIN_DIRECT;
			d->owners.table[pin->owner].pins++;
		} else {
			table_remove(d, pin);
		}
		given_up++;
	}
	return given_up;
}

static size_t put_batch(struct daemon *d, struct pin_wish *wishes, size_t count)
{
	static struct kernel_pin_change changes[PIN_BATCH];
	static struct pin_wish *changed[PIN_BATCH];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		struct pin_wish *wish = &wishes[i];
		struct pin *pin = pin_find(&d->pins, &wish->flow);

		wish->done = true;
		if (pin)
			director_pin_path(d, pin, wish->path);
		if (pin && pin->owner == wish->owner && pin->direct == wish->direct)
			continue;
		changes[used] = (struct kernel_pin_change){
			.flow = wish->flow,
			.old_owner = pin ? pin_target(pin) : OWNER_NONE,
			.new_owner = target(wish->owner, wish->direct),
		};
		if (pin) {
			d->owners.table[pin->owner].pins--;
			pin->owner = wish->owner;
		} else {
			pin = add(d, &wish->flow, wish->owner);
			wish->done = pin;
			if (!pin)
				continue;
			director_pin_path(d, pin, wish->path);
		}
		pin->direct = wish->direct;
		d->owners.table[wish->owner].pins++;
		changed[used++] = wish;
	}
	if (!used || !kernel_pins_change(d->kernel, changes, used))
		return used;
	return used - give_up_failed(d, changes, changed, used);
}

size_t pinning_put(struct daemon *d, struct pin_wish *wishes, size_t count)
{
	size_t installed = 0;

	for (size_t i = 0; i < count; i += PIN_BATCH)
		installed +=
			put_batch(d, wishes + i, count - i < PIN_BATCH ? count - i : PIN_BATCH);
	return installed;
}

/* Takes those out of the table that the kernel has removed; returns how many. */
static size_t forget_removed(struct daemon *d, struct kernel_pin_change *changes, size_t count)
{
	size_t removed = 0;

	if (count)
		kernel_pins_change(d->kernel, changes, count);
	for (size_t i = 0; i < count; i++) {
		struct pin *pin = pin_find(&d->pins, &changes[i].flow);

		if (changes[i].status) {
			note_failed(d, changes[i].status);
			if (pin)
				pin_doubt(&d->pins, pin, clock_ms());
			continue;
		}
		if (pin)
			table_remove(d, pin);
		removed++;
	}
	return removed;
}

size_t pinning_remove_flows(struct daemon *d, const struct flow *flows, size_t count)
{
	static struct kernel_pin_change changes[PIN_BATCH];
	size_t used = 0, removed = 0;

	for (size_t i = 0; i < count; i++) {
		const struct pin *pin = pin_find(&d->pins, &flows[i]);

		if (!pin)
			continue;
		changes[used++] =
			(struct kernel_pin_change){.flow = pin->flow, .old_owner = pin_target(pin)};
		if (used == PIN_BATCH) {
			removed += forget_removed(d, changes, used);
			used = 0;
		}
	}
	return removed + forget_removed(d, changes, used);
}

/* Removes the pins that *wanted* takes, in as few transactions as possible; returns how many. */
static size_t remove_pins(struct daemon *d,
			  bool (*wanted)(const struct daemon *d, const struct pin *pin,
					 uint16_t owner),
			  uint16_t owner)
{
	static struct kernel_pin_change changes[PIN_BATCH];
	struct pin *pin, *next;
	size_t count = 0, removed = 0;

	HASH_ITER (hh, d->pins.table, pin, next) {
		if (!wanted(d, pin, owner))
			continue;
		changes[count++] =
			(struct kernel_pin_change){.flow = pin->flow, .old_owner = pin_target(pin)};
		if (count == PIN_BATCH) {
			removed += forget_removed(d, changes, count);
			count = 0;
		}
	}
	return removed + forget_removed(d, changes, count);
}

static bool is_of_owner(const struct daemon *d, const struct pin *pin, uint16_t owner)
{
	return pin->owner == owner;
}

static bool is_foreign(const struct daemon *d, const struct pin *pin, uint16_t owner)
{
	return !settings_is_vip(&d->settings, &pin->flow.vip);
}

bool pinning_owner_gone(struct daemon *d, uint16_t owner)
{
	if (d->owners.table[owner].pins)
		d->counters.pins_owner_gone += remove_pins(d, is_of_owner, owner);
	return !d->owners.table[owner].pins;
}

void pinning_forget_foreign(struct daemon *d)
{
	remove_pins(d, is_foreign, OWNER_NONE);
}

/* Pins in the kernel that do not fit: the table is smaller now, or their owner is not known. */
static struct kernel_pin_change surplus[PIN_BATCH];
static size_t surplus_count;

void pinning_adopt(void *arg, const struct flow *flow, uint16_t to)
{
	struct daemon *d = arg;
	bool direct = to & KERNEL_PIN_DIRECT;
	uint16_t owner = to & ~KERNEL_PIN_DIRECT;
	bool fits = owner ? owner <= d->owners.max && d->owners.table[owner].used : direct;
	struct pin *pin;

	if (pin_find(&d->pins, flow))
		return;
	pin = fits ? pin_take_over(&d->pins, flow, owner, clock_ms()) : NULL;
	if (!pin) {
		if (surplus_count < PIN_BATCH)
			surplus[surplus_count++] =
				(struct kernel_pin_change){.flow = *flow, .old_owner = to};
		return;
	}
	pin->direct = direct;
	d->owners.table[owner].pins++;
	d->counters.pins_taken_over++;
}

int pinning_take_over(struct daemon *d, struct error *error)
{
	size_t failed = 0;

	do {
		surplus_count = 0;
		if (kernel_pins_dump(d->kernel, pinning_adopt, d, error))
			return -1;
		d->counters.pins_failed += surplus_count;
		if (surplus_count)
			failed = kernel_pins_change(d->kernel, surplus, surplus_count);
	} while (surplus_count == PIN_BATCH && !failed);
	return 0;
}

/* The session's end, if the pin's owner was among those that were asked. */
static bool has_ended(const struct daemon *d, const struct pin *pin,
		      const struct directory_result *result)
{
	if (result->answer == DIRECTORY_FOUND)
		return members_is_local(d, &result->owner);
	return members_answer(d, result) == DIRECTORY_ABSENT &&
	       (!pin->owner ||
		directory_is_member(d->directory, &d->owners.table[pin->owner].address));
}

static void check_answer(void *arg, const struct directory_result *result)
{
	struct check *check = arg;
	struct daemon *d = check->daemon;
	struct pin *pin = pin_find(&d->pins, &check->flow);
	uint16_t owner;

	DL_DELETE(d->checks, check);
	free(check);
	if (!pin || !pin->checking)
		return;
	pin_check_end(&d->pins, pin, members_answer(d, result) != DIRECTORY_TIMED_OUT, clock_ms());
	if (has_ended(d, pin, result)) {
		pinning_remove(d, pin, &d->counters.pins_ended);
		return;
	}
	if (result->answer != DIRECTORY_FOUND ||
	    address_equal(&d->owners.table[pin->owner].address, &result->owner))
		return;
	owner = members_owner(d, &result->owner);
	if (owner) {
		struct pin_wish wish = {.flow = pin->flow,
					.owner = owner,
					.direct = pin->direct,
					.path = pin->path};

		d->counters.pins_moved += pinning_put(d, &wish, 1);
	}
}

/* Before a replay ended nobody could be asked. Strays keep their share of the look-ups. */
static void check_pins(struct daemon *d)
{
	uint64_t now = clock_ms();

	while (d->replayed && d->pins.checking < CHECKS_MAX) {
		struct pin *pin = pin_check_begin(&d->pins, d->settings.pin_check_s * 1000ull, now);
		struct check *check = pin ? malloc(sizeof(*check)) : NULL;

		if (!pin)
			return;
		if (check) {
			*check = (struct check){.daemon = d, .flow = pin->flow};
			DL_APPEND(d->checks, check);
		}
		if (!check || directory_get(d->directory, &check->flow, LOOKUP_DEADLINE_MS,
					    check_answer, check)) {
			if (check)
				DL_DELETE(d->checks, check);
			free(check);
			pin_check_end(&d->pins, pin, false, now);
			return;
		}
		d->counters.pin_checks++;
	}
}

void pinning_abandon(struct daemon *d)
{
	struct check *check, *next_check;
	struct pin *pin, *next;

	DL_FOREACH_SAFE(d->checks, check, next_check)
	{
		DL_DELETE(d->checks, check);
		free(check);
	}
	HASH_ITER (hh, d->pins.table, pin, next)
		if (pin->checking)
			pin_check_end(&d->pins, pin, false, clock_ms());
}

void pinning_tick(struct daemon *d)
{
	check_pins(d);
	if (pins_count(&d->pins) < d->pins.max - d->pins.max / 10)
		daemon_problem(d, PROBLEM_PINS, NULL);
}
