"""Strict papermill runs: wrong parameters stop a run before it starts, and only a whole one counts as finished."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat

from emoji_lib import BadInput, RunFailed
from emoji_lib.files import held, write_text
from emoji_lib.runs import experiments
from emoji_lib.runs.record import DONE, FOLDER_VARIABLE, RUNS, code, create, dirty, read_record, runs_in, write_record

# So that the kernel named python3 is this environment's, not one installed for the user.
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
PROGRESS = 24  # progress lines in stored outputs
STOPPED = "stopped on request:"


def run(plan: experiments.Plan, *, out: Path = RUNS, resume: bool = False) -> Path | None:
    """Run an experiment in a fresh kernel and return its folder; with `resume`, continue its newest unfinished run.

    Of distributed processes (see `train/distributed.py`) only the first keeps a folder. Raises `RunFailed` after an
    exception, an exit or a dead kernel, which the record then names. SIGINT, SIGTERM and a hang-up are passed on to the
    kernel, which keeps a checkpoint, and become `KeyboardInterrupt`.
    """
    if not int(os.environ.get("RANK", 0)):
        return _run(plan, out, resume)
    with tempfile.TemporaryDirectory(prefix="emoji-") as scratch, open(os.devnull, "w") as nowhere:
        if resume:
            begun = _unfinished(plan, out)
            shutil.copytree(begun, Path(scratch) / begun.name, ignore=shutil.ignore_patterns(".*.partial"))
        with contextlib.redirect_stdout(nowhere):
            _run(plan, Path(scratch), resume)
    return None


def _run(plan: experiments.Plan, out: Path, resume: bool) -> Path:
    one = plan.experiment
    with contextlib.ExitStack() as end:
        if not resume:
            folder = create(one.name, one.notebook, one.source, plan.parameters, out, changed=plan.changed, until=end)
        else:
            folder = _unfinished(plan, out)
            end.enter_context(held(folder))
            _resume(folder, plan)
        _finish(folder, plan)
    return folder


def _finish(folder: Path, plan: experiments.Plan) -> None:
    """Run a plan's notebook in the folder, and record how long it took and why it failed or stopped."""
    one = plan.experiment
    print(f"{one.name}: {one.notebook}.ipynb → {shown(folder)}", flush=True)
    started = time.perf_counter() - read_record(folder)["seconds"]  # counting earlier pieces of the run
    try:
        with _passing_on_signals(folder):
            reason = _execute(one.path, folder, plan.injected)
    except KeyboardInterrupt:  # before the run began, after its finish(), or a second signal
        reason = f"{STOPPED} the notebook was cut off; --resume runs it to its end"
    record = read_record(folder) | {"seconds": round(time.perf_counter() - started, 1)}
    outcome = record.pop("outcome", None)
    if reason.startswith(STOPPED):
        write_record(folder, record | {"status": "interrupted", "reason": reason})
        raise KeyboardInterrupt(reason)
    if reason or outcome not in DONE:
        reason = reason or "the notebook ended without finishing its run"
        write_record(folder, record | {"status": "failed", "reason": reason})
        raise RunFailed(f"{one.name} failed: {reason}\nrecord and executed notebook: {shown(folder)}")
    write_record(folder, record | {"status": outcome})


def _unfinished(plan: experiments.Plan, out: Path) -> Path:
    """The newest run of the plan's experiment in `out`. Raises `BadInput` where it has results, or there is none.

    Runs with other parameters, which cannot be resumed, count only where there are no others.
    """
    runs = [run for run in runs_in(out) if run[1]["experiment"] == plan.experiment.name]
    runs = [run for run in runs if not plan.differences_from(run[1])] or runs
    if not runs or runs[-1][1]["status"] in DONE:
        newest = f"the newest run of {plan.experiment.name} in {shown(out)}"
        raise BadInput(f"nothing to resume: {newest} has results or was never begun; run it without --resume")
    return runs[-1][0]


def _resume(folder: Path, plan: experiments.Plan) -> None:
    """Mark a run as resumed by this code. Raises `BadInput` for other parameters, or where the run is finished."""
    record = read_record(folder)
    if record["status"] in DONE:
        raise BadInput(f"nothing to resume: another process has just finished {shown(folder)}")
    if differences := plan.differences_from(record):
        raise BadInput(f"{shown(folder)} was begun with other parameters: {differences}; run it without --resume")
    for stale in ("reason", "outcome", "process"):  # that process is gone, and its number may be another's by now
        record.pop(stale, None)
    write_record(folder, record | {"status": "interrupted", "resumed": [*record.get("resumed", []), code()]})


@contextlib.contextmanager
def _passing_on_signals(folder: Path) -> Iterator[None]:
    """Pass the first SIGINT, SIGTERM or hang-up to the kernel that trains; an earlier or a second one ends this run."""
    asked = []

    def pass_on(number: int, frame) -> None:
        process = read_record(folder).get("process")
        if asked or process is None:
            raise KeyboardInterrupt
        asked.append(number)
        with contextlib.suppress(ProcessLookupError):  # papermill notices a dead kernel
            os.kill(process, signal.SIGINT)

    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []  # nohup ignores it
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _execute(notebook: Path, folder: Path, parameters: dict) -> str:
    """Execute a notebook into the folder and return why it failed, or nothing. Output is printed as it comes."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    executed = folder / "notebook.ipynb"
    os.environ[FOLDER_VARIABLE] = str(folder)
    # Sockets in a folder of this run's own: no other user can listen, and parallel runs do not race for ports.
    short = "/tmp" if os.path.isdir("/tmp") else None  # a socket's path has 107 characters at most
    sockets = tempfile.TemporaryDirectory(prefix="emoji-", dir=short)
    ipc = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets.name}/kernel"}})
    options = {"kernel_name": "python3", "language": "python", "config": ipc}
    options |= {"progress_bar": False, "stdout_file": sys.stdout, "coalesce_streams": True}
    try:
        papermill.execute_notebook(notebook, executed, parameters, **options)
    except PapermillExecutionError as error:
        if error.ename in ("Interrupted", "KeyboardInterrupt"):
            return f"{STOPPED} {error.evalue}".strip()
        cause = error.evalue if error.ename == "BadInput" else f"{error.ename}: {error.evalue}"
        return f"{cause} (cell {error.exec_count})"
    except DeadKernelError:
        return "the kernel died (killed, or out of memory)"
    except Exception as error:  # a kernel that does not start, a full disk: the record says what
        return f"{type(error).__name__}: {error}"
    finally:
        del os.environ[FOLDER_VARIABLE]
        sockets.cleanup()
        with contextlib.suppress(Exception):  # an earlier error matters more
            _tidy(executed)
    cells = [cell for cell in nbformat.read(executed, 4).cells if cell.cell_type == "code" and cell.source.strip()]
    left = sum(cell.execution_count is None for cell in cells)
    if left or any(output.get("ename") == "SystemExit" for cell in cells for output in cell.outputs):
        return f"the notebook exited before its end ({left} of {len(cells)} cells did not run)"
    return ""


def fingerprint(notebook: nbformat.NotebookNode) -> str:
    """A hash of the code of all cells but injected parameters, which stored outputs must match."""
    return hashlib.sha256(json.dumps([cell.source for cell in _own_code(notebook)]).encode()).hexdigest()


def _own_code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", [])]


def _tidy(executed: Path) -> None:
    """Remove papermill's metadata (absolute paths, timings) and add the fingerprint of the code."""
    tidied = nbformat.read(executed, 4)
    tidied.metadata.pop("papermill", None)
    for cell in tidied.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    tidied.metadata["emoji_lib"] = {"code_sha256": fingerprint(tidied)}
    write_text(executed, nbformat.writes(tidied) + "\n")


def store(folder: Path) -> Path:
    """Copy the outputs of a run's executed notebook into the one in `notebooks/`, whose prose may have changed since.

    Raises `BadInput` unless the run is finished or collapsed, with default parameters and the present code.
    """
    record = read_record(folder)
    target = experiments.NOTEBOOKS / f"{record['notebook']}.ipynb"
    if record["status"] not in DONE:
        raise BadInput(f"{shown(folder)} is {record['status']}, so its outputs are not stored")
    if dirty(record):
        raise BadInput(f"{shown(folder)} ran code that no commit holds; commit it and run it again")
    executed, current = nbformat.read(folder / "notebook.ipynb", 4), nbformat.read(target, 4)
    if len(_own_code(executed)) != sum(cell.cell_type == "code" for cell in executed.cells):
        raise BadInput(f"{shown(folder)} changed parameters; stored outputs come from the defaults")
    if fingerprint(executed) != fingerprint(current):
        raise BadInput(f"the code of {target.name} has changed since {shown(folder)} ran; run it again")
    for mine, other in zip(_own_code(current), _own_code(executed), strict=True):
        mine.outputs, mine.execution_count = other.outputs, other.execution_count
        for output in (one for one in mine.outputs if one.output_type == "stream"):
            output.text = _thinned(output.text)
    current.metadata["emoji_lib"] = executed.metadata["emoji_lib"]
    write_text(target, nbformat.writes(current) + "\n")
    return target


def _thinned(text: str) -> str:
    """The text with at most `PROGRESS` of its progress lines, evenly spaced up to the last."""
    lines = text.splitlines(keepends=True)
    steps = [number for number, line in enumerate(lines) if line.startswith("step ")]
    kept = {steps[-1 - at * len(steps) // PROGRESS] for at in range(PROGRESS)} if len(steps) > PROGRESS else steps
    return "".join(line for number, line in enumerate(lines) if number in kept or number not in steps)


def shown(path: Path) -> str:
    """A path as a reader would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
