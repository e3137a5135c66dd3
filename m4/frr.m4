dnl SPDX-License-Identifier: GPL-2.0-or-later
dnl Finds the headers that match the installed FRR.
