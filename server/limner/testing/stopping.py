"""Checks that a training ends when told and goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.plugin import App, Stopped
from limner.testing.fixtures import AppFixtures, Training, run
from limner.testing.watches import Recorder, assert_progress_sound, first_step


class StoppingChecks(AppFixtures):
    """What an app that trains must do with `Watch.should_stop`."""

    def test_training_told_at_once_stops_in_time(
        self, app: App, training: Training, axes: int, tmp_path: Path
    ) -> None:
        """Also while images are being prepared."""
        request = self.train_request(tmp_path, self.training_cases(axes), self.effort)
        watch = Recorder.stopping_at_once()
        with pytest.raises(Stopped):
            run(app, request, watch)
        assert watch.seconds_since_told <= self.stop_seconds

    def test_stopped_training_goes_on_where_it_was(
        self, app: App, training: Training, axes: int, tmp_path: Path
    ) -> None:
        """The same request in the same workspace finishes, and does not start from nothing."""
        request = self.train_request(tmp_path, self.training_cases(axes), self.effort)
        watch = Recorder(stop_when=lambda report: 2 * report.step >= report.total)
        with pytest.raises(Stopped):
            run(app, request, watch)
        assert watch.seconds_since_told <= self.stop_seconds
        again = run(app, request)
        assert again.trained.weights.is_file()
        assert_progress_sound(again.watch.reports)
        before, after = first_step(watch.reports), first_step(again.watch.reports)
        assert after > before, (
            f"stopped at step {watch.reports[-1].step}, the training began again: its first step "
            f"is {after}, as if nothing had been done"
        )
