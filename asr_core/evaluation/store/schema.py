"""Tables of the store.

A change here needs a migration. Some attributes have newer names than their columns, which
stay as the first version named them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from asr_core.text.plain_text import sanitise, sanitise_data

__all__ = ["AuditRow", "Base", "CaseRow", "FlagRow", "NoiseRow", "RunRow", "TrialRow"]


class PlainText(TypeDecorator[str]):
    """Text column that stores only characters every database and page accepts."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else sanitise(value)


class PlainJSON(TypeDecorator[Any]):
    """JSON column whose texts are restricted like ``PlainText``."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return sanitise_data(value)


class Base(DeclarativeBase):
    """Base class of the tables."""


class CaseRow(Base):
    """Recording with its reference; ``id`` names its audio file."""

    __tablename__ = "cases"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(PlainText)
    reference: Mapped[str] = mapped_column("said", PlainText)
    language: Mapped[str] = mapped_column(String(8))
    seconds: Mapped[float] = mapped_column(Float)
    tags: Mapped[dict[str, str]] = mapped_column(PlainJSON)
    digest: Mapped[str] = mapped_column(String(64), index=True)  # sha256 of the samples
    n_bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    owner: Mapped[str] = mapped_column(PlainText, default="", server_default="")


class NoiseRow(Base):
    """Noise of the user's own; ``id`` names its audio file."""

    __tablename__ = "noises"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(PlainText, unique=True)
    seconds: Mapped[float] = mapped_column(Float)
    n_bytes: Mapped[int] = mapped_column(Integer)
    owner: Mapped[str] = mapped_column(PlainText, default="", server_default="")


class RunRow(Base):
    """Run as requested: cases, conditions and systems."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(PlainText)
    seed: Mapped[str] = mapped_column(PlainText)
    case_ids: Mapped[list[str]] = mapped_column(PlainJSON)
    conditions: Mapped[list[str]] = mapped_column(PlainJSON)
    systems: Mapped[list[dict[str, Any]]] = mapped_column("setups", PlainJSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    owner: Mapped[str] = mapped_column(PlainText, default="", server_default="")


class TrialRow(Base):
    """Case × condition × system of a run, with the reference at the time."""

    __tablename__ = "trials"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"))
    condition: Mapped[str] = mapped_column(String(200))
    system: Mapped[int] = mapped_column("setup", Integer)  # index in the run's systems
    name: Mapped[str] = mapped_column(PlainText)
    reference: Mapped[str] = mapped_column("said", PlainText)
    language: Mapped[str] = mapped_column(String(8))
    tags: Mapped[dict[str, str]] = mapped_column(PlainJSON)
    result: Mapped[dict[str, Any]] = mapped_column("heard", PlainJSON)

    __table_args__ = (
        UniqueConstraint("run_id", "case_id", "condition", "setup", name="one_trial_each"),
        Index("trials_of_a_case", "case_id"),
    )


class FlagRow(Base):
    """Reported recognition error; ``id`` names its audio file, if there is one."""

    __tablename__ = "flags"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    hypothesis: Mapped[str] = mapped_column("heard", PlainText)
    corrected: Mapped[str] = mapped_column(PlainText)
    note: Mapped[str] = mapped_column(PlainText)
    source: Mapped[str] = mapped_column(PlainText)
    model: Mapped[str] = mapped_column(PlainText)
    language: Mapped[str] = mapped_column(String(8))
    start_s: Mapped[float] = mapped_column(Float)
    end_s: Mapped[float] = mapped_column(Float)
    has_audio: Mapped[bool]
    n_bytes: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    owner: Mapped[str] = mapped_column(PlainText, default="", server_default="")


class AuditRow(Base):
    """Change or deletion; it outlives what it is about."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    who: Mapped[str] = mapped_column(PlainText)
    role: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(String(32))
    n: Mapped[int] = mapped_column(Integer)
    ids: Mapped[list[str]] = mapped_column(PlainJSON)  # at most ten
