// SPDX-License-Identifier: GPL-2.0-or-later
#include "fpmd/pin.h"
#include "tests/unit.h"

START_TEST(add_find_remove_bounded)
{
	struct pins pins;
	struct flow one = unit_flow(1), two = unit_flow(2), three = unit_flow(3);

	pins_init(&pins, 2);
	ck_assert_ptr_nonnull(pin_add(&pins, &one, 5, 0));
	ck_assert_ptr_nonnull(pin_add(&pins, &two, 6, 0));
	ck_assert_ptr_null(pin_add(&pins, &three, 7, 0));
	ck_assert_uint_eq(pin_find(&pins, &two)->owner, 6);
	pin_remove(&pins, pin_find(&pins, &one));
	ck_assert_ptr_null(pin_find(&pins, &one));
	ck_assert_ptr_nonnull(pin_add(&pins, &three, 7, 0));
	pins_clear(&pins);
	ck_assert_uint_eq(pins_count(&pins), 0);
}
END_TEST

START_TEST(each_pin_is_checked_once_per_interval)
{
	struct pins pins;
	struct pin *pin;

	pins_init(&pins, 10);
	for (uint16_t i = 0; i < 10; i++) {
		struct flow flow = unit_flow(i);

		pin_add(&pins, &flow, 1, i);
	}
	ck_assert_ptr_null(pin_check_begin(&pins, 100, 99));
	for (uint16_t i = 0; i < 10; i++) {
		pin = pin_check_begin(&pins, 100, 109);
		ck_assert_ptr_nonnull(pin);
		ck_assert_uint_eq(pin->flow.client_port, i);
		pin_check_end(&pins, pin, true, 109);
	}
	ck_assert_ptr_null(pin_check_begin(&pins, 100, 208));
	/* A pin may go while it is being checked. */
	pin = pin_check_begin(&pins, 100, 209);
	pin_remove(&pins, pin);
	ck_assert_uint_eq(pins_count(&pins), 9);
	pins_clear(&pins);
}
END_TEST

START_TEST(what_was_taken_over_is_checked_first)
{
	struct pins pins;
	struct pin *pin;
	struct flow known = unit_flow(1), old = unit_flow(2);

	pins_init(&pins, 10);
	pin_add(&pins, &known, 1, 0);
	pin_take_over(&pins, &old, 1, 500);
	pin = pin_check_begin(&pins, 60000, 500);
	ck_assert_uint_eq(pin->flow.client_port, old.client_port);
	ck_assert_uint_eq(pins.checking, 1);
	/* Nobody answered: soon again. */
	pin_check_end(&pins, pin, false, 1000);
	ck_assert_ptr_null(pin_check_begin(&pins, 60000, 999 + PIN_RETRY_MS));
	pin = pin_check_begin(&pins, 60000, 1000 + PIN_RETRY_MS);
	ck_assert_uint_eq(pin->flow.client_port, old.client_port);
	/* From now on it is a pin like others. */
	pin_check_end(&pins, pin, true, 3000);
	ck_assert_uint_eq(pins.checking, 0);
	pin = pin_check_begin(&pins, 60000, 60000);
	ck_assert_uint_eq(pin->flow.client_port, known.client_port);
	ck_assert_ptr_null(pin_check_begin(&pins, 60000, 62999));
	ck_assert_uint_eq(pin_check_begin(&pins, 60000, 63000)->flow.client_port, old.client_port);
	pins_clear(&pins);
	ck_assert_uint_eq(pins.checking, 0);
}
END_TEST

START_TEST(a_pin_in_doubt_is_checked_soon)
{
	struct pins pins;
	struct flow one = unit_flow(1), two = unit_flow(2);
	struct pin *pin;

	pins_init(&pins, 10);
	pin_add(&pins, &one, 1, 0);
	pin_add(&pins, &two, 1, 0);
	pin_doubt(&pins, pin_find(&pins, &two), 500);
	ck_assert_ptr_null(pin_check_begin(&pins, 60000, 499 + PIN_RETRY_MS));
	pin = pin_check_begin(&pins, 60000, 500 + PIN_RETRY_MS);
	ck_assert_uint_eq(pin->flow.client_port, two.client_port);
	/* Also while it is being checked. */
	pin_doubt(&pins, pin, 2000);
	pin_check_end(&pins, pin, false, 2100);
	ck_assert_ptr_eq(pin_check_begin(&pins, 60000, 2100 + PIN_RETRY_MS), pin);
	pin_check_end(&pins, pin, true, 4000);
	ck_assert_ptr_null(pin_check_begin(&pins, 60000, 59999));
	pins_clear(&pins);
}
END_TEST

UNIT_MAIN("pin", add_find_remove_bounded, each_pin_is_checked_once_per_interval,
	  what_was_taken_over_is_checked_first, a_pin_in_doubt_is_checked_soon)
