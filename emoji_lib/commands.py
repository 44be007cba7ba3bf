"""What each command of the command line does."""

import argparse
import importlib.util
import json
import os
from pathlib import Path

from emoji_lib import BadInput, RunFailed

# Commands import what they need when they run, so that `--help` and `data` answer without waiting for torch.


def data(options: argparse.Namespace) -> None:
    from collections import Counter

    from emoji_lib.data import emoji, split

    library = emoji.open_library(Path(options.folder).expanduser() if options.folder else None)
    parts = Counter(map(split.part_of, library.emoji))
    facts = {
        "source": library.source.found,
        "version": library.source.version,
        "folder": str(library.source.folder),
        "images": len(library.emoji),
        "size": library.images.shape[-1],
        "sha256": library.sha256(range(len(library.emoji))),
        "selections": library.counts(),
        "split": {part: parts[part] for part in split.PARTS},
    }
    if options.json:
        print(json.dumps(facts, indent=2))
        return
    print(f"{facts['images']:,} emoji of {facts['size']}×{facts['size']} pixels from {library.source}")
    print(f"in {facts['folder']}\nsha256 {facts['sha256']}\n\nselections:")
    for name, count in facts["selections"].items():
        print(f"  {name:<20} {count:>5,}  {emoji.SELECTIONS[name].about}")
    parts = ", ".join(f"{part} {count:,}" for part, count in facts["split"].items())
    print(f"\nsplit by concept (faces:train, flags:test, …): {parts}")


def list_experiments(options: argparse.Namespace) -> None:
    from emoji_lib.files import is_held
    from emoji_lib.runs import experiments
    from emoji_lib.runs.record import RESULTS, RUNS, newest, runs_in

    runs = runs_in(RUNS, RESULTS)
    rows = []
    for experiment in experiments.load().values():
        folder, record = newest(experiment.name, runs) or (None, {"status": "not run"})
        row = {
            "experiment": experiment.name,
            "notebook": experiment.notebook,
            "source": experiment.source,
            "about": experiment.about,
        }
        state = "running" if folder and is_held(folder) else record["status"]
        rows.append(row | {"state": state, "newest": str(folder) if folder else None})
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(row["experiment"]) for row in rows)
    for row in rows:
        print(f"{row['experiment']:<{width}}  {row['notebook']:<18}  {row['state']:<11}  {row['about']}")
        if row["newest"]:
            print(f"{'':<{width}}  newest: {row['newest']}")


def run(options: argparse.Namespace) -> None:
    import time

    from emoji_lib.runs import experiments

    given = dict(options.parameter)
    if options.seed is not None:
        given["seed"] = options.seed
    plan = experiments.plan(options.name, given)

    from emoji_lib.runs import runner  # only now: it takes a while
    from emoji_lib.runs.record import BOARD_VARIABLE

    out = Path(options.out).expanduser().resolve() if options.out else runner.RUNS
    if options.board:
        if importlib.util.find_spec("tensorboard") is None:
            raise BadInput("--board needs TensorBoard: pip install -r requirements-extras.txt")
        os.environ[BOARD_VARIABLE] = "1"
    started = time.perf_counter()
    folder = runner.run(plan, out=out, resume=options.resume)
    if folder is None:  # another process keeps the record
        return
    seconds = round(time.perf_counter() - started)
    print(f"\nfinished in {seconds // 60}:{seconds % 60:02d}")
    parts = {
        "samples": "sample.png",
        "losses": "loss.png",
        "record": "record.json",
        "executed notebook": "notebook.ipynb",
    }
    for label, name in parts.items():
        if (folder / name).is_file():
            print(f"  {label:<18} {runner.shown(folder / name)}")


def store(options: argparse.Namespace) -> None:
    from emoji_lib.runs import runner
    from emoji_lib.runs.record import find_run

    for given in options.runs:
        print(f"stored {runner.shown(runner.store(find_run(given, 'notebook.ipynb')))}")


def sample(options: argparse.Namespace) -> None:
    from emoji_lib.runs.record import find_run
    from emoji_lib.show import sampler

    images, facts = sampler.draw(find_run(options.run, sampler.WEIGHTS), options.n, options.seed)
    out = Path(options.out).expanduser()
    sampler.save(images, facts["mode"], out)
    print(f"{options.n} {facts['mode']} PNGs in {out}/")


def draw(options: argparse.Namespace) -> None:
    from emoji_lib.files import write_whole
    from emoji_lib.runs.record import find_run
    from emoji_lib.show import phrases, plots, sampler

    phrase = phrases.read(options.phrase)
    run = find_run(options.run or phrases.DRAWS, sampler.WEIGHTS)
    out = Path(options.out).expanduser()
    artist = phrases.PhraseSampler(run)
    images = artist.draw(phrase, options.n, options.seed, options.truncation)
    name = phrases.file_name(phrase)
    paths = sampler.save(images, "RGBA", out, names=[f"{name}-{index:02d}" for index in range(len(images))])
    sheet = plots.contact_sheet(images, premultiplied=False, columns=min(options.n, 8))
    write_whole(out / f"{name}.png", lambda partial: sheet.save(partial, "png"))
    near, unknown = artist.near(phrase), artist.unknown(phrase)
    if options.json:
        facts = {
            "phrase": phrase,
            "run": run.name,
            "files": list(map(str, paths)),
            "sheet": str(out / f"{name}.png"),
            "unknown": unknown,
        }
        facts["nearest"] = [{"phrase": known, "emoji": emoji, "cosine": cosine} for known, emoji, cosine in near]
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    if unknown:
        print(f"not known to the text encoder, and left out: {', '.join(unknown)}")
    print("nearest known: " + ", ".join(f"{emoji} {known} ({cosine:.2f})" for known, emoji, cosine in near))
    if near[0][2] < phrases.STRANGE:
        print(f"nothing that {run.name} has learned is near {phrase!r}: expect no likeness, or try plainer words")
    print(f"{options.n} PNGs of {phrase!r} in {out}/, all of them on {name}.png")


def translate(options: argparse.Namespace) -> None:
    from emoji_lib.runs.record import find_run, read_record
    from emoji_lib.show import sampler

    paths = [Path(given).expanduser() for given in options.images]
    out = Path(options.out).expanduser()
    if lost := [path for path in paths if (out / f"{path.stem}.png").resolve() == path.resolve()]:
        raise BadInput(f"the translation of {lost[0]} would take its place; give another folder than --out {out}")
    run = find_run(options.run or sampler.TRANSLATES, sampler.WEIGHTS)
    images = sampler.translate(run, paths)
    files = sampler.save(images, "RGBA", out, names=[path.stem for path in paths])
    if options.json:
        pairs = [{"image": str(path), "file": str(file)} for path, file in zip(paths, files, strict=True)]
        print(json.dumps({"run": run.name, "translations": pairs}, indent=2, ensure_ascii=False))
        return
    learned = read_record(run).get("parameters", {}).get("selection", "faces of its own")
    print(f"{len(files)} RGBA PNGs in {out}/, by {run.name}")
    print(f"it has learned from {learned}; expect little of pictures that look otherwise")


def evaluate(options: argparse.Namespace) -> None:
    from emoji_lib.files import write_whole
    from emoji_lib.measure import protocol
    from emoji_lib.runs.record import read_record, write_record
    from emoji_lib.show import report, sampler

    seen, reference, run = sampler.target(options.target, options.n, options.seed, options.reference)
    if options.keep and run is None:
        raise BadInput(f"--keep writes into a run's record, and {options.target} is a folder of pictures")
    judged = protocol.evaluate(seen, reference) | {"seed": options.seed}
    rows = {options.target: judged}
    if not options.alone:
        rows |= protocol.reference_rows(reference)
    if options.keep:
        record = read_record(run)
        record["scores"].pop("inception", None)  # which few samples leave out
        write_record(run, record | {"scores": record["scores"] | judged})
    if options.panel:
        panel = sampler.nearest_panel(seen, reference)
        write_whole(Path(options.panel), lambda partial: panel.save(partial, "png"))
    print(json.dumps(rows, indent=2, ensure_ascii=False) if options.json else report.text(rows))


def encoders(options: argparse.Namespace) -> None:
    from emoji_lib.tools import train_encoders

    out = Path(options.out).expanduser() if options.out else train_encoders.FOLDER
    for name, path in train_encoders.train(out, options.steps or train_encoders.STEPS).items():
        print(f"{name}: {path}")


def table(options: argparse.Namespace) -> None:
    from emoji_lib.files import write_whole
    from emoji_lib.runs import table as results

    files = results.updated()
    stale = {path: new for path, (old, new) in files.items() if old != new}
    if options.check and stale:
        names = ", ".join(str(path.relative_to(results.ROOT)) for path in stale)
        raise BadInput(f"stale against results/: {names}; `python -m emoji_lib table` renews it")
    for path, new in stale.items():
        write_whole(path, lambda partial, new=new: partial.write_text(new, encoding="utf-8"))
        print(f"{path.relative_to(results.ROOT)}: renewed")
    if not stale:
        print("the README's results table and results/README.md are in step with results/")


def missing(options: argparse.Namespace) -> None:
    from emoji_lib.runs import missing as lacking

    out = Path(options.out).expanduser().resolve() if options.out else lacking.RESULTS
    if options.minutes < 0 or options.jobs < 1:
        raise BadInput(f"--minutes {options.minutes:g} must not be negative and --jobs {options.jobs} at least 1")
    again = bool(options.names)  # whoever names it wants it
    lacks = [name for name, _ in lacking.waiting(out, options.names, again=again)]
    print(f"lacking {len(lacks)}: {', '.join(lacks) or 'nothing'}", flush=True)
    chosen = {"names": options.names, "device": options.device, "minutes": options.minutes, "jobs": options.jobs}
    ended = lacking.run_missing(out, **chosen, again=again)
    for name in lacks:
        print(f"  {name:<18} {ended.get(name, 'not begun: the time was used')}")
    if "failed" in ended.values():
        raise RunFailed("some runs failed; their records say why")


def sweep(options: argparse.Namespace) -> None:
    from emoji_lib.runs import missing as lacking
    from emoji_lib.runs import sweep as sweeps

    out = Path(options.out).expanduser().resolve() if options.out else lacking.RESULTS
    if options.jobs < 1:
        raise BadInput(f"--jobs {options.jobs} is not at least 1")
    rows = list(sweeps.states(options.name, out))
    for row, state, seconds in rows:
        about = "" if seconds is None else f"  about {seconds / 60:.1f} min"
        print(f"{row.name:<28} {state:<11} {row.about}{about}")
    times = [seconds for _, _, seconds in rows if seconds is not None]
    if times:
        print(f"to run: {len(times)}, about {sum(times) / 60 / options.jobs:.0f} min with {options.jobs} at a time")
    if options.dry_run:
        return
    ended = lacking.run_missing(out, names=[row.name for row, _, _ in rows], device=options.device, jobs=options.jobs)
    for name, state in ended.items():
        print(f"  {name:<28} {state}")
    if "failed" in ended.values():
        raise RunFailed("some runs failed; their records say why, and the others went on")


def search(options: argparse.Namespace) -> None:
    from emoji_lib.runs import search as searches

    if options.trials < 1 or options.jobs < 1:
        raise BadInput(f"--trials {options.trials} and --jobs {options.jobs} must be at least 1")
    study = searches.open_study(options.name, options.storage)
    searches.work_together(options.name, options.trials, options.storage, options.jobs)
    print(searches.text(study))


def fetch_sets(options: argparse.Namespace) -> None:
    from emoji_lib.tools import emoji_sets

    out = Path(options.out).expanduser()
    for name, count in emoji_sets.fetch(out, options.vendors).items():
        print(f"{out / name}/: {count:,} pictures")


def bench(options: argparse.Namespace) -> None:
    from emoji_lib.tools import bench as speed
    from emoji_lib.train.device import pick

    rows = []
    for row in speed.bench(options.batch, options.features, pick(options.device)):
        rows.append(row)
        if not options.json:
            print(
                f"batch {row['batch']:>4}: plain loop {row['reference_images_per_second']:,.0f} images/s, "
                f"ours {row['images_per_second']:,.0f}, ratio {row['ratio']:.2f}, {row['peak_share']:.0%} of peak",
                flush=True,
            )
            parts = ", ".join(f"{name} {share:.0%}" for name, share in row["split"].items())
            print(f"            of our time: {parts}", flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(f"features {options.features}, {rows[0]['device']}")
