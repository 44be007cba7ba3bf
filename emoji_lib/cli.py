"""The command line: `python -m emoji_lib COMMAND`. Each command is a function; its docstring is the help."""

import importlib.util
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from emoji_lib import BadInput, RunFailed
from emoji_lib.files import home, write_text

# Commands import what they need when they run: `--help` and `data` do not wait for torch.
PROGRAM = "python -m emoji_lib"
app = typer.Typer(help="A laboratory for emoji GANs.", add_completion=False, rich_markup_mode=None)


def _at_least(least: int) -> Callable:
    """A callback that refuses smaller numbers."""

    def check(option: typer.CallbackParam, value: float | None) -> float | None:
        if value is not None and not value >= least:  # not a number is refused, too
            raise BadInput(f"{option.opts[0]} {value} is not at least {least}")
        return value

    return check


# Arguments and options: first those of several commands
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
N = Annotated[int, typer.Option(help="how many pictures")]
Seed = Annotated[int | None, typer.Option(help="the seed of the random numbers")]
Out = Annotated[Path | None, typer.Option(parser=home, metavar="DIR", help="a folder for what is made")]
Size = Annotated[int | None, typer.Option(help="pixels a side (layered generators; default: 72)")]
Svg = Annotated[bool, typer.Option("--svg", help="outlines too, a file for each (layered generators)")]
Retrieval = Annotated[float, typer.Option(help="how far to move towards a known phrase, 0 to 1")]
Weights = Annotated[str, typer.Option("--run", help="a run, or an experiment (its newest run with results)")]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="a run's folder or name, or an experiment (its newest with results)")
]
Kept = Annotated[Path | None, typer.Option("--out", parser=home, help="where runs' folders are (default: results/)")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda (default: what the experiment says, or auto)")]
Jobs = Annotated[int, typer.Option(callback=_at_least(1), help="how many at the same time")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="a name in notebooks/experiments.yaml")]
Folder = Annotated[Path | None, typer.Argument(parser=home, help="a folder of your own PNGs instead of Twemoji")]
Runs = Annotated[list[str], typer.Argument(metavar="RUN", help="runs, finished and with no parameter changed")]
Made = Annotated[Path | None, typer.Option("--out", parser=home, help="where to make its folder (default: runs/)")]
Pairs = Annotated[
    list[str], typer.Option("-p", "--parameter", parser=tuple, metavar="KEY VALUE", help="change a default")
]
Board = Annotated[bool, typer.Option("--board", help="write TensorBoard events into the run's folder (board/)")]
Resume = Annotated[bool, typer.Option("--resume", help="resume the newest run that is not finished")]
Faces = Annotated[list[Path], typer.Argument(parser=home, metavar="IMAGE", help="faces that fill a PNG or JPEG")]
Steps = Annotated[int | None, typer.Option(callback=_at_least(1), help="training steps of each (default: 1500)")]
Check = Annotated[bool, typer.Option("--check", help="change nothing; fail when the table is stale")]
Names = Annotated[list[str], typer.Argument(metavar="NAME", help="only these, also where they failed before")]
Minutes = Annotated[
    float, typer.Option(callback=_at_least(0), help="stop after so long (0: no limit); the next call resumes the rest")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what would run, and about how long")]
Trials = Annotated[int, typer.Option(callback=_at_least(1), help="stop after so many finished or collapsed trials")]
Storage = Annotated[str, typer.Option(help="a journal file or database URL to share (default: in runs/)")]
Vendors = Annotated[list[str], typer.Option(metavar="VENDOR", help="whose designs (default: google twitter)")]
MoreVendors = Annotated[list[str], typer.Argument(metavar="VENDOR", help="more, as in --vendors google twitter")]
Sizes = Annotated[list[int], typer.Option(metavar="SIZE", help="batch sizes (default: 5 64 256)")]
MoreSizes = Annotated[list[int], typer.Argument(metavar="SIZE", help="more, as in --batch 5 64")]
Features = Annotated[int, typer.Option(callback=_at_least(1), help="feature maps next to the picture")]
Players = Annotated[list[str], typer.Argument(metavar="NAME", help="players (default: all of players.yaml)")]
Each = Annotated[float, typer.Option("--minutes", callback=_at_least(0), help="how long each one trains, on one core")]
Rows = Annotated[Path | None, typer.Option("--out", parser=home, help="where rows are (default: results/league/)")]


def command(example: str) -> Callable:
    """Register a function as the command that the example begins with."""
    return app.command(example.split()[0], epilog=f"example: {PROGRAM} {example}")


def _show(facts: list | dict, as_json: bool, lines: Iterable[str]) -> None:
    """Print facts as JSON, or else lines of text."""
    print(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else "\n".join(lines), flush=True)


@command("data --json")
def data(folder: Folder = None, as_json: Json = False) -> None:
    """Where the emoji come from, how many, hash and selections."""
    from emoji_lib.data import emoji, split

    library = emoji.open_library(folder)
    source, parts = library.source, [split.part_of(one) for one in library.emoji]
    facts = {"source": source.found, "version": source.version, "folder": str(source.folder)}
    facts |= {"images": len(library.emoji), "size": library.images.shape[-1]}
    facts |= {"sha256": library.sha256(range(len(library.emoji))), "selections": library.counts()}
    facts |= {"split": {part: parts.count(part) for part in split.PARTS}}
    lines = [f"{facts['images']:,} emoji of {facts['size']}×{facts['size']} pixels from {source}"]
    lines += [f"in {facts['folder']}\nsha256 {facts['sha256']}\n\nselections:"]
    lines += [f"  {name:<20} {n:>5,}  {emoji.SELECTIONS[name].about}" for name, n in facts["selections"].items()]
    in_parts = ", ".join(f"{part} {count:,}" for part, count in facts["split"].items())
    _show(facts, as_json, [*lines, f"\nsplit by concept (faces:train, flags:test, …): {in_parts}"])


@command("list")
def list_experiments(as_json: Json = False) -> None:
    """Every experiment and the state of its newest run, of those with results where there are any."""
    from emoji_lib.files import is_held
    from emoji_lib.runs import experiments
    from emoji_lib.runs.record import RESULTS, RUNS, newest, runs_in

    runs, rows, lines = runs_in(RUNS, RESULTS), [], []
    width = max(map(len, experiments.load()))
    for name, one in experiments.load().items():
        folder, record = newest(name, runs) or (None, {"status": "not run"})
        state = "running" if folder and is_held(folder) else record["status"]
        row = {"experiment": name, "notebook": one.notebook, "source": one.source, "about": one.about}
        changed = record.get("changed") or {}
        rows.append(row | {"state": state, "newest": str(folder) if folder else None, "changed": changed})
        lines.append(f"{name:<{width}}  {one.notebook:<18}  {state:<11}  {one.about}")
        other = "".join(f", {key} {value}" for key, value in changed.items())
        lines += [f"{'':<{width}}  in {folder}{other}"] if folder else []
    _show(rows, as_json, lines)


@command("run 02-quick -p selection 🥸+😎 -p steps 500")
def run(
    name: Name, pairs: Pairs = (), seed: Seed = None, out: Made = None, board: Board = False, resume: Resume = False
) -> None:
    """Run an experiment: its notebook in a fresh kernel."""
    from emoji_lib.runs import experiments

    plan = experiments.plan(name, dict(pairs) | ({} if seed is None else {"seed": seed}))

    from emoji_lib.runs import runner  # only now: it takes a while
    from emoji_lib.runs.record import BOARD_VARIABLE, read_record

    if board:
        if importlib.util.find_spec("tensorboard") is None:
            raise BadInput("--board needs TensorBoard: pip install -r requirements-extras.txt")
        os.environ[BOARD_VARIABLE] = "1"
    folder = runner.run(plan, out=(out or runner.RUNS).resolve(), resume=resume)
    if folder is None:  # another process keeps the record
        return
    record = read_record(folder)
    seconds = round(record["seconds"])
    print(f"\n{record['status']} in {seconds // 60}:{seconds % 60:02d}")
    parts = {"samples": "sample.png", "film": "training.gif", "losses": "loss.png"}
    parts |= {"record": "record.json", "notebook": "notebook.ipynb"}
    for label, file in parts.items():
        if (folder / file).is_file():
            print(f"  {label:<9} {runner.shown(folder / file)}")


@command("store 02-quick")
def store(runs: Runs) -> None:
    """Put a run's executed notebook, with its outputs, in notebooks/."""
    from emoji_lib.runs import runner
    from emoji_lib.runs.record import find_run

    for given in runs:
        print(f"stored {runner.shown(runner.store(find_run(given, 'notebook.ipynb')))}")


@command("sample 08-quick --n 16 --seed 0 --out faces")
def sample(
    run: Run = "08-long",
    n: N = 16,
    seed: Seed = 0,
    out: Out = Path("samples"),
    size: Size = None,
    svg: Svg = False,
    gif: Annotated[bool, typer.Option("--gif", help="and walk.gif, from each picture to the next")] = False,
) -> None:
    """Draw from a trained generator: PNGs with transparency."""
    from emoji_lib.runs.record import find_run
    from emoji_lib.show import sampler

    print(sampler.sample(find_run(run, sampler.WEIGHTS), n, seed, out, size, svg=svg, gif=gif))


@command('draw "happy cat" --n 8')
def draw(
    phrase: Annotated[str, typer.Argument(metavar="TEXT", help="what to draw, in a few words or emoji")],
    n: N = 8,
    seed: Seed = 0,
    truncation: Annotated[float, typer.Option(help="scale of the noise: 0 is the typical picture")] = 1.0,
    guidance: Annotated[float, typer.Option(help="weight of the phrase: 1 is as trained, 0 ignores it")] = 1.0,
    retrieval: Retrieval = 0.7,
    size: Size = None,
    svg: Svg = False,
    run: Weights = "06-phrases",
    out: Out = Path("drawn"),
    as_json: Json = False,
) -> None:
    """Emoji for a phrase: PNGs with transparency, and one sheet."""
    from emoji_lib.runs.record import find_run
    from emoji_lib.show import phrases, plots, sampler

    phrase = phrases.read(phrase)
    folder = find_run(run, sampler.WEIGHTS)
    artist = phrases.PhraseSampler(folder)
    artist.guide(guidance, retrieval)
    latents = artist.latents(phrase, n, seed, truncation)
    own = sampler.straight(artist.generator, latents[:1], artist.facts).shape[-1]
    sampler.check_size(size, svg, artist.generator, own)
    how = {"phrase": phrase, "truncation": truncation, "guidance": guidance, "retrieval": retrieval}
    name, source = phrases.file_name(phrase), sampler.origin(folder, seed) | how
    names = [f"{name}-{index:02d}" for index in range(n)]
    paths = sampler.write(artist.generator, artist.facts, latents, out, source, names, size, svg=svg)
    images = sampler.straight(artist.generator, latents, artist.facts)
    sheet = plots.contact_sheet(images, premultiplied=False, columns=min(n, 8))
    sampler.save_png(out / f"{name}.png", sheet, source, f"0 to {n - 1}")
    facts = how | {"run": folder.name, "files": list(map(str, paths)), "sheet": str(out / f"{name}.png")}
    known, lines = artist.account(phrase, n, seed, truncation)
    made = "PNGs and SVGs" if svg else "PNGs"
    _show(facts | known, as_json, [*lines, f"{n} {made} of {phrase!r} in {out}/, all of them on {name}.png"])


@command("blind 06-phrases --out blind")
def blind(
    run: Run = "06-phrases",
    answers: Annotated[list[Path], typer.Argument(parser=home, help="readers' answers, a JSON file each")] = (),
    retrieval: Retrieval = 0.7,
    out: Out = Path("blind"),
    as_json: Json = False,
) -> None:
    """A blind reading: its pictures and choices, or readers' scores."""
    from emoji_lib.runs.record import find_run
    from emoji_lib.show import sampler
    from emoji_lib.tools import blind as reading

    if answers:
        found = reading.score(out, answers)
        rightly = f"of {found['asked']} named rightly, by chance {found['by_chance']:.1f}"
        _show(found, as_json, [f"{reader}: {right} {rightly}" for reader, right in found["right"].items()])
        return
    reading.make(find_run(run, sampler.WEIGHTS), out, retrieval)
    print(
        f"unseen.png and choices.json in {out}/; a reader answers in JSON, {{number: name}}, in a file of their name:"
    )
    print(f"`blind {run} NAME.json --out {out}`")


@command("translate face.png --out cartoons")
def translate(images: Faces, run: Weights = "07-long", out: Out = Path("cartoons"), as_json: Json = False) -> None:
    """A face to its cartoon, for any PNG or JPEG."""
    from emoji_lib.runs.record import find_run, read_record
    from emoji_lib.show import sampler

    if lost := [path for path in images if (out / f"{path.stem}.png").resolve() == path.resolve()]:
        raise BadInput(f"the translation of {lost[0]} would take its place; give another folder than --out {out}")
    folder = find_run(run, sampler.WEIGHTS)
    drawn, source = sampler.translate(folder, images), sampler.origin(folder)
    files = sampler.save(drawn, out, source, names=[path.stem for path in images])
    pairs = [{"image": str(path), "file": str(file)} for path, file in zip(images, files, strict=True)]
    learned = read_record(folder)["parameters"].get("selection", "faces of its own")
    lines = [f"{len(files)} RGBA PNGs in {out}/, by {folder.name}"]
    lines += [f"it has learned from {learned}; expect little of pictures that look otherwise"]
    _show({"run": folder.name, "translations": pairs}, as_json, lines)


@command("evaluate 08-quick --panel neighbours.png")
def evaluate(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="a run, an experiment, or a folder of PNGs")],
    reference: Annotated[str, typer.Option(help="real pictures (default: what the run learned from; all:train)")] = "",
    n: N = 2000,
    seed: Seed = 0,
    alone: Annotated[bool, typer.Option("--alone", help="leave out the reference rows")] = False,
    panel: Annotated[Path | None, typer.Option(parser=home, help="a PNG of samples above the nearest reals")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="write the scores into the run's record")] = False,
    as_json: Json = False,
) -> None:
    """Scores of a run or a folder of PNGs, beside reference rows."""
    if panel and (panel.suffix != ".png" or panel.is_dir() or not os.access(panel.parent, os.W_OK | os.X_OK)):
        raise BadInput(f"--panel {panel} must end in .png, in a folder that is there and can be written to")

    from emoji_lib.measure import protocol
    from emoji_lib.runs.record import read_record, write_record
    from emoji_lib.show import report, sampler

    seen, real, folder = sampler.target(target, n, seed, reference)
    if keep:
        if folder is None:
            raise BadInput(f"--keep writes into a run's record, and {target} is a folder of pictures")
        learned = read_record(folder)["parameters"]["selection"]
        if (real.selection, n, seed) != (learned, protocol.SAMPLES, protocol.SEED):
            row = f"{protocol.SAMPLES:,} samples of seed {protocol.SEED} against what the run learned from, {learned!r}"
            way = "leave out --reference, --n, --seed or --keep"
            raise BadInput(f"--keep writes a row of the results table: {row}; {way}")
    found = protocol.evaluate(seen, real) | {"seed": seed}
    known = {} if alone else protocol.reference_rows(real)
    rows = {f"{target}/" if target in known else target: found} | known  # a folder may be called noise
    if keep:
        record = read_record(folder)
        write_record(folder, record | {"scores": record["scores"] | found})
    _show(rows, as_json, map(report.text, [rows]))
    if panel:
        source = sampler.origin(folder, seed) if folder else {"folder": target}
        sampler.save_png(panel, sampler.nearest_panel(seen, real), source, "nearest")


@command("encoders --out enc")
def encoders(out: Out = None, steps: Steps = None) -> None:
    """Train the scores' encoders again (half an hour), or into --out."""
    from emoji_lib.tools import train_encoders

    files = train_encoders.train(out or train_encoders.FOLDER, steps or train_encoders.STEPS)
    print("\n".join(f"{name}: {path}" for name, path in files.items()))


@command("table --check")
def table(check: Check = False) -> None:
    """Write the README's tables, log and gallery from the kept runs."""
    from emoji_lib.runs import table as results

    stale = {path: new for path, (old, new) in results.updated().items() if old != new}
    if check and stale:
        names = ", ".join(str(path.relative_to(results.ROOT)) for path in stale)
        raise BadInput(f"stale against results/: {names}; `{PROGRAM} table` renews it")
    for path, new in stale.items():
        write_text(path, new)
        print(f"{path.relative_to(results.ROOT)}: renewed")
    print("the README's results table and results/README.md are in step with results/")


@command("missing --minutes 30")
def missing(names: Names = (), device: Device = "", minutes: Minutes = 0.0, jobs: Jobs = 1, out: Kept = None) -> None:
    """Run whatever the log still lacks, longest-waiting first."""
    from emoji_lib.runs import missing as queue

    out, again = (out or queue.RESULTS).resolve(), bool(names)  # a named run is tried again
    lacks = [plan.label for plan, _ in queue.waiting(out, names, again=again)]
    print(f"lacking {len(lacks)}: {', '.join(lacks) or 'nothing'}", flush=True)
    ended = queue.run_missing(out, names=names, device=device, minutes=minutes, jobs=jobs, again=again)
    _report(dict.fromkeys(lacks, "not begun: the time was used") | ended)


def _report(ended: dict[str, str]) -> None:
    """Print how each run ended. Raises `RunFailed` where one failed."""
    for name, state in ended.items():
        print(f"  {name:<28} {state}")
    if "failed" in ended.values():
        raise RunFailed("some runs failed; what they printed and their records say why, and the others went on")


@command("sweep deep-emoji-sweep-quick --jobs 2 --dry-run")
def sweep(
    name: Name, jobs: Jobs = 1, device: Device = "", out: Kept = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Run those of a sweep that are not there yet; with --json only list them."""
    from emoji_lib.runs import missing as queue
    from emoji_lib.runs import sweep as sweeps

    out = (out or queue.RESULTS).resolve()
    rows, lines = list(sweeps.states(name, out)), []
    for row in rows:
        about = "" if row["seconds"] is None else f"  about {row['seconds'] / 60:.1f} min"
        lines.append(f"{row['experiment']:<28} {row['state']:<13} {row['about']}{about}")
    if lacking := [row for row in rows if row["to_run"]]:
        times, runs = [row["seconds"] for row in lacking], sum(row["to_run"] for row in lacking)
        about = "" if None in times else f", about {sum(times) / 60 / jobs:.0f} min with {jobs} at a time"
        lines.append(f"to run: {runs}{about}")
    _show(rows, as_json, lines)
    if not (dry_run or as_json):
        _report(queue.run_missing(out, names=[row["experiment"] for row in rows], device=device, jobs=jobs))


@command("search deep-emoji-search --trials 20")
def search(name: Name, trials: Trials = 20, jobs: Jobs = 1, storage: Storage = "") -> None:
    """Search settings with Optuna; more workers may join."""
    from emoji_lib.runs import search as searches

    study = searches.open_study(name, storage)
    searches.work_together(name, trials, storage, jobs)
    print(searches.text(study))


@command("sets --out sets")
def sets(out: Out = Path("sets"), vendors: Vendors = (), more: MoreVendors = ()) -> None:
    """Fetch several vendors' designs, for multi-set runs (by npm)."""
    from emoji_lib.tools import emoji_sets

    for name, count in emoji_sets.fetch(out, [*vendors, *more] or emoji_sets.FREE).items():
        print(f"{out / name}/: {count:,} pictures")


@command("bench --batch 5 64")
def bench(
    batch: Sizes = (), more: MoreSizes = (), features: Features = 64, device: Device = "auto", as_json: Json = False
) -> None:
    """Training speed beside a plain loop, in one process."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # no warning about a missing GPU
    from emoji_lib.tools import bench as speed
    from emoji_lib.train.device import pick

    rows = []
    for row in speed.bench([*batch, *more] or [5, 64, 256], features, pick(device)):
        rows.append(row)
        plain, ours = row["reference_images_per_second"], row["images_per_second"]
        speeds = f"plain loop {plain:,.0f} images/s, ours {ours:,.0f}, ratio {row['ratio']:.2f}"
        parts = ", ".join(f"{name} {fraction:.0%}" for name, fraction in row["split"].items())
        if not as_json:  # each at once, since it takes a while
            print(f"batch {row['batch']:>4}: {speeds}, {row['peak_share']:.0%} of peak", flush=True)
            print(f"            of our time: {parts}", flush=True)
    _show(rows, as_json, [f"features {features}, {rows[0]['device']}"])


@command("league baseline keras-dcgan --minutes 25")
def league(names: Players = (), minutes: Each = 25.0, seed: Seed = 0, out: Rows = None, as_json: Json = False) -> None:
    """GANs and diffusion models, ours and others', at equal time."""
    from emoji_lib.runs.league import LEAGUE, table
    from emoji_lib.tools.league import fill

    out, rows = (out or LEAGUE).resolve(), []
    for row in fill(names, minutes, seed, out):
        rows.append(row)
        if not as_json and "error" in row:
            print(f"{row['player']} has no scores: {row['error']}", flush=True)
    _show(rows, as_json, [table(out).reset_index().to_string(index=False)])


command_line = typer.main.get_command(app)
(pairs,) = (option for option in command_line.commands["run"].params if option.name == "pairs")
pairs.nargs = 2  # Typer cannot declare a repeatable option of two values; Click can


def main(arguments: list[str]) -> int:
    """Run a command and return the exit code: 0, or 2 for bad input, 1 for a failed run or file, 130 for an
    interruption, 141 for a closed pipe.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that the processes of `--jobs` are stopped too
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, signal.default_int_handler)
    try:
        with command_line.make_context(PROGRAM, list(arguments) or ["--help"]) as context:
            command_line.invoke(context)
    except typer.Exit:  # help is printed
        return 0 if arguments else 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its end
        return 141
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith(__package__):
            raise
        print(f"error: the package {error.name} is missing: pip install -r requirements.txt", file=sys.stderr)
        return 2
    except (BadInput, RunFailed, OSError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else error
        print(f"error: {message}", file=sys.stderr)
        return 1 if isinstance(error, RunFailed | OSError) else 2
    except KeyboardInterrupt as stopped:
        print(f"\n{str(stopped) or 'stopped'}", file=sys.stderr)
        return 130
    return 0
