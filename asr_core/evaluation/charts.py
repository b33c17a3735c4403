"""Altair charts of result tables, shared by the page and the report.

Colours work on light and dark backgrounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from asr_core.evaluation.conditions import CONDITION_TYPES, Condition
from asr_core.evaluation.results import Calibration, Summary

__all__ = ["calibration_chart", "condition_heatmap", "curve_chart", "tag_chart"]

_ERRORS = "Word error rate"
_PERCENT = ".0%"
_GREY = "#888888"


def _rate_fields(row: Summary) -> dict[str, Any]:
    words = row.words
    return {
        "rate": words.rate,
        "low": words.low,
        "high": words.high,
        "cases": row.n_cases,
        "n_reference": row.counts.n_reference,
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
    alt.Tooltip("n_reference:Q", title="Reference words"),
]


def condition_heatmap(rows: Mapping[tuple[Condition, str], Summary]) -> Any:
    """Draw error rates as a heat map, condition × system."""
    order = list(dict.fromkeys(condition.title for condition, _ in rows))
    values = [
        {"condition": condition.title, "system": system, **_rate_fields(row)}
        for (condition, system), row in rows.items()
    ]
    base = alt.Chart(_data(values)).encode(
        x=alt.X("system:N", title="Model", axis=alt.Axis(labelAngle=0, labelLimit=140)),
        y=alt.Y("condition:N", title=None, sort=order, axis=alt.Axis(labelLimit=180)),
        tooltip=[
            alt.Tooltip("condition:N", title="Condition"),
            alt.Tooltip("system:N", title="Model"),
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


def tag_chart(rows: Mapping[tuple[str, str], Summary], tag: str) -> Any:
    """Draw a point with its 95 % interval for each value of ``tag`` and system."""
    order = list(dict.fromkeys(value for value, _ in rows))
    values = [
        {"value": value, "system": system, **_rate_fields(row)}
        for (value, system), row in rows.items()
        if row.words.rate is not None
    ]
    base = alt.Chart(_data(values)).encode(
        y=alt.Y("value:N", title=tag, sort=order, axis=alt.Axis(labelLimit=180)),
        yOffset=alt.YOffset("system:N"),
        color=alt.Color("system:N", title="Model", legend=alt.Legend(orient="top", columns=1)),
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


def curve_chart(rows: Mapping[tuple[str, float, str], Summary], kind: str) -> Any:
    """Draw error rate against the value of a condition type, with a band for the interval."""
    values = [
        {"value": value, "system": system, **_rate_fields(row)}
        for (each, value, system), row in rows.items()
        if each == kind and row.words.rate is not None
    ]
    name = CONDITION_TYPES[kind].name
    base = alt.Chart(_data(values)).encode(
        x=alt.X(
            "value:Q", title=f"{name}, {CONDITION_TYPES[kind].unit}", scale=alt.Scale(zero=False)
        ),
        color=alt.Color("system:N", title="Model", legend=alt.Legend(orient="top", columns=1)),
        tooltip=[alt.Tooltip("value:Q", title=CONDITION_TYPES[kind].unit), *_TOOLTIP],
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
    """Draw the share of correct words against confidence."""
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
    ).properties(title=_title("Confidence against correctness", "Dashed: perfect calibration"),
        height=400,)  # fmt: skip
