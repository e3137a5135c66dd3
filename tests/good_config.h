/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration as zebra sends it, without a fault. Tests change it as they like, and begin anew.
 */
#ifndef HOLDFAST_TEST_GOOD_CONFIG_H
#define HOLDFAST_TEST_GOOD_CONFIG_H

#include "fpm/holdfast.pb-c.h"

extern uint8_t vip_bytes[2][4], range_bytes[4], local_bytes[4];
extern Holdfast__Prefix vips[2], range, *vip_list[2], *range_list[1];
extern ProtobufCBinaryData local_list[1];
extern Holdfast__Config config; /* one of the two VIPs, the range, the local member */

void config_good(void);
void prefix_set(Holdfast__Prefix *prefix, uint8_t *bytes, uint32_t length);

#endif
