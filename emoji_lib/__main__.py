"""The command line: `python -m emoji_lib COMMAND`."""

import argparse
import signal
import sys

from emoji_lib import BadInput, RunFailed, commands


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m emoji_lib", description="A laboratory for emoji GANs.")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(action, name: str, about: str, example: str) -> argparse.ArgumentParser:
        text = f"example: python -m emoji_lib {example}"
        one = subparsers.add_parser(name, help=about, description=about, epilog=text)
        one.set_defaults(action=action)
        return one

    one = command(
        commands.data,
        "data",
        "where the emoji come from, how many there are, their hash and the selections",
        "data --json",
    )
    one.add_argument("folder", nargs="?", help="a folder of your own PNGs instead of Twemoji")
    one.add_argument("--json", action="store_true", help="print facts for machines")

    one = command(commands.list_experiments, "list", "every experiment, its state and newest run", "list")
    one.add_argument("--json", action="store_true", help="print facts for machines")

    one = command(
        commands.run,
        "run",
        "run an experiment: its notebook in a fresh kernel",
        "run 02-quick -p selection 🥸+😎 -p steps 500",
    )
    one.add_argument("name", help="an experiment of `list`")
    one.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="change a parameter of the notebook",
    )
    one.add_argument("--seed", type=int, help="the same as -p seed N")
    one.add_argument(
        "--out", help="where the run's folder is made (default: runs/, which git ignores; results/ keeps it)"
    )

    one.add_argument(
        "--board", action="store_true", help="write TensorBoard events into the run's folder (board/) while it goes on"
    )
    one.add_argument("--resume", action="store_true", help="go on with the newest run that is not finished")

    one = command(
        commands.store,
        "store",
        "put a run's executed notebook, outputs included, into notebooks/",
        "store 02-quick",
    )
    kept = "a run's folder or name, or an experiment (its newest run); finished, with no parameter changed"
    one.add_argument("runs", nargs="+", metavar="RUN", help=kept)

    one = command(
        commands.sample,
        "sample",
        "draw from a trained generator: PNGs with transparency",
        "sample 02-quick --n 16 --seed 0 --out faces",
    )
    one.add_argument("run", metavar="RUN", help="a run's folder or name, or an experiment (its newest run)")
    one.add_argument("--n", type=int, default=16, help="how many (default: 16)")
    one.add_argument("--seed", type=int, default=0, help="the seed of the latents (default: 0)")
    one.add_argument("--out", default="samples", help="a folder for the PNGs (default: samples)")

    one = command(
        commands.draw,
        "draw",
        "emoji for a phrase: PNGs with transparency, and all of them on one sheet",
        'draw "happy cat" --n 8',
    )
    one.add_argument("phrase", metavar="TEXT", help="what to draw, in a few words or emoji")
    one.add_argument("--n", type=int, default=8, help="how many (default: 8)")
    one.add_argument("--seed", type=int, default=0, help="the seed of the noise (default: 0)")
    one.add_argument(
        "--truncation", type=float, default=1.0, help="how far the noise reaches: 0 is the typical picture (default: 1)"
    )
    one.add_argument("--run", default="", help="draw with this run of notebook 06 (default: the newest of 06-phrases)")
    one.add_argument("--out", default="drawn", help="a folder for the PNGs (default: drawn)")
    one.add_argument("--json", action="store_true", help="print facts for machines")

    one = command(
        commands.translate,
        "translate",
        "a face to its cartoon, for any PNG or JPEG",
        "translate face.png --out cartoons",
    )
    one.add_argument("images", nargs="+", metavar="IMAGE", help="PNGs or JPEGs of faces that fill the picture")
    one.add_argument(
        "--run", default="", help="translate with this run of notebook 07 (default: the newest of 07-long)"
    )
    one.add_argument("--out", default="cartoons", help="a folder for the PNGs (default: cartoons)")
    one.add_argument("--json", action="store_true", help="print facts for machines")

    one = command(
        commands.evaluate,
        "evaluate",
        "scores of a run, or of any folder of PNGs, beside rows to read them by",
        "evaluate 02-quick --panel neighbours.png",
    )
    one.add_argument("target", metavar="TARGET", help="a run's folder or name, an experiment, or a folder of PNGs")
    one.add_argument(
        "--reference", default="", help="the real pictures (default: what the run learned from; all:train)"
    )
    one.add_argument("--n", type=int, default=2000, help="how many samples at most (default: 2000)")
    one.add_argument("--seed", type=int, default=0, help="the seed of the samples (default: 0)")
    one.add_argument("--alone", action="store_true", help="leave out the reference rows")
    one.add_argument("--panel", metavar="PNG", help="draw the samples nearest to training pictures above these")
    one.add_argument("--keep", action="store_true", help="write the scores into the run's record")
    one.add_argument("--json", action="store_true", help="print facts for machines")

    one = command(
        commands.encoders,
        "encoders",
        "train the encoders that scores are taken in, again (half an hour)",
        "encoders --out enc",
    )
    one.add_argument("--out", help="a folder for the weights (default: those in use)")
    one.add_argument("--steps", type=int, default=0, help="training steps of each (default: 1500)")

    one = command(commands.table, "table", "write the README's results table from the kept runs", "table --check")
    one.add_argument("--check", action="store_true", help="change nothing; fail when the table is stale")

    one = command(
        commands.missing, "missing", "run whatever the log still lacks, longest-waiting first", "missing --minutes 30"
    )
    one.add_argument("names", nargs="*", metavar="NAME", help="only these experiments, also where they failed before")
    one.add_argument("--device", default="", help="auto, cpu or cuda, instead of what the experiments say")
    one.add_argument(
        "--minutes", type=float, default=0.0, help="stop by then; what is cut off goes on at the next call"
    )
    one.add_argument("--jobs", type=int, default=1, help="how many side by side (default: 1)")
    one.add_argument("--out", help="where the runs' folders are (default: results/)")

    one = command(
        commands.sweep,
        "sweep",
        "the runs of a sweep that are not there yet",
        "sweep deep-emoji-sweep-quick --jobs 2 --dry-run",
    )
    one.add_argument("name", metavar="NAME", help="a sweep of notebooks/experiments.yaml")
    one.add_argument("--jobs", type=int, default=1, help="how many side by side (default: 1)")
    one.add_argument("--device", default="", help="auto, cpu or cuda, instead of what the experiments say")
    one.add_argument("--out", help="where the runs' folders are (default: results/)")
    one.add_argument("--dry-run", action="store_true", help="only say what would run, and about how long")

    one = command(
        commands.search,
        "search",
        "search settings with Optuna; more workers may join",
        "search deep-emoji-search --trials 20",
    )
    one.add_argument("name", metavar="NAME", help="an experiment that says what to search")
    one.add_argument("--trials", type=int, default=20, help="stop when so many ended or collapsed (default: 20)")
    one.add_argument("--jobs", type=int, default=1, help="workers to start here (default: 1)")
    one.add_argument("--storage", default="", help="a journal file or database URL to share (default: in runs/)")

    one = command(
        commands.fetch_sets,
        "sets",
        "fetch several vendors' designs for the multi-set experiments (by npm)",
        "sets --out sets",
    )
    one.add_argument("--out", default="sets", help="a folder for them (default: sets, which git ignores)")
    one.add_argument("--vendors", nargs="+", default=["google", "twitter"], help="default: google twitter")

    one = command(commands.bench, "bench", "training speed beside a plain loop, in one process", "bench --batch 5 64")
    one.add_argument("--batch", type=int, nargs="+", default=[5, 64, 256], help="batch sizes (default: 5 64 256)")
    one.add_argument("--features", type=int, default=64, help="feature maps next to the picture (default: 64)")
    one.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    one.add_argument("--json", action="store_true", help="print rows for machines")
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that what runs side by side is stopped too
        if signal.getsignal(number) == signal.SIG_DFL:  # under nohup it is not
            signal.signal(number, signal.default_int_handler)
    try:
        options.action(options)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"\n{stopped or 'stopped'}", file=sys.stderr)
        return 130
    except (RunFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
