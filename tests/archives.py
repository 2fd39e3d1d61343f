"""What is published: the wheel is the package, and the sdist is all that lies here.

python tests/archives.py build dist     makes both anew, as `python -m build` does
python tests/archives.py check dist     compares them with the files that Git knows
python tests/archives.py unpack FOLDER  makes an sdist, whose tests run in FOLDER
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Of no use without the machines that it is for.
NOT_PUBLISHED = ".ci/"


def sources():
    """The files of this folder that Git knows, or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    names = {name for name in said.stdout.splitlines() if (ROOT / name).is_file()}
    return {name for name in names if not name.startswith(NOT_PUBLISHED)}


def the_only(folder, pattern):
    """The one file of a pattern."""
    (found,) = Path(folder).glob(pattern)
    return found


def build(folder):
    """An sdist, and a wheel made from it."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--outdir", folder, str(ROOT)]
    subprocess.run(command, check=True)


def check(folder):
    """The wheel is the package with its metadata; the sdist lacks nothing.

    Links of the description lead somewhere from the index too.
    """
    with zipfile.ZipFile(the_only(folder, "*.whl")) as wheel:
        in_wheel = set(wheel.namelist())
        (described,) = (name for name in in_wheel if name.endswith("/METADATA"))
        links = re.findall(r"\]\(([^)]*)", wheel.read(described).decode())
    with tarfile.open(the_only(folder, "*.tar.gz")) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()} - {"PKG-INFO"}
    package = {name for name in sources() if name.startswith("keras_initx/")}
    metadata = {name for name in in_wheel if ".dist-info/" in name}
    assert in_wheel - metadata == package, sorted((in_wheel - metadata) ^ package)
    assert "keras_initx/py.typed" in package
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)
    assert links
    assert all(link.startswith("https://") for link in links), links
    assert in_sdist == sources(), sorted(in_sdist ^ sources())
    assert {"tests/test_contract.py", "docs/verdicts.md"} <= in_sdist


def unpack(folder):
    """An sdist, without the folder of its name and version."""
    with tempfile.TemporaryDirectory() as made:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist"]
        subprocess.run([*command, "-d", made], cwd=ROOT, check=True)
        with tarfile.open(the_only(made, "*.tar.gz")) as sdist:
            for member in sdist.getmembers():
                member.name = member.name.partition("/")[2]
                sdist.extract(member, folder, filter="data")


if __name__ == "__main__":
    job, place = sys.argv[1:]
    {"build": build, "check": check, "unpack": unpack}[job](place)
