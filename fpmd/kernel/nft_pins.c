/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pins: transactions over the map, and what we believe is in it. Runs on fpmd's loop.
 * Invariant: between calls every entry of nft->pins has an owner, and pins_count is the number of a
 * family's entries.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fpmd/kernel/list.h"
#include "fpmd/kernel/nft_private.h"

#define CHUNK_MAX 10000	    /* changes in one transaction */
#define UNWATCHED_MIN 64    /* changes: below, notifications cost less than to prevent them */
#define FAILED_SENDS_MAX 64 /* about 10 ms each; then the search for faulty changes ends */

static struct nft_pin *pin_find(struct nft *nft, const struct flow *flow)
{
	struct nft_pin *pin;

	HASH_FIND(hh, nft->pins, flow, sizeof(*flow), pin);
	return pin;
}

static struct nft_pin *pin_get(struct nft *nft, const struct flow *flow)
{
	struct nft_pin *pin = pin_find(nft, flow);

	if (pin)
		return pin;
	pin = calloc(1, sizeof(*pin));
	if (!pin)
		return NULL;
	pin->flow = *flow;
	HASH_ADD(hh, nft->pins, flow, sizeof(pin->flow), pin);
	return pin;
}

/* The kernel has it so now. */
static void pin_settle(struct nft *nft, struct nft_pin *pin, uint16_t owner)
{
	struct nft_family *family = nft_family_of(nft, &pin->flow.vip);

	if (pin->owner && !owner)
		family->pins_count--;
	else if (!pin->owner && owner)
		family->pins_count++;
	pin->owner = owner;
}

static void pin_drop_if_none(struct nft *nft, struct nft_pin *pin)
{
	if (pin->owner)
		return;
	HASH_DEL(nft->pins, pin);
	free(pin);
}

bool nft_pins_point_to(const struct nft *nft, uint16_t owner)
{
	const struct nft_pin *pin;

	for (pin = nft->pins; pin; pin = pin->hh.next)
		if ((pin->owner & ~KERNEL_PIN_DIRECT) == owner)
			return true;
	return false;
}

void nft_pins_forget(struct nft *nft)
{
	struct nft_pin *pin, *next;

	HASH_ITER (hh, nft->pins, pin, next) {
		HASH_DEL(nft->pins, pin);
		free(pin);
	}
	nft->families[0].pins_count = nft->families[1].pins_count = 0;
}

/* A change on its way into the kernel. */
struct step {
	struct nft_pin *pin;
	struct kernel_pin_change *change;
	bool remove; /* what is there goes first */
	bool skip;   /* nothing to do any more; status is set */
};

static int steps_send(struct nft *nft, struct step *steps, size_t count,
		      struct nft_failure *failure)
{
	static struct nft_element elements[NFT_ELEMENTS_MAX];
	struct nft_batch batch;
	size_t used, total = 0;
	uint32_t generation;
	bool paused;
	int result;

	nft_batch_begin(&batch, &nft->link);
	/* All removals first: they make room, and a pin that changes its owner must go before. */
	for (int adding = 0; adding < 2; adding++) {
		for (int i = 0; i < 2; i++) {
			used = 0;
			for (size_t j = 0; j < count; j++) {
				const struct step *step = &steps[j];

				if (step->skip ||
				    nft_family_of(nft, &step->pin->flow.vip) != &nft->families[i])
					continue;
				if (adding ? !step->change->new_owner : !step->remove)
					continue;
				elements[used].flow = &step->pin->flow;
				elements[used++].owner = step->change->new_owner;
				total++;
				if (used < NFT_ELEMENTS_MAX)
					continue;
				nft_elements_put(nft, &nft->families[i], &batch, !adding, elements,
						 used);
				used = 0;
			}
			if (used)
				nft_elements_put(nft, &nft->families[i], &batch, !adding, elements,
						 used);
		}
	}
	if (!total) {
		nft_batch_free(&batch);
		memset(failure, 0, sizeof(*failure));
		return 0;
	}
	paused = total >= UNWATCHED_MIN && nft_watch_pause(nft, &generation);
	result = nft_batch_send(&batch, failure);
	if (paused)
		nft_watch_resume(nft, generation, result ? 0 : 1);
	return result;
}

static void steps_settle(struct nft *nft, struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (steps[i].skip)
			continue;
		pin_settle(nft, steps[i].pin, steps[i].change->new_owner);
		steps[i].change->status = 0;
		steps[i].skip = true;
	}
}

static void steps_fail(struct step *steps, size_t count, int status)
{
	for (size_t i = 0; i < count; i++) {
		if (steps[i].skip)
			continue;
		steps[i].change->status = status;
		steps[i].skip = true;
	}
}

/* What a step has to do, given what the map holds. */
static void step_plan(struct nft *nft, struct step *step, bool trust_caller)
{
	const struct kernel_pin_change *change = step->change;

	step->remove = step->pin->owner && step->pin->owner != change->new_owner;
	if (!step->pin->owner && trust_caller && change->old_owner &&
	    change->old_owner != change->new_owner)
		step->remove = true;
	if (!change->new_owner && !step->remove) {
		step->change->status = 0;
		step->skip = true;
	}
}

/* Those that find no room get -ENFILE; the removals of the same transaction count. */
static void steps_make_room(struct nft *nft, struct step *steps, size_t count)
{
	for (int i = 0; i < 2; i++) {
		const struct nft_family *family = &nft->families[i];
		size_t expected = family->pins_count;

		if (!family->used)
			continue;
		for (size_t j = 0; j < count; j++)
			if (!steps[j].skip && !steps[j].change->new_owner && steps[j].pin->owner &&
			    nft_family_of(nft, &steps[j].pin->flow.vip) == family)
				expected--;
		for (size_t j = 0; j < count; j++) {
			if (steps[j].skip || !steps[j].change->new_owner || steps[j].pin->owner ||
			    nft_family_of(nft, &steps[j].pin->flow.vip) != family)
				continue;
			if (expected >= family->pins_size) {
				steps[j].change->status = -ENFILE;
				steps[j].skip = true;
			} else {
				expected++;
			}
		}
	}
}

static int seen_each(void *arg, const struct flow *flow, uint16_t owner)
{
	struct nft *nft = arg;
	struct nft_pin *pin = pin_find(nft, flow);

	/* An element with another verdict stands in the way of a pin: it has to be removed. */
	if (!pin)
		return 0;
	pin->seen = nft->dumps;
	pin->found = owner ? owner : UINT16_MAX;
	return 0;
}

/*
 * Learns what the kernel really has for the pins of the steps. Where others removed the map there
 * is nothing to change in the kernel: nft_repair() makes a new one of what is noted here.
 */
static int steps_look(struct nft *nft, struct step *steps, size_t count)
{
	bool missing[2] = {false};
	int result = -EINTR;

	for (int i = 0; i < TRIES_MAX && result == -EINTR; i++) {
		nft->dumps++;
		result = 0;
		for (int j = 0; j < 2 && !result; j++) {
			if (!nft->families[j].used)
				continue;
			result = nft_elements_dump(nft, &nft->families[j], seen_each, nft);
			missing[j] = result == -ENOENT;
			if (missing[j])
				result = 0;
		}
	}
	if (result)
		return result;
	for (size_t i = 0; i < count; i++) {
		struct nft_pin *pin = steps[i].pin;

		if (steps[i].skip)
			continue;
		if (missing[nft_family_of(nft, &pin->flow.vip) - nft->families]) {
			steps_settle(nft, &steps[i], 1);
			continue;
		}
		pin_settle(nft, pin, pin->seen == nft->dumps ? pin->found : KERNEL_OWNER_NONE);
		step_plan(nft, &steps[i], false);
	}
	return 0;
}

static void steps_bisect(struct nft *nft, struct step *steps, size_t count, int *budget)
{
	struct nft_failure failure;

	if (!steps_send(nft, steps, count, &failure)) {
		steps_settle(nft, steps, count);
		return;
	}
	if (count == 1 || --*budget <= 0) {
		steps_fail(steps, count, failure.error);
		return;
	}
	steps_bisect(nft, steps, count / 2, budget);
	steps_bisect(nft, steps + count / 2, count - count / 2, budget);
}

static void steps_run(struct nft *nft, struct step *steps, size_t count)
{
	int budget = FAILED_SENDS_MAX;
	struct nft_failure failure;

	for (size_t i = 0; i < count; i++)
		step_plan(nft, &steps[i], true);
	steps_make_room(nft, steps, count);
	if (!steps_send(nft, steps, count, &failure)) {
		steps_settle(nft, steps, count);
		return;
	}
	switch (failure.error) {
	case -EPERM:
	case -ENOMEM:
	case -ENOBUFS:
		steps_fail(steps, count, failure.error);
		return;
	case -EMSGSIZE:
		break;
	default:
		/* Somebody else wrote into the map: begin with what is really in it. */
		if (steps_look(nft, steps, count)) {
			steps_fail(steps, count, failure.error);
			return;
		}
	}
	steps_bisect(nft, steps, count, &budget);
}

static int change_check(struct nft *nft, const struct kernel_pin_change *change)
{
	const struct flow *flow = &change->flow;

	if (flow->protocol != IPPROTO_TCP || flow->zero[0] || flow->zero[1] || flow->zero[2] ||
	    address_is_ipv4(&flow->client) != address_is_ipv4(&flow->vip))
		return -EINVAL;
	if (!nft_family_of(nft, &flow->vip)->used)
		return -EAFNOSUPPORT;
	if (change->new_owner && change->new_owner != KERNEL_PIN_DIRECT &&
	    !nft_owner_known(nft, change->new_owner & (uint16_t)~KERNEL_PIN_DIRECT))
		return -ENOENT;
	return 0;
}

size_t nft_pins_change(struct nft *nft, struct kernel_pin_change *changes, size_t count)
{
	size_t used, i = 0, failed = 0, room = count < CHUNK_MAX ? count : CHUNK_MAX;
	struct step *steps = calloc(room ? room : 1, sizeof(*steps));

	while (i < count) {
		nft->chunks++;
		for (used = 0; i < count && used < CHUNK_MAX; i++) {
			struct kernel_pin_change *change = &changes[i];
			struct nft_pin *pin;

			change->status = steps ? change_check(nft, change) : -ENOMEM;
			if (change->status)
				continue;
			pin = pin_get(nft, &change->flow);
			if (!pin) {
				change->status = -ENOMEM;
				continue;
			}
			if (pin->chunk == nft->chunks) /* the same flow again: next transaction */
				break;
			pin->chunk = nft->chunks;
			steps[used++] = (struct step){.pin = pin, .change = change};
		}
		steps_run(nft, steps, used);
		for (size_t j = 0; j < used; j++) {
			/* What is not ours and stayed is no pin. */
			if (steps[j].pin->owner == UINT16_MAX)
				pin_settle(nft, steps[j].pin, KERNEL_OWNER_NONE);
			pin_drop_if_none(nft, steps[j].pin);
		}
	}
	free(steps);
	for (i = 0; i < count; i++)
		failed += changes[i].status != 0;
	return failed;
}

struct pins_dump {
	kernel_pin_fn *fn;
	void *arg;
	struct kernel_pin_change *pins; /* collected first: a dump may have to start again */
	size_t count, size;
};

static int collect_each(void *arg, const struct flow *flow, uint16_t owner)
{
	struct pins_dump *dump = arg;
	void *pins = list_room(dump->pins, dump->count, &dump->size, sizeof(*dump->pins));

	if (!pins)
		return -1;
	dump->pins = pins;
	dump->pins[dump->count].flow = *flow;
	dump->pins[dump->count++].old_owner = owner;
	return 0;
}

static int collect(struct nft *nft, const struct nft_family *family, struct pins_dump *dump)
{
	size_t start = dump->count;
	int result = -EINTR;

	for (int i = 0; i < TRIES_MAX && result == -EINTR; i++) {
		dump->count = start;
		result = nft_elements_dump(nft, family, collect_each, dump);
	}
	return result;
}

int nft_pins_dump(struct nft *nft, kernel_pin_fn *fn, void *arg, struct error *error)
{
	struct pins_dump dump = {fn, arg, NULL, 0, 0};
	int result = 0;

	for (int i = 0; i < 2 && !result; i++)
		if (nft->families[i].used)
			result = collect(nft, &nft->families[i], &dump);
	if (!result)
		for (size_t i = 0; i < dump.count; i++)
			if (dump.pins[i].old_owner)
				fn(arg, &dump.pins[i].flow, dump.pins[i].old_owner);
	free(dump.pins);
	if (result)
		return error_set(error, "nftables: cannot read the pins: %s", strerror(-result));
	return 0;
}

int nft_pins_load(struct nft *nft, const struct nft_family *family)
{
	struct pins_dump dump = {0};
	struct nft_pin *pin;
	int result = collect(nft, family, &dump);

	for (size_t i = 0; !result && i < dump.count; i++) {
		if (!dump.pins[i].old_owner)
			continue;
		pin = pin_get(nft, &dump.pins[i].flow);
		if (!pin)
			result = -ENOMEM;
		else
			pin_settle(nft, pin, dump.pins[i].old_owner);
	}
	free(dump.pins);
	return result;
}

/* Elements of others, or with another owner than we know: they get what we know. */
static int wrong_find(struct nft *nft, struct pins_dump *dump, struct kernel_pin_change **wrong,
		      size_t *count)
{
	struct nft_pin *pin, *next;
	size_t size = 0;

	*count = 0;
	*wrong = calloc(dump->count + HASH_COUNT(nft->pins) + 1, sizeof(**wrong));
	if (!*wrong)
		return -ENOMEM;
	nft->dumps++;
	for (size_t i = 0; i < dump->count; i++) {
		pin = pin_find(nft, &dump->pins[i].flow);
		if (pin) {
			pin->seen = nft->dumps;
			if (pin->owner == dump->pins[i].old_owner)
				continue;
			(*wrong)[size].new_owner = pin->owner;
		}
		/* What stands there must go: any owner but the new one says so. */
		(*wrong)[size].flow = dump->pins[i].flow;
		(*wrong)[size++].old_owner = UINT16_MAX;
	}
	HASH_ITER (hh, nft->pins, pin, next) {
		if (pin->seen == nft->dumps)
			continue;
		(*wrong)[size].flow = pin->flow;
		(*wrong)[size++].new_owner = pin->owner;
	}
	*count = size;
	return 0;
}

long nft_pins_reconcile(struct nft *nft)
{
	struct pins_dump dump = {0};
	struct kernel_pin_change *wrong = NULL;
	struct nft_pin *pin;
	size_t count = 0, failed;
	int result = 0;

	for (int i = 0; i < 2 && !result; i++)
		if (nft->families[i].used)
			result = collect(nft, &nft->families[i], &dump);
	if (!result)
		result = wrong_find(nft, &dump, &wrong, &count);
	free(dump.pins);
	if (result) {
		free(wrong);
		return result;
	}
	/* Forget what is not so; the changes then make it so. */
	for (size_t i = 0; i < count; i++) {
		pin = pin_find(nft, &wrong[i].flow);
		if (pin) {
			pin_settle(nft, pin, KERNEL_OWNER_NONE);
			pin_drop_if_none(nft, pin);
		}
	}
	failed = nft_pins_change(nft, wrong, count);
	for (size_t i = 0; failed && i < count; i++)
		if (wrong[i].status)
			result = wrong[i].status;
	free(wrong);
	return result ? result : (long)count;
}
