"""The store: cases, noises, runs with their trials, and flags."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.audio.encode import to_flac
from asr_core.errors import StoreError
from asr_core.plain_text import plain, shortened
from asr_core.testbench.cases import MAX_CASE_S, MAX_NAME, Case, NewCase, check_texts
from asr_core.testbench.conditions import Condition
from asr_core.testbench.store.access import Access, check_number
from asr_core.testbench.store.records import (
    Flag,
    Noise,
    Run,
    case_of,
    check_run,
    checked_flag,
    flag_of,
    noise_of,
    now,
    row_of_case,
    row_of_trial,
    run_of,
    trial_of,
)
from asr_core.testbench.store.schema import CaseRow, FlagRow, NoiseRow, RunRow, TrialRow
from asr_core.testbench.trial import Setup, Trial

__all__ = ["DEFAULT_MAX_MB", "MAX_NOISE_S", "Store"]

DEFAULT_MAX_MB = 2048

MAX_NOISE_S = 120.0
_MAX_NOISE_NAME = 40


class Store(Access):
    """Any thread and any process may call; a change that returned is kept, whole.

    It is in nobody's hands at first, who may do nothing: ``store.acting(actor)`` gives it to
    somebody. What they may do is said in :mod:`asr_core.roles`.

    Raises:
        StoreError: from every method, with a sentence; then nothing was changed.
    """

    def __init__(self, url: str | sa.URL, folder: Path, max_mb: float = DEFAULT_MAX_MB) -> None:
        super().__init__(url, folder, max_mb)

    # --- cases ---------------------------------------------------------------------

    def add_case(self, new: NewCase) -> Case:
        """Keep it, and give it; one with the same sound and words is given as it is.

        Raises:
            ManifestError: a text of it is too long.
        """
        self._check_adding()
        check_texts(new.name, new.said, new.language, new.tags)
        with self._database.reading() as session:
            known = session.scalars(
                sa.select(CaseRow).where(CaseRow.digest == new.digest, CaseRow.said == new.said)
            ).first()
            if known is not None:
                return case_of(known)
        name, n_bytes = self._keep(to_flac(new.samples))
        row = row_of_case(name, new, n_bytes, self._actor.name)
        return case_of(self._add(row, name, n_bytes))

    def cases(self) -> list[Case]:
        """Newest first."""
        self._check_reading()
        with self._database.reading() as session:
            order = sa.select(CaseRow).order_by(CaseRow.created_at.desc(), CaseRow.id)
            return [case_of(row) for row in session.scalars(order)]

    def change_case(
        self, case_id: str, name: str, said: str, language: str, tags: Mapping[str, str]
    ) -> None:
        """Its words and tags; results of earlier runs keep those they had.

        Raises:
            ManifestError: a text is too long.
        """
        self._check_reviewing()
        check_texts(name, said, language, tags)
        with self._database.writing() as session:
            row = session.get(CaseRow, case_id)
            if row is None:
                raise StoreError(f"{shortened(name)} is no longer in the test set.")
            row.name, row.said, row.language, row.tags = name, said, language, dict(tags)
            self._note(session, "change case", [case_id])

    def delete_cases(self, case_ids: Iterable[str]) -> None:
        """With their audio and all results on them: all of them or none."""
        self._check_adding()
        wanted = set(case_ids)
        self._sounds.check_deletable(wanted)

        def work(session: Session) -> None:
            rows = session.execute(
                sa.select(CaseRow.id, CaseRow.owner).where(CaseRow.id.in_(wanted))
            ).all()
            self._check_deleting(owner for _, owner in rows)
            session.execute(sa.delete(TrialRow).where(TrialRow.case_id.in_(wanted)))
            session.execute(sa.delete(CaseRow).where(CaseRow.id.in_(wanted)))
            for run in session.scalars(sa.select(RunRow)):
                left = [case_id for case_id in run.case_ids if case_id not in wanted]
                if len(left) < len(run.case_ids):
                    self._check_result(run)
                    run.case_ids = left
            self._note(session, "delete cases", [case_id for case_id, _ in rows])

        self._database.deleting(work)
        self._sounds.delete(wanted)
        self._database.keep_spare()

    def _check_result(self, run: RunRow) -> None:
        """A recording takes the results on it along, and those may be another's."""
        self._check(
            self._actor.may_delete(run.owner),
            "Somebody else has a run with this recording: only reviewers may delete it. Nothing "
            "was changed.",
        )

    def flac(self, row_id: str) -> bytes:
        """The audio of a case, noise or flag."""
        self._check_reading()
        return self._sounds.read(row_id)

    def samples(self, row_id: str) -> NDArray[np.float32]:
        """(n_samples,) float32, mono 16 kHz, of a case, noise or flag."""
        return decode(io.BytesIO(self.flac(row_id)))

    # --- noises --------------------------------------------------------------------

    def add_noise(self, name: str, samples: NDArray[np.int16]) -> Noise:
        """Keep a noise for conditions; one of that name is taken already: StoreError."""
        self._check_adding()
        name = plain(name)
        if not name or len(name) > _MAX_NOISE_NAME or set(name) & set("@:/,\n"):
            raise StoreError(
                f"A noise needs a name of at most {_MAX_NOISE_NAME} characters, without @, :, / "
                "and commas."
            )
        seconds = len(samples) / SAMPLE_RATE_HZ
        if seconds > MAX_NOISE_S:
            raise StoreError(f"A noise is at most {MAX_NOISE_S:.0f} s long; cut it.")
        row_id, n_bytes = self._keep(to_flac(samples))
        row = NoiseRow(
            id=row_id, name=name, seconds=seconds, n_bytes=n_bytes, owner=self._actor.name
        )
        try:
            return noise_of(self._add(row, row_id, n_bytes))
        except sa.exc.IntegrityError:
            raise StoreError(f"There is a noise called {name} already.") from None

    def noises(self) -> list[Noise]:
        self._check_reading()
        with self._database.reading() as session:
            rows = session.scalars(sa.select(NoiseRow).order_by(NoiseRow.name))
            return [noise_of(row) for row in rows]

    def delete_noise(self, noise_id: str) -> None:
        self._delete_row(NoiseRow, noise_id, "delete noise", has_audio=True)

    # --- runs ----------------------------------------------------------------------

    def add_run(
        self,
        name: str,
        case_ids: Sequence[str],
        conditions: Sequence[Condition],
        setups: Sequence[Setup],
        seed: str = "1",
    ) -> Run:
        self._check_adding()
        name = plain(name)
        check_run(name, conditions, setups)
        row = RunRow(
            id=uuid.uuid4().hex,
            name=name,
            seed=seed,
            case_ids=list(case_ids),
            conditions=[str(condition) for condition in conditions],
            setups=[setup.to_dict() for setup in setups],
            created_at=now(),
            owner=self._actor.name,
        )
        with self._database.writing() as session:
            check_number(session, RunRow)
            session.add(row)
            session.flush()
            return run_of(row, 0)

    def runs(self) -> list[Run]:
        """Newest first."""
        self._check_reading()
        done = sa.select(TrialRow.run_id, sa.func.count()).group_by(TrialRow.run_id)
        with self._database.reading() as session:
            n_done = {row[0]: row[1] for row in session.execute(done)}
            order = sa.select(RunRow).order_by(RunRow.created_at.desc(), RunRow.id)
            return [run_of(row, n_done.get(row.id, 0)) for row in session.scalars(order)]

    def run(self, run_id: str) -> Run | None:
        return next((run for run in self.runs() if run.id == run_id), None)

    def done(self, run_id: str) -> set[tuple[str, str, int]]:
        """Case, condition and setup of what has a result."""
        self._check_reading()
        columns = sa.select(TrialRow.case_id, TrialRow.condition, TrialRow.setup)
        with self._database.reading() as session:
            found = session.execute(columns.where(TrialRow.run_id == run_id))
            return {(case_id, condition, setup) for case_id, condition, setup in found}

    def add_trial(self, run: Run, trial: Trial) -> None:
        """Keep a result; one that is there already stays, one whose case or run was
        deleted meanwhile is dropped."""
        self._check_adding()
        row = row_of_trial(run, trial)
        try:
            with self._database.writing() as session:
                known = session.get(RunRow, run.id)
                if known is not None:
                    self._check_deleting([known.owner])  # who may undo a result may add one
                    session.add(row)
        except sa.exc.IntegrityError:
            return

    def trials(self, run: Run) -> list[Trial]:
        """In the order of cases, conditions and setups as they were asked for."""
        self._check_reading()
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
        self._delete_row(RunRow, run_id, "delete run", has_audio=False)

    # --- flags ---------------------------------------------------------------------

    def add_flag(self, flag: Flag, samples: NDArray[np.int16] | None = None) -> Flag:
        """Keep it with (n_samples,) int16 audio of just that stretch, if there is any."""
        self._check_adding()
        flag = checked_flag(flag)
        kept = samples is not None and len(samples) > 0
        if samples is not None and len(samples) > MAX_CASE_S * SAMPLE_RATE_HZ:
            raise StoreError(f"A flag keeps at most {MAX_CASE_S:.0f} s of sound.")
        row_id, n_bytes = (
            self._keep(to_flac(samples)) if samples is not None and kept else (uuid.uuid4().hex, 0)
        )
        flag = replace(
            flag, id=row_id, has_audio=kept, created_at=now(), state="open", owner=self._actor.name
        )
        self._add(FlagRow(**vars(flag), n_bytes=n_bytes), row_id, n_bytes)
        return flag

    def flags(self) -> list[Flag]:
        """Open ones first, then newest first."""
        self._check_reading()
        with self._database.reading() as session:
            rows = session.scalars(sa.select(FlagRow).order_by(FlagRow.created_at.desc()))
            return sorted(map(flag_of, rows), key=lambda flag: flag.state != "open")

    def dismiss_flag(self, flag_id: str) -> None:
        self._check_reviewing()
        with self._database.writing() as session:
            row = session.get(FlagRow, flag_id)
            if row is not None:
                row.state = "dismissed"
                self._note(session, "dismiss flag", [flag_id])

    def accept_flag(self, flag: Flag, said: str, tags: Mapping[str, str]) -> Case:
        """Into the test set, with the words that were said, in one step.

        Raises:
            ManifestError: a text is too long.
        """
        self._check_reviewing()
        pcm = np.round(self.samples(flag.id) * 32768).clip(-32768, 32767).astype(np.int16)
        source = shortened(flag.source, MAX_NAME - 20)
        new = NewCase(f"{source} {flag.start_s:.0f} s", said, pcm, flag.language, tags)
        check_texts(new.name, new.said, new.language, new.tags)
        name, n_bytes = self._keep(self.flac(flag.id))
        row = row_of_case(name, new, n_bytes, flag.owner)
        with self._cleaning_up(name), self._database.writing() as session:
            self._check_size(session, n_bytes)
            check_number(session, CaseRow)
            flagged = session.get(FlagRow, flag.id)
            if flagged is None:
                raise StoreError("This flag is no longer there.")
            session.add(row)
            flagged.state = "accepted"
            session.flush()
            self._note(session, "accept flag", [flag.id])
            return case_of(row)

    def delete_flag(self, flag_id: str) -> None:
        self._delete_row(FlagRow, flag_id, "delete flag", has_audio=True)
