from prometheus_client.parser import text_string_to_metric_families

from fourones_alerting.metrics.pillars import PillarShown, exposition


def test_the_scores_read_back_with_cluster_pillar_and_form_of_period() -> None:
    shown = [PillarShown("machinery", "task-force", "month", 0.75), PillarShown("machinery", "alliance", "year", 0.0)]
    [family] = text_string_to_metric_families(exposition(shown).decode())
    assert (family.name, family.type) == ("fourones_pillar_score_ratio", "gauge")
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"cluster": "machinery", "pillar": "task-force", "period_type": "month"}, 0.75),
        ({"cluster": "machinery", "pillar": "alliance", "period_type": "year"}, 0.0),
    ]


def test_without_scores_there_is_no_series() -> None:
    [family] = text_string_to_metric_families(exposition(()).decode())
    assert family.samples == []
