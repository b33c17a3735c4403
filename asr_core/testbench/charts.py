"""Tables → Altair charts, the same on the page and in the report.

Colours hold on light and on dark ground; every chart names what its axes show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from asr_core.testbench.conditions import KINDS, Condition
from asr_core.testbench.results import Calibration, Row

__all__ = ["calibration_chart", "condition_heatmap", "curve_chart", "tag_chart"]

_ERRORS = "Word error rate"
_PERCENT = ".0%"
_GREY = "#888888"


def _rate_fields(row: Row) -> dict[str, Any]:
    words = row.words
    return {
        "rate": words.rate,
        "low": words.low,
        "high": words.high,
        "cases": row.n_cases,
        "said": row.counts.n_said,
        "shown": "–" if words.rate is None else f"{words.rate:.1%}",
        "between": "–" if words.low is None else f"{words.low:.1%} to {words.high:.1%}",
    }


def _data(values: list[dict[str, Any]]) -> Any:
    return alt.Data(values=values)  # type: ignore[no-untyped-call]


def _title(text: str, below: str) -> alt.TitleParams:
    return alt.TitleParams(text, subtitle=below, anchor="start", subtitleColor=_GREY)


_TOOLTIP = [
    alt.Tooltip("shown:N", title=_ERRORS),
    alt.Tooltip("between:N", title="95 % interval"),
    alt.Tooltip("cases:Q", title="Cases"),
    alt.Tooltip("said:Q", title="Words said"),
]


def condition_heatmap(rows: Mapping[tuple[Condition, str], Row]) -> Any:
    """Condition × setup; the more errors, the darker."""
    order = list(dict.fromkeys(condition.title for condition, _ in rows))
    values = [
        {"condition": condition.title, "setup": setup, **_rate_fields(row)}
        for (condition, setup), row in rows.items()
    ]
    base = alt.Chart(_data(values)).encode(
        x=alt.X("setup:N", title="Model", axis=alt.Axis(labelAngle=0, labelLimit=140)),
        y=alt.Y("condition:N", title=None, sort=order, axis=alt.Axis(labelLimit=180)),
        tooltip=[
            alt.Tooltip("condition:N", title="Condition"),
            alt.Tooltip("setup:N", title="Model"),
            *_TOOLTIP,
        ],
    )
    scale = alt.Scale(scheme="oranges", domain=[0, 1], clamp=True)
    boxes = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color(
            "rate:Q", title=_ERRORS, scale=scale, legend=alt.Legend(format=_PERCENT, orient="top")
        )
    )
    numbers = base.mark_text(fontSize=13).encode(
        text="shown:N",
        color=alt.condition("datum.rate > 0.6", alt.value("white"), alt.value("#222222")),
    )
    return (boxes + numbers).properties(
        title=f"{_ERRORS} by condition and model", height=alt.Step(34)
    )


def tag_chart(rows: Mapping[tuple[str, str], Row], tag: str) -> Any:
    """A point with its 95 % interval for each value of ``tag`` and setup."""
    order = list(dict.fromkeys(value for value, _ in rows))
    values = [
        {"value": value, "setup": setup, **_rate_fields(row)}
        for (value, setup), row in rows.items()
        if row.words.rate is not None
    ]
    base = alt.Chart(_data(values)).encode(
        y=alt.Y("value:N", title=tag, sort=order, axis=alt.Axis(labelLimit=180)),
        yOffset=alt.YOffset("setup:N"),
        color=alt.Color("setup:N", title="Model", legend=alt.Legend(orient="top", columns=1)),
        tooltip=[alt.Tooltip("value:N", title=tag), *_TOOLTIP],
    )
    return (
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X(
                "low:Q", title=_ERRORS,
                axis=alt.Axis(format=_PERCENT),
            ),
            x2="high:Q",
        )
        + base.mark_point(filled=True, size=70, opacity=1).encode(x="rate:Q")
    ).properties(
        title=_title(f"Errors by {tag}", "Lines are 95 % intervals over the recordings"),
        height=alt.Step(16),
    )  # fmt: skip


def curve_chart(rows: Mapping[tuple[str, float, str], Row], kind: str) -> Any:
    """Errors against how much there is of ``kind``, with a band for the interval."""
    values = [
        {"value": value, "setup": setup, **_rate_fields(row)}
        for (each, value, setup), row in rows.items()
        if each == kind and row.words.rate is not None
    ]
    name = KINDS[kind].name
    base = alt.Chart(_data(values)).encode(
        x=alt.X("value:Q", title=f"{name}, {KINDS[kind].unit}", scale=alt.Scale(zero=False)),
        color=alt.Color("setup:N", title="Model", legend=alt.Legend(orient="top", columns=1)),
        tooltip=[alt.Tooltip("value:Q", title=KINDS[kind].unit), *_TOOLTIP],
    )
    y = alt.Y("rate:Q", title=_ERRORS, axis=alt.Axis(format=_PERCENT), scale=alt.Scale(domainMin=0))
    return (
        base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", title=_ERRORS), y2="high:Q")
        + base.mark_line().encode(y=y)
        + base.mark_point(filled=True, size=60, opacity=1).encode(y=y)
    ).properties(
        title=_title(f"Errors against {name.lower()}", "Shaded: 95 % interval over the recordings"),
        height=380,
    )


def calibration_chart(found: Calibration) -> Any:
    """How often words of a confidence were right; on the line the model knows itself."""
    values = [{"confidence": mean, "right": share, "n": n} for mean, share, n in found.bins]
    line = alt.Chart(_data([{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
    unit = alt.Scale(domain=[0, 1])
    points = alt.Chart(_data(values)).mark_point(filled=True, opacity=0.9)
    return (
        line.mark_line(strokeDash=[4, 4], color=_GREY).encode(x="x:Q", y="y:Q")
        + points.encode(
            x=alt.X(
                "confidence:Q", title="Confidence in a word", scale=unit,
                axis=alt.Axis(format=_PERCENT),
            ),
            y=alt.Y(
                "right:Q", title="Right", scale=unit,
                axis=alt.Axis(format=_PERCENT),
            ),
            size=alt.Size("n:Q", title="Words", legend=alt.Legend(orient="top")),
            tooltip=[
                alt.Tooltip("confidence:Q", title="Confidence", format=".1%"),
                alt.Tooltip("right:Q", title="Right", format=".1%"),
                alt.Tooltip("n:Q", title="Words"),
            ],
        )
    ).properties(title=_title("Confidence against correctness", "Dashed: a model that knows itself"),
        height=400,)  # fmt: skip
