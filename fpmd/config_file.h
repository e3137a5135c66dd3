/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as a text: the lines that `show running-config` prints of us, the block
 * `holdfast` and `debug holdfast`. For hosts whose zebra has no module of ours. What may be
 * configured, and the defaults, are those of zebra-plugin/holdfast_config.h. Pure.
 */
#ifndef HOLDFAST_CONFIG_FILE_H
#define HOLDFAST_CONFIG_FILE_H

#include "fpm/holdfast.pb-c.h"
#include "fpmd/error.h"
#include "zebra-plugin/holdfast_config.h"

/* A file that is larger is none of ours. */
#define CONFIG_FILE_SIZE_MAX 65536

/*
 * Reads *text*, which it cuts into words. A text without a block is a configuration that was
 * removed. Returns 0, or -1 with *error*: "line 7: ", the fault, the remedy; *config* is then of no
 * use.
 */
int config_file_parse(char *text, struct holdfast_config *config, struct error *error);

/*
 * The same configuration as zebra's module would send it, or NULL: no memory. To be freed with
 * holdfast__frame__free_unpacked().
 */
Holdfast__Frame *config_file_message(const struct holdfast_config *config);

#endif
