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
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "CaseRow", "FlagRow", "NoiseRow", "RunRow", "TrialRow"]


class Base(DeclarativeBase):
    """Of all tables."""


class CaseRow(Base):
    """A recording with the words that were said. ``id`` names its audio file."""

    __tablename__ = "cases"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    said: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    seconds: Mapped[float] = mapped_column(Float)
    tags: Mapped[dict[str, str]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64), index=True)  # sha256 of the samples
    n_bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class NoiseRow(Base):
    """A noise of the user's own. ``id`` names its audio file."""

    __tablename__ = "noises"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    seconds: Mapped[float] = mapped_column(Float)
    n_bytes: Mapped[int] = mapped_column(Integer)


class RunRow(Base):
    """What was asked for: which cases, conditions and setups."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    seed: Mapped[str] = mapped_column(Text)
    case_ids: Mapped[list[str]] = mapped_column(JSON)
    conditions: Mapped[list[str]] = mapped_column(JSON)
    setups: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class TrialRow(Base):
    """One case × condition × setup of a run, with what was said at the time."""

    __tablename__ = "trials"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"))
    condition: Mapped[str] = mapped_column(String(200))
    setup: Mapped[int] = mapped_column(Integer)  # which of the run's setups
    name: Mapped[str] = mapped_column(Text)
    said: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    tags: Mapped[dict[str, str]] = mapped_column(JSON)
    heard: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        UniqueConstraint("run_id", "case_id", "condition", "setup", name="one_trial_each"),
        Index("trials_of_a_case", "case_id"),
    )


class FlagRow(Base):
    """A place where the model was wrong. ``id`` names its audio file, if there is one."""

    __tablename__ = "flags"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    heard: Mapped[str] = mapped_column(Text)
    corrected: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    start_s: Mapped[float] = mapped_column(Float)
    end_s: Mapped[float] = mapped_column(Float)
    has_audio: Mapped[bool]
    n_bytes: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
