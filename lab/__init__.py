# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: one RFC 7938 Clos in network namespaces, traffic, scenarios and their judgement."""
