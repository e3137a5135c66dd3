# SPDX-License-Identifier: GPL-2.0-or-later
# Makes the command table of vtysh from the commands of the modules: run by FRR's clippy, whose parser
# reads the C files. Each DEFPY becomes an entry that vtysh forwards: one of the northbound (DEFPY_YANG) to the
# daemon that has the configuration, others to zebra; ..._NOSH, the command that enters the node, also
# moves vtysh there. install_element() lines are repeated.
import re
import sys
import _clippy


def main():
    sources, output = sys.argv[1:-1], sys.argv[-1]
    names = " and ".join(source.split("/")[-1] for source in sources)
    commands, lines = {}, []
    for entry in [entry for source in sources for entry in _clippy.parse(source)["data"]]:
        if entry["type"].startswith("DEFPY"):
            _, name, string, doc = entry["args"]
            enters = entry["type"].endswith("NOSH")
            daemon = "HOLDFAST_VTYSH_CONFIGURATION" if "_YANG" in entry["type"] else "VTYSH_ZEBRA"
            commands[name[0]] = (" ".join(string), "\n\t       ".join(doc), daemon, enters)
        elif entry["type"] == "install_element":
            node, command = entry["args"]
            lines.append(("".join(node), "".join(command).lstrip("&")))
    text = ["/* Made by vtysh/commands.py from %s. */" % names, ""]
    for name, (string, doc, daemon, enters) in commands.items():
        text.append("static const struct cmd_element %s = {" % name)
        text.append('\t.name = "%s",' % name)
        text.append("\t.string = %s," % string)
        text.append("\t.doc = %s," % doc)
        text.append("\t.daemon = %s," % daemon)
        if enters:
            text.append("\t.func = enter_node,")
        text.append("};")
    text += ["", "static void install_commands(void)", "{"]
    for node, name in lines:
        if name not in commands:
            sys.exit("%s: install_element() of the unknown command %s" % (names, name))
        text.append("\t_install_element(%s, &%s);" % (node, name))
    text += ["}", ""]
    if not lines or set(commands) - set(name for _, name in lines):
        sys.exit("%s: commands that are not installed: %s"
                 % (names, set(commands) - set(name for _, name in lines)))
    with open(output, "w") as file:
        file.write("\n".join(text))


main()
