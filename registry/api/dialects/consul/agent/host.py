"""The machine as `/v1/agent/host` describes it: memory, processors, system and disk.

Owns reading them from the kernel's files; every function blocks and belongs on a thread. What a machine does
not tell is empty or 0. Source: agent.md §3.2.
"""

import os
import platform
import socket
from pathlib import Path
from typing import Any

from registry.api.dialects.consul.go.encode import encoded, in_order

Facts = dict[str, Any]

_KIBI = 1024


def host_facts(data_dir: str, now_ns: int) -> bytes:
    """The whole answer, with the disk that holds `data_dir` and the time of asking (Unix nanoseconds)."""
    return encoded(
        in_order({
            "Memory": in_order(memory()),
            "CPU": [in_order(one) for one in processors()],
            "Host": in_order(system(now_ns // 1_000_000_000)),
            "Disk": in_order(disk(data_dir)),
            "CollectionTime": now_ns,
            "Errors": None,
        })
    )  # fmt: skip


def memory() -> Facts:
    """Bytes of memory by use."""
    kibibytes = {name: int(value.split()[0]) for name, value in _pairs("/proc/meminfo") if value}
    total, free, available = (kibibytes.get(name, 0) * _KIBI for name in ("MemTotal", "MemFree", "MemAvailable"))
    named = {
        "active": "Active", "inactive": "Inactive", "buffers": "Buffers", "cached": "Cached", "shared": "Shmem",
        "dirty": "Dirty", "slab": "Slab", "swapTotal": "SwapTotal", "swapFree": "SwapFree", "mapped": "Mapped",
    }  # fmt: skip
    return {
        "total": total,
        "available": available,
        "used": total - available,
        "usedPercent": _percent(total - available, total),
        "free": free,
        **{ours: kibibytes.get(theirs, 0) * _KIBI for ours, theirs in named.items()},
    }


def processors() -> list[Facts]:
    """One object for each logical processor."""
    return [_processor(dict(_parsed(part))) for part in _text("/proc/cpuinfo").split("\n\n") if "processor" in part]


def _processor(known: dict[str, str]) -> Facts:
    return {
        "cpu": _number(known.get("processor", "")),
        "vendorId": known.get("vendor_id", ""),
        "family": known.get("cpu family", ""),
        "model": known.get("model", ""),
        "stepping": _number(known.get("stepping", "")),
        "physicalId": known.get("physical id", ""),
        "coreId": known.get("core id", ""),
        "cores": 1,
        "modelName": known.get("model name", ""),
        "mhz": float(known.get("cpu MHz") or 0),
        "cacheSize": _number(known.get("cache size", "").partition(" ")[0]),
        "flags": known.get("flags", known.get("Features", "")).split(),
        "microcode": known.get("microcode", ""),
    }


def system(now_seconds: int) -> Facts:
    """The operating system and since when it has been up."""
    uptime = int(float(_text("/proc/uptime").partition(" ")[0] or 0))
    release = dict(_parsed(_text("/etc/os-release"), "="))
    kernel = platform.uname()
    return {
        "hostname": socket.gethostname(),
        "uptime": uptime,
        "bootTime": now_seconds - uptime,
        "procs": sum(name.isdecimal() for name in _names("/proc")),
        "os": kernel.system.lower(),
        "platform": release.get("ID", "").strip('"'),
        "platformFamily": release.get("ID_LIKE", release.get("ID", "")).strip('"'),
        "platformVersion": release.get("VERSION_ID", "").strip('"'),
        "kernelVersion": kernel.release,
        "kernelArch": kernel.machine,
        "virtualizationSystem": "docker" if Path("/.dockerenv").exists() else "",
        "virtualizationRole": "guest" if Path("/.dockerenv").exists() else "",
        "hostId": _text("/etc/machine-id").strip(),
    }


def disk(path: str) -> Facts:
    """The file system that holds the path, or its nearest parent that exists."""
    place = Path(path).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    figures = os.statvfs(place)
    total, free = figures.f_blocks * figures.f_frsize, figures.f_bavail * figures.f_frsize
    used = (figures.f_blocks - figures.f_bfree) * figures.f_frsize
    inodes_used = figures.f_files - figures.f_ffree
    return {
        "path": str(place),
        "fstype": _file_system(place),
        "total": total,
        "free": free,
        "used": used,
        "usedPercent": _percent(used, used + free),
        "inodesTotal": figures.f_files,
        "inodesUsed": inodes_used,
        "inodesFree": figures.f_ffree,
        "inodesUsedPercent": _percent(inodes_used, figures.f_files),
    }


def _file_system(place: Path) -> str:
    """The type of the mount that holds the path: of those above it the longest."""
    mounts = (line.split() for line in _text("/proc/mounts").splitlines())
    above = [(len(mount), kind) for _, mount, kind, *_ in mounts if place.is_relative_to(mount)]
    return max(above, default=(0, ""))[1]


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _pairs(path: str) -> list[tuple[str, str]]:
    return _parsed(_text(path))


def _parsed(text: str, separator: str = ":") -> list[tuple[str, str]]:
    lines = (line.partition(separator) for line in text.splitlines())
    return [(name.strip(), value.strip()) for name, found, value in lines if found]


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
