# SPDX-License-Identifier: GPL-2.0-or-later
"""The Valkey engine for tools/bench: a server, and a cluster of 3 + 3, on the same machine. One server's thread does
what all members' do otherwise."""

from bench_onehop import OneHop
from group import Group
from record_servers import RecordServers


class Valkey(OneHop):
    """Figures as of the one-hop engine; put: until the server has it. The CPU of the servers counts, too."""

    name = "valkey"
    members = (8,)

    def make_group(self, count, key):
        self.servers = RecordServers(self.name, self.folder / self.name)
        try:
            return Group(count, key, connect=self.servers.connect)
        except BaseException:
            self.servers.close()
            raise

    def close(self):
        super().close()
        self.servers.close()

    def cpu(self):
        return super().cpu() + self.servers.cpu_us()


class ValkeyCluster(Valkey):
    name = "valkey-cluster"
