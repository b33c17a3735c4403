"""The tables of the store. A change here comes with a migration."""

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

from asr_core.plain_text import plain, plain_data

__all__ = ["AuditRow", "Base", "CaseRow", "FlagRow", "NoiseRow", "RunRow", "TrialRow"]


class PlainText(TypeDecorator[str]):
    """Text that every database and every page can bear, whoever wrote it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else plain(value)


class PlainJSON(TypeDecorator[Any]):
    """The same for the texts inside."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return plain_data(value)


class Base(DeclarativeBase):
    """Of all tables."""


class CaseRow(Base):
    """A recording with the words that were said. ``id`` names its audio file."""

    __tablename__ = "cases"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(PlainText)
    said: Mapped[str] = mapped_column(PlainText)
    language: Mapped[str] = mapped_column(String(8))
    seconds: Mapped[float] = mapped_column(Float)
    tags: Mapped[dict[str, str]] = mapped_column(PlainJSON)
    digest: Mapped[str] = mapped_column(String(64), index=True)  # sha256 of the samples
    n_bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    owner: Mapped[str] = mapped_column(PlainText, default="", server_default="")


class NoiseRow(Base):
    """A noise of the user's own. ``id`` names its audio file."""

    __tablename__ = "noises"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(PlainText, unique=True)
    seconds: Mapped[float] = mapped_column(Float)
    n_bytes: Mapped[int] = mapped_column(Integer)
    owner: Mapped[str] = mapped_column(PlainText, default="", server_default="")


class RunRow(Base):
    """What was asked for: which cases, conditions and setups."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(PlainText)
    seed: Mapped[str] = mapped_column(PlainText)
    case_ids: Mapped[list[str]] = mapped_column(PlainJSON)
    conditions: Mapped[list[str]] = mapped_column(PlainJSON)
    setups: Mapped[list[dict[str, Any]]] = mapped_column(PlainJSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    owner: Mapped[str] = mapped_column(PlainText, default="", server_default="")


class TrialRow(Base):
    """One case × condition × setup of a run, with what was said at the time."""

    __tablename__ = "trials"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"))
    condition: Mapped[str] = mapped_column(String(200))
    setup: Mapped[int] = mapped_column(Integer)  # which of the run's setups
    name: Mapped[str] = mapped_column(PlainText)
    said: Mapped[str] = mapped_column(PlainText)
    language: Mapped[str] = mapped_column(String(8))
    tags: Mapped[dict[str, str]] = mapped_column(PlainJSON)
    heard: Mapped[dict[str, Any]] = mapped_column(PlainJSON)

    __table_args__ = (
        UniqueConstraint("run_id", "case_id", "condition", "setup", name="one_trial_each"),
        Index("trials_of_a_case", "case_id"),
    )


class FlagRow(Base):
    """A place where the model was wrong. ``id`` names its audio file, if there is one."""

    __tablename__ = "flags"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    heard: Mapped[str] = mapped_column(PlainText)
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
    """Who changed or deleted what; it stays when what it tells of is gone."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    who: Mapped[str] = mapped_column(PlainText)
    role: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(String(32))
    n: Mapped[int] = mapped_column(Integer)
    ids: Mapped[list[str]] = mapped_column(PlainJSON)  # of the first few
