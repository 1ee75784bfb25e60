"""torchreid's epoch loop as DDAN runs it: repeatable epochs, checkpoints, stops on signals."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import torchreid

from .. import distributed
from ..config.settings import DDANSettings
from ..data.datasets.leaks import check_leaks, note_shared_images
from ..data.labels import check_training_images
from ..data.loader import in_groups, order_train_loader
from ..data.order import EpochOrder, epoch_seed
from ..data.reading import read_safely, skip_unreadable
from ..data.sharding import ShardedSampler, shard_train_loader
from ..evaluation.central_domain_choice import choose_central_domain
from ..evaluation.evaluation_loop import TestingEngine
from ..system import random_state
from ..system.files import expanded
from ..system.folder_lock import locked
from ..system.progress import TrainingBar
from ..system.signals import EXIT_STATUS, StopSignals
from . import checkpoint
from .checkpoint_store import Keeper, Position, ResumePoint
from .step_runner import StepRunner
from .training_log import LEGEND, EpochLog, pool_line


class EpochLoop(TestingEngine):
    """The part of DDAN's engine around its step.

    **Repeatable.** With a seed, an epoch is a function of (seed, epoch) and of the state before it.

    **Checkpoints.** The state is saved after every ``checkpoint_every_epochs`` epochs, every
    ``checkpoint_every_minutes`` within an epoch, and after each test with its scores. An epoch
    with a test after it is saved when the test ends, or fails.

    **Signals.** After SIGTERM or SIGINT the step or test batch in progress is finished, the state
    saved, and the run ends with ``SystemExit``: status 0 and 130.

    Attributes:
        extra_states: what a checkpoint holds besides the registered models, by name: objects with
            ``state_dict`` and ``load_state_dict``, such as a gradient scaler.
        configuration: text of the configuration that the engine was built from, for checkpoints.
        started: names the run in its checkpoints, in nanoseconds; a resumed run keeps it.
        resumed: where a checkpoint left off, until the loop is there.
        batch_idx: step of the epoch, from 0.
    """

    # Set by the engine that derives from this.
    runner: StepRunner
    bare_model: Any

    def __init__(self, datamanager: Any, settings: DDANSettings, use_gpu: bool = True) -> None:
        order_train_loader(datamanager, seed=settings.seed)
        read_safely(datamanager)
        super().__init__(datamanager, use_gpu)
        self.settings = settings
        self.sources: list[str] = datamanager.sources
        check_training_images(self.train_loader.dataset.train, settings.weight_triplet > 0)
        self.extra_states: dict[str, Any] = {}
        self.configuration: str | None = None
        self.started = time.time_ns()
        self.resumed: ResumePoint | None = None
        self.keeper: Keeper | None = None
        self._signals = StopSignals()
        self._bar: TrainingBar | None = None
        self._test_follows: Callable[[], bool] = lambda: False
        self.batch_idx = 0

    def run(self, *args: Any, **keywords: Any) -> None:
        """torchreid's ``Engine.run``, comparing L2-normalised features by default.

        Before the first epoch, leaks and (``bad_images='skip'``) unreadable images are looked for,
        and ``central_domain='auto'`` is decided (Eq. 3).

        Raises:
            ValueError: training images are query or gallery images too; an image is unreadable; a
                batch cannot be shared out to the processes; another run is using ``save_dir``.
            OSError: a checkpoint cannot be written.
            SystemExit: a signal asked to stop.
        """
        keywords.setdefault("normalize_feature", True)
        call = inspect.signature(super().run).bind(*args, **keywords)
        call.apply_defaults()
        options = call.arguments
        training = not options["test_only"]
        if self.settings.bad_images == "skip":
            skip_unreadable(self.datamanager, training=training)
        if not training:
            super().run(**options)
            return
        options["save_dir"] = expanded(options["save_dir"])
        with locked(options["save_dir"]):
            self._run_training(options)

    def _run_training(self, options: dict[str, Any]) -> None:
        shard_train_loader(self.datamanager)
        self.train_loader = self.datamanager.train_loader
        check_leaks(self.datamanager, self.settings.allow_leaks)
        if distributed.is_first():
            note_shared_images(self.datamanager)
        if self.settings.needs_central_domain and self.objective.central is None:
            name = choose_central_domain(
                self.model, self.datamanager, self.device, seed=self.settings.seed or 0
            )
            print(f"=> Central domain: {name}")
            self.objective.set_central_domain(distributed.share(name))

        first, last = options["start_epoch"], options["max_epoch"]
        if self.resumed is None or self.resumed.first_epoch != first:
            self.resumed = ResumePoint(Position(first))
        position = self.resumed.position
        if self.resumed.random is not None:
            random_state.restore(self.resumed.random)
        self.keeper = Keeper(
            options["save_dir"], self.started, position, self.settings.keep_checkpoints
        )
        every, start = options["eval_freq"], options["start_eval"]
        self._test_follows = lambda: (
            (ended := self.epoch + 1) == last
            or (every > 0 and ended >= start and ended % every == 0)
        )
        # With no epoch left, torchreid would file the final test under the first one.
        self.epoch = max(0, first - 1)
        loader = self.train_loader
        bar = TrainingBar(
            *(last, len(loader), loader.batch_size * distributed.size()),
            *(position.epoch, position.batch),
            shown=self.settings.progress == "auto" and distributed.is_first(),
        )
        try:
            with StopSignals() as self._signals, bar as self._bar:
                print(LEGEND)
                super().run(**options)
        finally:
            self.keeper, self._signals, self._bar = None, StopSignals(), None
            if self.writer is not None:
                self.writer.close()

    def train(self, print_freq: int = 10, fixbase_epoch: int = 0, open_layers: Any = None) -> None:
        """One epoch with torchreid's options, or the rest of one that a checkpoint is from."""
        start, self.resumed = self.resumed or ResumePoint(Position(self.epoch)), None
        if start.untested:
            return
        position = start.position
        self._stop_if_asked(position)
        restored = position.batch > 0 and start.random is not None
        if self.settings.seed is not None and not restored:
            seed = epoch_seed(self.settings.seed, self.epoch, distributed.rank())
            torchreid.utils.set_random_seed(seed)
        batches = self.settings.accumulate_steps
        # If the checkpoint was written with another number, a part of a step is done again.
        first = position.batch // batches
        loader = self.train_loader
        if isinstance(loader.sampler, (EpochOrder, ShardedSampler)):
            loader.sampler.set_epoch(self.epoch, first * batches * loader.batch_size)
        if self.pool is not None and position.batch == 0:
            self.pool.start_epoch()

        self.objective.start_epoch(self.epoch)
        if self._bar is not None:
            self._bar.begin_epoch(self.epoch)
        self.set_model_mode("train")
        self.two_stepped_transfer_learning(self.epoch, fixbase_epoch, open_layers)
        self._train_on(in_groups(loader, batches), first, print_freq)
        self.update_lr()
        if self.pool is not None:
            channels = self.pool.distinct_largest_channels()
            print(pool_line(self.epoch + 1, channels, self.objective.num_identities))
            if self.writer is not None:
                steps = (self.epoch + 1) * self.num_batches
                self.writer.add_scalar("Train/pool_largest_channels", channels, steps - 1)
        every = self.settings.checkpoint_every_epochs
        if every and (self.epoch + 1) % every == 0 and not self._test_follows():
            self._save(Position(self.epoch + 1))

    def _train_on(self, loader: Any, first: int, print_freq: int) -> None:
        log = EpochLog(self)
        self.num_batches = len(loader)
        start = time.perf_counter()
        for self.batch_idx, data in enumerate(loader, first):
            loaded = time.perf_counter()
            summary = self.forward_backward(data)
            log.add(summary, time=time.perf_counter() - start, data=loaded - start)
            if (self.batch_idx + 1) % print_freq == 0:
                print(log.line())
            if self.writer is not None:
                log.write(self.writer, self.epoch * self.num_batches + self.batch_idx)
            start = time.perf_counter()
            self._after_step()

    def test(self, *args: Any, **keywords: Any) -> float:
        """Tests on every target. Returns the mean rank-1 (torchreid's returns the last one's)."""
        self.runner.forget()  # the test has the memory of recorded steps to itself
        if distributed.active():
            # When one of several processes fails, the others are not there to save together.
            self._save(Position(self.epoch + 1), untested=True)
            return super().test(*args, **keywords)
        try:
            return super().test(*args, **keywords)
        except Exception:
            # The epoch before it is not lost, and the test is repeated on resuming.
            self._save(Position(self.epoch + 1), untested=True)
            self._stop_if_asked(Position(self.epoch + 1), untested=True)
            raise

    def watched(self, loader: Any) -> Any:
        """The batches of a test loader, between which a signal can stop the run."""
        for batch in super().watched(loader):
            yield batch
            self._stop_if_asked(Position(self.epoch + 1), untested=True)

    def two_stepped_transfer_learning(self, *args: Any, **keywords: Any) -> None:
        """torchreid's, which opens and freezes layers."""
        super().two_stepped_transfer_learning(*args, **keywords)
        # torchreid puts every layer that is not opened into eval mode, and nobody opens dropout.
        self.bare_model.dropout.train()
        self.runner.wrap_anew()

    def get_current_lr(self, names: Any = None) -> float:
        """Learning rate of the last step taken, which torchreid prints and writes."""
        warmup = self.runner.warmup
        return super().get_current_lr(names) * warmup.share(max(1, warmup.taken))

    def save_model(self, epoch: int, rank1: float, save_dir: str, is_best: bool = False) -> None:
        """Saves every registered model in torchreid's layout, ``save_dir/<name>/model.pth.tar-N``.

        Args:
            epoch: 0-based epoch that ended; N is one more.
            rank1: not used; the checkpoint has the scores of the last test, by target.
            save_dir: output folder.
            is_best: also write ``model-best.pth.tar``, as is done at the highest mean mAP.
        """
        position = Position(epoch + 1)
        keeper = self.keeper or Keeper(
            save_dir, self.started, position, self.settings.keep_checkpoints
        )
        checkpoint.save(self, keeper, position, self.scores)
        if is_best and distributed.is_first():
            keeper.mark_best(position, self.get_model_names())

    def _after_step(self) -> None:
        ended = self.batch_idx + 1 >= self.num_batches
        batch = (self.batch_idx + 1) * self.settings.accumulate_steps
        position = Position(self.epoch + 1) if ended else Position(self.epoch, batch)
        if self._bar is not None:
            self._bar.reached(position.epoch, position.batch)
        if ended:
            return  # what follows the epoch saves and stops
        self._stop_if_asked(position)
        minutes = self.settings.checkpoint_every_minutes
        if minutes and self.keeper is not None:
            late = time.monotonic() - self.keeper.last_time > 60 * minutes
            if distributed.share(late):
                self._save(position)

    def _stop_if_asked(self, position: Position, untested: bool = False) -> None:
        if received := self._signals.asked():
            self._save(position, untested)
            print(f"Stopped by {received.name} after {position}")
            raise SystemExit(EXIT_STATUS[received])

    def _save(self, position: Position, untested: bool = False) -> None:
        # The first process knows what has been written.
        if self.keeper is not None and distributed.share(position not in self.keeper):
            checkpoint.save(self, self.keeper, position, untested=untested)
