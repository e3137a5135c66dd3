#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Checks the YANG models that are named: yanglint takes them without a word, so does pyang (--strict --lint)
where it is installed, and because Debian has no pyang, the most of what it would say of RFC 8407 is checked here:
who made the module, a description of everything, short lines. Exit status 77: there is no yanglint.
"""
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

YIN = "{urn:ietf:params:xml:ns:yang:yin:1}"
DESCRIBED = {"module", "revision", "typedef", "enum", "container", "leaf", "leaf-list", "list", "choice", "rpc",
             "notification"}
HEADER = ("yang-version", "namespace", "prefix", "organization", "contact", "description", "revision")


def name(element):
    return element.tag.removeprefix(YIN)


def faults(element, path):
    kind = name(element)
    here = path + "/" + (element.get("name") or element.get("date") or kind)
    kinds = [name(child) for child in element]
    if kind in DESCRIBED and "description" not in kinds:
        yield "%s: %s without a description" % (here, kind)
    if kind == "module":
        yield from ("%s: no %s" % (here, wanted) for wanted in HEADER if wanted not in kinds)
    for child in element:
        yield from faults(child, here)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def check(model):
    status, said = run("yanglint", model)
    if status or said:
        return ["yanglint: " + line for line in said.splitlines()] or ["yanglint: exit status %d" % status]
    found = []
    with open(model) as file:
        found += ["line %d is longer than 80 columns" % (number + 1)
                  for number, line in enumerate(file) if len(line.rstrip("\n")) > 80]
    found += faults(ElementTree.fromstring(run("yanglint", "-f", "yin", model)[1]), "")
    if shutil.which("pyang"):
        status, said = run("pyang", "--strict", "--lint", model)
        found += ["pyang: " + line for line in said.splitlines()] if status else []
    return found


def main():
    if not shutil.which("yanglint"):
        print("yanglint is missing: run tools/setup")
        return 77
    models = sys.argv[1:] or [os.path.join(os.environ.get("srcdir", "."), "yang/frr-holdfast.yang")]
    found = ["%s: %s" % (model, fault) for model in models for fault in check(model)]
    for line in found:
        print(line)
    return 1 if found else 0


sys.exit(main())
