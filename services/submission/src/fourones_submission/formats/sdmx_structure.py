"""The structure definition of the figures as an SDMX-JSON 2.0 structure message.

SDMX tools read it before they write a file for `sdmx_csv`. Structure, dataflow and concepts stay as they are; the
code lists are those of one catalogue version and bear its number (`CL_INDICATOR(3.0)`).

Source: SDMX-JSON structure message 2.0.0, schema of the SDMX technical working group.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fourones_shared.catalogue.model import TOTAL, Catalogue
from fourones_shared.events.model import Status
from fourones_submission.domain.checking import LONGEST_NAME, LONGEST_NOTE
from fourones_submission.formats.sdmx_components import (
    AGENCY,
    CLUSTER,
    COMPONENTS,
    DATASET_ATTRIBUTES,
    DIMENSIONS,
    INDICATOR,
    OBS_STATUS,
    OBS_VALUE,
    OBSERVATION_ATTRIBUTES,
    REF_AREA,
    STRUCTURE,
    STRUCTURE_VERSION,
    TIME_PERIOD,
    UNIT_MEASURE,
    Component,
)

MEDIA_TYPE = "application/vnd.sdmx.structure+json; version=2.0.0"
LANGUAGES = ("zh", "en")

_SCHEMA = (
    "https://raw.githubusercontent.com/sdmx-twg/sdmx-json/master/structure-message/tools/schemas/2.0.0/"
    "sdmx-json-structure-schema.json"
)
_CONCEPTS = "CS_FIGURES"
_DATA_STRUCTURE = f"urn:sdmx:org.sdmx.infomodel.datastructure.DataStructure={AGENCY}:{STRUCTURE}({STRUCTURE_VERSION})"
_STATUSES = {
    Status.NORMAL: ("正常", "Normal"),
    Status.PROVISIONAL: ("初步数", "Provisional"),
    Status.ESTIMATED: ("估计数", "Estimated"),
    Status.FORECAST: ("预测数", "Forecast"),
    Status.MISSING: ("缺报", "Missing: declared by its reporter"),
    Status.NOT_APPLICABLE: ("不适用", "Not applicable"),
}
_LONGEST = {component.id: LONGEST_NOTE for component in OBSERVATION_ATTRIBUTES if not component.coded} | {
    component.id: LONGEST_NAME for component in DATASET_ATTRIBUTES
}

Message = dict[str, Any]


def structure_message(version: int, catalogue: Catalogue, prepared_at: datetime) -> Message:
    """The message, ready to be written as JSON.

    Args:
        version: of the catalogue.
        catalogue: whose indicators, organisations and clusters are the codes.
        prepared_at: the moment it is made.
    """
    return {
        "meta": {
            "schema": _SCHEMA,
            "id": f"{AGENCY}-{STRUCTURE}-{version}",
            "prepared": prepared_at.isoformat(),
            "test": False,
            "contentLanguages": list(LANGUAGES),
            "sender": {"id": AGENCY},
        },
        "data": {
            "dataStructures": [_data_structure(version)],
            "dataflows": [_artefact(STRUCTURE, "报送数", "Reported figures") | {"structure": _DATA_STRUCTURE}],
            "conceptSchemes": [
                _artefact(_CONCEPTS, "报送数的概念", "Concepts of reported figures")
                | {"concepts": [_named(component.id, component.name, component.name_en) for component in COMPONENTS]}
            ],
            "codelists": _code_lists(version, catalogue),
        },
    }


def _data_structure(version: int) -> Message:
    position = {component.id: place for place, component in enumerate(DIMENSIONS)}
    plain = [component for component in DIMENSIONS if component is not TIME_PERIOD]
    return _artefact(STRUCTURE, "报送数的数据结构", "Structure of reported figures") | {
        "dataStructureComponents": {
            "dimensionList": {
                "id": "DimensionDescriptor",
                "dimensions": [_component(c, version) | {"position": position[c.id]} for c in plain],
                "timeDimension": _identified(TIME_PERIOD)
                | {"localRepresentation": {"format": {"dataType": "ObservationalTimePeriod"}}},
            },
            "measureList": {
                "id": "MeasureDescriptor",
                "measures": [
                    _identified(OBS_VALUE)
                    | {"usage": "optional", "localRepresentation": {"format": {"dataType": "Decimal"}}}
                ],
            },
            "attributeList": {
                "id": "AttributeDescriptor",
                "attributes": [
                    *(_attribute(c, version, {"observation": {}}) for c in OBSERVATION_ATTRIBUTES),
                    _attribute(UNIT_MEASURE, version, {"dimensions": [INDICATOR.id]}),
                    *(_attribute(c, version, {"dataflow": {}}) for c in DATASET_ATTRIBUTES),
                ],
            },
        }
    }


def _attribute(component: Component, version: int, relationship: Message) -> Message:
    return _component(component, version) | {"usage": "optional", "attributeRelationship": relationship}


def _component(component: Component, version: int) -> Message:
    representation: Message
    if component.coded:
        urn = f"urn:sdmx:org.sdmx.infomodel.codelist.Codelist={AGENCY}:{_code_list_id(component)}({version}.0)"
        representation = {"enumeration": urn}
    else:
        longest = {"maxLength": _LONGEST[component.id]} if component.id in _LONGEST else {}
        representation = {"format": {"dataType": "String"} | longest}
    return _identified(component) | {"localRepresentation": representation}


def _identified(component: Component) -> Message:
    concept = f"Concept={AGENCY}:{_CONCEPTS}({STRUCTURE_VERSION}).{component.id}"
    return {"id": component.id, "conceptIdentity": f"urn:sdmx:org.sdmx.infomodel.conceptscheme.{concept}"}


def _code_lists(version: int, catalogue: Catalogue) -> list[Message]:
    indicators = [
        _named(i.id, i.name, i.name_en)
        | {"annotations": [{"id": UNIT_MEASURE.id, "type": UNIT_MEASURE.id, "title": i.unit}]}
        for i in catalogue.indicators
    ]
    organisations = [_named(o.id, o.name, o.name_en) for o in catalogue.organisations]
    clusters = [_named(c.id, c.name, c.name_en) for c in catalogue.clusters]
    total = _named(TOTAL, "不分集群", "Not by cluster")
    statuses = [_named(status.value, *names) for status, names in _STATUSES.items()]
    codes: Iterable[tuple[Component, list[Message]]] = (
        (INDICATOR, indicators),
        (REF_AREA, organisations),
        (CLUSTER, [*clusters, total]),
        (OBS_STATUS, statuses),
    )
    return [
        _artefact(_code_list_id(component), component.name, component.name_en, f"{version}.0") | {"codes": listed}
        for component, listed in codes
    ]


def _code_list_id(component: Component) -> str:
    return f"CL_{component.id}"


def _artefact(key: str, name: str, name_en: str, version: str = STRUCTURE_VERSION) -> Message:
    return {"agencyID": AGENCY, "version": version} | _named(key, name, name_en)


def _named(key: str, name: str, name_en: str | None) -> Message:
    return {"id": key, "name": name, "names": {"zh": name} | ({"en": name_en} if name_en else {})}
