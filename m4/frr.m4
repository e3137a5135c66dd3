dnl SPDX-License-Identifier: GPL-2.0-or-later
dnl Finds the headers and the CLI preprocessor that match the installed FRR. The module of zebra and
dnl the command table of vtysh need them; fpmd does not.
AC_ARG_ENABLE([zebra-plugin], [AS_HELP_STRING([--disable-zebra-plugin],
	[build fpmd alone: no module for zebra, no commands for vtysh])], [], [enable_zebra_plugin=yes])
AC_ARG_WITH([frr-source], [AS_HELP_STRING([--with-frr-source=DIR],
	[FRR's source of the installed version, configured in DIR/build as tools/frr-headers does @<:@what tools/frr-headers made@:>@])],
	[], [with_frr_source=])
AC_ARG_WITH([zebra], [AS_HELP_STRING([--with-zebra=FILE],
	[the installed zebra @<:@/usr/lib/frr/zebra@:>@])], [], [with_zebra=/usr/lib/frr/zebra])

AS_IF([test "$enable_zebra_plugin" != no], [
	AC_MSG_CHECKING([for the installed FRR])
	AS_IF([test ! -x "$with_zebra"], [AC_MSG_ERROR([$with_zebra is missing: run tools/setup, install the Debian package frr, or give --disable-zebra-plugin])])
	frr_version=`"$with_zebra" --version 2>/dev/null | sed -n 's/^zebra version \(@<:@0-9.@:>@*\).*/\1/p'`
	FRR_MODULE_DIR=`"$with_zebra" --version 2>/dev/null | sed -n "s/.*--with-moduledir=\(@<:@^'@:>@*\)'.*/\1/p"`
	FRR_YANG_DIR=`"$with_zebra" --version 2>/dev/null | sed -n "s/.*--with-yangmodelsdir=\(@<:@^'@:>@*\)'.*/\1/p"`
	AS_IF([test -z "$FRR_YANG_DIR"], [FRR_YANG_DIR=/usr/share/yang])
	AS_IF([test -z "$frr_version"], [AC_MSG_ERROR([$with_zebra does not tell its version])])
	AS_IF([test -z "$FRR_MODULE_DIR"], [FRR_MODULE_DIR=/usr/lib/frr/modules])
	AC_MSG_RESULT([$frr_version, modules in $FRR_MODULE_DIR])

	AC_MSG_CHECKING([whether zebra gets its configuration from mgmtd])
	AS_IF([grep -q zebra_be_client_data "$with_zebra"], [frr_through_mgmtd=1], [frr_through_mgmtd=0])
	AC_MSG_RESULT([$frr_through_mgmtd])

	AC_MSG_CHECKING([for the headers of FRR $frr_version])
	AS_IF([test -n "$with_frr_source"], [FRR_SOURCE=$with_frr_source],
		[FRR_SOURCE=`"$srcdir/tools/frr-headers" --print 2>/dev/null`])
	AS_IF([test -z "$FRR_SOURCE" || test ! -f "$FRR_SOURCE/lib/command.h"],
		[AC_MSG_ERROR([not found: run tools/setup as root (or only tools/frr-headers), or give --with-frr-source=DIR or --disable-zebra-plugin])])
	FRR_BUILD=$FRR_SOURCE/build
	AS_IF([test ! -f "$FRR_BUILD/config.h" || test ! -x "$FRR_BUILD/lib/clippy"],
		[AC_MSG_ERROR([$FRR_SOURCE/build is not configured or has no clippy: run tools/frr-headers again])])
	frr_header_version=`sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$FRR_BUILD/config.h"`
	AS_IF([test "$frr_header_version" != "$frr_version"],
		[AC_MSG_ERROR([the headers in $FRR_SOURCE are of FRR $frr_header_version, but the installed zebra is $frr_version: run tools/setup again])])
	dnl The number of next hops sizes arrays that zebra and its modules share.
	frr_multipath=`"$with_zebra" --version | sed -n "s/.*'--enable-multipath=\(@<:@0-9@:>@*\)'.*/\1/p"`
	frr_header_multipath=`sed -n 's/^#define MULTIPATH_NUM //p' "$FRR_BUILD/config.h"`
	AS_IF([test -n "$frr_multipath" && test "$frr_header_multipath" != "$frr_multipath"],
		[AC_MSG_ERROR([the headers in $FRR_SOURCE are configured for $frr_header_multipath next hops, but the installed zebra for $frr_multipath: configure them with the options that $with_zebra --version shows, or run tools/setup])])
	AS_IF([! "$FRR_BUILD/lib/clippy" /dev/null >/dev/null 2>&1],
		[AC_MSG_ERROR([$FRR_BUILD/lib/clippy does not run, perhaps because Python was upgraded: remove $FRR_SOURCE and run tools/setup again])])
	AC_MSG_RESULT([$FRR_SOURCE])

	PKG_CHECK_MODULES([LIBYANG], [libyang], [], [HF_MISSING([libyang], [libyang2-dev])])
	FRR_CLIPPY=$FRR_BUILD/lib/clippy
	FRR_VERSION_NUMBER=`echo "$frr_version" | awk -F. '{ print $1 * 100 + $2 }'`
	dnl FRR's config.h, not ours; its headers are not ours to warn about.
	FRR_CPPFLAGS="-UHAVE_CONFIG_H -include $FRR_BUILD/config.h -DFRR_VERSION_NUMBER=$FRR_VERSION_NUMBER -DHOLDFAST_THROUGH_MGMTD=$frr_through_mgmtd -isystem $FRR_BUILD -isystem $FRR_SOURCE -isystem $FRR_BUILD/lib -isystem $FRR_SOURCE/lib -isystem $FRR_SOURCE/include $LIBYANG_CFLAGS $JSON_CFLAGS"
	FRR_CFLAGS="-fms-extensions -Wno-missing-field-initializers"
])
AM_CONDITIONAL([ZEBRA_PLUGIN], [test "$enable_zebra_plugin" != no])
AM_CONDITIONAL([THROUGH_MGMTD], [test "$enable_zebra_plugin" != no && test "$frr_through_mgmtd" = 1])
AC_SUBST([FRR_SOURCE])
AC_SUBST([FRR_BUILD])
AC_SUBST([FRR_CLIPPY])
AC_SUBST([FRR_CPPFLAGS])
AC_SUBST([FRR_CFLAGS])
AC_SUBST([FRR_MODULE_DIR])
AC_SUBST([FRR_YANG_DIR])
FRR_SBINDIR=`dirname "$with_zebra"`
AC_SUBST([FRR_SBINDIR])

AC_ARG_WITH([systemd-unit-dir], [AS_HELP_STRING([--with-systemd-unit-dir=DIR],
	[where systemd looks for units @<:@PREFIX/lib/systemd/system@:>@])],
	[SYSTEMD_UNIT_DIR=$with_systemd_unit_dir], [SYSTEMD_UNIT_DIR='${prefix}/lib/systemd/system'])
AC_SUBST([SYSTEMD_UNIT_DIR])
