"""系统: the machinery. Requests, lag, outbox, dead letters, freshness, databases and broker."""

# ruff: noqa: S608 - every name in these questions is written here; choices are quoted by Grafana.
from __future__ import annotations

from fourones_grafana import looks, variables
from fourones_grafana.board import Board
from fourones_grafana.boards.common import SYSTEM
from fourones_grafana.panels import Column, Panel, Row, heatmap, merged, ordered, organised, stat, table, timeseries
from fourones_grafana.queries import buckets, now, over_time, rows
from fourones_grafana.queries import table as sql
from fourones_grafana.sources import AGGREGATION, ALERTING, SUBMISSION

_JOB = 'job=~"$job"'
_DATABASES = ((SUBMISSION, "A"), (AGGREGATION, "B"), (ALERTING, "C"))


def board() -> Board:
    """The board."""
    return Board(
        uid=SYSTEM,
        title="系统",
        description="请求、积压、发件箱、搁置消息、从受理到指标的时延、数据库和消息队列。",
        since="now-3h",
        refresh="30s",
        variables=[variables.labelled("job", "服务", "fourones_http_requests_total", "job")],
        rows=[
            Row(4, [(3, panel) for panel in _numbers()]),
            Row(8, [(8, _requests()), (8, _errors()), (8, _durations())], heading="接口"),
            Row(9, [(12, _duration_map()), (12, _freshness_map())]),
            Row(8, [(8, _lag()), (8, _outbox()), (8, _throughput())], heading="消息"),
            Row(8, [(14, _dead_letters()), (10, _alerts())]),
            Row(8, [(10, _databases()), (7, _memory()), (7, _cpu())], heading="数据库与进程"),
            Row(7, [(24, _verifications())]),
        ],
    )


def _numbers() -> list[Panel]:
    return [
        stat(
            "停止的实例",
            now('count(up{job=~"submission|aggregation|alerting"} == 0) or vector(0)'),
            description="Prometheus 抓取不到的服务实例数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "red")),
            background=True,
        ),
        stat(
            "请求/秒",
            now(f"sum(job:fourones_http_requests:rate5m{{{_JOB}}})"),
            description="所选服务五分钟内平均每秒请求数，含健康检查。",
            unit="reqps",
            decimals=1,
        ),
        stat(
            "错误率",
            now(f"max(job:fourones_http_errors:ratio_rate5m{{{_JOB}}})"),
            description="所选服务五分钟内 5xx 应答的比例，取最高的服务。",
            unit="percentunit",
            decimals=2,
            thresholds=looks.steps("green", (0.01, "orange"), (0.05, "red")),
            background=True,
        ),
        stat(
            "消费积压",
            now("sum(job_group_topic:fourones_consumer_lag_records:sum) or vector(0)"),
            description="尚未处理的消息数，全部消费组合计。",
            decimals=0,
            thresholds=looks.steps("green", (100, "orange"), (1000, "red")),
            background=True,
        ),
        stat(
            "待发消息",
            now("sum(max by (job) (fourones_outbox_depth)) or vector(0)"),
            description="发件箱中尚未发到 Kafka 的消息数（最多数到一万）。",
            decimals=0,
            thresholds=looks.steps("green", (100, "orange"), (1000, "red")),
            background=True,
        ),
        stat(
            "搁置消息",
            now("sum(max by (job, group, topic, reason) (fourones_dead_letters_waiting)) or vector(0)"),
            description="无法处理而搁置、等待人工处理的消息数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "red")),
            background=True,
        ),
        stat(
            "时延 P95",
            # Without anything new in five minutes, of everything since the process began.
            now(
                "histogram_quantile(0.95, le:fourones_figure_freshness_seconds_bucket:rate5m"
                ' and on () le:fourones_figure_freshness_seconds_bucket:rate5m{le="+Inf"} > 0)'
                " or histogram_quantile(0.95, sum by (le) (fourones_figure_freshness_seconds_bucket)"
                ' and on () sum(fourones_figure_freshness_seconds_bucket{le="+Inf"}) > 0)'
            ),
            description="从受理到进入指标，95% 在此时间以内；近五分钟没有新数据时为启动以来。",
            may_be_empty="启动以来没有新数据。",
            unit="s",
            decimals=2,
            thresholds=looks.steps("green", (5, "orange"), (30, "red")),
            background=True,
        ),
        stat(
            "核对差异",
            now("sum(max by (job, scope) (fourones_verification_differences)) or vector(0)"),
            description="最近一次核对发现的不一致数。",
            decimals=0,
            thresholds=looks.steps("green", (1, "red")),
            background=True,
        ),
    ]


def _requests() -> Panel:
    return timeseries(
        "请求",
        over_time(f"sum by (job) (rate(fourones_http_requests_total{{{_JOB}}}[$__rate_interval]))", legend="{{job}}"),
        description="每秒请求数，按服务。",
        unit="reqps",
        minimum=0,
    )


def _errors() -> Panel:
    return timeseries(
        "4xx 和 5xx 应答",
        over_time(
            f'sum by (job, status) (rate(fourones_http_requests_total{{{_JOB},status=~"[45].."}}[$__rate_interval]))',
            legend="{{job}} {{status}}",
        ),
        description="每秒的错误应答数，按服务和状态码；启动时就绪检查的 503 也在内。",
        unit="reqps",
        minimum=0,
        may_be_empty="没有错误应答的服务为空。",
    )


def _durations() -> Panel:
    histogram = f"sum by (le, job) (rate(fourones_http_request_duration_seconds_bucket{{{_JOB}}}[$__rate_interval]))"
    return timeseries(
        "请求耗时",
        over_time(f"histogram_quantile(0.5, {histogram})", legend="{{job}} P50"),
        over_time(f"histogram_quantile(0.99, {histogram})", "B", legend="{{job}} P99"),
        description="请求耗时的中位数和 P99，按服务。",
        unit="s",
        minimum=0,
    )


def _duration_map() -> Panel:
    return heatmap(
        "请求耗时分布",
        buckets(f"sum by (le) (increase(fourones_http_request_duration_seconds_bucket{{{_JOB}}}[$__rate_interval]))"),
        description="所选服务请求耗时的分布。",
        unit="s",
    )


def _freshness_map() -> Panel:
    return heatmap(
        "从受理到指标的时延分布",
        buckets("sum by (le) (increase(fourones_figure_freshness_seconds_bucket[$__rate_interval]))", exemplars=True),
        description="一项数据从受理到在指标中可见的时间分布。",
        unit="s",
    )


def _lag() -> Panel:
    return timeseries(
        "消费积压",
        over_time("job_group_topic:fourones_consumer_lag_records:sum", legend="{{group}} {{topic}}"),
        description="各消费组在各主题上尚未处理的消息数。",
        decimals=0,
        minimum=0,
    )


def _outbox() -> Panel:
    return timeseries(
        "发件箱",
        over_time("max by (job) (fourones_outbox_depth)", legend="{{job}} 待发"),
        over_time("max by (job) (fourones_outbox_set_aside_rows)", "B", legend="{{job}} 搁置"),
        description="发件箱中待发和搁置的消息数；最早一条等待过久会告警。",
        decimals=0,
        minimum=0,
    )


def _throughput() -> Panel:
    return timeseries(
        "消息吞吐",
        over_time("sum by (topic) (rate(fourones_outbox_published_total[$__rate_interval]))", legend="发布 {{topic}}"),
        over_time(
            "sum by (group, topic) (rate(fourones_consumer_records_total[$__rate_interval]))",
            "B",
            legend="消费 {{group}} {{topic}}",
        ),
        description="每秒发布到 Kafka 和从 Kafka 消费的消息数；发布停止而发件箱上升，说明消息队列不可用。",
        unit="cps",
        minimum=0,
    )


def _dead_letters() -> Panel:
    return table(
        "搁置的消息",
        *(
            sql(
                source,
                f"""
                SELECT '{source.service}' AS service, dead_letter_id AS number, consumer_group, topic, reason, detail,
                  (extract(epoch FROM recorded_at) * 1000)::double precision AS recorded_at
                FROM boards.dead_letter
                ORDER BY recorded_at DESC
                LIMIT 100
                """,
                letter,
            )
            for source, letter in _DATABASES
        ),
        description="无法处理而搁置的消息；用 fourones-<服务> deadletters list 查看和处理。",
        transformations=[
            merged(),
            organised(
                {
                    "service": "服务",
                    "number": "编号",
                    "consumer_group": "消费组",
                    "topic": "主题",
                    "reason": "原因",
                    "detail": "说明",
                    "recorded_at": "时间",
                }
            ),
        ],
        columns=[Column("时间", unit="dateTimeAsIso", width=170)],
        may_be_empty="系统正常时没有搁置的消息。",
    )


def _alerts() -> Panel:
    return table(
        "系统告警",
        rows('max by (alertname, severity, alertstate) (ALERTS{audience="operators"})'),
        description="正在触发（或等待确认）的系统告警；含义和处置见运维手册。",
        transformations=[
            organised({"alertname": "告警", "severity": "级别", "alertstate": "状态"}, without=("Time", "Value"))
        ],
        columns=[
            Column("级别", mappings=(looks.words({"critical": ("严重", "red"), "warning": ("警告", "orange")}),)),
            Column("状态", mappings=(looks.words({"firing": ("触发", "red"), "pending": ("待确认", "yellow")}),)),
        ],
        may_be_empty="系统正常时没有告警。",
    )


def _databases() -> Panel:
    return table(
        "数据库",
        *(
            sql(
                source,
                """
                SELECT database, connections, max_connections, size_bytes, cache_hit_ratio, commits, rollbacks,
                  deadlocks
                FROM boards.database
                """,
                letter,
            )
            for source, letter in _DATABASES
        ),
        description="各服务数据库的连接数、大小、缓存命中率，以及启动（或统计清零）以来的事务数。",
        transformations=[
            merged(),
            ordered("database", descending=False),
            organised(
                {
                    "database": "数据库",
                    "connections": "连接",
                    "max_connections": "连接上限",
                    "size_bytes": "大小",
                    "cache_hit_ratio": "缓存命中率",
                    "commits": "提交",
                    "rollbacks": "回滚",
                    "deadlocks": "死锁",
                }
            ),
        ],
        decimals=0,
        columns=[
            Column("大小", unit="bytes", decimals=1),
            Column("缓存命中率", unit="percentunit", decimals=2),
            Column("死锁", thresholds=looks.steps("text", (1, "red")), cell="coloured-text"),
        ],
    )


def _memory() -> Panel:
    return timeseries(
        "内存",
        over_time(
            f"max by (job, component, instance) (process_resident_memory_bytes{{{_JOB}}})",
            legend="{{job}} {{component}}",
        ),
        description="各进程的常驻内存。",
        unit="bytes",
        minimum=0,
    )


def _cpu() -> Panel:
    return timeseries(
        "处理器",
        over_time(
            f"sum by (job, component, instance) (rate(process_cpu_seconds_total{{{_JOB}}}[$__rate_interval]))",
            legend="{{job}} {{component}}",
        ),
        description="各进程占用的处理器核数。",
        unit="none",
        decimals=2,
        minimum=0,
    )


def _verifications() -> Panel:
    return table(
        "最近核对",
        sql(
            AGGREGATION,
            """
            SELECT scope AS "范围", (extract(epoch FROM verified_at) * 1000)::double precision AS "时间",
              differences AS "差异", seconds AS "用时"
            FROM boards.verification
            ORDER BY verified_at DESC
            """,
        ),
        description="fourones-aggregation verify 的最近结果：figures 为汇总与数据核对，log 为数据与日志核对。",
        columns=[
            Column("时间", unit="dateTimeAsIso"),
            Column("差异", decimals=0, thresholds=looks.steps("green", (1, "red")), cell="colour"),
            Column("用时", unit="s", decimals=1),
        ],
        may_be_empty="还没有运行过核对。",
    )
