"""The data structure that figures are exchanged in as SDMX: its identity and its components.

The version has two parts, which SDMX 3 keeps for artefacts whose content may change: the code lists follow the
catalogue in force, while what a file names in STRUCTURE_ID stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass

AGENCY = "FOURONES"
STRUCTURE = "FIGURES"
STRUCTURE_VERSION = "1.0"
STRUCTURE_ID = f"{AGENCY}:{STRUCTURE}({STRUCTURE_VERSION})"
"""Of the data structure definition and of its one dataflow."""

NUMERIC_MISSING = "NaN"
OTHER_MISSING = "#N/A"
"""SDMX's marks of a value that is left out on purpose."""


@dataclass(frozen=True, slots=True)
class Component:
    """A dimension, the measure, or an attribute.

    Attributes:
        id: the concept's, and the column's in SDMX-CSV.
        field: the part of a draft that it fills.
        name: Chinese.
        coded: whether its values come from a code list.
    """

    id: str
    field: str
    name: str
    name_en: str
    coded: bool = False


INDICATOR = Component("INDICATOR", "indicator", "指标", "Indicator", coded=True)
REF_AREA = Component("REF_AREA", "org", "报送单位", "Organisation that the figure is about", coded=True)
CLUSTER = Component("CLUSTER", "cluster", "集群", "Cluster", coded=True)
TIME_PERIOD = Component("TIME_PERIOD", "period", "报告期", "Period")
OBS_VALUE = Component("OBS_VALUE", "value", "数值", "Value")
OBS_STATUS = Component("OBS_STATUS", "status", "状态", "Observation status", coded=True)
UNIT_MEASURE = Component("UNIT_MEASURE", "unit", "计量单位", "Unit of measure")
NOTE = Component("NOTE", "note", "备注", "What a reader must know of the value")
JUSTIFICATION = Component("JUSTIFICATION", "justification", "说明理由", "Why an unlikely value is right")
PREPARED_BY = Component("PREPARED_BY", "prepared_by", "填报人", "Who prepared the submission")
APPROVED_BY = Component("APPROVED_BY", "approved_by", "审核人", "Who approved it")

DIMENSIONS = (INDICATOR, REF_AREA, CLUSTER, TIME_PERIOD)
OBSERVATION_ATTRIBUTES = (OBS_STATUS, NOTE, JUSTIFICATION)
DATASET_ATTRIBUTES = (PREPARED_BY, APPROVED_BY)
COMPONENTS = (*DIMENSIONS, OBS_VALUE, OBS_STATUS, UNIT_MEASURE, NOTE, JUSTIFICATION, *DATASET_ATTRIBUTES)
