"""The room on the disk that the store is on, in Prometheus' families.

Owns nothing of the store: a store that is no file has no such families. It asks the kernel: not for the event loop.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SQLITE = "sqlite:///"


class DiskFamilies(Collector):
    """Size of the file system of the store's folder, and what of it is free for us."""

    def __init__(self, prefix: str, store_url: str) -> None:
        self._prefix = prefix
        self._folder = Path(store_url.removeprefix(_SQLITE)).parent if store_url.startswith(_SQLITE) else None

    def collect(self) -> Iterator[Metric]:
        """Two families, or none where nothing can be known."""
        if self._folder is None:
            return
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return
        yield GaugeMetricFamily(
            f"{self._prefix}_store_disk_free_bytes", "Bytes free on the disk of the store.",
            value=found.f_bavail * found.f_frsize,
        )  # fmt: skip
        yield GaugeMetricFamily(
            f"{self._prefix}_store_disk_bytes", "Size of the disk of the store.", value=found.f_blocks * found.f_frsize
        )
