# SPDX-License-Identifier: GPL-2.0-or-later
"""
Makes the Debian package of what is installed once more, as another version of it if wanted: an upgrade without an
archive. Its programs say that they are the other version; they are the same otherwise.
"""
import os
import pathlib
import re
import shutil
import subprocess

INFO = pathlib.Path("/var/lib/dpkg/info")
SCRIPTS = ("conffiles", "md5sums", "postinst", "postrm", "preinst", "prerm", "shlibs", "triggers")


def output(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def next_version(version):
    """As long as the version itself, and newer."""
    return version[:-1] + ("9" if version[-1] != "9" else "A")


def repack(package, directory, version=None):
    """Returns the path of the package. *version*: (of the programs now, what they say in the new one)."""
    root = pathlib.Path(directory) / "root"
    shutil.rmtree(root, ignore_errors=True)
    for path in output("dpkg", "-L", package).splitlines():
        if path == "/." or not path.startswith("/"):  # a note about a diversion
            continue
        source = pathlib.Path(output("dpkg-divert", "--truename", path).strip())
        target = root / path[1:]
        if source.is_dir():  # /lib may be a link on this system
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
        if version and target.read_bytes()[:4] == b"\x7fELF":
            old, new = (text.encode() + b"\0" for text in version)
            target.write_bytes(target.read_bytes().replace(old, new))
    control = re.sub(r"^(Status|Config-Version):.*\n", "", output("dpkg", "-s", package), flags=re.MULTILINE)
    control = re.sub(r"^Conffiles:\n( .*\n)*", "", control, flags=re.MULTILINE)
    if version:
        control = re.sub(r"^(Version: .*)$", r"\1+holdfast1", control, flags=re.MULTILINE)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(control)
    for name in SCRIPTS:
        script = INFO / ("%s.%s" % (package, name))
        if script.exists() and (name != "md5sums" or not version):
            shutil.copy2(script, root / "DEBIAN" / name)
    made = os.path.join(directory, "%s%s.deb" % (package, ".other" if version else ""))
    output("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", str(root), made)
    shutil.rmtree(root)
    return made
