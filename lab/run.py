# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of the lab: its prefix, its directory, and the removal of both, however the run ends.

Everything that a run makes is found again through the prefix alone: namespaces /run/netns/PREFIX-*, the
directory ROOT/PREFIX with the run's process id in it and the bpffs on its `bpf`, and the processes inside of its
namespaces.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path("/run/holdfast-lab")
NETNS = pathlib.Path("/run/netns")
FRR_STATE = (pathlib.Path("/run/frr"), pathlib.Path("/var/lib/frr"))
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab could not be built or does not behave; the text says what and where."""


def interrupt_on_signals():
    """The first of the signals that end a program becomes a KeyboardInterrupt; later ones shall not disturb the
    clean-up. What was ignored before (nohup) stays ignored."""
    signals = [
        number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]  # fmt: skip

    def interrupt(_number, _frame):
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in signals:
        signal.signal(number, interrupt)


def run_to_the_end(argv, **options):
    """Runs a program and returns its exit status. When interrupted it waits until the program, told so, has
    cleaned up after itself."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **options)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


class Run:
    def __init__(self):
        ROOT.mkdir(mode=0o755, exist_ok=True)
        for attempt in range(1000):
            self.prefix = f"hf{(os.getpid() + attempt) % 46656:04d}"
            self.directory = ROOT / self.prefix
            try:
                self.directory.mkdir(mode=0o755)
                break
            except FileExistsError:
                continue
        else:
            raise LabError(f"no free name for a run under {ROOT}: try --cleanup")
        (self.directory / "pid").write_text(f"{os.getpid()}\n")
        self.children = []

    def namespace(self, node):
        return f"{self.prefix}-{node}"

    def mount_bpf(self):
        """Mounts a bpffs of the run's own, if that has not been done, and returns its path."""
        path = self.directory / "bpf"
        if not path.is_dir():
            path.mkdir()
            mounted = subprocess.run(["mount", "-t", "bpf", "bpf", path], capture_output=True, text=True, check=False)
            if mounted.returncode:
                raise LabError(f"{path}: {mounted.stderr.strip()}")
        return path

    def spawn(self, node, argv, log, **options):
        """Starts a process inside of a node; its output goes to a file of the run's directory."""
        with open(self.directory / log, "ab") as output:
            options.setdefault("stdout", output)
            process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
                preexec_fn=self._entry(node),
                **options,
            )
        self.children.append(process)
        return process

    def execute(self, node, argv, check=True, timeout=20, **options):
        """Runs a command inside of a node to its end and returns its output."""
        command = " ".join(map(str, argv))
        try:
            done = subprocess.run(
                [str(part) for part in argv],
                stdin=options.pop("stdin", None if "input" in options else subprocess.DEVNULL),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                timeout=timeout,
                preexec_fn=self._entry(node),
                **options,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{node}: {command}: no end within {timeout} s") from error
        if check and done.returncode:
            raise LabError(f"{node}: {command}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def _entry(self, node):
        descriptor = os.open(NETNS / self.namespace(node), os.O_RDONLY | os.O_CLOEXEC)

        def enter():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if _libc.setns(descriptor, CLONE_NEWNET):
                os._exit(127)

        return _ClosingEntry(descriptor, enter)

    def stop(self, processes, sig=signal.SIGTERM, timeout=2.0):
        """Ends the processes given, by force after *timeout* seconds."""
        for process in processes:
            if process.poll() is None:
                process.send_signal(sig)
        end = time.monotonic() + timeout
        for process in processes:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process in self.children:
                self.children.remove(process)

    def close(self):
        """Removes all that the run made. May be called more than once."""
        self.stop(list(self.children), signal.SIGKILL)
        remove_leftovers(self.prefix)


class _ClosingEntry:
    """What a child does before exec; the parent's copy of the descriptor goes with the object."""

    def __init__(self, descriptor, enter):
        self.descriptor = descriptor
        self.enter = enter

    def __call__(self):
        self.enter()

    def __del__(self):
        os.close(self.descriptor)


def remove_leftovers(prefix):
    """Kills what runs in the namespaces of *prefix*, removes them and the run's directory."""
    namespaces = sorted(path.name for path in NETNS.glob(f"{prefix}-*")) if NETNS.is_dir() else []
    for name in namespaces:
        listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
        for pid in listed.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
    commands = "".join(f"netns del {name}\n" for name in namespaces)
    subprocess.run(["ip", "-force", "-batch", "-"], input=commands, capture_output=True, text=True, check=False)
    bpf = ROOT / prefix / "bpf"
    if bpf.is_mount():
        subprocess.run(["umount", bpf], capture_output=True, check=False)
    shutil.rmtree(ROOT / prefix, ignore_errors=True)
    for directory in FRR_STATE:  # daemons with -N
        for path in directory.glob(f"{prefix}-*"):
            shutil.rmtree(path, ignore_errors=True)


def cleanup_stale():
    """Removes what runs left behind that were killed. Returns their prefixes."""
    removed = []
    for directory in sorted(ROOT.glob("hf*")) if ROOT.is_dir() else []:
        try:
            pid = int((directory / "pid").read_text())
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            alive = b"python" in command
        except (OSError, ValueError):
            alive = False
        if not alive:
            remove_leftovers(directory.name)
            removed.append(directory.name)
    return removed
