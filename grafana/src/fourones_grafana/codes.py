"""What the submission service's codes are called on the boards: as short as a column on a wall has to be."""

from __future__ import annotations

from typing import Final

REFUSALS: Final = {
    # The whole submission.
    "not_parseable": "无法读取",
    "body_not_object": "不是 JSON 对象",
    "type_wrong": "类型不对",
    "field_unknown": "字段名不对",
    "figures_missing": "缺数据项列表",
    "figures_empty": "没有数据项",
    "figures_too_many": "数据项过多",
    # CSV files and workbooks.
    "structure_unknown": "数据结构不对",
    "action_unknown": "操作类型不对",
    "column_missing": "缺列",
    "column_repeated": "列重复",
    "row_length": "行内格数不对",
    "org_differs": "一份多个单位",
    "attribute_differs": "填报审核人不一",
    "sheet_not_found": "缺填报工作表",
    "template_newer": "模板版本过新",
    "cell_formula": "单元格是公式",
    "cell_error": "单元格是错误值",
    "cell_date": "单元格成了日期",
    "cell_percent": "单元格是百分比",
    "value_imprecise": "有效位数过多",
    # Who, and about whom.
    "role_may_not_report": "密钥不能报送",
    "org_missing": "缺单位",
    "org_unknown": "无此单位编码",
    "org_not_yours": "不是本单位的数",
    "org_not_a_subject": "指标不统计该单位",
    "org_not_existing": "单位当期未设立",
    "not_duty_holder": "应由别的单位报",
    "outside_key_scope": "超出密钥范围",
    # Which figure.
    "indicator_missing": "缺指标",
    "indicator_unknown": "无此指标编码",
    "computed_indicator": "指标由系统计算",
    "cluster_missing": "缺集群",
    "cluster_unknown": "无此集群编码",
    "cluster_not_expected": "指标不分集群",
    "cluster_not_reported": "指标不报该集群",
    "figure_repeated": "数据项重复",
    "period_missing": "缺报告期",
    "period_invalid": "报告期写法不对",
    "period_frequency": "报告期频度不对",
    "period_january_february": "一二月应合并报",
    "period_not_expected": "不报该时段",
    "period_before_first": "早于起报期",
    "period_after_last": "晚于末报期",
    "period_in_future": "报告期未开始",
    "period_not_ended": "报告期未结束",
    "period_locked": "报告期已锁定",
    # The value.
    "value_missing": "缺数值",
    "value_not_decimal": "不是十进制数",
    "value_decimals": "小数位数过多",
    "value_below_minimum": "小于下限",
    "value_above_maximum": "大于上限",
    "unit_wrong": "计量单位不对",
    "status_unknown": "状态不对",
    "status_with_value": "缺报却有数值",
    "not_applicable_refused": "不能报不适用",
    "withdraw_with_value": "撤回却有数值",
    "withdraw_with_status": "撤回却有状态",
    "nothing_to_withdraw": "无可撤回",
    "text_too_long": "文字过长",
    "text_not_printable": "含不可见字符",
    "justification_required": "存疑未说明",
}
"""Why submissions are refused, by the label `code` of `fourones_submission_faults_total`."""

DOUBTS: Final = {
    "unit_slip": "疑似计量单位写错",
    "jump": "与历史差距大",
    "year_to_date_falls": "累计数下降",
    "year_to_date_contradicts": "累计与单期不符",
    "zone_beyond_district": "园区超过所在区",
    "growth_mismatch": "增速与数值不符",
}
"""What is doubtful about accepted figures, by the code of the warning."""
