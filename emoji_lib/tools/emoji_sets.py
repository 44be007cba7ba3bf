"""Several vendors' designs of the same emoji, fetched on demand for the multi-set experiments."""

import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from emoji_lib import BadInput, RunFailed
from emoji_lib.data.unicode import identify
from emoji_lib.files import write_whole

VERSION = "16.0.0"  # of the npm packages emoji-datasource-VENDOR
LICENCES = {
    "google": "Noto Emoji, Apache License 2.0 (fonts: SIL Open Font License 1.1)",
    "twitter": "Twemoji, CC-BY 4.0",
    "facebook": "no licence is given for these graphics: for private study alone",
    "apple": "owned by Apple, no licence is given: for private study alone",
}
FREE = ("google", "twitter")
SETS = {
    "people": lambda one: one.group == "People & Body",
    "no-flags-no-symbols": lambda one: one.group not in ("", "Flags", "Symbols", "Component"),
}


def fetch(out: Path, vendors: Iterable[str] = FREE) -> Counter:
    """Fill `out/people` and `out/no-flags-no-symbols` with the vendors' 64×64 PNGs without skin tones; counts by set.

    Raises `BadInput` for an unknown vendor or where npm is missing, and `RunFailed` where it cannot fetch.
    """
    counts, vendors = Counter(), list(vendors)
    if unknown := [vendor for vendor in vendors if vendor not in LICENCES]:
        raise BadInput(f"unknown vendor {unknown[0]!r}: {', '.join(LICENCES)}")
    for vendor in vendors:
        with tempfile.TemporaryDirectory(prefix="emoji-") as place:
            print(f"{vendor}: {LICENCES[vendor]}", flush=True)
            counts += unpack(_packed(vendor, Path(place)), vendor, out)
    return counts


def _packed(vendor: str, place: Path) -> Path:
    command = ["npm", "pack", "--silent", f"emoji-datasource-{vendor}@{VERSION}", "--pack-destination", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise BadInput("npm is missing, which fetches the emoji sets; it comes with Node.js") from None
    except subprocess.CalledProcessError as error:
        raise RunFailed(f"npm could not fetch emoji-datasource-{vendor}: {error.stderr.strip()[-300:]}") from error
    return next(place.glob("*.tgz"))


def unpack(package: Path, vendor: str, out: Path) -> Counter:
    """The pictures of one npm package into the sets they belong to."""
    counts = Counter()
    with tarfile.open(package) as files:
        for member in files:
            path = Path(member.name)
            if path.parent != Path("package", "img", vendor, "64") or path.suffix != ".png":
                continue
            code = "-".join(point.lstrip("0") for point in path.stem.split("-"))  # packages write leading zeros
            one, content = identify(code), files.extractfile(member).read()
            for name, rule in SETS.items():
                if not one.tone and rule(one):
                    (out / name).mkdir(parents=True, exist_ok=True)
                    target = out / name / f"{vendor}-{path.stem}.png"
                    write_whole(target, content)
                    counts[name] += 1
    return counts
