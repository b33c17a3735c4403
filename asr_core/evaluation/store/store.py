"""Store: cases, noises, runs with their trials, and flags."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import clip_to_int16
from asr_core.errors import StoreError
from asr_core.evaluation.cases import MAX_CASE_S, MAX_NAME, Case, NewCase, validate_texts
from asr_core.evaluation.conditions import Condition
from asr_core.evaluation.store.access import Access, check_capacity
from asr_core.evaluation.store.records import (
    Flag,
    Noise,
    Run,
    case_from_row,
    case_to_row,
    flag_from_row,
    noise_from_row,
    run_from_row,
    trial_from_row,
    trial_to_row,
    utc_now,
    validate_flag,
    validate_run,
)
from asr_core.evaluation.store.schema import CaseRow, FlagRow, NoiseRow, RunRow, TrialRow
from asr_core.evaluation.trial import SystemConfig, Trial
from asr_core.text.plain_text import sanitise, shorten

__all__ = ["MAX_NOISE_S", "Store"]

MAX_NOISE_S = 120.0
_MAX_NOISE_NAME = 40


class Store(Access):
    """Test bench's store, safe to use from any thread and process.

    A change is durable and complete when its method returns. A store acts for nobody at first,
    who may do nothing: ``store.acting(actor)`` returns it on behalf of somebody, with the
    permissions of :mod:`asr_core.evaluation.roles`.

    Raises:
        StoreError: from every method, with a sentence; then nothing was changed.
    """

    # --- cases ---------------------------------------------------------------------

    def add_case(self, new: NewCase) -> Case:
        """Store a case and return it; one with equal audio and reference is returned as it is.

        Raises:
            ManifestError: one of its texts is too long.
        """
        self._check_adding()
        validate_texts(new.name, new.reference, new.language, new.tags)
        with self._database.reading() as session:
            known = session.scalars(
                sa.select(CaseRow).where(
                    CaseRow.digest == new.digest, CaseRow.reference == new.reference
                )
            ).first()
            if known is not None:
                return case_from_row(known)
        name, n_bytes = self._keep(to_flac(new.samples))
        row = case_to_row(name, new, n_bytes, self._actor.name)
        return case_from_row(self._add(row, name, n_bytes))

    def cases(self) -> list[Case]:
        """Return all cases, newest first."""
        self._check_reading()
        with self._database.reading() as session:
            order = sa.select(CaseRow).order_by(CaseRow.created_at.desc(), CaseRow.id)
            return [case_from_row(row) for row in session.scalars(order)]

    def change_case(
        self, case_id: str, name: str, reference: str, language: str, tags: Mapping[str, str]
    ) -> None:
        """Change the texts of a case; results of earlier runs keep the reference they had.

        Raises:
            ManifestError: a text is too long.
        """
        self._check_reviewing()
        validate_texts(name, reference, language, tags)
        with self._database.writing() as session:
            row = session.get(CaseRow, case_id)
            if row is None:
                raise StoreError(f"{shorten(name)} is no longer in the test set.")
            row.name, row.reference, row.language, row.tags = name, reference, language, dict(tags)
            self._note(session, "change case", [case_id])

    def delete_cases(self, case_ids: Iterable[str]) -> None:
        """Delete cases with their audio and all their results; all of them or none."""
        self._check_adding()
        wanted = set(case_ids)
        self._audio_files.check_deletable(wanted)

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
        self._audio_files.delete(wanted)
        self._database.keep_spare()

    def _check_result(self, run: RunRow) -> None:
        """Check that the actor may delete results of ``run``, as deleting its cases does."""
        self._check(
            self._actor.may_delete(run.owner),
            "Somebody else has a run with this recording: only reviewers may delete it. Nothing "
            "was changed.",
        )

    def flac(self, row_id: str) -> bytes:
        """Return the audio of a case, noise or flag as FLAC."""
        self._check_reading()
        return self._audio_files.read(row_id)

    def samples(self, row_id: str) -> NDArray[np.float32]:
        """Return the (n_samples,) float32 audio of a case, noise or flag, mono 16 kHz."""
        return decode(io.BytesIO(self.flac(row_id)))

    # --- noises --------------------------------------------------------------------

    def add_noise(self, name: str, samples: NDArray[np.int16]) -> Noise:
        """Store (n_samples,) int16 noise for conditions, under a new name."""
        self._check_adding()
        name = sanitise(name)
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
            return noise_from_row(self._add(row, row_id, n_bytes))
        except sa.exc.IntegrityError:
            raise StoreError(f"There is already a noise called {name}.") from None

    def noises(self) -> list[Noise]:
        """Return all noises by name."""
        self._check_reading()
        with self._database.reading() as session:
            rows = session.scalars(sa.select(NoiseRow).order_by(NoiseRow.name))
            return [noise_from_row(row) for row in rows]

    def delete_noise(self, noise_id: str) -> None:
        """Delete a noise with its audio."""
        self._delete_row(NoiseRow, noise_id, "delete noise", has_audio=True)

    # --- runs ----------------------------------------------------------------------

    def add_run(
        self,
        name: str,
        case_ids: Sequence[str],
        conditions: Sequence[Condition],
        systems: Sequence[SystemConfig],
        seed: str = "1",
    ) -> Run:
        """Store the request for a run."""
        self._check_adding()
        name = sanitise(name)
        validate_run(name, conditions, systems)
        row = RunRow(
            id=uuid.uuid4().hex,
            name=name,
            seed=seed,
            case_ids=list(case_ids),
            conditions=[str(condition) for condition in conditions],
            systems=[system.to_dict() for system in systems],
            created_at=utc_now(),
            owner=self._actor.name,
        )
        with self._database.writing() as session:
            check_capacity(session, RunRow)
            session.add(row)
            session.flush()
            return run_from_row(row, 0)

    def runs(self) -> list[Run]:
        """Return all runs, newest first."""
        self._check_reading()
        done = sa.select(TrialRow.run_id, sa.func.count()).group_by(TrialRow.run_id)
        with self._database.reading() as session:
            n_done = {row[0]: row[1] for row in session.execute(done)}
            order = sa.select(RunRow).order_by(RunRow.created_at.desc(), RunRow.id)
            return [run_from_row(row, n_done.get(row.id, 0)) for row in session.scalars(order)]

    def run(self, run_id: str) -> Run | None:
        """Return one run; None if it does not exist."""
        return next((run for run in self.runs() if run.id == run_id), None)

    def done(self, run_id: str) -> set[tuple[str, str, int]]:
        """Return case id, condition and system's index of the trials with a result."""
        self._check_reading()
        columns = sa.select(TrialRow.case_id, TrialRow.condition, TrialRow.system)
        with self._database.reading() as session:
            found = session.execute(columns.where(TrialRow.run_id == run_id))
            return {(case_id, condition, system) for case_id, condition, system in found}

    def add_trial(self, run: Run, trial: Trial) -> None:
        """Store a result.

        An existing result is kept; if the case or the run was deleted meanwhile, the result is dropped.
        """
        self._check_adding()
        row = trial_to_row(run, trial)
        try:
            with self._database.writing() as session:
                known = session.get(RunRow, run.id)
                if known is not None:
                    self._check_deleting(
                        [known.owner]
                    )  # the permission to delete results covers adding them
                    session.add(row)
        except sa.exc.IntegrityError:
            return

    def trials(self, run: Run) -> list[Trial]:
        """Return a run's trials, ordered by case, condition and system as requested."""
        self._check_reading()
        with self._database.reading() as session:
            rows = session.scalars(sa.select(TrialRow).where(TrialRow.run_id == run.id)).all()
        trials = [trial_from_row(row, run) for row in rows]
        place = {case_id: i for i, case_id in enumerate(run.case_ids)}
        return sorted(
            trials,
            key=lambda t: (
                place.get(t.case_id, -1),
                run.conditions.index(t.condition),
                run.systems.index(t.system),
            ),
        )

    def delete_run(self, run_id: str) -> None:
        """Delete a run with its results."""
        self._delete_row(RunRow, run_id, "delete run", has_audio=False)

    # --- flags ---------------------------------------------------------------------

    def add_flag(self, flag: Flag, samples: NDArray[np.int16] | None = None) -> Flag:
        """Store a flag with the (n_samples,) int16 audio of its time range, if any."""
        self._check_adding()
        flag = validate_flag(flag)
        kept = samples is not None and len(samples) > 0
        if samples is not None and len(samples) > MAX_CASE_S * SAMPLE_RATE_HZ:
            raise StoreError(f"A flag holds at most {MAX_CASE_S:.0f} s of audio.")
        row_id, n_bytes = (
            self._keep(to_flac(samples)) if samples is not None and kept else (uuid.uuid4().hex, 0)
        )
        flag = replace(
            flag,
            id=row_id,
            has_audio=kept,
            created_at=utc_now(),
            state="open",
            owner=self._actor.name,
        )
        self._add(FlagRow(**vars(flag), n_bytes=n_bytes), row_id, n_bytes)
        return flag

    def flags(self) -> list[Flag]:
        """Return all flags: open ones first, then newest first."""
        self._check_reading()
        with self._database.reading() as session:
            rows = session.scalars(sa.select(FlagRow).order_by(FlagRow.created_at.desc()))
            return sorted(map(flag_from_row, rows), key=lambda flag: flag.state != "open")

    def dismiss_flag(self, flag_id: str) -> None:
        """Mark a flag as dismissed."""
        self._check_reviewing()
        with self._database.writing() as session:
            row = session.get(FlagRow, flag_id)
            if row is not None:
                row.state = "dismissed"
                self._note(session, "dismiss flag", [flag_id])

    def accept_flag(self, flag: Flag, reference: str, tags: Mapping[str, str]) -> Case:
        """Add the audio of a flag to the test set with its reference, in one transaction.

        Raises:
            ManifestError: a text is too long.
        """
        self._check_reviewing()
        pcm = clip_to_int16(self.samples(flag.id))
        source = shorten(flag.source, MAX_NAME - 20)
        new = NewCase(f"{source} {flag.start_s:.0f} s", reference, pcm, flag.language, tags)
        validate_texts(new.name, new.reference, new.language, new.tags)
        name, n_bytes = self._keep(self.flac(flag.id))
        row = case_to_row(name, new, n_bytes, flag.owner)
        with self._cleaning_up(name), self._database.writing() as session:
            self._check_size(session, n_bytes)
            check_capacity(session, CaseRow)
            flagged = session.get(FlagRow, flag.id)
            if flagged is None:
                raise StoreError("This flag is no longer there.")
            session.add(row)
            flagged.state = "accepted"
            session.flush()
            self._note(session, "accept flag", [flag.id])
            return case_from_row(row)

    def delete_flag(self, flag_id: str) -> None:
        """Delete a flag with its audio."""
        self._delete_row(FlagRow, flag_id, "delete flag", has_audio=True)
