# SPDX-License-Identifier: GPL-2.0-or-later
"""The data path of a director: the lab's router keeps every flow on its path.

Path 1 leads to server A, path 2 to server B. Both servers run Holdfast, too, so that the tunnel
leads to them; A has a second link, by which its member address is reached when the first is lost.
"""
import json
import os
import re
import signal
import time

from lab import (CAPABILITIES, PORT, VIP, VIP6, Driver, Failure, difference, expect, expect_round, run,
                 wait_until)

MEMBERS = {"R": "10.255.0.9", "A": "10.255.0.1", "B": "10.255.0.2"}
MEMBERS6 = {"R": "2001:db8:ff::9", "A": "2001:db8:ff::1", "B": "2001:db8:ff::2"}
PATH_MASK = "0x0fff0000"
DIRECT = 0x4000
PATHS = {4: {"A": "1 4 10.2.0.2%toA", "B": "2 4 10.3.0.2%toB"},
         6: {"A": "3 6 2001:db8:2::2%toA", "B": "4 6 2001:db8:3::2%toB"}}
DEVICES = ("toA", "toA1", "toB", "toC", "hf-vx0")


def as_user(*command):
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
            "--inh-caps", CAPABILITIES, "--ambient-caps", CAPABILITIES,
            "--bounding-set", CAPABILITIES, *command]


def wire(lab):
    """Member addresses, and a second link between R and A."""
    run("ip", "link", "add", "up1", "netns", lab.ns("A"), "type", "veth", "peer", "name", "toA1",
        "netns", lab.ns("R"))
    for name, device, end in (("A", "up1", "2"), ("R", "toA1", "1")):
        lab.ip(name, "addr", "add", "10.4.0.%s/24" % end, "dev", device)
        lab.ip(name, "addr", "add", "2001:db8:4::%s/64" % end, "dev", device, "nodad")
        lab.ip(name, "link", "set", device, "mtu", "1600", "up")
    for name in "RAB":
        lab.ip(name, "addr", "add", MEMBERS[name] + "/32", "dev", "lo")
        lab.ip(name, "addr", "add", MEMBERS6[name] + "/128", "dev", "lo", "nodad")
    for name, members, nets in (("4", MEMBERS, "10.%d.0.2"), ("6", MEMBERS6, "2001:db8:%d::2")):
        for server, net, metric in (("A", 2, "10"), ("A", 4, "20"), ("B", 3, "10")):
            lab.ip("R", "-" + name, "route", "add", members[server], "via", nets % net, "metric", metric)
    for device in ("up0", "up1", "all"):
        lab.sysctl("A", "net.ipv4.conf.%s.rp_filter=0" % device,
                   "net.ipv4.conf.%s.ignore_routes_with_linkdown=1" % device)
    run("mount", "-t", "bpf", "none", maps_of(lab))


def maps_of(lab):
    folder = os.path.join(lab.folder, "maps")
    os.makedirs(folder, exist_ok=True)
    return folder


def maps_ready(lab):
    folder = os.path.join(maps_of(lab), "director")
    os.makedirs(folder, exist_ok=True)
    os.chown(folder, 65534, 65534)
    return folder


def direct(lab, *options, keep="nothing", maps=True, ipv6=False):
    command = [lab.program, "--local", MEMBERS["R"], "--path-mask", PATH_MASK, "--routed", VIP,
               "--owner", "1=" + MEMBERS["A"], "--owner", "2=" + MEMBERS["B"], "--keep", keep]
    if maps:
        command += ["--bpf-directory", maps_ready(lab)]
    if ipv6:
        command += ["--local", MEMBERS6["R"], "--routed", VIP6, "--owner", "9=" + MEMBERS6["A"]]
    driver = lab.start(Driver, "R", *as_user(*command, *options))
    driver.wait("^ready$")
    lab.drivers["R"] = driver
    return driver


def tell(driver, command):
    answer = driver.ask(command)
    expect(command, [line for line in answer if line.startswith("error")], [])
    return answer


def set_path(driver, name, *words, family=4):
    tell(driver, " ".join(("path", PATHS[family][name], *words)))


def serve(lab, *names, vip=VIP, holdfast=False):
    for name in names:
        lab.server(name, vip)
        if holdfast:
            command = [lab.program, "--local", MEMBERS[name], "--vip", VIP,
                       "--owner", "3=" + MEMBERS["R"], "--keep", "nothing"]
            driver = lab.start(Driver, name, *as_user(*command))
            driver.wait("^ready$")
            lab.drivers[name] = driver


def opened(lab, count=20, vip=VIP, owner="A"):
    client = lab.client()
    expect("opened", client.ask("open %s %d %d" % (vip, PORT, count)),
           {"opened": count, "failed": 0})
    expect_round(client, {owner: count})
    return client


def begin(lab, *words, holdfast=False, **options):
    """A director that knows both paths, and sessions that it has recorded on path 1."""
    wire(lab)
    serve(lab, "A", "B", holdfast=holdfast)
    driver = direct(lab, **options)
    set_path(driver, "A", *words)
    set_path(driver, "B", *words)
    time.sleep(0.1)
    client = opened(lab)
    return driver, client


def state(lab):
    lines = lab.state("R").splitlines()
    for device in DEVICES:
        for hook in ("ingress", "egress"):
            filters = lab.on("R", "tc", "filter", "show", "dev", device, hook, check=False)
            lines += ["%s %s %s" % (device, hook, re.sub(r":\[\d+\]", "", line))
                      for line in filters.splitlines()]
        for family in ("ipv4", "ipv6"):
            lines += ["%s %s %s" % (device, family, lab.on(
                "R", "cat", "/proc/sys/net/%s/conf/%s/ignore_routes_with_linkdown" %
                (family, device), check=False))]
    folder = os.path.join(maps_of(lab), "director")
    # An earlier driver's programs keep their names until the first sweep.
    lines += [name for name in os.listdir(folder) if "-before-" not in name] \
        if os.path.isdir(folder) else []
    return "\n".join(lines)


def recorded(driver, path):
    for line in tell(driver, "sweep"):
        words = line.split()
        if words[0] == "count" and words[2] == str(path):
            return int(words[4])
    return 0


def cut(lab):
    """The link between R and up0 of A."""
    lab.ip("A", "link", "set", "up0", "down")
    lab.ip("A", "route", "replace", "default", "via", "10.4.0.1")


def test_flows_follow_their_records(lab):
    driver, client = begin(lab)
    expect("recorded", recorded(driver, 1), 20)
    before = lab.retransmissions()
    lab.move("B")
    expect_round(client, {"A": 20})
    opened(lab, 5, owner="B")
    # Both ways at once, in another order.
    lab.ip("R", "route", "replace", VIP, "nexthop", "via", "10.3.0.2", "nexthop", "via", "10.2.0.2")
    expect_round(client, {"A": 20})
    # A path that no new flow takes keeps those that it has.
    set_path(driver, "A", "gone")
    lab.move("B")
    expect_round(client, {"A": 20})
    expect("retransmissions", lab.retransmissions() - before, 0)


def test_ipv6_flows_follow_their_records(lab):
    wire(lab)
    serve(lab, "A", "B", vip=VIP6)
    driver = direct(lab, ipv6=True)
    for name in "AB":
        set_path(driver, name, family=6)
    time.sleep(0.1)
    client = opened(lab, vip=VIP6)
    lab.move("B")
    expect_round(client, {"A": 20})
    opened(lab, 5, vip=VIP6, owner="B")
    # By another next hop, when the path is withdrawn.
    set_path(driver, "A", "hop=2001:db8:4::2%toA1", family=6)
    set_path(driver, "A", "withdrawn", "hop=2001:db8:4::2%toA1", family=6)
    expect_round(client, {"A": 20})
    set_path(driver, "A", "withdrawn", family=6)
    expect("left", client.ask("round")["reset"], 20)


def test_withdrawn_path_leaves_for_its_next_hops(lab):
    driver, client = begin(lab)
    lab.move("B")
    set_path(driver, "A", "hop=10.4.0.2%toA1", "hop=10.2.0.2%toA")
    set_path(driver, "A", "withdrawn", "hop=10.4.0.2%toA1")
    expect_round(client, {"A": 20})
    set_path(driver, "A", "hop=10.4.0.2%toA1")
    expect_round(client, {"A": 20})
    expect("routes", lab.ip("R", "route", "show", "table", "8039001").count("metric"), 2)


def test_unnumbered_next_hops(lab):
    """IPv4 by IPv6 link-local gateways, as BGP unnumbered has it; nothing is taken for damaged."""
    wire(lab)
    serve(lab, "A", "B")
    driver = direct(lab, ipv6=True)
    gateway = {device: re.search(r"inet6 (fe80::\S+)/", lab.ip("A", "-6", "addr", "show", "dev", device,
                                                              "scope", "link")).group(1)
               for device in ("up0", "up1")}
    lab.ip("R", "route", "replace", VIP, "via", "inet6", gateway["up0"], "dev", "toA")
    backups = "hop=%s%%toA1 hop=10.3.0.2%%toB" % gateway["up1"]
    tell(driver, "path 1 4 %s%%toA %s" % (gateway["up0"], backups))
    tell(driver, "path 3 6 %s%%toA hop=2001:db8:3::2%%toB hop=%s%%toA1" % (gateway["up0"], gateway["up1"]))
    set_path(driver, "B")
    time.sleep(0.1)
    client = opened(lab)
    lab.move("B")
    expect_round(client, {"A": 20})
    expect("recorded", recorded(driver, 1), 20)
    for name, table in (("-4", "8039001"), ("-6", "8039003")):
        expect("routes of " + table,
               lab.ip("R", name, "route", "show", "table", table).count("nexthop"), 2)
    before = driver.counters()["kernel-repairs"]
    lab.ip("R", "link", "set", "toB", "alias", "x")
    time.sleep(0.3)
    expect("repairs", driver.counters()["kernel-repairs"], before)
    tell(driver, "path 1 4 %s%%toA withdrawn hop=%s%%toA1" % (gateway["up0"], gateway["up1"]))
    expect_round(client, {"A": 20})


def test_withdrawn_path_leaves_for_the_tunnel(lab):
    driver, client = begin(lab, "owner=" + MEMBERS["A"], holdfast=True)
    lab.move("B")
    expect_round(client, {"A": 20})
    expect("tunnelled", driver.counters()["left-their-path"], 0)
    set_path(driver, "A", "withdrawn", "owner=" + MEMBERS["A"])
    expect_round(client, {"A": 20})
    expect("tunnelled", driver.counters()["left-their-path"] >= 20, True)


def test_lost_link_needs_nobody(lab):
    """The kernel takes the backup by itself, fpmd being stopped, and then dead."""
    for number, backup in ((signal.SIGSTOP, "hop=10.4.0.2%toA1"),
                           (signal.SIGKILL, "owner=" + MEMBERS["A"])):
        driver, client = begin(lab, backup, holdfast=True, maps=False) \
            if number == signal.SIGSTOP else again(lab, backup)
        driver.child.send_signal(number)
        cut(lab)
        expect_round(client, {"A": 20})
        lab.ip("A", "link", "set", "up0", "up")
        lab.ip("A", "route", "replace", "default", "via", "10.2.0.1")
        if number == signal.SIGSTOP:
            driver.child.send_signal(signal.SIGCONT)
            lab.end(driver)
        else:
            expect("the tunnel was used", int(lab.on(
                "R", "sh", "-c", "nft list counter ip holdfast left-their-path | "
                "sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'")) >= 20, True)


def forwarded(lab):
    """Segments to VIPs that netfilter saw on R, and those that came to A from one hop away."""
    def count(name, family, rule):
        return sum(map(int, re.findall(r"packets (\d+)", lab.on(
            name, "nft", "list", "chain", family, "spy", rule))))
    return [count("R", family, "forward") for family in ("ip", "ip6")] + \
        [count("A", family, "prerouting") for family in ("ip", "ip6")]


def spy(lab):
    for family, vip, left in (("ip", VIP, "ip ttl 63"), ("ip6", VIP6, "ip6 hoplimit 63")):
        for name, hook, match in (("R", "forward", ""), ("A", "prerouting", left)):
            lab.on(name, "nft", "add table %s spy; add chain %s spy %s { type filter hook %s priority 0; }; "
                   "add rule %s spy %s %s daddr %s tcp dport %d %s counter"
                   % (family, family, hook, hook, family, hook, family, vip, PORT, match))


def test_fast_path(lab):
    """Recorded flows go past netfilter, and the usual way as soon as their path has no route."""
    wire(lab)
    serve(lab, "A", "B")
    lab.server("A", VIP6)
    driver = direct(lab, "--fast-path", ipv6=True)
    for family in (4, 6):
        set_path(driver, "A", "hop=%s%%toA1" % ("10.4.0.2" if family == 4 else "2001:db8:4::2"), family=family)
    time.sleep(0.1)
    spy(lab)
    clients = [opened(lab), opened(lab, vip=VIP6)]
    before = forwarded(lab)
    expect("opened the usual way", all(before[:2]), True)
    damaged = lab.retransmissions()
    lab.move("B")
    for client in clients * 3:
        expect_round(client, {"A": 20})
    after = forwarded(lab)
    expect("seen by netfilter", after[:2], before[:2])
    expect("aged", [now - then >= 60 for now, then in zip(after[2:], before[2:])], [True, True])
    # With nobody but the kernel: by the backup.
    driver.child.send_signal(signal.SIGSTOP)
    cut(lab)
    lab.ip("A", "-6", "route", "replace", "default", "via", "2001:db8:4::1")
    for client in clients * 2:
        expect_round(client, {"A": 20})
    # But for those that made the kernel look for the neighbour there.
    expect("by the backup, too", [now - then < 20 for now, then in zip(forwarded(lab)[:2], before[:2])],
           [True, True])
    before = forwarded(lab)
    expect("retransmissions", lab.retransmissions() - damaged <= 40, True)
    driver.child.send_signal(signal.SIGCONT)
    for family in (4, 6):
        set_path(driver, "A", "withdrawn", family=family)
    for client in clients:
        expect("reset by B, the usual way", client.ask("round")["reset"], 20)
    expect("the usual way", [now > then for now, then in zip(forwarded(lab)[:2], before[:2])], [True, True])


def again(lab, *words):
    driver = direct(lab, maps=False)
    for name in "AB":
        set_path(driver, name, *words)
    time.sleep(0.1)
    return driver, opened(lab)


def test_pins_of_a_withdrawn_path(lab):
    """Several members behind it: pinned beforehand, looked at when the path goes."""
    driver, client = begin(lab, "shared", holdfast=True)
    expect("told", driver.count("^flow began .* path 1$"), 20)
    expect("pins", len(tell(driver, "pin-flows 1 1")), 20)
    lab.move("B")
    expect_round(client, {"A": 20})
    expect("the path comes first", driver.counters()["left-their-path"], 0)
    # The link is lost, and nobody is there: path and owner are both in the mark.
    driver.child.send_signal(signal.SIGSTOP)
    cut(lab)
    expect_round(client, {"A": 20})
    driver.child.send_signal(signal.SIGCONT)
    left = driver.counters()["left-their-path"]
    expect("to the owner", left >= 20, True)
    set_path(driver, "A", "shared", "withdrawn")
    detoured = driver.counters()["detoured-packets"]
    expect_round(client, {"A": 20})
    expect("to the owner", driver.counters()["detoured-packets"] - detoured >= 20, True)


def test_direct_pins(lab):
    """A pin can come before the path, and can end the path's say."""
    driver, client = begin(lab, "shared", holdfast=True)
    tell(driver, "pin-flows 1 %d" % (DIRECT | 1))
    expect_round(client, {"A": 20})
    counters = driver.counters()
    expect("by the tunnel", counters["detoured-packets"] >= 20, True)
    expect("as a detour", counters["left-their-path"], 0)
    lines = driver.ask("pins")
    expect("pins", sum(line.endswith("owner %d" % (DIRECT | 1)) for line in lines), 20)
    tell(driver, "pin-flows 1 %d" % DIRECT)
    expect("pins", sum(line.endswith("owner %d" % DIRECT) for line in driver.ask("pins")), 20)
    before = driver.counters()["detoured-packets"]
    expect_round(client, {"A": 20})
    expect("by the routing table", driver.counters()["detoured-packets"], before)
    lab.move("B")
    expect("answered by B", client.ask("round")["reset"], 20)


def test_take_over(lab):
    driver, client = begin(lab, "owner=" + MEMBERS["A"], holdfast=True, keep="all")
    lab.move("B")
    wanted = state(lab)
    for number, keep in ((signal.SIGKILL, "all"), (signal.SIGTERM, "detours"),
                         (signal.SIGTERM, "all")):
        lab.end(driver, number)
        expect_round(client, {"A": 20})
        late = opened(lab, 3, owner="B")
        driver = direct(lab, keep=keep)
        expect("paths", sorted(line.split()[1] for line in driver.ask("paths")), ["1", "2"])
        expect("same as before", difference(wanted, state(lab)), "")
        lab.move("A")
        expect_round(client, {"A": 20})
        expect_round(late, {"B": 3})
        lab.move("B")
    set_path(driver, "A", "withdrawn", "owner=" + MEMBERS["A"])
    expect_round(client, {"A": 20})
    tell(driver, "unpath 1")
    expect("ECMP again", client.ask("round")["reset"], 20)


def test_director_repairs(lab):
    driver, client = begin(lab, "owner=" + MEMBERS["A"], holdfast=True)
    lab.move("B")
    wanted = state(lab)
    for what, command in (
            ("path rule", "ip rule del pref 2"),
            ("path's routes", "ip route flush table 8039001"),
            ("path's first route", "ip route del %s table 8039001 metric 10" % VIP),
            ("another way of the path", "ip route replace %s via 10.3.0.2 table 8039001 metric 10 proto 79"
             % VIP),
            ("owner's route", "ip route flush table 7939001"),
            ("tunnel", "ip link del hf-vx0"),
            ("ingress", "tc filter del dev toC ingress"),
            ("egress", "tc filter del dev toA egress"),
            ("qdisc", "tc qdisc del dev toA clsact"),
            ("setting", "sysctl -qw net.ipv4.conf.toA.ignore_routes_with_linkdown=0"),
            ("set", "nft flush set ip holdfast routed"),
            ("table", "nft delete table ip holdfast")):
        lab.on("R", *command.split())
        if what == "another way of the path":
            # Nobody tells of routes that come; the next look finds it.
            lab.ip("R", "link", "set", "toB", "alias", "x")
            lab.ip("R", "link", "set", "toB", "alias", "")
        wait_until("repair of the " + what, lambda: difference(wanted, state(lab)), "")
        expect_round(client, {"A": 20})


def test_director_removed_without_a_trace(lab):
    wire(lab)
    wanted = state(lab)
    for kill in (False, True):
        driver = direct(lab, ipv6=True)
        for name in "AB":
            set_path(driver, name, "owner=" + MEMBERS[name])
            set_path(driver, name, family=6)
        expect("something", difference(wanted, state(lab)) != "", True)
        if kill:
            lab.end(driver, signal.SIGKILL)
            driver = direct(lab, ipv6=True)
        lab.end(driver)
        expect("left", difference(wanted, state(lab)), "")
    # No VIP any more: nothing is looked at.
    driver = direct(lab)
    for name in "AB":
        set_path(driver, name)
    tell(driver, "routed")
    expect("filters", lab.on("R", "tc", "filter", "show", "dev", "toA", "egress"), "")
    tell(driver, "unpath 1")
    tell(driver, "unpath 2")
    expect("rules of paths", "8039" in lab.ip("R", "rule"), False)


def test_not_a_director_any_more(lab):
    driver, _ = begin(lab, keep="all")
    lab.end(driver)
    driver = lab.start(Driver, "R", *as_user(lab.program, "--local", MEMBERS["R"], "--keep",
                                             "nothing", "--bpf-directory", maps_ready(lab)))
    driver.wait("^ready$")
    text = state(lab)
    expect("path rules", "8039" in text, False)
    expect("filters", "record" in text, False)
    expect("maps", os.listdir(maps_ready(lab)), [])


def test_devices_of_paths_come_and_go(lab):
    """Routes over a device that is down come back with it, unasked and untold."""
    driver, client = begin(lab, "hop=10.4.0.2%toA1", "hop=10.3.0.2%toB")
    lab.move("B")
    wanted = lab.ip("R", "route", "show", "table", "8039001")
    lab.ip("R", "link", "set", "toA", "down")
    wait_until("routes without toA", lambda: lab.ip("R", "route", "show", "table", "8039001"),
               "".join(wanted.splitlines(True)[1:]))
    lab.ip("R", "link", "set", "toA1", "down")
    wait_until("routes without toA1", lambda: lab.ip("R", "route", "show", "table", "8039001").count("toA1"),
               0)
    for device in ("toA", "toA1"):
        lab.ip("R", "link", "set", device, "up")
    lab.ip("R", "-6", "addr", "replace", "2001:db8:2::1/64", "dev", "toA", "nodad")
    wait_until("routes", lambda: lab.ip("R", "route", "show", "table", "8039001"), wanted)
    lab.ip("R", "route", "replace", VIP, "via", "10.3.0.2")
    expect_round(client, {"A": 20})
    expect("repairs", driver.counters()["kernel-repairs"], 0)


def test_masks_that_overlap(lab):
    wire(lab)
    before = state(lab)
    for mask in ("0x00000f00", "0x80000000", "0x00f0f000"):
        try:
            direct(lab, "--path-mask", mask)
        except Failure as failure:
            expect("says why", "path mask" in str(failure), True)
        else:
            raise Failure("started with path mask " + mask)
    expect("left", difference(before, state(lab)), "")


def test_many_paths(lab):
    """More than a list of rules takes: local delivery moves back, flows do not notice."""
    driver, client = begin(lab)
    lab.move("B")
    for number in range(10, 80):
        tell(driver, "path %d 4 10.3.0.%d%%toB gone" % (number, number))
    rules = lab.ip("R", "rule")
    expect("far", "601:\tfrom all lookup local" in rules, True)
    expect("unmarked", len(re.findall("^0:.* goto 601", rules, re.MULTILINE)), 2)
    expect_round(client, {"A": 20})
    expect("own address", lab.ip("R", "route", "get", MEMBERS["R"])[:5], "local")
    for number in range(10, 80):
        tell(driver, "unpath %d" % number)
    rules = lab.ip("R", "rule")
    expect("near", "\n5:\tfrom all lookup local" in rules, True)
    expect("unmarked", len(re.findall("^1:.* goto 5 ", rules, re.MULTILINE)), 2)
    expect_round(client, {"A": 20})


def test_what_is_refused_at_first(lab):
    """What the kernel refused is told again in full: paths, and VIPs."""
    path, gateway = "path 5 4 10.77.0.1%toB", ("10.77.0.1/32", "dev", "toB")
    wire(lab)
    driver = direct(lab)
    for command in (path, "routed " + VIP):
        # A gateway must not be an address of this host.
        lab.ip("R", "addr", "add", *gateway)
        expect("refused", any(line.startswith("error") for line in driver.ask(command)), True)
        # Nobody sees it go and repairs what is told again then.
        driver.child.send_signal(signal.SIGSTOP)
        lab.ip("R", "addr", "del", *gateway)
        driver.send(command)
        driver.child.send_signal(signal.SIGCONT)
        driver.wait("^done ", start=len(driver.lines))
        expect("routes", lab.ip("R", "route", "show", "table", "8039005").count("10.77.0.1"), 1)
        tell(driver, "routed")
        expect("no routes", lab.ip("R", "route", "show", "table", "8039005"), "")


def test_neighbour_with_another_address(lab):
    driver, client = begin(lab)
    lab.ip("A", "link", "set", "up0", "address", "02:00:00:00:00:77")
    lab.ip("A", "route", "replace", "default", "via", "10.2.0.1")
    lab.ip("R", "neigh", "flush", "dev", "toA")
    expect_round(client, {"A": 20})
    late = opened(lab, 5)
    expect("recorded", recorded(driver, 1), 25)
    lab.move("B")
    expect_round(late, {"A": 5})


def neighbours(lab):
    """What the recorder knows of them: a key for each address, and one for each device."""
    listed = run("bpftool", "-j", "map", "dump", "pinned",
                 os.path.join(maps_ready(lab), "holdfast-neighbours-1"))
    return len(json.loads(listed))


def test_neighbours_of_an_earlier_fpmd(lab):
    """They count until the next one knows its own; what that does not know goes, and what went with its device."""
    driver, client = begin(lab, keep="all")
    expect("neighbours", neighbours(lab), 4)
    lab.end(driver, signal.SIGKILL)
    lab.ip("R", "link", "set", "toB", "down")
    driver = direct(lab, keep="all")
    expect("of path 1, and its device", neighbours(lab), 2)
    late = opened(lab, 5)
    expect("recorded", recorded(driver, 1), 25)
    lab.ip("R", "link", "del", "toA")
    wait_until("without its device", lambda: neighbours(lab), 0)
