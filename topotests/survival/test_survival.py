# SPDX-License-Identifier: GPL-2.0-or-later
"""
TCP sessions over BGP changes in the Clos of lab/topology.py: stock bgpd, bfdd and zebra, the module, fpmd.

    client - edge - 2 spines - 3 leaves - 6 servers, each at two leaves

All tests use one network, which is mended after each. Every session asks ten times a second and knows
which server answers.
"""
import collections
import json
import os
import shutil
import signal
import sys
import time

import pytest

from clos import CONFTEST, SESSIONS, Clos, topology

sys.path.insert(0, os.path.join(CONFTEST.TOP, "topotests", "valkey"))

import servers  # noqa: E402

from lab import measure  # noqa: E402
from lab.traffic import Client  # noqa: E402

GRACE = 15  # seconds that fpmd keeps kernel state after `no holdfast`


def interrupt(number, _frame):
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def network_of_all(request):
    clos = None
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        clos = Clos(request.module.__name__)
        clos.start()
        yield clos
    finally:
        if clos:
            clos.close()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def clos(network_of_all):
    """The Clos in service. Afterwards no daemon may have died but those that the test ended itself."""
    yield network_of_all
    dead = network_of_all.dead()
    network_of_all.restore()
    assert not dead


def eventually(check, seconds=5.0):
    end = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


class Outcome:
    """What became of the sessions of a run of the client."""

    def __init__(self, clos, client):
        self.sessions = client.finish()["sessions"]
        self.owners = {
            (topology.CLIENT_ADDRESS, session["port"]): session["owner"]
            for session in self.sessions if session["owner"]
        }  # fmt: skip
        self.moved = measure.moved(clos.meters.places(), self.owners)

    def all_reset(self, owner):
        results = {session["result"] for session in self.sessions if session["owner"] == owner}
        assert results == {"reset"}, results

    def all_lived(self, but=None):
        lost = [session for session in self.sessions if session["owner"] != but and session["result"] != "survived"]
        assert not lost, f"{len(lost)} of {len(self.sessions)}: {lost[:3]}"


def pinned(clos):
    """The pins of all servers that run: {server: pins}."""
    return {server: clos.pins(server) for server in clos.holdfast.processes}


def pins_to(clos, owner):
    member = clos.topology.nodes[owner].member
    return sum(owner == member for pins in pinned(clos).values() for owner in pins.values())


def detour_some(clos, drained):
    """Withdraws the VIP on a server, and waits until detours exist and no new ones come."""
    before = clos.detours()
    clos.network.withdraw(drained)
    clos.network.await_convergence()
    time.sleep(0.5)
    assert clos.detours() > before


def busiest(clos):
    """The server with the most pins."""
    return max(pinned(clos).items(), key=lambda item: len(item[1]))[0]


def most_wanted(clos, but):
    """The server that the most pins lead to, other than *but*."""
    names = [server.name for server in clos.topology.servers if server.name != but]
    name = max(names, key=lambda server: pins_to(clos, server))
    assert pins_to(clos, name) > 0
    return name


def test_converges(clos):
    client = clos.connect()
    for server in clos.topology.servers:
        members = clos.show(server.name, "members")
        assert [one["state"] for one in members["members"]] == ["in ring"] * len(clos.topology.servers)
        assert not members["isolated"]
        summary = clos.show(server.name, "")
        assert summary["state"] == "running" and not summary["problems"] and summary["pins"] == 0
    published = {server.name: clos.show(server.name, "sessions")["count"] for server in clos.topology.servers}
    outcome = Outcome(clos, client)
    outcome.all_lived()
    assert not outcome.moved and clos.detours() == 0
    counted = collections.Counter(outcome.owners.values())
    assert published == {server.name: counted[server.name] for server in clos.topology.servers}


def detours_are_what_moved(clos, outcome, before):
    flows = {flow for flow, _ in outcome.moved}
    assert flows, "nothing moved: the test proves nothing"
    assert len(flows) <= clos.detours() - before <= len(outcome.moved)


def test_add_server(clos):
    server = clos.topology.servers[2].name
    clos.network.withdraw(server)
    clos.network.await_convergence()
    client = clos.connect()
    before = clos.detours()
    clos.network.announce(server)
    clos.network.await_convergence()
    time.sleep(1)
    outcome = Outcome(clos, client)
    outcome.all_lived()
    assert server not in outcome.owners.values()
    detours_are_what_moved(clos, outcome, before)


def test_drain_by_withdrawal(clos):
    server = clos.topology.servers[0].name
    client = clos.connect()
    before = clos.detours()
    clos.network.withdraw(server)
    clos.network.await_convergence()
    time.sleep(1)
    assert pins_to(clos, server) > 0
    outcome = Outcome(clos, client)
    outcome.all_lived()
    detours_are_what_moved(clos, outcome, before)


def test_drain_by_address(clos):
    """A `local` route holds the sessions of a VIP that is gone, and goes after the last of them."""
    server = clos.topology.servers[1].name

    def local_route():
        return clos.run.execute(server, ["ip", "route", "show", "table", "local", topology.VIP])

    client = clos.connect()
    assert "proto kernel" in local_route()
    before = clos.detours()
    clos.network.remove_address(server)
    clos.network.await_convergence()
    time.sleep(1)
    assert "proto 79" in local_route()
    outcome = Outcome(clos, client)
    outcome.all_lived()
    assert server in outcome.owners.values()
    detours_are_what_moved(clos, outcome, before)
    # fpmd holds it for 5 s at least, and looks every 2 s.
    assert eventually(lambda: not local_route(), 10), local_route()
    assert clos.show(server, "sessions")["count"] == 0


def drain(clos, server, wanted):
    with clos.network.vty(server, "zebra") as vty:
        vty.configure(["holdfast", "drain" if wanted else "no drain"])
    (clos.network.serving.discard if wanted else clos.network.serving.add)(server)
    clos.network.await_convergence()


def test_drain_by_command(clos):
    """All sessions live, new ones go elsewhere, also while fpmd is dead; the address comes back as it was."""
    server, other = (one.name for one in clos.topology.servers[1:3])
    member = clos.topology.nodes[server].member

    def addresses():
        return sorted(clos.run.execute(server, ["ip", "-d", "-o", "addr", "show", "dev", "lo"]).splitlines())

    def seen_by(name):
        return [one["draining"] for one in clos.show(name, "members")["members"] if one["address"] == member]

    before, whole = clos.detours(), addresses()
    client = clos.connect()
    own = clos.show(server, "sessions")["count"]
    assert own > 0 and any(topology.VIP in line for line in whole)
    try:
        drain(clos, server, True)
        assert addresses() == [line for line in whole if topology.VIP not in line]
        shown = clos.show(server, "")["drain"]
        assert shown["sessions"] == sum(shown["ages"].values()) == own and not shown["done"]
        assert shown["addressesAway"] == [f"{topology.VIP}/32 dev lo scope global"]
        assert eventually(lambda: seen_by(other) == [True])
        clos.holdfast.kill(clos.network, server)
        new = Client(clos.run, CONFTEST.BUILD, SESSIONS, clos.next_port, 1, control=None, ramp_ms=500)
        clos.next_port += SESSIONS + 10
        new.await_ready()
        clos.holdfast.start_missing(clos.network)
        clos.holdfast.await_ready(clos.network)
        assert clos.show(server, "")["drain"]["sessions"] == own
        time.sleep(0.5)
        fresh = new.finish()["sessions"]
        assert {one["result"] for one in fresh} == {"survived"} and server not in {one["owner"] for one in fresh}
        outcome = Outcome(clos, client)
        outcome.all_lived()
        assert collections.Counter(outcome.owners.values())[server] == own
        detours_are_what_moved(clos, outcome, before)
        assert eventually(lambda: clos.show(server, "")["drain"]["done"], 12), clos.show(server, "")
        assert topology.VIP not in "".join(addresses())
    finally:
        drain(clos, server, False)
    assert addresses() == whole
    assert "drain" not in clos.show(server, "") and eventually(lambda: seen_by(other) == [False])
    outcome = Outcome(clos, clos.connect())
    outcome.all_lived()
    assert server in outcome.owners.values()


def test_clear_pins(clos):
    """Each flow is looked up anew with its next segment, and no session notices."""
    drained = clos.topology.servers[0].name
    client = clos.connect()
    detour_some(clos, drained)
    server = busiest(clos)
    before, detours = clos.pins(server), clos.detours()

    def clear(words):
        with clos.network.vty(server, "zebra") as vty:
            return vty.command(f"clear holdfast pins {words}")

    owner, wanted = collections.Counter(before.values()).most_common(1)[0]
    assert clear("owner 10.255.0.200") == "% 10.255.0.200 is no member that pins lead to: see show holdfast members\n"
    assert clear(f"flow {topology.CLIENT_ADDRESS} 1 {topology.VIP} 7000").endswith(" has no pin\n")
    assert int(clear(f"owner {owner}").split()[0]) >= wanted > 0
    assert int(json.loads(clear("all json"))["removed"]) >= len(before) - wanted
    assert eventually(lambda: clos.pins(server) == before)
    assert clos.detours() - detours >= len(before)
    outcome = Outcome(clos, client)
    outcome.all_lived()


def test_uplink_loss(clos):
    server = clos.topology.servers[3].name
    leaf = clos.topology.uplinks(server)[0]
    client = clos.connect()
    before = clos.detours()
    clos.network.cut((leaf, server))
    time.sleep(2)
    outcome = Outcome(clos, client)
    outcome.all_lived()
    detours_are_what_moved(clos, outcome, before)


def test_the_application_of_an_owner_dies(clos):
    drained = clos.topology.servers[4].name
    client = clos.connect()
    detour_some(clos, drained)
    victim = most_wanted(clos, drained)
    assert clos.records_of(victim) > 0
    clos.applications.stop(victim, signal.SIGKILL)
    assert eventually(lambda: not pins_to(clos, victim))
    assert eventually(lambda: not clos.records_of(victim))
    assert clos.show(victim, "sessions")["count"] == 0
    outcome = Outcome(clos, client)
    outcome.all_reset(victim)
    outcome.all_lived(but=victim)


def test_a_server_crashes(clos):
    drained = clos.topology.servers[5].name
    client = clos.connect()
    detour_some(clos, drained)
    victim = most_wanted(clos, drained)
    fpmd = clos.holdfast.retire(clos.network, victim)
    clos.network.cut_node(victim)
    clos.network.kill_daemons(victim)
    clos.applications.stop(victim, signal.SIGKILL)
    clos.run.stop([fpmd], signal.SIGKILL)
    clos.network.serving.discard(victim)
    assert eventually(lambda: not pins_to(clos, victim))
    time.sleep(1)
    outcome = Outcome(clos, client)
    outcome.all_reset(victim)
    outcome.all_lived(but=victim)


def test_fpmd_is_killed_and_takes_its_pins_over(clos):
    client = clos.connect()
    detour_some(clos, clos.topology.servers[0].name)
    server = busiest(clos)
    pins, kernel = clos.pins(server), clos.kernel_pins(server)
    assert pins and set(pins) == kernel
    clos.holdfast.kill(clos.network, server)
    time.sleep(1)
    assert clos.kernel_pins(server) == kernel
    clos.holdfast.start(clos.network, server)
    clos.holdfast.await_ready(clos.network)
    assert clos.holdfast.pins_taken_over(clos.network, server) >= len(pins)
    assert clos.pins(server) == pins and clos.kernel_pins(server) == kernel
    Outcome(clos, client).all_lived()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_zebra_ends_and_is_started_again(clos, how):
    """Routes and detours work on without it, and the replay of the new one takes no pin away."""
    client = clos.connect()
    detour_some(clos, clos.topology.servers[1].name)
    server = busiest(clos)
    pins, kernel = clos.pins(server), clos.kernel_pins(server)
    assert pins and set(pins) == kernel
    routes = clos.bgp_routes(server)
    clos.network.stop_daemon(server, "zebra", how)
    time.sleep(0.5)
    assert clos.kernel_pins(server) == kernel
    assert routes and clos.bgp_routes(server) == routes
    # It leaves alone what it finds, until bgpd reconnects: that tries every 10 s only.
    clos.network.start_daemon(server, "zebra")
    assert eventually(lambda: (clos.holdfast.ask(clos.network, server, "") or {}).get("zebraConnected"))
    assert clos.pins(server).items() >= pins.items() and clos.kernel_pins(server) >= kernel
    clos.await_bgpd(server)
    clos.holdfast.await_ready(clos.network)
    assert clos.pins(server).items() >= pins.items() and clos.kernel_pins(server) >= kernel
    # bgpd resets its sessions then, and for a moment the server itself is gone.
    Outcome(clos, client).all_lived(but=server)


def restart_bgpd(clos, server, how):
    clos.network.stop_daemon(server, "bgpd", how)
    clos.network.start_daemon(server, "bgpd")
    clos.await_bgpd(server)


@pytest.fixture
def graceful(clos):
    """A server whose bgpd restarts gracefully, as its leaves know: BGP's own means against what a restart costs. There is
    no BFD between them: a bgpd that ends takes its BFD sessions along, and the leaves take that for a loss of the link."""
    server = clos.topology.servers[4].name

    def configure_leaves(*lines):
        for leaf in clos.topology.uplinks(server):
            with clos.network.vty(leaf, "bgpd") as vty:
                vty.configure([f"router bgp {clos.topology.nodes[leaf].asn}", *lines])

    configure_leaves("no bgp graceful-restart-disable", "no neighbor FABRIC bfd")
    clos.network.graceful.add(server)
    restart_bgpd(clos, server, signal.SIGTERM)
    clos.holdfast.await_ready(clos.network)
    yield server
    clos.network.graceful.discard(server)
    configure_leaves("bgp graceful-restart-disable", "neighbor FABRIC bfd", "neighbor FABRIC bfd profile fabric")
    restart_bgpd(clos, server, signal.SIGTERM)


def test_bgpd_restarts_gracefully(clos, graceful):
    """No session of the server is lost, no route, no pin."""
    client = clos.connect()
    detour_some(clos, clos.topology.servers[1].name)
    leaves = clos.topology.uplinks(graceful)
    routes, there = clos.bgp_routes(graceful), [clos.bgp_routes(leaf) for leaf in leaves]
    pins, kernel = clos.pins(graceful), clos.kernel_pins(graceful)
    assert pins and set(pins) == kernel
    clos.network.stop_daemon(graceful, "bgpd", signal.SIGKILL)
    time.sleep(1.5)
    assert clos.bgp_routes(graceful) == routes and [clos.bgp_routes(leaf) for leaf in leaves] == there
    assert clos.pins(graceful).items() >= pins.items() and clos.kernel_pins(graceful) >= kernel
    clos.network.start_daemon(graceful, "bgpd")
    clos.await_bgpd(graceful)
    clos.holdfast.await_ready(clos.network)
    assert clos.pins(graceful).items() >= pins.items() and clos.kernel_pins(graceful) >= kernel
    Outcome(clos, client).all_lived()


def test_an_isolated_server_keeps_its_pins(clos):
    client = clos.connect()
    detour_some(clos, clos.topology.servers[2].name)
    server = busiest(clos)
    uplinks = [(leaf, server) for leaf in clos.topology.uplinks(server)]
    pins, kernel = clos.pins(server), clos.kernel_pins(server)
    assert pins and set(pins) == kernel
    clos.network.cut(*uplinks)
    assert eventually(lambda: clos.show(server, "members")["isolated"])
    time.sleep(1)
    assert clos.pins(server) == pins and clos.kernel_pins(server) == kernel
    clos.network.mend(*uplinks)
    clos.network.await_convergence()
    clos.holdfast.await_ready(clos.network)
    assert not clos.show(server, "members")["isolated"]
    # More flows may have come meanwhile.
    assert clos.pins(server).items() >= pins.items()
    Outcome(clos, client).all_lived(but=server)


def test_a_missing_capability_is_told(clos):
    """fpmd starts again without CAP_BPF: zebra shows why it does not run, what the kernel has goes on."""
    client = clos.connect()
    detour_some(clos, clos.topology.servers[4].name)
    server = busiest(clos)
    pins, kernel = clos.pins(server), clos.kernel_pins(server)
    clos.holdfast.kill(clos.network, server)
    clos.holdfast.start(clos.network, server, ["setpriv", "--bounding-set=-bpf"])

    def problems():
        return (clos.holdfast.ask(clos.network, server, "") or {}).get("problems")

    told = eventually(problems)
    assert len(told) == 1 and "CAP_BPF" in told[0] and "\n" not in told[0], told
    assert pins and clos.kernel_pins(server) == kernel
    clos.holdfast.kill(clos.network, server)
    clos.holdfast.start(clos.network, server)
    clos.holdfast.await_ready(clos.network)
    assert not problems() and clos.pins(server).items() >= pins.items()
    Outcome(clos, client).all_lived()


def test_a_translated_vip_is_told(clos):
    """What is published to containers cannot be kept; it is refused, and nothing is lost by that."""
    client = clos.connect()
    server = clos.topology.servers[0].name
    table = f"""table ip published {{
chain prerouting {{
	type nat hook prerouting priority dstnat;
	ip daddr {topology.VIP} tcp dport 8080 dnat to 172.17.0.2:80
}}
}}
"""
    clos.run.execute(server, ["nft", "-f", "-"], input=table)
    look_again = ["holdfast", "pins check-interval 59"], ["holdfast", "no pins check-interval"]
    with clos.network.vty(server, "zebra") as vty:
        vty.configure(look_again[0])
    summary = eventually(lambda: (shown := clos.show(server, "")) and shown["problems"] and shown)
    assert len(summary["problems"]) == 1, summary
    assert f"{topology.VIP} port 8080 is translated by a NAT rule" in summary["problems"][0]
    assert summary["vips"][0]["refused"] == summary["problems"][0] and not summary["vips"][0]["served"]
    clos.run.execute(server, ["nft", "delete", "table", "ip", "published"])
    with clos.network.vty(server, "zebra") as vty:
        vty.configure(look_again[1])
    assert eventually(lambda: not clos.show(server, "")["problems"])
    assert clos.show(server, "")["vips"][0]["served"]
    Outcome(clos, client).all_lived()


def route_from_member(clos, server, action):
    """What `set src` of a route-map does: the addresses of the links are announced nowhere."""
    argv = ["ip", "-j", "route", "show", topology.CLIENT_NET]
    hops = json.loads(clos.run.execute(server.name, argv))[0]
    words = [f"nexthop via {hop['gateway']} dev {hop['dev']}" for hop in hops.get("nexthops", [hops])]
    route = f"ip route {action} {topology.CLIENT_ADDRESS}/32 proto static src {server.member} {' '.join(words)}"
    clos.run.execute(server.name, route.split())


def test_a_server_keeps_the_records(clos):
    """`directory engine valkey` while sessions run; fpmd dies, the server dies; and the members keep them again."""
    password = clos.run.directory / "valkey.password"
    password.write_text("sesame\n")
    os.chmod(password, 0o600)
    shutil.chown(password, "frr", "frr")
    line = f"directory engine valkey {topology.CLIENT_ADDRESS} 6379 password-file {password}"

    def start_server():
        options = ["--bind", topology.CLIENT_ADDRESS, "--save", "", "--requirepass", "sesame"]
        return clos.run.spawn(topology.CLIENT, [servers.binary("server"), *options], "valkey.log")

    def records():
        argv = [servers.binary("cli"), "-h", topology.CLIENT_ADDRESS, "--scan", "--pattern", "holdfast:*:r:*"]
        return len(clos.run.execute(topology.CLIENT, ["env", "REDISCLI_AUTH=sesame", *argv]).split())

    def configure(*lines):
        for server in clos.topology.servers:
            with clos.network.vty(server.name, "zebra") as vty:
                vty.configure(["holdfast", *lines])

    def all_directories(condition):
        return all(condition(clos.show(server.name, "directory")) for server in clos.topology.servers)

    def kept():
        return all_directories(lambda shown: shown.get("server", {}).get("state") == "ready" and
                               shown["server"]["asked"] and shown["counters"]["publishWaiting"] == 0)

    for server in clos.topology.servers:
        route_from_member(clos, server, "add")
    valkey = start_server()
    client = clos.connect()
    try:
        configure(line)
        assert eventually(kept), clos.show(clos.topology.servers[0].name, "directory")
        assert all_directories(lambda shown: shown["engine"] == "valkey" and "nodes" in shown["server"])
        # And those of tests before, as long as they are in TIME_WAIT.
        assert records() >= SESSIONS
        with clos.network.vty(clos.topology.servers[0].name, "zebra") as vty:
            assert f" {line}\n" in vty.command("show running-config")
            shown = vty.command("show holdfast directory")
            assert f"server {topology.CLIENT_ADDRESS} port 6379: ready since" in shown and "%" not in shown
        drained = clos.topology.servers[1].name
        detour_some(clos, drained)
        assert sum(clos.show(server.name, "directory")["counters"]["serverHits"] for server in clos.topology.servers) > 0
        # A new fpmd is told which engine it is, and what it finds in its kernel is published again.
        server = busiest(clos)
        pins = clos.pins(server)
        clos.holdfast.kill(clos.network, server)
        clos.holdfast.start(clos.network, server)
        clos.holdfast.await_ready(clos.network)
        assert eventually(kept) and records() >= SESSIONS
        assert pins and clos.pins(server).items() >= pins.items()

        clos.run.stop([valkey], signal.SIGKILL)
        assert eventually(lambda: all_directories(lambda shown: not shown["server"]["asked"]))
        with clos.network.vty(server, "zebra") as vty:
            shown = vty.command("show holdfast directory")
            assert "unreachable since" in shown and "look-ups ask all members" in shown
        clos.network.announce(drained)
        clos.network.await_convergence()
        detour_some(clos, clos.topology.servers[2].name)
        valkey = start_server()
        assert eventually(lambda: kept() and records() >= SESSIONS, 10)
    finally:
        configure("no directory engine")
        for server in clos.topology.servers:
            route_from_member(clos, server, "del")
        clos.run.stop([valkey], signal.SIGKILL)
    assert eventually(lambda: all_directories(lambda shown: shown["engine"] == "one-hop"))
    assert eventually(lambda: clos.records_of(clos.topology.servers[3].name) > 0)
    Outcome(clos, client).all_lived()


def test_removal(clos):
    """After the grace time the kernel is as it was before; entered again, all is in service again."""
    client = clos.connect()
    detour_some(clos, clos.topology.servers[3].name)
    Outcome(clos, client).all_lived()
    clos.network.announce(clos.topology.servers[3].name)
    for server in clos.topology.servers:
        with clos.network.vty(server.name, "zebra") as vty:
            vty.configure(["no holdfast"])

    def changed():
        states = {name: clos.kernel_state(name) for name in clos.untouched}
        return {
            (name, what): (state[what], clos.untouched[name][what])
            for name, state in states.items() for what in state if state[what] != clos.untouched[name][what]
        }  # fmt: skip

    assert changed()
    assert eventually(lambda: not changed(), GRACE + 5), changed()
    for server in clos.topology.servers:
        with clos.network.vty(server.name, "zebra") as vty:
            vty.configure([line.strip() for line in clos.holdfast.zebra_config(server).splitlines()[:-1]])
