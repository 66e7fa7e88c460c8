# SPDX-License-Identifier: GPL-2.0-only
"""The cargo of a run: what the workers of a cluster need for its lab, and how they get it."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

from harness.run import cluster_worker
from harness.run.cluster_worker import LabOrder, Refusal, SentImages
from harness.run.parcels import Parcel
from harness.vm.kernel_watch import compiled_plugin
from harness.vm.probe import Accelerator

if TYPE_CHECKING:
    from harness.run.cluster import Cluster, Worker
    from harness.run.provenance import PreparedLab


class Cargo:
    """The order for a lab, and its parcels. Safe to use from several threads."""

    def __init__(self, line: str, opened: PreparedLab, *, is_foreign: bool) -> None:
        """Read the images. They are packed when the first worker lacks one."""
        self._parcels: dict[str, Parcel] = {}
        flavours = {}
        for flavour, images in opened.images.items():
            kernel, guest = Parcel(images.kernel.directory), Parcel(images.guest.initramfs.parent)
            self._parcels |= {kernel.digest: kernel, guest.digest: guest}
            flavours[flavour] = SentImages(
                images.kernel.key, kernel.digest, images.guest.key, guest.digest
            )
        plugin = Parcel(compiled_plugin().parent) if flavours else None
        if plugin:
            self._parcels[plugin.digest] = plugin
        facts = opened.facts
        self.order = LabOrder(
            token=token_hex(8),
            line=line,
            code=facts.code,
            qemu=facts.qemu,
            accelerator=Accelerator(facts.accelerator, facts.accelerator_reason),
            flavours=flavours,
            plugin=plugin.digest if plugin else "",
            is_foreign=is_foreign,
            handler=facts.handler,
        )

    def deliver(self, cluster: Cluster, worker: Worker) -> Refusal | None:
        """Send a worker what it lacks, and have it open the lab. Return why it does not."""
        try:
            lacks = cluster.call(worker, cluster_worker.ask, self.order)
            if isinstance(lacks, Refusal):
                return lacks
            for digest in lacks:
                content = self._parcels[digest].content
                refused: Refusal | None = cluster.call(
                    worker, cluster_worker.receive, digest, content
                )
                if refused:
                    return refused
            opened: Refusal | None = cluster.call(worker, cluster_worker.open_lab, self.order)
        except Exception as error:  # of sockets, of Dask, of whatever Python the worker has
            what = f"it does not take the run: {type(error).__name__}: {error}"
            return Refusal(what, "look at its log, and install umd-harness[dask] there")
        return opened
