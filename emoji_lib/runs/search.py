"""Search an experiment's settings with Optuna: workers on one machine or several share a study."""

import contextlib
import os
import socket
from pathlib import Path

from emoji_lib import BadInput, RunFailed
from emoji_lib.files import home
from emoji_lib.measure.features import TRUSTED
from emoji_lib.measure.protocol import MIN_SAMPLES
from emoji_lib.runs import experiments, runner
from emoji_lib.runs.missing import side_by_side, stop, threads
from emoji_lib.runs.record import RUNS, read_record

FAILURES = 3  # in a row, after which a worker stops


def open_study(name: str, storage: str = ""):
    """The study of an experiment, an existing or a new one.

    `storage` is a database's URL, or the path of a journal file that all workers can write (default: in `runs/`).
    Raises `BadInput` where Optuna is missing, the experiment has no `search`, or the storage cannot be used.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise BadInput("a search needs Optuna: pip install -r requirements-extras.txt") from error
    if not experiments.find(name).search:
        searched = [one.name for one in experiments.load().values() if one.search]
        raise BadInput(f"{name} says nothing to search; these do: {', '.join(searched)}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = storage if "://" in storage else str(home(storage or RUNS / f"{name}.journal"))
    try:
        kept = place
        if "://" not in place:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            kept = optuna.storages.JournalStorage(JournalFileBackend(place))
        return optuna.create_study(storage=kept, study_name=name, load_if_exists=True)
    except Exception as error:  # drivers of databases raise their own
        raise BadInput(f"--storage {place} cannot be used ({type(error).__name__}: {error})") from error


def work(name: str, trials: int, storage: str = "", out: Path = RUNS) -> None:
    """Run trials until the study has `trials` that completed or collapsed; other workers may run some, too.

    A trial's value is the mean KID over the trusted encoders. The trial of a collapsed run is pruned, that of a failed
    run failed. Raises `RunFailed` after `FAILURES` failed runs in a row.
    """
    from optuna.trial import TrialState

    study = open_study(name, storage)
    _fail_trials_of_dead_workers(study)
    ended, failed = (TrialState.COMPLETE, TrialState.PRUNED), 0
    while len(study.get_trials(deepcopy=False, states=ended)) < trials:
        try:
            study.optimize(lambda trial: _objective(trial, name, out), n_trials=1)
            failed = 0
        except RunFailed as error:
            failed += 1
            print(error, flush=True)
            if failed == FAILURES:
                raise RunFailed(f"{failed} trials failed one after the other, the last: {error}") from error


def work_together(name: str, trials: int, storage: str, jobs: int) -> None:
    """`work` in this and in `jobs` − 1 other processes. Raises `RunFailed` where one failed."""
    command = ["search", name, "--trials", str(trials), "--storage", storage]
    others = [side_by_side(command, jobs) for _ in range(jobs - 1)]
    os.environ |= threads(jobs)  # for the kernels of this worker
    try:
        work(name, trials, storage)
        failed = sum(other.wait() != 0 for other in others)
    finally:
        stop(others)
    if failed:
        raise RunFailed(f"{failed} of {jobs} workers failed; what they said stands above")


def _objective(trial, name: str, out: Path) -> float:
    import optuna

    trial.set_user_attr("worker", [socket.gethostname(), os.getpid()])
    given = {key: _suggest(trial, key, space) for key, space in experiments.find(name).search.items()}
    plan = experiments.plan(name, given)
    if (samples := plan.parameters.get("eval_samples", MIN_SAMPLES)) < MIN_SAMPLES:
        raise BadInput(f"{name} has eval_samples {samples}: trials are compared by distances, which need {MIN_SAMPLES}")
    folder = runner.run(plan, out=out)
    record = read_record(folder)
    trial.set_user_attr("folder", str(folder))
    if record["status"] == "collapsed":
        raise optuna.TrialPruned(f"{folder.name} collapsed")
    if not record["scores"]:
        raise RunFailed(f"{folder.name} has no scores to compare")
    return sum(record["scores"][encoder]["kid"] for encoder in TRUSTED) / len(TRUSTED)


def _suggest(trial, key: str, space):
    """A value of a list of choices, or of a range `{low, high}`, on a logarithmic scale with `log: true`."""
    if isinstance(space, list):
        return trial.suggest_categorical(key, space)
    low, high, log = space["low"], space["high"], space.get("log", False)
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=log)
    return trial.suggest_float(key, float(low), float(high), log=log)


def _fail_trials_of_dead_workers(study) -> None:
    """Fail running trials of processes of this machine that are gone, and queue their settings again.

    Optuna's own way, a heartbeat, needs a database; a journal has none.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        host, process = trial.user_attrs.get("worker", [None, None])
        if host == socket.gethostname() and not _is_running(process):
            with contextlib.suppress(ValueError):  # another worker was faster
                study.tell(trial.number, state=TrialState.FAIL)
                if trial.params:  # it may have died before it had any
                    study.enqueue_trial(trial.params)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # another user's
    return True


def text(study) -> str:
    """The trials of a study as a table, best first."""
    table = study.trials_dataframe(("number", "state", "value", "params")).astype({"value": float})
    shown = table.sort_values(["value", "number"]).to_string(index=False, na_rep="–", float_format="{:.3g}".format)
    return f"{len(table)} trials of {study.study_name}\n{shown}"
