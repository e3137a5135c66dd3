/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The YANG model (yang/frr-holdfast.yang), which is part of the modules. */
#ifndef HOLDFAST_MODEL_H
#define HOLDFAST_MODEL_H

#define HOLDFAST_MODEL_NAME "frr-holdfast"
#define HOLDFAST_XPATH "/frr-holdfast:holdfast"

/* Makes libyang find it by its name. To be called once. */
void holdfast_model_embed(void);

#endif
