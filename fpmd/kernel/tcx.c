// SPDX-License-Identifier: GPL-2.0-or-later
/* Owns the calls for tcx, which the libbpf of Debian 12 does not have yet. Keeps no state. */
#include "fpmd/kernel/tcx.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAMS_MAX 64	  /* at one place; the kernel's BPF_MPROG_MAX */
#define REPLACE (1U << 2) /* BPF_F_REPLACE */

/* The parts of union bpf_attr that Linux 6.6 reads, include/uapi/linux/bpf.h. */
struct attach {
	uint32_t target_ifindex;
	uint32_t attach_bpf_fd;
	uint32_t attach_type;
	uint32_t attach_flags;
	uint32_t replace_bpf_fd;
	uint32_t relative_fd;
	uint64_t expected_revision;
};

struct query {
	uint32_t target_ifindex;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags;
	uint64_t prog_ids;
	uint32_t count;
	uint32_t zero;
	uint64_t prog_attach_flags;
	uint64_t link_ids;
	uint64_t link_attach_flags;
	uint64_t revision;
};

static int call(enum bpf_cmd command, void *attributes, size_t size)
{
	return syscall(SYS_bpf, command, attributes, size) < 0 ? -errno : 0;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) < 0 ? 0 : info.id;
}

/* 1: it is there, 0: not, or a negative errno. */
static int is_attached(int device, enum tcx_point point, int fd)
{
	uint32_t ids[PROGRAMS_MAX], wanted = program_id(fd);
	struct query query = {
		.target_ifindex = (uint32_t)device,
		.attach_type = point,
		.prog_ids = (uintptr_t)ids,
		.count = PROGRAMS_MAX,
	};
	int status = call(BPF_PROG_QUERY, &query, sizeof(query));

	/* Nothing was ever attached. */
	if (status == -ENOENT)
		return 0;
	if (status < 0)
		return status;
	for (uint32_t i = 0; i < query.count && i < PROGRAMS_MAX; i++)
		if (wanted && ids[i] == wanted)
			return 1;
	return 0;
}

int tcx_attach(int device, enum tcx_point point, int fd, const int before[2])
{
	struct attach attach = {
		.target_ifindex = (uint32_t)device,
		.attach_bpf_fd = (uint32_t)fd,
		.attach_type = point,
	};
	int status = is_attached(device, point, fd);

	if (status != 0)
		return status < 0 ? status : 0;
	for (size_t i = 0; i < 2 && !attach.attach_flags; i++) {
		if (before[i] < 0 || is_attached(device, point, before[i]) != 1)
			continue;
		attach.attach_flags = REPLACE;
		attach.replace_bpf_fd = (uint32_t)before[i];
	}
	status = call(BPF_PROG_ATTACH, &attach, sizeof(attach));
	return status < 0 ? status : 1;
}

int tcx_detach(int device, enum tcx_point point, int fd)
{
	struct attach attach = {
		.target_ifindex = (uint32_t)device,
		.attach_bpf_fd = (uint32_t)fd,
		.attach_type = point,
	};

	return call(BPF_PROG_DETACH, &attach, sizeof(attach));
}
