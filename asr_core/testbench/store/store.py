"""The store: cases, noises, runs with their trials, and flags."""

from __future__ import annotations

import io
import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.audio.encode import to_flac
from asr_core.errors import StoreError
from asr_core.testbench.cases import Case, NewCase
from asr_core.testbench.conditions import Condition
from asr_core.testbench.store.database import Database
from asr_core.testbench.store.records import (
    Flag,
    Noise,
    Run,
    case_of,
    flag_of,
    now,
    row_of_case,
    row_of_trial,
    run_of,
    trial_of,
)
from asr_core.testbench.store.schema import CaseRow, FlagRow, NoiseRow, RunRow, TrialRow
from asr_core.testbench.store.sounds import Sounds
from asr_core.testbench.trial import Setup, Trial

__all__ = ["Store", "open_store"]

_DEFAULT_MAX_MB = 2048


class Store:
    """Any thread and any process may call; a change that returned is kept, whole.

    Raises:
        StoreError: from every method, with a sentence; then nothing was changed.
    """

    def __init__(self, url: str, folder: Path, max_mb: float = _DEFAULT_MAX_MB) -> None:
        self._database = Database(url)
        self._sounds = Sounds(folder)
        self._max_bytes = max_mb * 1e6
        self._sounds.sweep(self._audio_ids())

    def close(self) -> None:
        self._database.close()

    def used_mb(self) -> float:
        """Of audio."""
        with self._database.reading() as session:
            return _used_bytes(session) / 1e6

    @property
    def max_mb(self) -> float:
        return self._max_bytes / 1e6

    # --- cases ---------------------------------------------------------------------

    def add_case(self, new: NewCase) -> Case:
        """Keep it, and give it; one with the same sound and words is given as it is."""
        with self._database.reading() as session:
            known = session.scalars(
                sa.select(CaseRow).where(CaseRow.digest == new.digest, CaseRow.said == new.said)
            ).first()
            if known is not None:
                return case_of(known)
        name, n_bytes = self._keep(to_flac(new.samples))
        row = row_of_case(name, new, n_bytes)
        return case_of(self._add(row, name, n_bytes))

    def cases(self) -> list[Case]:
        """Newest first."""
        with self._database.reading() as session:
            order = sa.select(CaseRow).order_by(CaseRow.created_at.desc(), CaseRow.id)
            return [case_of(row) for row in session.scalars(order)]

    def change_case(
        self, case_id: str, name: str, said: str, language: str, tags: Mapping[str, str]
    ) -> None:
        """Its words and tags; results of earlier runs keep those they had."""
        with self._database.writing() as session:
            row = session.get(CaseRow, case_id)
            if row is None:
                raise StoreError(f"{name} is no longer in the test set.")
            row.name, row.said, row.language, row.tags = name, said, language, dict(tags)

    def delete_cases(self, case_ids: Iterable[str]) -> None:
        """With their audio and all results on them."""
        wanted = list(case_ids)
        with self._database.writing() as session:
            session.execute(sa.delete(TrialRow).where(TrialRow.case_id.in_(wanted)))
            session.execute(sa.delete(CaseRow).where(CaseRow.id.in_(wanted)))
            for run in session.scalars(sa.select(RunRow)):
                run.case_ids = [case_id for case_id in run.case_ids if case_id not in wanted]
        self._sounds.delete(wanted)
        self._database.wipe()

    def flac(self, row_id: str) -> bytes:
        """The audio of a case, noise or flag."""
        return self._sounds.read(row_id)

    def samples(self, row_id: str) -> NDArray[np.float32]:
        """(n_samples,) float32, mono 16 kHz, of a case, noise or flag."""
        return decode(io.BytesIO(self.flac(row_id)))

    # --- noises --------------------------------------------------------------------

    def add_noise(self, name: str, samples: NDArray[np.int16]) -> Noise:
        """Keep a noise for conditions; one of that name is taken already: StoreError."""
        if not name or set(name) & set("@:/,"):
            raise StoreError("A noise needs a name without @, :, / and commas.")
        row_id, n_bytes = self._keep(to_flac(samples))
        row = NoiseRow(id=row_id, name=name, seconds=len(samples) / SAMPLE_RATE_HZ, n_bytes=n_bytes)
        try:
            self._add(row, row_id, n_bytes)
        except sa.exc.IntegrityError:
            raise StoreError(f"There is a noise called {name} already.") from None
        return Noise(row.id, row.name, row.seconds)

    def noises(self) -> list[Noise]:
        with self._database.reading() as session:
            rows = session.scalars(sa.select(NoiseRow).order_by(NoiseRow.name))
            return [Noise(row.id, row.name, row.seconds) for row in rows]

    def delete_noise(self, noise_id: str) -> None:
        with self._database.writing() as session:
            session.execute(sa.delete(NoiseRow).where(NoiseRow.id == noise_id))
        self._sounds.delete([noise_id])
        self._database.wipe()

    # --- runs ----------------------------------------------------------------------

    def add_run(
        self,
        name: str,
        case_ids: Sequence[str],
        conditions: Sequence[Condition],
        setups: Sequence[Setup],
        seed: str = "1",
    ) -> Run:
        row = RunRow(
            id=uuid.uuid4().hex,
            name=name,
            seed=seed,
            case_ids=list(case_ids),
            conditions=[str(condition) for condition in conditions],
            setups=[setup.to_dict() for setup in setups],
            created_at=now(),
        )
        with self._database.writing() as session:
            session.add(row)
            session.flush()
            return run_of(row, 0)

    def runs(self) -> list[Run]:
        """Newest first."""
        done = sa.select(TrialRow.run_id, sa.func.count()).group_by(TrialRow.run_id)
        with self._database.reading() as session:
            n_done = {row[0]: row[1] for row in session.execute(done)}
            order = sa.select(RunRow).order_by(RunRow.created_at.desc(), RunRow.id)
            return [run_of(row, n_done.get(row.id, 0)) for row in session.scalars(order)]

    def run(self, run_id: str) -> Run | None:
        return next((run for run in self.runs() if run.id == run_id), None)

    def done(self, run_id: str) -> set[tuple[str, str, int]]:
        """Case, condition and setup of what has a result."""
        columns = sa.select(TrialRow.case_id, TrialRow.condition, TrialRow.setup)
        with self._database.reading() as session:
            found = session.execute(columns.where(TrialRow.run_id == run_id))
            return {(case_id, condition, setup) for case_id, condition, setup in found}

    def add_trial(self, run: Run, trial: Trial) -> None:
        """Keep a result; one that is there already stays, one whose case or run was
        deleted meanwhile is dropped."""
        row = row_of_trial(run, trial)
        try:
            with self._database.writing() as session:
                session.add(row)
        except sa.exc.IntegrityError:
            return

    def trials(self, run: Run) -> list[Trial]:
        """In the order of cases, conditions and setups as they were asked for."""
        with self._database.reading() as session:
            rows = session.scalars(sa.select(TrialRow).where(TrialRow.run_id == run.id)).all()
        trials = [trial_of(row, run) for row in rows]
        place = {case_id: i for i, case_id in enumerate(run.case_ids)}
        return sorted(
            trials,
            key=lambda t: (
                place.get(t.case_id, -1),
                run.conditions.index(t.condition),
                run.setups.index(t.setup),
            ),
        )

    def delete_run(self, run_id: str) -> None:
        """With its results."""
        with self._database.writing() as session:
            session.execute(sa.delete(TrialRow).where(TrialRow.run_id == run_id))
            session.execute(sa.delete(RunRow).where(RunRow.id == run_id))
        self._database.wipe()

    # --- flags ---------------------------------------------------------------------

    def add_flag(self, flag: Flag, samples: NDArray[np.int16] | None = None) -> Flag:
        """Keep it with (n_samples,) int16 audio of just that stretch, if there is any."""
        kept = samples is not None and len(samples) > 0
        row_id, n_bytes = (
            self._keep(to_flac(samples)) if samples is not None and kept else (uuid.uuid4().hex, 0)
        )
        flag = replace(flag, id=row_id, has_audio=kept, created_at=now())
        self._add(FlagRow(**vars(flag), n_bytes=n_bytes), row_id, n_bytes)
        return flag

    def flags(self) -> list[Flag]:
        """Open ones first, then newest first."""
        with self._database.reading() as session:
            rows = session.scalars(sa.select(FlagRow).order_by(FlagRow.created_at.desc()))
            return sorted(map(flag_of, rows), key=lambda flag: flag.state != "open")

    def dismiss_flag(self, flag_id: str) -> None:
        with self._database.writing() as session:
            row = session.get(FlagRow, flag_id)
            if row is not None:
                row.state = "dismissed"

    def accept_flag(self, flag: Flag, said: str, tags: Mapping[str, str]) -> Case:
        """Into the test set, with the words that were said, in one step."""
        pcm = np.round(self.samples(flag.id) * 32768).clip(-32768, 32767).astype(np.int16)
        new = NewCase(f"{flag.source} {flag.start_s:.0f} s", said, pcm, flag.language, tags)
        name, n_bytes = self._keep(self.flac(flag.id))
        row = row_of_case(name, new, n_bytes)
        with self._cleaning_up(name), self._database.writing() as session:
            self._check_size(session, n_bytes)
            flagged = session.get(FlagRow, flag.id)
            if flagged is None:
                raise StoreError("This flag is no longer there.")
            session.add(row)
            flagged.state = "accepted"
            session.flush()
            return case_of(row)

    def delete_flag(self, flag_id: str) -> None:
        with self._database.writing() as session:
            session.execute(sa.delete(FlagRow).where(FlagRow.id == flag_id))
        self._sounds.delete([flag_id])
        self._database.wipe()

    # --- audio ---------------------------------------------------------------------

    def _keep(self, flac: bytes) -> tuple[str, int]:
        """Written before its row; a crash in between leaves a file that is swept."""
        with self._database.reading() as session:
            self._check_size(session, len(flac))
        name = uuid.uuid4().hex
        self._sounds.write(name, flac)
        return name, len(flac)

    def _add(self, row: Any, name: str, n_bytes: int) -> Any:
        with self._cleaning_up(name), self._database.writing() as session:
            self._check_size(session, n_bytes)
            session.add(row)
            session.flush()
            session.expunge(row)
        return row

    @contextmanager
    def _cleaning_up(self, name: str) -> Iterator[None]:
        """Delete the audio again if its row cannot be written."""
        try:
            yield
        except BaseException:
            self._sounds.delete([name])
            raise

    def _check_size(self, session: Session, n_bytes: int) -> None:
        used = _used_bytes(session)
        if used + n_bytes > self._max_bytes:
            raise StoreError(
                f"The test bench's store is full: {used / 1e6:.0f} of {self.max_mb:.0f} MB. "
                "Delete cases, or raise ASR_TESTBENCH_MAX_MB."
            )

    def _audio_ids(self) -> list[str]:
        with self._database.reading() as session:
            return [
                row_id
                for table in (CaseRow, NoiseRow, FlagRow)
                for row_id in session.scalars(sa.select(table.id))
            ]


def _used_bytes(session: Session) -> int:
    return sum(
        session.scalar(sa.select(sa.func.coalesce(sa.func.sum(table.n_bytes), 0))) or 0
        for table in (CaseRow, NoiseRow, FlagRow)
    )


_opening = threading.Lock()
_stores: dict[tuple[str, Path], Store] = {}


def open_store() -> Store:
    """The store of this machine, as the environment says; any thread may call.

    ``ASR_TESTBENCH_DIR`` is its folder (default: ``~/.local/share/asr_core/testbench``),
    ``ASR_TESTBENCH_URL`` a database elsewhere (any URL of SQLAlchemy),
    ``ASR_TESTBENCH_MAX_MB`` how much audio it holds (default: 2048).

    Raises:
        StoreError: it cannot be opened.
    """
    default = Path.home() / ".local" / "share" / "asr_core" / "testbench"
    folder = Path(os.environ.get("ASR_TESTBENCH_DIR") or default)
    url = os.environ.get("ASR_TESTBENCH_URL") or f"sqlite:///{folder / 'testbench.db'}"
    try:
        max_mb = float(os.environ.get("ASR_TESTBENCH_MAX_MB") or _DEFAULT_MAX_MB)
        folder.mkdir(parents=True, exist_ok=True)
    except ValueError:
        raise StoreError("ASR_TESTBENCH_MAX_MB is no number; set it to megabytes.") from None
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}); set ASR_TESTBENCH_DIR to another folder."
        ) from None
    with _opening:
        key = (url, folder)
        if key not in _stores:
            _stores[key] = Store(url, folder / "audio", max_mb)
        return _stores[key]
