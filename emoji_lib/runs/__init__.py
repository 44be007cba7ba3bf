"""Run folders and records, experiments, papermill runs, the queue, the README's tables."""

FIRST = ["folder", "experiment", "notebook", "seed", "status", "commit", "dirty", "started", "seconds", "device"]
FIRST += ["steps", "images_seen"]


def frame(*places):
    """All records in `results/` and `runs/`, or in `places`, as a DataFrame: a row for each run, oldest first.

    Nested facts have dotted names, such as `parameters.batch_size` and `scores.contrast.kid`.
    """
    import pandas as pd  # here, since most commands do without it

    from emoji_lib.runs import record

    runs = record.runs_in(*(places or (record.RESULTS, record.RUNS)))
    rows = [one | {"folder": str(folder), "dirty": record.dirty(one)} for folder, one in runs]
    table = pd.json_normalize(rows)
    return table.reindex(columns=[*FIRST, *table.columns.difference(FIRST, sort=False)])
