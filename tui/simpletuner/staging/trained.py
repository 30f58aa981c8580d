"""The scan of a job's datasets, reduced to what is staged: the trainer sees no other pictures.

Pictures without a caption may be left out, and those whose names cannot stand in an archive are
staged under other names. Steps, aspect buckets and price follow from the staged pictures.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tui.simpletuner.datasets.scan import DataReport, DatasetReport
from tui.simpletuner.datasets.scan_folder import Skipped
from tui.simpletuner.staging.manifest import Manifest, StagedDataset
from tui.simpletuner.staging.names import split_suffix


def staged_report(report: DataReport, manifest: Manifest) -> DataReport:
    """Return the scan with counts, sizes and captions of the staged files.

    Datasets that are not in the manifest stay as they are. Lists of files keep what the scan found,
    but for what is staged all the same: the findings about them name files of this machine.
    """
    staged = {dataset.id: dataset for dataset in manifest.datasets}
    return replace(
        report,
        datasets=tuple(
            _reduced(dataset, staged[dataset.id])
            if dataset.kind == "local" and dataset.id in staged
            else dataset
            for dataset in report.datasets
        ),
    )


def _reduced(dataset: DatasetReport, staged: StagedDataset) -> DatasetReport:
    names = {file.path: file.name for file in (*dataset.files, *dataset.odd_files)}
    rows = [names.get(file.source, file.name) for file in staged.files]
    shapes = {image.name: (image.width, image.height) for image in dataset.measured}
    # A size of 0 is an unknown one, as in the scan.
    sizes = Counter(shapes.get(name, (0, 0)) for name in rows)
    too_small = {shape for shape in sizes if dataset.spec.is_too_small(*shape)}
    small = [name for name in rows if shapes.get(name, (0, 0)) in too_small]
    return replace(
        dataset,
        problems=(),  # of the local folder; the trainer reads what is staged
        # Two datasets over one folder are staged twice, and trained twice.
        archive_folder=dataset.id,
        images=len(rows),
        captions=sum(bool(file.captions) for file in staged.files),
        small_images=tuple(small),
        skipped=_left_out(dataset, staged),
        sizes=tuple((width, height, count) for (width, height), count in sizes.items()),
    )


def _left_out(dataset: DatasetReport, staged: StagedDataset) -> tuple[Skipped, ...]:
    """What is skipped of a folder without the pictures, and their captions, that are staged."""
    stems = {split_suffix(file.source)[0] for file in staged.files}
    sent = {file.name for file in dataset.odd_files if split_suffix(str(file.path))[0] in stems}
    return tuple(item for item in dataset.skipped if item.path not in sent)
