# SPDX-License-Identifier: GPL-2.0-or-later
"""The client of Valkey against one real server: what is kept, refused and forgotten, and every way to get in or not."""

import os
import re
import subprocess
import textwrap

import pytest

from driver import NAMESPACE, TOP, Driver
from fixtures import closing, namespace  # noqa: F401
from servers import ENVIRONMENT, Server, inside, wait_until

A, B = "10.255.0.1", "10.255.0.2"
PORT = 7001


@pytest.fixture
def server(namespace, closing, tmp_path):
    closing.append(Server(tmp_path, PORT, namespace=namespace))
    return closing[-1]


def open_driver(*options, host="127.0.0.1", port=PORT):
    return Driver(host, port, *options)


def test_put_get_delete(server):
    with open_driver() as d:
        d.wait("ready")
        assert d.get(0, 100)["miss"] == 100
        assert d.put(0, 5000, A, 7)["done"] == 5000
        found = d.get(0, 5100)
        assert (found["record"], found["miss"], found["failed"], found["twice"]) == (5000, 100, 0, 0)
        assert (found["owner"], found["version"]) == (A, 7)
        assert d.delete(0, 1000, A, 7)["done"] == 1000
        assert d.get(0, 5000)["record"] == 4000
        assert d.nodes() == {("127.0.0.1", PORT): ("single", "ready", 16384)}
        assert d.counter("scripts_loaded") > 0  # nobody had loaded them
        assert d.counter("refused") == d.counter("garbage") == d.lost() == 0


def test_the_newest_version_wins(server):
    with open_driver() as d:
        d.wait("ready")
        put = lambda owner, version: d.put(0, 1, owner, version)["done"]  # noqa: E731
        delete = lambda owner, version: d.delete(0, 1, owner, version)["done"]  # noqa: E731
        holds = lambda: (lambda got: (got["owner"], got["version"]))(d.get(0))  # noqa: E731
        assert put(A, 500) == 1
        assert put(A, 500) == 1  # again: it lives on
        assert put(B, 499) == 0
        assert put(A, 3) == 0
        assert holds() == (A, 500)
        # Equal versions: the higher address, whichever comes first.
        assert put(B, 500) == 1
        assert put(A, 500) == 0
        assert holds() == (B, 500)
        # A late delete of another owner or of an older version does not touch it.
        assert delete(A, 1000) == 0
        assert delete(B, 499) == 0
        assert holds() == (B, 500)
        assert delete(B, 500) == 1
        assert delete(B, 500) == 1
        assert d.get(0)["miss"] == 1
        # The tombstone stops what was overtaken, and not what is newer.
        assert put(B, 500) == 0
        assert put(B, 256) == 0
        assert d.get(0)["miss"] == 1
        assert put(A, 501) == 1
        assert holds() == (A, 501)
        # A delete that overtook its put.
        assert d.delete(1, 1, A, 600)["done"] == 1
        assert d.delete(1, 1, A, 700)["done"] == 1
        assert d.put(1, 1, A, 650)["done"] == 0
        assert d.put(1, 1, A, 701)["done"] == 1
        # Every byte of a version counts, and none is a sign.
        for i, (low, high) in enumerate([(1, 2), (255, 256), (127, 128), (65535, 65536), (2**32 - 1, 2**32),
                                         (2**53, 2**53 + 1), (2**63 - 1, 2**63), (2**64 - 2, 2**64 - 1)]):
            assert d.put(10 + i, 1, A, high)["done"] == 1
            assert d.put(10 + i, 1, B, low)["done"] == 0
            assert d.delete(10 + i, 1, A, low)["done"] == 0
            assert d.get(10 + i)["version"] == high


def test_a_new_start_of_the_owner_counts_more_than_versions(server):
    """Its clock may have gone back."""
    with open_driver() as d:
        d.wait("ready")
        put = lambda owner, version: d.put(0, 1, owner, version)["done"]  # noqa: E731
        delete = lambda owner, version: d.delete(0, 1, owner, version)["done"]  # noqa: E731
        assert put(A, 500) == 1
        d.do("epoch 5")
        assert put(A, 3) == 1
        assert d.get(0)["version"] == 3
        # What the former start still says comes too late, whatever its versions.
        d.do("epoch 4")
        assert put(A, 600) == 0
        assert delete(A, 600) == 0
        assert d.get(0)["version"] == 3
        # Epochs of two owners have nothing to do with each other.
        assert put(B, 4) == 1
        d.do("epoch 6")
        assert put(A, 3) == 0
        assert d.get(0)["owner"] == B
        assert put(A, 5) == 1
        assert delete(A, 5) == 1
        assert put(A, 4) == 0
        d.do("epoch 7")
        assert put(A, 4) == 1
        assert d.get(0)["version"] == 4


def test_owner_index(server):
    with open_driver() as d:
        d.wait("ready")
        assert d.page(A)["records"] == 0
        assert d.put(0, 20000, A, 7)["done"] == 20000
        assert d.put(30000, 5, "2001:db8::1", 7)["done"] == 5
        paged = d.page(A)
        assert (paged["different"], paged["failed"]) == (20000, 0)
        assert d.page("2001:db8::1")["different"] == 5
        # What ended, or is another owner's by now, is not on a page.
        assert d.delete(0, 1000, A, 7)["done"] == 1000
        assert d.put(1000, 1000, B, 8)["done"] == 1000
        assert d.page(A)["different"] == 18000
        assert d.page(B)["different"] == 1000
        assert server.cli("--scan", "--pattern", "holdfast:{000}:o:" + A) == "holdfast:{000}:o:" + A


def test_an_index_in_large_parts(server):
    """Sorted sets that are no lists any more are scanned in several steps."""
    server.cli("CONFIG", "SET", "zset-max-listpack-entries", 0)
    with open_driver() as d:
        d.wait("ready")
        assert d.put(0, 120000, A, 7)["done"] == 120000
        paged = d.page(A)
        assert paged["different"] == 120000
        assert paged["pages"] > 1024


def test_records_expire(server):
    with open_driver("lifetime=2") as d:
        d.wait("ready")
        assert d.put(0, 100, A, 7)["done"] == 100
        assert d.get(0, 100)["record"] == 100
        key = server.cli("--scan", "--pattern", "holdfast:*:r:*").split()[0]
        index = server.cli("--scan", "--pattern", "holdfast:*:o:*").split()[0]
        assert 0 < int(server.cli("PTTL", key)) <= 2000
        assert 0 < int(server.cli("PTTL", index)) <= 3000
        assert d.delete(0, 1, A, 7)["done"] == 1
        tombstones = [int(server.cli("PTTL", key)) for key in server.cli("--scan", "--pattern", "holdfast:*:r:*").split()]
        assert 50000 < max(tombstones) <= 60000
        wait_until(lambda: server.cli("DBSIZE") == "1", "all is gone but the tombstone")
        assert d.get(0, 100)["miss"] == 100
        assert d.page(A)["records"] == 0


def test_an_index_forgets_what_expired(server):
    def entries(kind):
        count = "ZCARD" if kind == "o" else "TYPE"
        return server.cli("EVAL", "local n = 0 for _, key in ipairs(redis.call('KEYS', 'holdfast:*:%s:*')) do "
                          "n = n + (tonumber(redis.call('%s', key)) or 1) end return n" % (kind, count), 0)

    with open_driver("lifetime=1") as d:
        d.wait("ready")
        assert d.put(0, 3000, A, 7)["done"] == 3000
        assert entries("o") == "3000"
    with open_driver("lifetime=60") as d:
        d.wait("ready")
        assert d.put(10000, 20000, A, 7)["done"] == 20000  # no part of the index expires as a whole
        wait_until(lambda: entries("r") == "20000", "the first ones expired")
        second = server.cli("TIME").split()[0]
        wait_until(lambda: int(server.cli("TIME").split()[0]) >= int(second) + 2, "the index may know it")
        assert d.page(A)["different"] == 20000
        assert d.put(10000, 20000, A, 7)["done"] == 20000
        assert entries("o") == "20000"


def test_prefixes_do_not_touch(server):
    with open_driver() as ours, open_driver("prefix=other-group") as theirs:
        ours.wait("ready")
        theirs.wait("ready")
        assert ours.put(0, 10, A, 7)["done"] == 10
        assert theirs.get(0, 10)["miss"] == 10
        assert theirs.put(0, 10, B, 3)["done"] == 10
        assert ours.get(0, 10)["owner"] == A


def test_values_of_others(server):
    """Another program's values are no records, nor an end of the connection; a put mends them."""
    with open_driver() as d:
        d.wait("ready")
        assert d.put(0, 1, A, 7)["done"] == 1
        key = server.cli("--scan", "--pattern", "holdfast:*:r:*")
        for value in ("", "x", "R" * 32, "R" * 34, "X" + "\x01" * 32):
            server.cli("SET", key, value)
            assert d.get(0)["failed"] == 1
        assert "is no record" in d.error()
        assert d.counter("garbage") == 5
        assert d.put(0, 1, A, 7)["done"] == 1
        assert d.get(0)["record"] == 1
        server.cli("DEL", key)
        server.cli("LPUSH", key, "a list")
        assert d.get(0)["failed"] == 1
        assert "WRONGTYPE" in d.error()
        server.cli("DEL", key)
        wait_until(lambda: d.get(0)["miss"] == 1, "it is asked again")
        assert d.counter("lost") == 0


def test_restarted_empty(server):
    with open_driver() as d:
        d.wait("ready")
        assert d.put(0, 1000, A, 7)["done"] == 1000
        server.kill()
        d.wait("unreachable")
        assert d.get(0, 10)["refused"] == 10  # at once
        assert d.put(0, 10, A, 7, tries=3)["given_up"] == 10
        assert "port %d: " % PORT in d.error()
        server.start()
        d.wait("ready")
        assert d.lost() == 1
        assert d.get(0, 1000)["miss"] == 1000
        assert d.put(0, 1000, A, 7)["done"] == 1000
        assert d.get(0, 1000)["record"] == 1000
        assert d.counter("lost") == 1 and d.counter("connects") == 2


def test_a_broken_connection_is_no_loss(server):
    with open_driver() as d:
        d.wait("ready")
        assert d.put(0, 10, A, 7)["done"] == 10
        server.cli("CLIENT", "KILL", "TYPE", "normal")
        wait_until(lambda: d.counter("connects") == 2, "connected again")
        assert d.get(0, 10)["record"] == 10
        assert d.lost() == 0


def test_script_flush(server):
    with open_driver() as d:
        d.wait("ready")
        for version in (1, 2, 3):
            assert d.put(0, 2000, A, version)["done"] == 2000
            before = d.counter("scripts_loaded")
            server.cli("SCRIPT", "FLUSH")
            assert d.put(0, 1, A, version)["done"] == 1
            assert d.counter("scripts_loaded") > before
        server.cli("SCRIPT", "FLUSH")
        assert d.delete(0, 2000, A, 3)["done"] == 2000


def test_a_silent_server(server):
    with open_driver() as d:
        d.wait("ready")
        assert d.put(0, 10, A, 7)["done"] == 10
        server.pause()
        try:
            answer = d.get(0, 10)
            assert answer["failed"] == 10 and answer["twice"] == 0
            assert d.counter("timeouts") >= 1
            d.wait("unreachable")
            assert "no answer" in d.error()
        finally:
            server.resume()
        d.wait("ready")
        assert d.get(0, 10)["record"] == 10
        assert d.lost() == 0


def test_memory_is_full(namespace, closing, tmp_path):
    closing.append(Server(tmp_path, PORT, namespace=namespace, options={"maxmemory-policy": "noeviction"}))
    server = closing[-1]
    with open_driver() as d:
        d.wait("ready")
        assert d.put(0, 1000, A, 7)["done"] == 1000
        server.cli("CONFIG", "SET", "maxmemory", "1mb")
        before = d.counter("commands")
        result = d.put(2000, 1000, A, 7)
        assert result["full"] > 0 and result["done"] == 0
        assert "maxmemory" in d.error() and "OOM" in d.error()
        assert d.status()["state"] == "degraded"
        assert d.counter("commands") < before + 5000  # no spinning
        # What is there is found, and ends as ever.
        assert d.get(0, 1000)["record"] == 1000
        wait_until(lambda: d.delete(0, 10, A, 7)["done"] == 10, "a delete goes through")
        assert d.get(0, 10)["miss"] == 10
        server.cli("CONFIG", "SET", "maxmemory", "0")
        wait_until(lambda: d.put(2000, 1000, A, 7)["full"] == 0, "puts are taken again")
        d.wait("ready")


def test_ipv6(namespace, closing, tmp_path):
    closing.append(Server(tmp_path, PORT, address="::1", namespace=namespace))
    with open_driver(host="::1") as d:
        d.wait("ready")
        assert d.put(0, 10, "2001:db8::7", 7)["done"] == 10
        assert d.get(0, 10)["owner"] == "2001:db8::7"


def test_names(server):
    """The hosts file is looked at without waiting for anybody; a name that nobody knows holds nothing up."""
    with open_driver(host="localhost") as d:
        d.wait("ready")
        assert d.put(0, 10, A, 7)["done"] == 10
    with open_driver(host="nobody.invalid") as d:
        d.wait("unreachable")
        assert "nobody.invalid port %d: " % PORT in d.error()
        assert d.status()["state"] == "unreachable"


def test_bad_options(namespace, tmp_path):
    readable, empty = tmp_path / "readable", tmp_path / "empty"
    readable.write_text("secret\n")
    empty.write_text("\n")
    empty.chmod(0o600)
    for options, says in [(["user=x"], "password-file"), (["password-file=/nonexistent"], "is missing"),
                          (["password-file=%s" % readable], "chmod o="), (["password-file=%s" % empty], "is empty"),
                          (["password-file=/tmp"], "not a regular file"),
                          (["prefix={x}"], "prefix"), (["prefix=" + 33 * "x"], "ready"),
                          (["ca-file=/x"], "want tls"), (["tls", "ca-file=/nonexistent"], "ca-file /nonexistent"),
                          (["tls", "certificate=/x"], "together"), (["lifetime=0"], "lifetime"),
                          (["tls", "certificate=/nonexistent", "key=/nonexistent"], "certificate /nonexistent")]:
        with Driver("127.0.0.1", PORT, *options, expect=says):
            pass
    with Driver("a b", PORT, expect="name or an address"):
        pass


def secret(tmp_path, text):
    path = tmp_path / "password"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return "password-file=%s" % path


def documented_rights():
    """What valkey.h says that the account needs."""
    with open(os.path.join(TOP, "fpmd", "directory", "valkey.h")) as header:
        text = header.read()
    lines = re.search(r"and no others.*?:\n(.*?)\*/", text, re.S).group(1)
    words = lines.replace("*  ", " ").replace("\n", " ").split()
    words = [word for word in words if word != "*"]
    assert words[0] == "on" and "+evalsha" in words and words[-1].startswith("+"), words
    return [word.replace(">PASSWORD", ">hunter2").replace("PREFIX", "holdfast") for word in words]


def everything(d, server):
    d.wait("ready")
    assert d.put(0, 500, A, 7)["done"] == 500
    server.cli("SCRIPT", "FLUSH")
    assert d.delete(0, 100, A, 7)["done"] == 100
    assert d.get(0, 500)["record"] == 400
    assert d.page(A)["different"] == 400
    # Idle: it is asked whether it is there.
    before = d.counter("replies")
    wait_until(lambda: d.counter("replies") > before, "a sign of life")
    assert d.counter("refused") == d.counter("lost") == 0


def test_account_with_the_documented_rights(server, tmp_path):
    rights = documented_rights()
    server.cli("ACL", "SETUSER", "fpmd", "reset", *rights)
    with open_driver("user=fpmd", secret(tmp_path, "hunter2")) as d:
        everything(d, server)
    log = server.cli("ACL", "LOG")
    assert "fpmd" not in log, log


@pytest.mark.parametrize("right", ["+evalsha", "+eval", "+get", "+mget", "+set", "+del", "+zadd", "+zrem",
                                   "+zremrangebyscore", "+zscan", "+pexpire", "+time", "+info", "+ping"])
def test_no_right_is_superfluous(server, tmp_path, right):
    """Without any one of them something is refused, and the error names account and document."""
    rights = documented_rights()
    assert right in rights
    server.cli("ACL", "SETUSER", "fpmd", "reset", *[word for word in rights if word != right])
    server.cli("CONFIG", "SET", "maxmemory", "0")
    with open_driver("user=fpmd", secret(tmp_path, "hunter2")) as d:
        if right == "+info":
            d.wait("unreachable")
        else:
            d.wait("ready")
            stored = d.put(0, 50, A, 7, tries=2)
            if right == "+del":
                # Only when there is no room for a tombstone.
                server.cli("CONFIG", "SET", "maxmemory", "1mb")
                d.delete(0, 1, A, 7, tries=2)
            else:
                d.delete(0, 50, A, 7, tries=2)
            d.page(A)
            if right == "+mget":
                d.put(0, 50, A, 8)
                assert d.page(A)["failed"] == 1
            if right == "+ping":
                wait_until(lambda: "+ping" in denied(server), "it was refused")
            assert stored["given_up"] in (0, 50)
        assert right[1:] in denied(server) or right == "+ping"
        if right not in ("+ping", "+del"):
            assert "doc/valkey.md" in d.error(), d.error()


def denied(server):
    """What the server refused to the account."""
    lines = server.cli("ACL", "LOG").split("\n")
    return ["+" + after if after == "ping" else after for what, after in zip(lines, lines[1:]) if what == "object"]


def test_logins_that_fail(namespace, closing, tmp_path):
    closing.append(Server(tmp_path / "server", PORT, namespace=namespace, options={"requirepass": "right"}))
    with open_driver(secret(tmp_path, "right")) as d:
        d.wait("ready")
        assert d.put(0, 10, A, 7)["done"] == 10
    with open_driver() as d:
        d.wait("unreachable")
        assert "NOAUTH" in d.error() and "password-file" in d.error()
        assert d.put(0, 1, A, 7, tries=2)["given_up"] == 1
    with open_driver(secret(tmp_path, "wrong")) as d:
        d.wait("unreachable")
        assert "WRONGPASS" in d.error() and "password-file" in d.error()
        wait_until(lambda: d.counter("connect_failed") >= 3, "it goes on")
        assert d.counter("connect_failed") < 20
    with open_driver("user=nobody", secret(tmp_path, "right")) as d:
        d.wait("unreachable")
        assert "WRONGPASS" in d.error()


def openssl(directory, command):
    subprocess.run(["openssl"] + command.split(), cwd=directory, env=ENVIRONMENT, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority and certificates of it: for the address of the server, for a name, for a client; and a stranger."""
    path = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "stranger"):
        openssl(path, "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s -keyout %s.key -out %s.crt" %
                (name, name, name))
    for name, names in (("server", "IP:127.0.0.1"), ("named", "DNS:directory.example"), ("client", "DNS:client")):
        openssl(path, "req -newkey rsa:2048 -nodes -subj /CN=%s -keyout %s.key -out %s.csr" % (name, name, name))
        (path / "extensions").write_text("subjectAltName=" + names)
        openssl(path, "x509 -req -in %s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions "
                "-out %s.crt" % (name, name))
    return path


def tls_server(certificates, tmp_path, certificate="server", clients="no"):
    return Server(tmp_path, PORT, namespace=NAMESPACE, options={
        "port": 0, "tls-port": PORT, "tls-cert-file": certificates / (certificate + ".crt"),
        "tls-key-file": certificates / (certificate + ".key"), "tls-ca-cert-file": certificates / "ca.crt",
        "tls-auth-clients": clients},
        login=["--tls", "--cacert", str(certificates / "ca.crt"), "--cert", str(certificates / "client.crt"),
               "--key", str(certificates / "client.key"), "--sni", "directory.example"])


def test_tls(namespace, closing, tmp_path, certificates):
    closing.append(tls_server(certificates, tmp_path))
    ca = "ca-file=%s" % (certificates / "ca.crt")
    with open_driver("tls", ca) as d:
        d.wait("ready")
        assert d.put(0, 5000, A, 7)["done"] == 5000
        assert d.get(0, 5000)["record"] == 5000
        closing[-1].kill()
        d.wait("unreachable")
        closing[-1].start()
        d.wait("ready")
        assert d.put(0, 50, A, 7)["done"] == 50
    with open_driver("tls", "ca-file=%s" % (certificates / "stranger.crt")) as d:
        d.wait("unreachable")
        assert "certificate" in d.error(), d.error()
    with open_driver("tls") as d:  # the system's authorities do not know ours
        d.wait("unreachable")
        assert "certificate" in d.error(), d.error()
    with open_driver("tls", ca, "server-name=directory.example") as d:
        d.wait("unreachable")
        assert "mismatch" in d.error(), d.error()
    with open_driver() as d:  # without TLS
        d.wait("unreachable")
        assert "127.0.0.1 port" in d.error()


def test_tls_names(namespace, closing, tmp_path, certificates):
    closing.append(tls_server(certificates, tmp_path, "named"))
    ca = "ca-file=%s" % (certificates / "ca.crt")
    with open_driver("tls", ca, "server-name=directory.example") as d:
        d.wait("ready")
        assert d.put(0, 50, A, 7)["done"] == 50
    with open_driver("tls", ca) as d:
        d.wait("unreachable")
        assert "mismatch" in d.error(), d.error()
    with open_driver("tls", ca, host="localhost") as d:
        d.wait("unreachable")
        assert "mismatch" in d.error(), d.error()


def test_tls_client_certificate(namespace, closing, tmp_path, certificates):
    closing.append(tls_server(certificates, tmp_path, clients="yes"))
    ca = "ca-file=%s" % (certificates / "ca.crt")
    own = lambda name: ["certificate=%s" % (certificates / (name + ".crt")),  # noqa: E731
                        "key=%s" % (certificates / (name + ".key"))]
    with open_driver("tls", ca, *own("client")) as d:
        d.wait("ready")
        assert d.put(0, 50, A, 7)["done"] == 50
    for options in ([], own("stranger")):
        with open_driver("tls", ca, *options) as d:
            d.wait("unreachable")
            assert "127.0.0.1 port" in d.error()


def test_tls_to_a_server_without(server, certificates):
    with open_driver("tls", "ca-file=%s" % (certificates / "ca.crt")) as d:
        d.wait("unreachable")
        assert "127.0.0.1 port" in d.error()


SPEAKER = textwrap.dedent("""
    import socket, sys, threading
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    says, endless = eval(sys.argv[2]), len(sys.argv) > 3
    print("listens", flush=True)
    def serve(connection):
        try:
            if says is not None:
                connection.recv(1)
                connection.sendall(says)
                while endless:
                    connection.sendall(b"x" * 65536)
            while connection.recv(4096):
                pass
        except OSError:
            pass
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
""")


class Speaker:
    """A server that says the same to everybody; None: it accepts and is silent."""

    def __init__(self, says, *more):
        self.process = subprocess.Popen(
            inside(NAMESPACE, ["/usr/bin/python3", "-c", SPEAKER, str(PORT), repr(says)] + list(more)), env=ENVIRONMENT,
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "listens\n"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.parametrize("says, counter", [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "garbage"),
    (b"*2147483647\r\n", "garbage"),
    (b"*-7\r\n", None),
    (b"$99999999999999999999\r\n", None),
    (b"*1\r\n" * 20, "garbage"),
    (b"+OK\r\n" * 50, None),
    (b"$-1\r\n" * 50, None),
    (b"*0\r\n" * 50, None),
    (b":1\r\n" * 50, None),
    (bytes(range(256)) * 16, "garbage"),
    (b"", "timeouts"),
    (None, "timeouts"),
])
def test_what_is_no_server(namespace, closing, says, counter):
    closing.append(Speaker(says))
    with open_driver() as d:
        d.wait("unreachable")
        assert "127.0.0.1 port %d" % PORT in d.error()
        wait_until(lambda: d.counter("connect_failed") >= 2, "it tries again")
        if counter:
            assert d.counter(counter) >= 2
        assert d.put(0, 1, A, 7, tries=2)["given_up"] == 1
        assert d.get(0)["refused"] == 1
        assert d.counter("connect_failed") < 30  # ever later


def test_a_reply_without_end(namespace, closing):
    closing.append(Speaker(b"$500000000\r\n", "endless"))
    with open_driver() as d:
        wait_until(lambda: d.counter("garbage") + d.counter("timeouts") >= 2, "it is given up")
        with open("/proc/%d/status" % d.process.pid) as status:
            peak_kb = int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1))
        with open("/proc/%d/maps" % d.process.pid) as maps:
            sanitized = "libasan" in maps.read()  # which keeps what was freed for a while
        assert peak_kb < (800000 if sanitized else 150000)
        assert d.get(0)["refused"] == 1


def test_nobody_listens(namespace):
    with open_driver() as d:
        d.wait("unreachable")
        assert "refused" in d.error()
        assert d.get(0)["refused"] == 1
        assert d.status()["served"] == "0"
