/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See holdfast_model.h. */
#include "zebra-plugin/compat.h"

#include "lib/yang.h"

#include "yang/frr-holdfast.yang.h"
#include "zebra-plugin/holdfast_model.h"

static struct yang_module_embed model = {
	.mod_name = HOLDFAST_MODEL_NAME,
	.mod_rev = HOLDFAST_YANG_REVISION,
	.sub_mod_name = "",
	.sub_mod_rev = "",
	.data = HOLDFAST_YANG_MODEL,
	.format = LYS_IN_YANG,
};

void holdfast_model_embed(void)
{
	yang_module_embed(&model);
}
