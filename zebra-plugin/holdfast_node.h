/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modules and the command table of vtysh share: the nodes and the words of the help. */
#ifndef HOLDFAST_NODE_H
#define HOLDFAST_NODE_H

#include "lib/command.h"

/* Behind FRR's own nodes; the same in zebra, mgmtd and vtysh. That of `debug` only writes lines. */
#define HOLDFAST_DEBUG_NODE ((enum node_type)(NODE_TYPE_MAX + 8))
#define HOLDFAST_NODE ((enum node_type)(NODE_TYPE_MAX + 9))
#define HOLDFAST_PROMPT "%s(config-holdfast)# "

#define HOLDFAST_STR "Keep the TCP sessions of an anycast service\n"
#define DIRECTORY_STR "The directory: which member owns which session\n"
#define TUNNEL_STR "The tunnel that detours go through (VXLAN-GPE)\n"
#define MARK_STR "Bits of the packet mark that are Holdfast's\n"
#define FLOWS_STR "Flows through this host, whose path is recorded (director)\n"
#define PINS_STR "Pins: per-flow policy routes\n"
#define VRF_REFUSED_FORMAT                                                                         \
	"%% VRF %s: Holdfast serves the default VRF only, which is not named; remove `vrf %s`\n"
#define VRF_REFUSED_STR "Not supported: Holdfast serves the default VRF only\n"
#define SECONDS_STR "Seconds\n"
#define PORT_STR "UDP port\n"

#endif
