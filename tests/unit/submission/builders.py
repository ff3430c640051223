"""A small catalogue, drafts and keys with defaults: a test names only what it is about."""

from datetime import UTC, date, datetime
from typing import Any

from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.events.model import Role
from fourones_submission.domain.checking import Checked, check
from fourones_submission.domain.draft import Draft, FigureDraft
from fourones_submission.domain.terms import Terms

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
CITY, COUNTY, OTHER_COUNTY, OLD_COUNTY, DEPARTMENT = "320300", "320382", "320381", "320399", "gxj"

_CLUSTERS = ("construction-machinery", "digital-economy")


def an_indicator(**changes: Any) -> dict[str, Any]:
    reporting = {
        "about": "counties-and-zones",
        "by": "self",
        "frequency": "M",
        "first": date(2024, 1, 1),
        "due_days": 10,
    } | changes.pop("reporting", {})
    return {
        "id": "cluster-scale",
        "name": "集群产业规模",
        "name_en": "scale",
        "unit": "亿元",
        "measure": "industry-scale",
        "kind": "flow",
        "covers": "year-to-date",
        "decimals": 4,
        "minimum": "0",
        "maximum": "10000",
        "clusters": _CLUSTERS,
        "reporting": reporting,
        "source": "004",
    } | changes


def a_catalogue(*indicators: dict[str, Any]) -> Catalogue:
    people = [(CITY, "徐州市", "city"), (COUNTY, "邳州市", "county"), (OTHER_COUNTY, "新沂市", "county")]
    departments = [(DEPARTMENT, "市工业和信息化局", "department"), ("kjj", "市科学技术局", "department")]
    organisations: list[dict[str, Any]] = [
        {"id": key, "name": name, "kind": kind, "source": "004"} for key, name, kind in people + departments
    ]
    organisations.append(
        {"id": OLD_COUNTY, "name": "旧县", "kind": "county", "valid_until": date(2025, 6, 30), "source": "004"}
    )
    return Catalogue.model_validate(
        {
            "sources": [{"id": "004", "title": "徐委发〔2022〕33号"}],
            "organisations": organisations,
            "tiers": [{"id": "advantage", "name": "优势", "source": "004"}],
            "clusters": [
                {
                    "id": "construction-machinery",
                    "name": "工程机械",
                    "tier": "advantage",
                    "lead": "gxj",
                    "source": "004",
                },
                {"id": "digital-economy", "name": "数字经济", "tier": "advantage", "lead": "kjj", "source": "004"},
                {"id": "new-materials", "name": "新材料", "tier": "advantage", "lead": "kjj", "source": "004"},
            ],
            "indicators": indicators or DEFAULT_INDICATORS,
        }
    )


DEFAULT_INDICATORS = (
    an_indicator(),
    an_indicator(
        id="projects",
        name="项目数",
        unit="个",
        measure="count",
        covers="period",
        decimals=0,
        minimum=None,
        maximum=None,
        clusters=(),
        january_february="together",
        reporting={"may_not_apply": (COUNTY,)},
    ),
    an_indicator(id="sales", name="开票销售", clusters=(), january_february="together"),
    an_indicator(
        id="base-stations",
        name="5G 基站",
        unit="个",
        measure="count",
        kind="stock",
        covers="period",
        decimals=0,
        clusters=(),
        reporting={"about": "city", "by": DEPARTMENT, "frequency": "Q", "last": date(2026, 12, 31)},
    ),
    an_indicator(
        id="weekly-meetings",
        name="工作调度会",
        unit="次",
        measure="count",
        covers="period",
        decimals=0,
        reporting={"about": "city", "by": "cluster-lead", "frequency": "W"},
    ),
    an_indicator(id="long-series", name="历史数据", reporting={"first": date(1950, 1, 1)}),
    an_indicator(
        id="five-year-investment",
        name="五年投资",
        clusters=(),
        covers="period",
        reporting={
            "about": (COUNTY,),
            "frequency": "R",
            "period": "2021-01-01/P5Y",
            "first": date(2021, 1, 1),
        },
    ),
)
# A department's figure about the city beside those of the counties, and an indicator that nobody reports.
BESIDE_THE_COUNTIES = an_indicator(
    id="exports",
    name="出口额",
    over_organisations="sum",
    reporting={"city": {"by": "kjj", "stands": "counties"}, "first": date(2025, 1, 1)},
)
COMPUTED = an_indicator(
    id="exports-growth",
    name="出口额同比",
    unit="%",
    measure="growth",
    kind="ratio",
    covers="period",
    minimum=None,
    maximum=None,
    derived={"kind": "growth", "of": "exports", "over": "year-before"},
    reporting={"by": "computed", "first": date(2026, 1, 1)},
)
TERMS = Terms(7, a_catalogue())


def a_figure(**changes: Any) -> FigureDraft:
    return FigureDraft(
        **{"indicator": "cluster-scale", "cluster": "construction-machinery", "period": "2026-02", "value": "123.4"}
        | changes
    )


def a_draft(*figures: FigureDraft, org: str | None = COUNTY, **changes: Any) -> Draft:
    return Draft(org, figures or (a_figure(),), **changes)


def a_key(org: str | None = COUNTY, role: Role = Role.REPORTER, **changes: Any) -> Principal:
    return Principal("k1", role, org, **changes)


def checked(*figures: FigureDraft, key: Principal | None = None, now: datetime = NOW, **changes: Any) -> Checked:
    return check(a_draft(*figures, **changes), TERMS, key or a_key(), now)


def codes(outcome: Checked) -> list[tuple[int | None, str | None, str]]:
    return [(fault.figure, fault.field, fault.code) for fault in outcome.faults]


def only_fault(outcome: Checked) -> tuple[int | None, str | None, str]:
    (fault,) = codes(outcome)
    assert outcome.figures == ()
    return fault
