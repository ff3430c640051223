"""Figures written down as YAML beside the catalogue, each file a list of submissions.

A submission names its `reporter` (whose key sends it), the organisation it is about and its source; `body` makes of
it what `POST /v1/submissions` takes. Values stay the text that was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fourones_shared.catalogue.duties import is_expected, reporter_of
from fourones_shared.catalogue.faults import CatalogueHasFaults, Fault, Words, escape
from fourones_shared.catalogue.files import REPORTED, name_of
from fourones_shared.catalogue.located import LocatedFile, read_located
from fourones_shared.catalogue.model import TOTAL, Catalogue, Exact
from fourones_shared.catalogue.rules.lookup import fault, period_fault, period_or_none, subject_ids
from fourones_shared.domain.numbers import decimals_of, format_decimal


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedFigure(_Value):
    """One figure; `source` overrides the submission's, and either goes into the note."""

    indicator: str
    cluster: str | None = None
    period: str
    value: Exact | None
    unit: str | None = None
    status: str = Field(default="A", pattern="^[APEFOM]$")
    note: str | None = None
    source: str | None = None


class ReportedSubmission(_Value):
    """What one organisation reports about itself or about the city."""

    reporter: str
    org: str
    prepared_by: str | None = None
    approved_by: str | None = None
    source: str | None = None
    figures: tuple[ReportedFigure, ...]

    def body(self) -> dict[str, Any]:
        """The JSON body of `POST /v1/submissions`."""
        body: dict[str, Any] = {"org": self.org}
        if self.prepared_by is not None:
            body["prepared_by"] = self.prepared_by
        if self.approved_by is not None:
            body["approved_by"] = self.approved_by
        body["figures"] = [self._figure(figure) for figure in self.figures]
        return body

    def _figure(self, figure: ReportedFigure) -> dict[str, Any]:
        source = figure.source or self.source
        notes = [figure.note, f"来源:{source}" if source else None]
        content = {
            "indicator": figure.indicator,
            "cluster": figure.cluster,
            "period": figure.period,
            "unit": figure.unit,
            "note": ";".join(note for note in notes if note) or None,
        }
        value = None if figure.value is None else format_decimal(figure.value)
        return {k: v for k, v in content.items() if v is not None} | {"value": value, "status": figure.status}


@dataclass(frozen=True, slots=True)
class Reported:
    """A submission and where it was written."""

    submission: ReportedSubmission
    file: LocatedFile
    pointer: str


def load_reported(path: Path) -> list[ReportedSubmission]:
    """The submissions of one file.

    Raises:
        CatalogueHasFaults: with all faults of the file.
    """
    found, faults = read_reported(path, path.name)
    if faults:
        raise CatalogueHasFaults(faults)
    return [reported.submission for reported in found]


def read_reported(path: Path, name: str) -> tuple[list[Reported], list[Fault]]:
    """What `load_reported` reads with its places, and its faults, without raising."""
    file = read_located(path, name)
    faults = list(file.faults)
    content = file.content
    listed = content.get("submissions") if isinstance(content, Mapping) else None
    prefix = "/submissions"
    if isinstance(content, Mapping) and listed is None and "figures" in content:
        listed, prefix = [content], ""
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        if file.readable:
            faults.append(_shape(file, "", "submissions", "应为 submissions 列表", "a list `submissions` is expected"))
        return [], faults
    found = []
    for i, entry in enumerate(listed):
        pointer = f"{prefix}/{i}" if prefix else ""
        try:
            found.append(Reported(ReportedSubmission.model_validate(entry), file, pointer))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place = pointer + "".join(f"/{escape(part)}" for part in detail["loc"])
                faults.append(_shape(file, place, detail["type"].replace("_", "-"), detail["msg"], detail["msg"]))
    return found, faults


def check_reported(catalogue: Catalogue, folder: Path) -> tuple[int, list[Fault]]:
    """Hold the figures in the folder's `reported` against the catalogue: how many there are, and all faults."""
    count, faults = 0, []
    for path in sorted((folder / REPORTED).glob("*.y*ml")):
        found, wrong = read_reported(path, name_of(folder, path))
        faults.extend(wrong)
        for reported in found:
            count += len(reported.submission.figures)
            for fault_ in _against(catalogue, reported.submission):
                pointer = reported.pointer + fault_.pointer
                line = reported.file.line_of(pointer)
                faults.append(replace(fault_, pointer=pointer, file=reported.file.name, line=line))
    return count, faults


def _against(catalogue: Catalogue, submission: ReportedSubmission) -> Iterator[Fault]:
    seen: set[tuple[str, str | None, str]] = set()
    sources = {source.id for source in catalogue.sources}
    for i, figure in enumerate(submission.figures):
        at = f"/figures/{i}"
        key = (figure.indicator, figure.cluster, figure.period)
        if key in seen:
            yield fault(
                at,
                "same-figure-twice",
                zh=("同一指标、集群、报告期出现两次", "只保留一个"),
                en=("the same figure twice", "keep one"),
            )
        seen.add(key)
        source = figure.source or submission.source
        if source is not None and source not in sources:
            yield fault(
                f"{at}/source",
                "unknown-reference",
                zh=(f"没有来源 {source}", "改正来源代码"),
                en=(f"there is no source {source}", "mend it"),
            )
        yield from _figure(at, catalogue, submission, figure)


def _figure(at: str, catalogue: Catalogue, submission: ReportedSubmission, figure: ReportedFigure) -> Iterator[Fault]:
    indicator = catalogue.indicator.get(figure.indicator)
    if indicator is None:
        yield fault(
            f"{at}/indicator",
            "unknown-reference",
            zh=(f"没有指标 {figure.indicator}", "改正指标代码"),
            en=(f"there is no indicator {figure.indicator}", "mend it"),
        )
        return
    if indicator.is_computed:
        yield fault(
            f"{at}/indicator",
            "computed-indicator",
            zh=(f"{indicator.id} 由系统计算,不报送", "删去这个数"),
            en=(f"{indicator.id} is computed: nobody reports it", "remove the figure"),
        )
        return
    if submission.org not in subject_ids(catalogue, indicator):
        yield fault(
            f"{at}/indicator",
            "not-a-subject",
            zh=(f"{indicator.id} 不报送 {submission.org} 的数", "改正 org"),
            en=(f"{indicator.id} is not about {submission.org}", "mend `org`"),
        )
        return
    cluster = figure.cluster or TOTAL
    if cluster not in (indicator.clusters or (TOTAL,)):
        yield fault(
            f"{at}/cluster",
            "cluster-not-reported",
            zh=(f"{indicator.id} 不报送集群 {cluster}", "改正集群"),
            en=(f"{indicator.id} is not reported for {cluster}", "mend the cluster"),
        )
    elif (holder := reporter_of(catalogue, indicator, submission.org, cluster)) != submission.reporter:
        yield fault(
            at,
            "not-the-duty-holder",
            zh=(f"{indicator.id} 由 {holder} 报送", f"reporter 改为 {holder}"),
            en=(f"{indicator.id} is reported by {holder}", f"let {holder} be the reporter"),
        )
    period = period_or_none(figure.period)
    if period is None:
        yield period_fault(f"{at}/period", figure.period)
    elif not is_expected(indicator, period):
        yield fault(
            f"{at}/period",
            "period-not-expected",
            zh=(f"{indicator.id} 不按 {period} 报送", "改正报告期"),
            en=(f"{indicator.id} is not reported for {period}", "mend the period"),
        )
    if figure.unit is not None and figure.unit != indicator.unit:
        yield fault(
            f"{at}/unit",
            "unit-differs",
            zh=(f"单位应为 {indicator.unit}", "改正并换算"),
            en=(f"the unit is {indicator.unit}", "mend and convert"),
        )
    value = figure.value
    if value is not None and (
        decimals_of(value) > indicator.decimals
        or (indicator.minimum is not None and value < indicator.minimum)
        or (indicator.maximum is not None and value > indicator.maximum)
    ):
        yield fault(
            f"{at}/value",
            "out-of-bounds",
            zh=("数值超出界限或小数位过多", "改正数值"),
            en=("out of bounds, or too many decimals", "mend the value"),
        )


def _shape(file: LocatedFile, pointer: str, code: str, zh: str, en: str) -> Fault:
    return Fault(
        pointer, code, Words(zh, "按样例改正"), Words(en, "mend it"), file=file.name, line=file.line_of(pointer)
    )
